"""What came of an ingest in counts: for people, for programs and for Prometheus; no word of a note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily

from clinical_ner.core import prometheus
from clinical_ner.intake.contract import Reason
from clinical_ner.intake.folder import Taken

OUTCOMES = ("kept", "known", "quarantined")


def report(taken: Sequence[Taken]) -> dict[str, Any]:
    """The counts of all files, and of each."""
    return {
        **_counts(taken),
        "reasons": dict(sorted(sum((one.admission.reasons for one in taken), Counter[str]()).items())),
        "files": [
            {"file": one.file, "sha256": one.sha256, **_counts([one])}
            | {"reasons": dict(sorted(one.admission.reasons.items())), "unreadable": one.unreadable}
            for one in taken
        ],
    }


def _counts(taken: Iterable[Taken]) -> dict[str, int]:
    taken = list(taken)
    return {
        "kept": sum(len(one.admission.kept) for one in taken),
        "known": sum(one.admission.known for one in taken),
        "quarantined": sum(len(one.admission.quarantined) for one in taken),
        "unreadable_files": sum(one.unreadable is not None for one in taken),
    }


def exposition(found: dict[str, Any], at: datetime) -> str:
    """The counts as Prometheus's text format, for the textfile collector of its node exporter.

    All outcomes and reasons are there, also at 0: a series that is missing cannot be compared with anything.
    """
    return prometheus.exposition(
        prometheus.gauge(
            "clinical_ner_ingest_rows",
            "Rows of the last ingest by what came of them.",
            [({"outcome": name}, found[name]) for name in OUTCOMES],
        ),
        prometheus.gauge(
            "clinical_ner_ingest_quarantined_rows",
            "Rows that the last ingest put into quarantine, by reason.",
            [({"reason": reason.value}, found["reasons"].get(reason.value, 0)) for reason in Reason],
        ),
        GaugeMetricFamily(
            "clinical_ner_ingest_unreadable_files",
            "Files of the last ingest that could not be read to their end.",
            value=found["unreadable_files"],
        ),
        GaugeMetricFamily(
            "clinical_ner_ingest_finished_timestamp_seconds", "When the last ingest ended.", value=at.timestamp()
        ),
    )
