"""Has a batch of notes drifted from the reference? Distances by Evidently, the verdict by written thresholds."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.errors import UserError
from clinical_ner.core.params import DriftParams
from clinical_ner.core.schema import PROFILES
from clinical_ner.monitoring.profiles import FIGURES, profile
from clinical_ner.ner.tagger import Tagger

VERDICTS = ("none", "warn", "drift")
RANDOM_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Comparison(NamedTuple):
    """The verdict, the distance of every figure, and the report for people."""

    verdict: str
    distances: dict[str, float]
    html: str


def unseen_patients(notes: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """The NOTES of patients of whom nothing was trained on."""
    unseen = splits.loc[~splits["patient_seen"], "note_id"]
    return notes[notes["patient_id"].notna() & notes["note_id"].isin(unseen)]


def profile_notes(tagger: Tagger, notes: pd.DataFrame) -> pd.DataFrame:
    """PROFILES of a NOTES table, in its order."""
    figures = pd.DataFrame([profile(tagger, text) for text in notes["text"]], columns=list(FIGURES))
    labels = notes[["note_id", "written_on"]].reset_index(drop=True)
    frame = pd.concat([labels, figures], axis=1)[list(PROFILES.schema.columns)]
    return frame.astype({"characters": "int64", "tokens": "int64"})


def split_batches(profiles: pd.DataFrame, current_share: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reference and current batch: the latest notes, as large a share as asked for, are the current ones."""
    ordered = profiles.sort_values(["written_on", "note_id"], ignore_index=True)
    first = len(ordered) - round(len(ordered) * current_share)
    return ordered.iloc[:first], ordered.iloc[first:]


def compare(reference: pd.DataFrame, current: pd.DataFrame, params: DriftParams) -> Comparison:
    """Compare two batches of PROFILES.

    The distance of a figure is the Wasserstein distance divided by the reference's standard deviation, so
    that 0.1 is a tenth of a standard deviation. The verdict is that of the figure that moved furthest:
    `none` below `warn`, `warn` below `drift`, else `drift`.

    Raises:
        UserError: a batch is smaller than `min_notes`.
    """
    for name, batch in (("reference", reference), ("current", current)):
        if len(batch) < params.min_notes:
            raise UserError(
                f"the {name} batch has {len(batch)} notes, {params.min_notes} are needed (drift.min_notes)",
                "compare larger batches: a small one moves by chance",
            )
    snapshot = _evidently(reference[list(FIGURES)], current[list(FIGURES)], params)
    metrics = json.loads(snapshot.json())["metrics"]
    distances = {metric["config"]["column"]: round(float(metric["value"]), 4) for metric in metrics}
    html = stable_ids(snapshot.get_html_str(as_iframe=False))
    return Comparison(verdict(max(distances.values()), params), distances, html)


def verdict(distance: float, params: DriftParams) -> str:
    """What a distance means by the thresholds: none, warn or drift."""
    return VERDICTS[(distance >= params.warn) + (distance >= params.drift)]


def _evidently(reference: pd.DataFrame, current: pd.DataFrame, params: DriftParams) -> Any:
    from evidently import Report  # costs seconds and hundreds of megabytes: only here
    from evidently.metrics import ValueDrift

    metrics = [ValueDrift(column=name, method="wasserstein", threshold=params.drift) for name in FIGURES]
    return Report(metrics, include_tests=True).run(current, reference)


def stable_ids(html: str) -> str:
    """The page with its random ids numbered in order of appearance: the same report is the same bytes."""
    numbers: dict[str, str] = {}
    return RANDOM_ID.sub(lambda found: numbers.setdefault(found.group(), f"{len(numbers):032x}"), html)


def drift_metrics(reference: pd.DataFrame, current: pd.DataFrame, comparison: Comparison) -> dict[str, Any]:
    """The verdict with its figures."""
    return {
        "verdict": comparison.verdict,
        "furthest": max(comparison.distances, key=lambda name: comparison.distances[name]),
        "distance": max(comparison.distances.values()),
        "batch_notes": {"reference": len(reference), "current": len(current)},
    }
