"""The two taggers are compared under the same conditions, whatever the machine does meanwhile."""

from __future__ import annotations

from typing import cast

import pytest

from clinical_ner.ner.tagger import Tagger
from clinical_ner.promotion import speed

TEXTS = ["Asthma .", "Gout ."]  # two tokens each


class Machine:
    """Its clock is that of its processor; from one moment on it is slower."""

    def __init__(self, slow_after: float = 1e9) -> None:
        self.now = 0.0
        self.slow_after = slow_after
        self.read: list[str] = []

    def clock(self) -> float:
        return self.now

    def tagger(self, name: str, seconds: float) -> Tagger:
        machine = self

        class Slow:
            def tag(self, text: str) -> None:
                machine.read.append(f"{name}:{text}")
                machine.now += seconds * (1 if machine.now < machine.slow_after else 3)

        return cast(Tagger, Slow())


def test_speed_is_tokens_per_second_of_each() -> None:
    machine = Machine()

    found = speed.measure(machine.tagger("new", 0.5), machine.tagger("old", 0.25), TEXTS, 3, machine.clock)

    assert found == (4.0, 8.0, 0.5)


def test_a_first_model_has_no_ratio() -> None:
    machine = Machine()

    assert speed.measure(machine.tagger("new", 0.5), None, TEXTS, 3, machine.clock) == (4.0, None, None)


def test_they_take_turns_at_every_text_and_in_who_begins() -> None:
    machine = Machine()

    speed.measure(machine.tagger("new", 1.0), machine.tagger("old", 1.0), TEXTS, 2, machine.clock)

    one, other = TEXTS
    first = [f"new:{one}", f"old:{one}", f"new:{other}", f"old:{other}"]
    second = [f"old:{one}", f"new:{one}", f"old:{other}", f"new:{other}"]
    assert machine.read == first + second


def test_a_machine_that_becomes_slow_within_a_round_slows_both() -> None:
    machine = Machine(slow_after=100.0)

    found = speed.measure(machine.tagger("new", 1.0), machine.tagger("old", 1.0), TEXTS * 50, 1, machine.clock)

    assert found.ratio == pytest.approx(1.0)
