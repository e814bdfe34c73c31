"""What a monitored window shows, with and without labels, and what is done about it by the written policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.figures import FIGURES
from clinical_ner.core.params import DriftParams
from clinical_ner.monitoring.drift import Comparison
from clinical_ner.monitoring.feedback import Judged, agreement, f1_interval, telling
from clinical_ner.monitoring.gauges import ALERT, NONE, VERDICTS, WATCH

EXIT_CODES = {WATCH: 10, ALERT: 20}  # of the actions that somebody has to hear of
RETRAIN = "retrain"
NAMED = 5  # figures beyond their limit that a reason lists


class Window(NamedTuple):
    """The notes that were looked at: from `since` to before `until`; the others are `left_out`."""

    since: datetime
    until: datetime
    notes: int
    left_out: int
    model_version: str | None  # that read them, if it is known


def assess(
    window: Window,
    batches: tuple[pd.DataFrame, pd.DataFrame],
    comparison: Comparison,
    judged: Sequence[Judged],
    params: DriftParams,
) -> dict[str, Any]:
    """What the witnesses say of reference and window, and the corrections, for JSON: the graver verdict holds."""
    free = label_free(batches, comparison)
    labelled = with_labels(judged, params)
    verdict = gravest([free["verdict"], labelled["verdict"]])
    return {
        "window": {**window._asdict(), "since": window.since.isoformat(), "until": window.until.isoformat()},
        "verdict": verdict,
        "actions": list(getattr(params.policy, verdict)),
        "reasons": [*free["reasons"], *labelled["reasons"]],
        "label_free": free,
        "labelled": labelled,
    }


def gravest(verdicts: Iterable[str]) -> str:
    """The one that asks for most."""
    return max(verdicts, key=VERDICTS.index)


def label_free(batches: tuple[pd.DataFrame, pd.DataFrame], comparison: Comparison) -> dict[str, Any]:
    """What the notes' figures show, by themselves."""
    means = [batch[list(FIGURES)].mean() for batch in batches]
    (furthest, share), *_ = comparison.exceeded.items()
    return {
        "verdict": comparison.verdict,
        "reasons": drift_reasons(comparison),
        "furthest": furthest,
        "share_of_limit": share,
        "watch_from": comparison.thresholds.limits.watch,
        "partial_auc": comparison.partial_auc,
        "partial_auc_watch": comparison.thresholds.separability.watch,
        "partial_auc_alert": comparison.thresholds.separability.alert,
        "thresholds_of": comparison.thresholds.size,
        "mean_confidence": round(float(means[1]["mean_confidence"]), 4),
        "figures": {
            name: {
                "reference": round(float(means[0][name]), 4),
                "window": round(float(means[1][name]), 4),
                "distance": comparison.distances[name],
                "limit": comparison.thresholds.limits.alert[name],
                "share_of_limit": part,
            }
            for name, part in comparison.exceeded.items()
        },
    }


def drift_reasons(comparison: Comparison) -> list[str]:
    """Why the window is watched, or worse; none if it is not."""
    limits, separability = comparison.thresholds.limits, comparison.thresholds.separability
    moved = [f"{name} ({share:.2f})" for name, share in comparison.exceeded.items() if share >= limits.watch]
    more = f" and {len(moved) - NAMED} more" if len(moved) > NAMED else ""
    found = [f"figures moved, in shares of their limits: {', '.join(moved[:NAMED])}{more}"] if moved else []
    if comparison.partial_auc >= separability.watch:
        found.append(f"a classifier tells the window from the reference: partial AUC {comparison.partial_auc:.3f}")
    return found


def with_labels(judged: Sequence[Judged], params: DriftParams) -> dict[str, Any]:
    """What people's corrections show; too few of them show nothing, nor does an F1 that chance may have put below.

    Notes count in which something was found or corrected.
    """
    judged = telling(judged)
    agreed, bars = agreement(judged), (params.watch_agreement, params.alert_agreement)
    f1 = low = high = None
    verdict, reasons = NONE, []
    if agreed.notes >= params.min_judged:
        f1, low, high = f1_interval(judged, params.seed, params.resamples, params.agreement_confidence)
        verdict = VERDICTS[sum(high < bar for bar in bars)]
        less = f"predictions agree less with corrections: F1 {f1:.3f} ({low:.3f} to {high:.3f})"
        reasons = [less] if verdict != NONE else []
    counts = {"judged": agreed.notes, **{name: getattr(agreed, name) for name in agreed._fields[1:]}}
    return {
        "verdict": verdict,
        "reasons": reasons,
        "f1": f1,
        "f1_low": low,
        "f1_high": high,
        "needed": params.min_judged,
        "watch_below": bars[0],
        "alert_below": bars[1],
        **counts,
    }


def exit_code(assessment: Mapping[str, Any]) -> int:
    """By which a program learns what the policy asks for: 20 alert, 10 watch, 0 neither."""
    return max((EXIT_CODES.get(action, 0) for action in assessment["actions"]), default=0)


def retraining_request(assessment: dict[str, Any]) -> dict[str, Any] | None:
    """What is asked of those who retrain: the window, the reasons and the figures; none if the policy asks nothing."""
    if RETRAIN not in assessment["actions"]:
        return None
    free, labelled = assessment["label_free"], assessment["labelled"]
    beyond = {name: of for name, of in free["figures"].items() if of["share_of_limit"] >= 1}
    return {
        "window": assessment["window"],
        "verdict": assessment["verdict"],
        "reasons": assessment["reasons"],
        "figures": beyond,
        "partial_auc": free["partial_auc"],
        "agreement": labelled["f1"],
        "judged": labelled["judged"],
    }
