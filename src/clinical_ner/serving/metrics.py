"""What Prometheus scrapes: of all workers together, and never a word of a note.

The label `route` is the route's own path and never the one asked for, so that a scan of paths makes no new series.
This module must be imported after BentoML has set PROMETHEUS_MULTIPROC_DIR, as it has in every worker.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from clinical_ner.core.span import LABELS
from clinical_ner.serving.contract import MOST_STARS

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1)
FEEDBACK_KINDS = ("rating", "spans", "both")
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 1)

REQUESTS = Counter("clinical_ner_requests", "Requests answered.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram("clinical_ner_request_seconds", "From first byte to last.", ["route"], buckets=SECONDS)
IN_HAND = Gauge("clinical_ner_requests_in_hand", "Requests being answered.", multiprocess_mode="livesum")
REJECTS = Counter("clinical_ner_rejects", "Requests refused, by the code of the error.", ["route", "code"])

NOTES = Counter("clinical_ner_notes", "Notes read.")
TOKENS = Counter("clinical_ner_tokens", "Tokens read.")
ENTITIES = Counter("clinical_ner_entities", "Entities found.", ["label"])
EMPTY = Counter("clinical_ner_empty_results", "Notes without any entity.")
CONFIDENCE = Histogram("clinical_ner_mean_confidence", "Mean confidence of a note's tags.", buckets=CONFIDENCES)
UNKNOWN = Histogram("clinical_ner_out_of_vocabulary_rate", "Share of a note's tokens never seen.", buckets=SHARES)

FEEDBACK = Counter("clinical_ner_feedback", "Feedback stored.", ["kind"])
RATINGS = Counter("clinical_ner_ratings", "Ratings given.", ["rating"])
STORE_FAILURES = Counter("clinical_ner_store_failures", "Writes to the store that failed.", ["table"])
LOST = Counter("clinical_ner_predictions_lost", "Predictions answered and not stored: the gap.")
WAITING = Gauge("clinical_ner_predictions_waiting", "Predictions not stored yet.", multiprocess_mode="livesum")
MODEL = Gauge(
    "clinical_ner_model_info", "The model that answers: 1.", ["version", "release"], multiprocess_mode="livemax"
)

# A series must be there before it grows, or its first step is seen by no rate.
for label in LABELS:
    ENTITIES.labels(label)
for table in ("predictions", "feedback"):
    STORE_FAILURES.labels(table)
for kind in FEEDBACK_KINDS:
    FEEDBACK.labels(kind)
for rating in range(1, MOST_STARS + 1):
    RATINGS.labels(str(rating))

_requests = cache(REQUESTS.labels)  # looking a series up costs more than counting
_request_seconds = cache(REQUEST_SECONDS.labels)


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count a request that has been answered, and how long it took."""
    _requests(route, method, status).inc()
    _request_seconds(route).observe(seconds)


FOLDER = "PROMETHEUS_MULTIPROC_DIR"
LIVE_FILE = re.compile(r"gauge_live\w+_(\d+)\.db")


def exposition(monitoring: Collector | None = None) -> bytes:
    """All figures of all workers, and those of the last monitoring run, in the text format of Prometheus."""
    own = CollectorRegistry()
    if monitoring:
        own.register(monitoring)
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY) + generate_latest(own)
    forget_the_dead()
    MultiProcessCollector(own)  # type: ignore[no-untyped-call]
    own.register(Memory())
    return generate_latest(own)


class Memory(Collector):
    """The memory of all workers at the moment of asking; what they share is counted for each."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge."""
        held = sum(_resident_bytes(pid) for pid in _workers())
        yield GaugeMetricFamily("clinical_ner_resident_memory_bytes", "Memory that the workers hold.", value=held)


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except FileNotFoundError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _workers() -> set[int]:
    """The process ids of all workers that have written gauges, the dead included until they are forgotten."""
    files = Path(os.environ[FOLDER]).glob("gauge_live*.db") if FOLDER in os.environ else ()
    return {int(found[1]) for file in files if (found := LIVE_FILE.fullmatch(file.name))}


def forget_the_dead() -> None:
    """Drop the gauges of workers that were killed: what they had in hand is in nobody's."""
    for pid in _workers():
        if Path(f"/proc/{pid}").exists():
            continue
        with suppress(FileNotFoundError):  # another worker was first
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
