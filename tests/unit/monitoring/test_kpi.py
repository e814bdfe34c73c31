from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.params import KpiParams
from clinical_ner.monitoring import kpi
from clinical_ner.monitoring.kpi import ASSUMED, MEASURED, NOT_MEASURED, Evidence, Figure, Release, Traffic

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=30)
PARAMS = KpiParams(
    seed=1,
    resamples=200,
    confidence=0.95,
    currency="EUR",
    machine_cost_per_hour=0.5,
    staff_cost_per_hour=60.0,
    manual_minutes_per_note=5.0,
    review_share=0.1,
    review_minutes_per_note=2.0,
    availability_target=0.99,
)
GOUT, ASTHMA = [0, 4, "DISEASE"], [10, 16, "DISEASE"]
NOTHING = Evidence(SINCE, UNTIL, [], [], [], [], None, None)


def read_at(hours: float, milliseconds: float = 2.0) -> dict[str, Any]:
    return {"created_at": UNTIL - timedelta(hours=hours), "milliseconds": milliseconds}


def judged(prediction: int, predicted: Any, gold: Any, *, days: float = 1, rating: int | None = None) -> dict[str, Any]:
    spans = gold and [dict(zip(("start", "end", "label"), span, strict=True)) for span in gold]
    at = UNTIL - timedelta(days=days)
    return {"prediction_id": prediction, "created_at": at, "rating": rating, "spans": spans, "predicted": predicted}


def figures(evidence: Evidence, title: str) -> dict[str, Figure]:
    found = next(each for each in kpi.indicators(evidence, PARAMS) if each.title.startswith(title))
    return {figure.name: figure for figure in found.figures}


def given_that(**known: Any) -> Evidence:
    return Evidence(**{**vars(NOTHING), **known})


def test_there_are_eight_and_without_evidence_nothing_is_called_measured() -> None:
    found = kpi.indicators(NOTHING, PARAMS)

    assert len(found) == 8
    assert {figure.basis for each in found for figure in each.figures} == {NOT_MEASURED, ASSUMED}
    assert all(each.figures[0] == each.figures[0]._replace(value=None, basis=NOT_MEASURED) for each in found)


def test_times_are_of_the_store_and_the_time_by_hand_is_an_assumption() -> None:
    found = figures(given_that(predictions=[read_at(1, ms) for ms in range(1, 102)]), "Time")

    assert found["median"][1:6] == (51.0, "ms", MEASURED, kpi.STORE, 101)
    assert found["95th percentile"].value == pytest.approx(96.0)
    assert (found["by hand"].value, found["by hand"].basis) == (5.0, ASSUMED)
    assert found["times as fast as by hand"].value == pytest.approx(300_000 / 51)


def test_accuracy_adds_the_counts_of_the_judged_notes() -> None:
    feedback = [judged(1, [GOUT], [GOUT]), judged(2, [GOUT, ASTHMA], [GOUT]), judged(3, [GOUT], [GOUT, ASTHMA])]

    found = figures(given_that(feedback=feedback), "Accuracy")

    assert found["F1"].value == pytest.approx(6 / 8)
    assert found["precision"].value == pytest.approx(3 / 4)
    assert found["recall"].value == pytest.approx(3 / 4)
    assert {figure.n for figure in found.values()} == {3}


SPANS = st.lists(st.sampled_from([GOUT, ASTHMA, [0, 4, "TREATMENT"]]), unique_by=tuple)


@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=8))
def test_the_interval_of_the_accuracy_holds_within_0_and_1(readings: list[tuple[Any, Any]]) -> None:
    feedback = [judged(number, predicted, gold) for number, (predicted, gold) in enumerate(readings)]

    f1 = figures(given_that(feedback=feedback), "Accuracy")["F1"]

    assert f1.n == (sum(any(both) for both in readings) or None)
    if f1.n:
        assert f1.low is not None
        assert f1.high is not None
        assert 0 <= f1.low <= f1.high <= 1


def test_a_week_of_notes_in_which_nothing_is_to_be_found_has_no_f1() -> None:
    found = figures(given_that(feedback=[judged(1, [], [])]), "Precision")

    assert [figure.value for figure in found.values()] == [None]


def test_weeks_are_named_by_their_mondays_and_scored_by_themselves() -> None:
    monday, sunday, before = (datetime(2026, 2, day, 23, tzinfo=UTC) for day in (9, 15, 8))
    notes = [(monday, [GOUT], [GOUT]), (sunday, [ASTHMA], [GOUT]), (before, [], [GOUT])]
    feedback = [
        judged(number, predicted, gold) | {"created_at": at} for number, (at, predicted, gold) in enumerate(notes)
    ]

    found = figures(given_that(feedback=feedback), "Precision")

    assert {name: (figure.value, figure.n) for name, figure in found.items() if name.startswith("F1")} == {
        "F1, week of 2026-02-02": (0.0, 1),
        "F1, week of 2026-02-09": (0.5, 2),
    }


