"""What corrections say of the model, and when they say nothing."""

from __future__ import annotations

from datetime import datetime

import pytest

from clinical_ner.core.params import DriftParams
from clinical_ner.monitoring.feedback import Judged
from clinical_ner.monitoring.policy import with_labels


def notes(count: int, right: int, found: int, gold: int) -> list[Judged]:
    return [Judged(datetime(2026, 1, 1), right, found, gold)] * count  # noqa: DTZ001


def test_an_f1_that_a_few_hard_notes_have_put_below_is_no_decline(knobs: DriftParams) -> None:
    said = with_labels(notes(27, 1, 1, 1) + notes(3, 0, 10, 10), knobs)

    assert said["f1"] < knobs.alert_agreement < knobs.watch_agreement < said["f1_high"]
    assert (said["verdict"], said["reasons"]) == ("none", [])


@pytest.mark.parametrize(("right", "verdict"), [(9, "none"), (8, "watch"), (7, "alert")])
def test_the_graver_the_more_of_the_interval_is_below(knobs: DriftParams, right: int, verdict: str) -> None:
    said = with_labels(notes(30, right, 10, 10), knobs)

    assert said["f1_low"] == said["f1"] == said["f1_high"] == right / 10
    assert said["verdict"] == verdict
    assert bool(said["reasons"]) == (verdict != "none")


@pytest.mark.parametrize("silent", [0, 100])
def test_few_notes_in_which_there_is_something_to_judge_say_nothing(knobs: DriftParams, silent: int) -> None:
    few, enough = (notes(silent, 0, 0, 0) + notes(knobs.min_judged - less, 0, 1, 0) for less in (1, 0))

    said = with_labels(few, knobs)

    assert (said["verdict"], said["f1"], said["f1_low"], said["f1_high"]) == ("none", None, None, None)
    assert said["judged"] == said["invented"] == knobs.min_judged - 1
    assert with_labels(enough, knobs)["verdict"] == "alert"
