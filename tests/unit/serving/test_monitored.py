"""The last run is shown as it is stored; a store that is down leaves what was known."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from clinical_ner.core.params import Action
from clinical_ner.monitoring.gauges import ACTIONS
from clinical_ner.serving import metrics
from clinical_ner.serving.monitored import LastRun
from clinical_ner.serving.store import StoreDownError

RUN = {
    "created_at": datetime(2026, 3, 1, tzinfo=UTC),
    "verdict": "alert",
    "distance": 1.5,
    "separation": 0.7,
    "notes": 300,
    "mean_confidence": 0.9,
    "judged": 40,
    "agreement": 0.8,
    "actions": ["log", "alert"],
}


class AtOnce(Executor):
    """Runs what it is given before it returns."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class Runs:
    """Stands for a store with these runs to give, one after the other; an error is raised."""

    def __init__(self, *runs: Any) -> None:
        self._runs = list(runs)

    def last_run(self) -> Any:
        run = self._runs.pop(0)
        if isinstance(run, Exception):
            raise run
        return run


def shown(*runs: Any) -> dict[str, float]:
    """The gauges after as many looks as there are runs."""
    last = LastRun(Runs(*runs), AtOnce())  # type: ignore[arg-type]
    for _ in runs:
        last.refresh()
    return {"/".join([of.name, *of.labels.values()]): of.value for family in last.collect() for of in family.samples}


def test_a_run_is_shown_with_its_verdict_as_a_number_and_its_time() -> None:
    found = shown(RUN)

    assert found["clinical_ner_drift_verdict"] == 2
    assert found["clinical_ner_drift_distance"] == 1.5
    asked = {name: value for name, value in found.items() if name.startswith("clinical_ner_monitoring_action/")}
    assert asked == {f"clinical_ner_monitoring_action/{n}": n in {"log", "alert"} for n in ACTIONS}
    assert found["clinical_ner_agreement_f1"] == 0.8
    assert found["clinical_ner_monitoring_last_run_timestamp_seconds"] == 1772323200


def test_what_a_policy_can_name_is_shown() -> None:
    assert get_args(Action) == ACTIONS


def test_a_row_without_actions_breaks_no_scrape() -> None:
    assert shown(RUN | {"actions": None})["clinical_ner_monitoring_action/alert"] == 0


def test_before_the_first_run_nothing_is_shown() -> None:
    assert shown(None) == {}


def test_an_agreement_that_nobody_could_judge_is_not_shown() -> None:
    assert "clinical_ner_agreement_f1" not in shown(RUN | {"agreement": None})


def test_a_store_that_is_down_leaves_what_was_last_known() -> None:
    assert shown(RUN, StoreDownError("as told"))["clinical_ner_drift_verdict"] == 2


def test_the_exposition_has_the_run_and_the_services_own_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(metrics.FOLDER, raising=False)
    last = LastRun(Runs(RUN), AtOnce())  # type: ignore[arg-type]
    last.refresh()

    told = metrics.exposition(last).decode()

    assert "clinical_ner_drift_verdict 2.0" in told
    assert "clinical_ner_notes_total" in told
