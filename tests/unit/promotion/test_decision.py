from __future__ import annotations

import json

import pytest

from clinical_ner.core.params import PromoteParams
from clinical_ner.ner.bootstrap import Interval
from clinical_ner.promotion.comparison import WHOLE, Comparison, Row
from clinical_ner.promotion.decision import Decision, Speed, as_json, as_markdown, decide, summary

FAST = Speed(1000.0, 1000.0, 1.0)


def row(name: str, value: float, low: float, high: float) -> Row:
    return Row(name, 100, 0.9 + value, 0.9, Interval(value, low, high))


def comparison(name: str, *rows: Row) -> Comparison:
    return Comparison(name, "digest", 10, rows, 0)


def golden(value: float, low: float, high: float, *slices: Row) -> Comparison:
    return comparison("golden", row(WHOLE, value, low, high), *slices)


GAIN = golden(0.03, 0.01, 0.05)
SAME = comparison("other", row(WHOLE, 0.0, -0.01, 0.01))


def test_what_is_better_beyond_noise_and_nowhere_worse_is_promoted(params: PromoteParams) -> None:
    assert decide([GAIN, SAME], FAST, params) == Decision(
        True, ("golden: F1 0.900 -> 0.930, +0.030 (+0.010 to +0.050)",), ()
    )


@pytest.mark.parametrize("whole", [(0.03, 0.0, 0.06), (0.009, 0.001, 0.02), (0.0, 0.0, 0.0)])
def test_a_gain_within_noise_or_too_small_is_none(whole: tuple[float, float, float], params: PromoteParams) -> None:
    found = decide([golden(*whole)], FAST, params)

    assert not found.is_promoted
    assert found.reasons == ("no test set shows a gain of 0.01 or more beyond noise",)


@pytest.mark.parametrize(
    ("loss", "is_promoted"),
    [
        (row(WHOLE, -0.03, -0.05, -0.01), False),
        (row(WHOLE, -0.03, -0.07, 0.01), True),  # within noise
        (row(WHOLE, -0.02, -0.03, -0.01), True),  # tolerated
        (row("kind:consult", -0.06, -0.09, -0.01), False),
        (row("kind:consult", -0.05, -0.09, -0.01), True),  # tolerated of a slice
        (row("kind:consult", -0.06, -0.09, 0.0), True),  # within noise
    ],
)
def test_a_loss_counts_on_any_set_and_slice_when_it_is_beyond_noise_and_tolerance(
    loss: Row, is_promoted: bool, params: PromoteParams
) -> None:
    rows = [loss] if loss.name == WHOLE else [row(WHOLE, 0.0, -0.01, 0.01), loss]

    found = decide([GAIN, comparison("other", *rows)], FAST, params)

    assert found.is_promoted is is_promoted
    assert bool(found.reasons) is not is_promoted


def test_a_reason_names_the_set_the_slice_and_the_figures(params: PromoteParams) -> None:
    other = comparison("other", row(WHOLE, 0.0, -0.01, 0.01), row("kind:consult", -0.1, -0.2, -0.05))

    assert decide([GAIN, other], FAST, params).reasons == (
        "other, kind:consult: F1 0.900 -> 0.800, -0.100 (-0.200 to -0.050)",
    )


def test_what_reads_more_slowly_than_is_tolerated_is_refused(params: PromoteParams) -> None:
    assert decide([GAIN], Speed(790.0, 1000.0, 0.79), params).reasons == (
        "speed: 0.79 of the champion's, 0.8 is the least",
    )
    assert decide([GAIN], Speed(800.0, 1000.0, 0.8), params).is_promoted


def test_the_first_model_needs_the_floors_alone(params: PromoteParams) -> None:
    first = comparison("golden", Row(WHOLE, 100, 0.5, None, None))
    low = comparison("golden", Row(WHOLE, 100, 0.499, None, None))

    assert decide([first], Speed(1000.0, None, None), params).is_promoted
    assert decide([low], Speed(1000.0, None, None), params).reasons == ("golden: F1 0.499 is below 0.5",)


def test_the_floors_hold_against_a_champion_too(params: PromoteParams) -> None:
    demanding = params.model_copy(update={"least_f1": {"golden": 0.95}})

    assert decide([GAIN], FAST, demanding).reasons == ("golden: F1 0.930 is below 0.95",)


def test_a_set_with_a_floor_must_have_been_read(params: PromoteParams) -> None:
    other = comparison("other", row(WHOLE, 0.03, 0.01, 0.05))

    assert decide([other], FAST, params).reasons == ("golden: the test set that has a floor was not read",)


def test_the_summary_keeps_each_set_as_a_whole_and_is_json(params: PromoteParams) -> None:
    sliced = golden(0.03, 0.01, 0.05, row("kind:consult", 0.0, 0.0, 0.0))
    found = as_json([sliced], FAST, decide([sliced], FAST, params), {"stage": "prod"})

    kept = json.loads(json.dumps(summary(found)))

    assert list(found["sets"]["golden"]["slices"]) == [WHOLE, "kind:consult"]
    assert list(kept["sets"]["golden"]["slices"]) == [WHOLE]
    assert kept["promoted"] is True
    assert kept["sets"]["golden"]["slices"][WHOLE]["difference"] == {"value": 0.03, "low": 0.01, "high": 0.05}


def test_markdown_says_the_verdict_first_and_has_a_row_a_set_and_a_slice(params: PromoteParams) -> None:
    sliced = golden(0.0, -0.01, 0.01, row("kind:consult", 0.0, 0.0, 0.0))
    text = as_markdown([sliced], FAST, decide([sliced], FAST, params), "Model b against a")

    assert text.startswith("### Model b against a: refused\n\n- no test set shows a gain")
    assert "| golden | 100 | 0.9000 | 0.9000 | +0.0000 | -0.0100 | +0.0100 |" in text
    assert "| golden, kind:consult | 100 |" in text
