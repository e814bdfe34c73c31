"""Has a batch of notes drifted from the reference? Distances by Evidently, the verdict by calibrated thresholds."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.core.errors import UserError
from clinical_ner.core.params import DriftParams
from clinical_ner.core.schema import PROFILES
from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.profiles import FIGURES, profile
from clinical_ner.ner.tagger import Tagger

VERDICTS = ("none", "warn", "drift")
LEAST_DEVIATION = 0.001  # Evidently's: a figure without spread is measured in thousandths
RANDOM_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Thresholds(NamedTuple):
    """From which distance of the furthest figure on there is a warning, and drift."""

    warn: float
    drift: float


class Comparison(NamedTuple):
    """The verdict, the distance of every figure, the thresholds that decided, and the report for people."""

    verdict: str
    distances: dict[str, float]
    thresholds: Thresholds
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


def calibrate(reference: pd.DataFrame, current_size: int, params: DriftParams) -> Thresholds:
    """The thresholds that batches of these sizes reach by chance as often as `params` allow.

    Pairs of batches are drawn with replacement from the reference, whole notes, so both of a pair have its
    distribution: whatever lies between them is chance. Of each pair the furthest figure counts, as in the verdict.
    The (1 - `warn_false_alarms`) quantile of these distances is the warning, the (1 - `drift_false_alarms`)
    quantile the drift. The same reference, size and `params` give the same thresholds, rounded to 4 digits.

    What is promised is the rate of a batch like the reference, its notes independent of each other: of notes that
    come in clusters, or from a reference that is not typical, more will be reported.
    """
    values = reference[list(FIGURES)].to_numpy(dtype="float64")
    draws, sizes = stream(params.seed, "drift/calibration"), (len(values), current_size)
    furthest = np.empty(params.resamples)
    for place in range(params.resamples):
        first, second = (values[draws.integers(len(values), size=size)] for size in sizes)
        furthest[place] = normalised_distances(first, second).max()
    warn, drift = np.quantile(furthest, [1 - params.warn_false_alarms, 1 - params.drift_false_alarms])
    return Thresholds(round(float(warn), 4), round(float(drift), 4))


def normalised_distances(reference: NDArray[np.float64], current: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance of every column as Evidently measures it: Wasserstein's, in standard deviations of the reference.

    Wasserstein's distance is the area between the two cumulative distributions; all columns are done at once,
    which makes a thousand pairs of batches cheap.
    """
    both = np.concatenate([reference, current])
    order = both.argsort(axis=0)
    steps = np.where(order < len(reference), len(current), -len(reference))  # integers: ties cancel exactly
    widths = np.diff(np.take_along_axis(both, order, axis=0), axis=0)
    areas = (np.abs(steps.cumsum(axis=0)[:-1]) * widths).sum(axis=0) / (len(reference) * len(current))
    return np.asarray(areas / np.maximum(reference.std(axis=0), LEAST_DEVIATION))


def compare(reference: pd.DataFrame, current: pd.DataFrame, params: DriftParams) -> Comparison:
    """Compare two batches of PROFILES by thresholds calibrated on the reference for just these sizes.

    The distance of a figure is the Wasserstein distance divided by the reference's standard deviation, so
    that 0.1 is a tenth of a standard deviation. The verdict is that of the figure that moved furthest:
    `none` below the warning's threshold, `warn` below that of drift, else `drift`.

    Raises:
        UserError: a batch is smaller than `min_notes`.
    """
    _refuse_small(reference, current, params)
    thresholds = calibrate(reference, len(current), params)
    snapshot = _evidently(reference[list(FIGURES)], current[list(FIGURES)], thresholds)
    metrics = json.loads(snapshot.json())["metrics"]
    distances = {metric["config"]["column"]: round(float(metric["value"]), 4) for metric in metrics}
    html = stable_ids(snapshot.get_html_str(as_iframe=False))
    return Comparison(verdict(max(distances.values()), thresholds), distances, thresholds, html)


def _refuse_small(reference: pd.DataFrame, current: pd.DataFrame, params: DriftParams) -> None:
    for name, batch in (("reference", reference), ("current", current)):
        if len(batch) < params.min_notes:
            raise UserError(
                f"the {name} batch has {len(batch)} notes, {params.min_notes} are needed (drift.min_notes)",
                "compare larger batches: a small one moves by chance",
            )


def verdict(distance: float, thresholds: Thresholds) -> str:
    """What a distance means by the thresholds: none, warn or drift."""
    return VERDICTS[(distance >= thresholds.warn) + (distance >= thresholds.drift)]


def _evidently(reference: pd.DataFrame, current: pd.DataFrame, thresholds: Thresholds) -> Any:
    from evidently import Report  # costs seconds and hundreds of megabytes: only here
    from evidently.metrics import ValueDrift

    metrics = [ValueDrift(column=name, method="wasserstein", threshold=thresholds.drift) for name in FIGURES]
    return Report(metrics, include_tests=True).run(current, reference)


def stable_ids(html: str) -> str:
    """The page with its random ids numbered in order of appearance: the same report is the same bytes."""
    numbers: dict[str, str] = {}
    return RANDOM_ID.sub(lambda found: numbers.setdefault(found.group(), f"{len(numbers):032x}"), html)


def drift_metrics(reference: pd.DataFrame, current: pd.DataFrame, comparison: Comparison) -> dict[str, Any]:
    """The verdict with its figures, under one key: `dvc metrics show` then names each of them clearly."""
    furthest = max(comparison.distances, key=lambda name: comparison.distances[name])
    figures = {
        "verdict": comparison.verdict,
        "distance": comparison.distances[furthest],
        "furthest": furthest,
        "warn_at": comparison.thresholds.warn,
        "drift_at": comparison.thresholds.drift,
        "notes_reference": len(reference),
        "notes_current": len(current),
    }
    return {"drift": figures}
