"""Corrections against predictions, by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.monitoring.feedback import Agreement, Judged, agreement, f1_interval, judged_notes, telling

GOUT, INSULIN = [0, 4, DISEASE], [10, 17, TREATMENT]


def said(predicted: Any, spans: Any, prediction: str = "p", at: int = 1) -> dict[str, Any]:
    corrected = spans and [dict(zip(("start", "end", "label"), span, strict=True)) for span in spans]
    return {"prediction_id": prediction, "created_at": at, "predicted": predicted, "spans": corrected}


def agreement_of(*feedback: dict[str, Any]) -> Agreement:
    return agreement(judged_notes(feedback))


def test_entities_are_confirmed_taken_back_and_missed() -> None:
    found = agreement_of(said([GOUT, INSULIN], [GOUT, [20, 26, DISEASE], [30, 36, DISEASE]]))

    assert found == Agreement(notes=1, confirmed=1, invented=1, missed=2)


@pytest.mark.parametrize("other", [[0, 5, DISEASE], [0, 4, TREATMENT]])
def test_another_boundary_or_label_is_no_agreement(other: list[Any]) -> None:
    assert agreement_of(said([GOUT], [other])) == Agreement(1, 0, 1, 1)


def test_the_last_word_on_a_prediction_counts_whatever_the_order_it_comes_in() -> None:
    both = [said([GOUT], [GOUT], at=2), said([GOUT], [], at=1)]

    assert agreement_of(*both) == agreement_of(*both[::-1]) == Agreement(1, 1, 0, 0)


def test_what_nobody_judged_or_no_prediction_is_known_of_is_left_out() -> None:
    assert agreement_of(said([GOUT], None, "a"), said(None, [GOUT], "b")) == Agreement(0, 0, 0, 0)


def test_counts_are_added_before_they_are_divided() -> None:
    many, none = said([GOUT, INSULIN], [GOUT, INSULIN], "a"), said([], [GOUT], "b")

    assert f1_interval(judged_notes([many, none]), 1, 100, 0.95).value == 0.8


def test_an_f1_has_an_interval_by_chance_of_the_notes() -> None:
    right, wrong = Judged(datetime(2026, 1, 1), 1, 1, 1), Judged(datetime(2026, 1, 1), 0, 1, 1)  # noqa: DTZ001

    same, few, many = (f1_interval(notes, 1, 500, 0.95) for notes in ([right] * 4, [right, wrong], [right, wrong] * 50))

    assert same == (1.0, 1.0, 1.0)
    assert few == (0.5, 0.0, 1.0)
    assert few.low < many.low < many.value == 0.5 < many.high < few.high
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.05, rel=0.15)  # of the share of 100 notes


def test_a_note_in_which_nothing_is_to_be_found_tells_nothing_unless_something_was() -> None:
    nothing, invented, missed = said([], [], "a"), said([GOUT], [], "b"), said([], [GOUT], "c")

    assert telling(judged_notes([nothing, invented, missed])) == judged_notes([invented, missed])
