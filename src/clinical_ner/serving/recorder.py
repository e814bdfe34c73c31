"""Predictions on their way to the store: written in the background, in batches, so that no request waits for it.

While the store is down they wait, as many as the queue holds; what does not fit is lost, and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json
from sqlalchemy import Uuid

from clinical_ner.serving import metrics
from clinical_ner.serving.logs import FIELDS, logger
from clinical_ner.serving.store import PREDICTIONS, RejectedError, Store, StoreDownError, UtcDateTime

BATCH = 100  # so many as objects at once take little memory
EVERY_SECONDS = 1.0  # more often costs those that answer more of their time
AGAIN_SECONDS = 1.0  # after a failure

OF_TYPE: dict[type, Callable[[str], Any]] = {Uuid: UUID, UtcDateTime: datetime.fromisoformat}
PARSED = {column.name: OF_TYPE[type(column.type)] for column in PREDICTIONS.c if type(column.type) in OF_TYPE}

Row = Mapping[str, Any]


class Recorder:
    """Takes rows from any thread, and writes them in one of its own.

    They wait as JSON: a thousand rows of many small objects each would be a large heap that is hardly touched, and
    every request would pay for memory that is not in the processor's cache.
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._stopping = threading.Event()
        self._down = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether rows are still written."""
        return self._thread.is_alive()

    def add(self, row: Row) -> None:
        """Let the row be stored soon; if too many wait already, count it as lost."""
        if len(self._waiting) < self._limit:
            self._waiting.append(to_json(row))
        else:
            metrics.LOST.inc()

    def stop(self) -> None:
        """Write what waits, if the store takes it; what it does not take is lost, and counted."""
        self._stopping.set()
        self._thread.join()
        while self._waiting and self._write():
            pass
        self._lose(len(self._waiting))
        self._waiting.clear()

    def _run(self) -> None:
        while not self._stopping.wait(AGAIN_SECONDS if self._down else EVERY_SECONDS):
            while self._waiting and self._write():
                pass
            metrics.WAITING.set(len(self._waiting))

    def _write(self) -> bool:
        """Write one batch; whether the store is up. Rows leave the queue only when their fate is known."""
        batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
        try:
            self._store.add_predictions([_row(content) for content in batch])
        except StoreDownError as error:
            self._failed("the store is down", error)
            self._down = True
            return False
        except RejectedError as error:
            self._failed("the store rejects predictions", error)
            self._lose(len(batch))
        except Exception as error:  # its message may hold rows, and this thread must live on
            metrics.STORE_FAILURES.labels("predictions").inc()
            logger.error("predictions cannot be written", extra={FIELDS: {"error.type": type(error).__name__}})
            self._lose(len(batch))
        for _ in batch:
            self._waiting.popleft()
        if self._down:
            logger.info("the store is up again")
        self._down = False
        return True

    def _failed(self, message: str, error: Exception) -> None:
        metrics.STORE_FAILURES.labels("predictions").inc()
        if not self._down:
            logger.warning("%s (%s); %d predictions wait", message, error, len(self._waiting))

    def _lose(self, rows: int) -> None:
        if rows:
            metrics.LOST.inc(rows)
            logger.warning("%d predictions are lost", rows)


def _row(content: bytes) -> dict[str, Any]:
    """The row that waited as JSON."""
    row: dict[str, Any] = from_json(content)
    return row | {name: parsed(row[name]) for name, parsed in PARSED.items()}
