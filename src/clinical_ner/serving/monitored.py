"""The last monitoring run, for the board: read from the store in the background, so that no scrape waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from clinical_ner.monitoring.gauges import run_gauges
from clinical_ner.serving.store import Store, StoreDownError


class LastRun(Collector):
    """Gauges of the newest run that was read; each look asks for a newer one, which the next look shows."""

    def __init__(self, store: Store, executor: Executor) -> None:
        self._store = store
        self._executor = executor
        self._run: dict[str, Any] | None = None
        self._reading: Future[None] | None = None

    def refresh(self) -> None:
        """Begin to read the newest run, if that is not being done already."""
        if self._reading is None or self._reading.done():
            self._reading = self._executor.submit(self._read)

    def _read(self) -> None:
        try:
            self._run = self._store.last_run()
        except StoreDownError:
            return  # what was last known stays, and its time tells how old it is

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """A gauge a figure; none, before the first run."""
        yield from run_gauges(self._run) if self._run else ()