def test_live_notes_are_counted_from_the_first_to_the_end_of_the_window() -> None:
    evidence = given_that(predictions=[read_at(10), read_at(9.9), read_at(5)])

    found = figures(evidence, "Scalability")

    assert found["notes an hour"].value == pytest.approx(0.3)
    assert found["notes in the busiest hour"].value == 2


def test_a_benchmark_shows_throughput_by_clients_and_memory_by_volume() -> None:
    load = [{"connections": 1, "requests": 10, "requests_per_second": 500.0}]
    benchmark = {"load": load, "memory_mb": [80.0, 81.0, 82.0], "long_run_requests": 1000}

    found = figures(given_that(benchmark=benchmark), "Scalability")

    assert found["requests a second, 1 clients"].value == 500.0
    assert found["memory of a worker"].value == 80.0
    assert found["memory after 1000 requests"].value == 82.0


def test_costs_follow_from_the_parameters_and_the_notes_an_hour() -> None:
    evidence = given_that(predictions=[read_at(10), *(read_at(1) for _ in range(99))])

    found = {name: figure.value for name, figure in figures(evidence, "Cost").items()}

    assert found == {
        "1,000 notes": pytest.approx(50 + 200),  # 10 hours of the machine for 100 notes; 100 notes of 2 minutes
        "saving on 1,000 notes": pytest.approx(5000 - 250),
        "saving, share of the cost by hand": pytest.approx(0.95),
        "machine for 1,000 notes": pytest.approx(50),
        "1,000 notes by hand": pytest.approx(5000),
        "review of 1,000 notes": pytest.approx(200),
    }


def test_no_cost_is_called_measured() -> None:
    assert {figure.basis for figure in figures(given_that(predictions=[read_at(2)]), "Cost").values()} == {ASSUMED}


def test_satisfaction_is_of_the_last_rating_of_each_note() -> None:
    feedback = [judged(1, None, None, days=2, rating=1), judged(1, None, None, days=1, rating=5)]
    feedback += [judged(2, None, None, rating=3), judged(3, None, [], rating=None)]

    found = figures(given_that(feedback=feedback), "User")

    assert (found["mean rating"].value, found["mean rating"].n) == (4.0, 2)
    assert found["share of 4 and 5"].value == 0.5


@given(st.integers(1, 200).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_the_interval_of_a_share_holds_it_and_stays_within_0_and_1(counts: tuple[int, int]) -> None:
    part, whole = counts

    low, high = kpi.wilson(part, whole, 0.95)

    assert 0 <= low <= part / whole + 1e-9
    assert part / whole - 1e-9 <= high <= 1


def test_releases_tell_what_was_learnt_and_gained() -> None:
    releases = [
        Release("v1", UNTIL - timedelta(days=9), {}, None),
        Release("v2", UNTIL - timedelta(days=5), {"golden": 0.02}, 7),
        Release("v3", UNTIL - timedelta(days=1), {"golden": 0.04, "ours": 0.3}, 5),
    ]

    found = {name: (figure.value, figure.n) for name, figure in figures(given_that(releases=releases), "Adapt").items()}

    assert found["new terms learnt"] == (12, 2)
    assert found["F1 gained by a release, golden"] == (pytest.approx(0.03), 2)
    assert found["F1 gained by a release, ours"] == (0.3, 1)


def test_a_release_answers_the_first_alert_since_the_one_before() -> None:
    def at(days: float) -> datetime:
        return UNTIL - timedelta(days=days)

    runs = [
        {"created_at": at(days), "verdict": verdict}
        for days, verdict in ((20, "alert"), (12, "watch"), (8, "alert"), (7, "alert"), (1, "alert"))
    ]
    releases = [Release(name, at(days), {}, None) for name, days in (("v1", 30), ("v2", 15), ("v3", 10), ("v4", 5))]

    assert kpi.days_to_release(runs, releases) == [5.0, 3.0]


def test_the_error_budget_is_what_is_left_of_the_failures_allowed() -> None:
    found = figures(given_that(traffic=Traffic(1000, 900, 5)), "Integration")

    assert [figure.value for figure in found.values()] == pytest.approx([0.9, 0.995, 0.5])
    assert {figure.n for figure in found.values()} == {1000}


def test_without_requests_there_is_no_success_rate() -> None:
    found = figures(given_that(traffic=Traffic(0, 0, 0)), "Integration")

    assert {figure.basis for figure in found.values()} == {NOT_MEASURED}
