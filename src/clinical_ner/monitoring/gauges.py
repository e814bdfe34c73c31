"""What Prometheus sees of a monitoring run; the service shows the last one, and so may import this without pandas."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily

from clinical_ner.core.prometheus import gauge

NONE, WATCH, ALERT = VERDICTS = ("none", "watch", "alert")
ACTIONS = ("log", "watch", "alert", "retrain")  # that a policy can name


def run_row(assessment: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """A row of `monitoring_runs` but for its id, its window and the report."""
    free, labelled = assessment["label_free"], assessment["labelled"]
    return {
        "created_at": at,
        "verdict": assessment["verdict"],
        "distance": free["share_of_limit"],
        "separation": free["partial_auc"],
        "notes": assessment["window"]["notes"],
        "mean_confidence": free["mean_confidence"],
        "judged": labelled["judged"],
        "agreement": labelled["f1"],
    }


def run_gauges(run: Mapping[str, Any]) -> list[GaugeMetricFamily]:
    """The gauges of a row of `monitoring_runs` with the `actions` of its report."""
    figures = {
        "clinical_ner_drift_verdict": ("0 none, 1 watch, 2 alert.", VERDICTS.index(run["verdict"])),
        "clinical_ner_drift_distance": ("Distance of the furthest figure, in its limit.", run["distance"]),
        "clinical_ner_drift_partial_auc": ("Partial AUC of telling the window from the reference.", run["separation"]),
        "clinical_ner_monitored_notes": ("Notes in the window.", run["notes"]),
        "clinical_ner_monitored_confidence": ("Mean confidence of the window.", run["mean_confidence"]),
        "clinical_ner_judged_notes": ("Notes of the window in which people judged entities.", run["judged"]),
        "clinical_ner_monitoring_last_run_timestamp_seconds": ("When it ended well.", run["created_at"].timestamp()),
        "clinical_ner_agreement_f1": ("Strict F1 against corrections.", run["agreement"]),
    }
    told = "1 if the policy asks for it because of the last run."
    actions = run["actions"] or ()  # null in a row that something else has written
    asked = [({"action": action}, float(action in actions)) for action in ACTIONS]
    return [
        gauge("clinical_ner_monitoring_action", told, asked),
        *(GaugeMetricFamily(name, told, value=value) for name, (told, value) in figures.items() if value is not None),
    ]
