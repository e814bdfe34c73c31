"""What Prometheus sees of a monitoring run; the service shows the last one, and so may import this without pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NONE, WATCH, ALERT = VERDICTS = ("none", "watch", "alert")


def run_gauges(run: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """The gauges of a row of `monitoring_runs`."""
    found = {
        "clinical_ner_drift_verdict": ("0 none, 1 watch, 2 alert.", VERDICTS.index(run["verdict"])),
        "clinical_ner_drift_distance": ("Distance of the furthest figure, in its limit.", run["distance"]),
        "clinical_ner_drift_auc": ("Of telling the window from the reference.", run["separation"]),
        "clinical_ner_monitored_notes": ("Notes in the window.", run["notes"]),
        "clinical_ner_monitored_confidence": ("Mean confidence of the window.", run["mean_confidence"]),
        "clinical_ner_judged_notes": ("Notes of the window with corrections.", run["judged"]),
        "clinical_ner_monitoring_last_run_timestamp_seconds": ("When it ended well.", run["created_at"].timestamp()),
    }
    if run["agreement"] is not None:
        found["clinical_ner_agreement_f1"] = ("Strict F1 against corrections.", run["agreement"])
    return found
