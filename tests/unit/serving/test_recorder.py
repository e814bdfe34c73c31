"""Predictions reach the store in order and once, wait while it is down, and are counted where they are lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from clinical_ner.serving import recorder
from clinical_ner.serving.recorder import Recorder
from clinical_ner.serving.store import RejectedError, StoreDownError


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written but when the recorder stops, so that no test depends on the clock."""
    monkeypatch.setattr(recorder, "EVERY_SECONDS", 3600)


def lost() -> float:
    return REGISTRY.get_sample_value("clinical_ner_predictions_lost_total") or 0.0


def failures() -> float:
    return REGISTRY.get_sample_value("clinical_ner_store_failures_total", {"table": "predictions"}) or 0.0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "prediction_id": UUID(int=number),
            "created_at": datetime(2026, 11, 22, 12, 0, 0, 123 * number, tzinfo=UTC),
            "rate": number / 7,
            "key_id": None,
            "spans": [[0, number, "DISEASE"]],
        }
        for number in range(count)
    ]


def record(shelf: Any, given: list[dict[str, Any]], limit: int = 10_000) -> None:
    running = Recorder(shelf, limit)
    for row in given:
        running.add(row)
    running.stop()


@pytest.mark.parametrize("count", [0, 1, recorder.BATCH, 2 * recorder.BATCH + 1])
def test_every_row_is_stored_once_and_in_order(shelf: Any, count: int) -> None:
    record(shelf, rows(count))

    assert shelf.rows == rows(count)


def test_what_does_not_fit_into_the_queue_is_counted(shelf: Any) -> None:
    before = lost()

    record(shelf, rows(7), limit=5)

    assert shelf.rows == rows(5)
    assert lost() - before == 2


@pytest.mark.parametrize("failure", [StoreDownError, RejectedError])
def test_what_the_store_does_not_take_before_the_end_is_counted_and_said(
    shelf: Any, failure: type[StoreDownError], caplog: pytest.LogCaptureFixture
) -> None:
    shelf.failure, before = failure, lost()

    with caplog.at_level(logging.WARNING):
        record(shelf, rows(7))

    assert (shelf.rows, lost() - before) == ([], 7)
    assert "7 predictions are lost" in caplog.text


def test_an_unforeseen_failure_is_counted_without_its_message_and_the_next_rows_are_stored(
    shelf: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "EVERY_SECONDS", 0.01)
    (first, second), before = rows(2), (lost(), failures())
    shelf.failure = ZeroDivisionError
    running = Recorder(shelf, 10)
    running.add(first)
    wait_until(lambda: lost() > before[0])
    shelf.failure = None

    running.add(second)
    running.stop()

    assert shelf.rows == [second]
    assert (lost() - before[0], failures() - before[1]) == (1, 1)
    assert "ZeroDivisionError" in str([record.__dict__ for record in caplog.records])
    assert "as told" not in str([record.__dict__ for record in caplog.records])
