"""Has a window of notes drifted from the reference? Two witnesses, and thresholds that the reference itself gave.

The first is the distance of each figure, as Evidently measures it; the second a classifier that tells the notes apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.errors import UserError
from clinical_ner.core.figures import FIGURES
from clinical_ner.core.params import DriftParams
from clinical_ner.core.schema import PROFILES
from clinical_ner.monitoring.distances import Limits, limits
from clinical_ner.monitoring.gauges import VERDICTS
from clinical_ner.monitoring.profiles import flat, profile
from clinical_ner.monitoring.separation import Separability, separability, separation
from clinical_ner.ner.tagger import Tagger

RANDOM_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Thresholds(NamedTuple):
    """What decides of windows of so many notes or more: the limits of the distances, and of the classifier."""

    size: int
    limits: Limits
    separability: Separability


class Comparison(NamedTuple):
    """The verdict, what the witnesses measured, the thresholds that decided, and Evidently's page."""

    verdict: str
    distances: dict[str, float]
    partial_auc: float
    thresholds: Thresholds
    html: str

    @property
    def exceeded(self) -> dict[str, float]:
        """The distance of each figure in its limit, the furthest first: an alert from 1 on."""
        shares = {name: round(value / self.thresholds.limits.alert[name], 4) for name, value in self.distances.items()}
        return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def unseen_patients(notes: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """The NOTES of patients of whom nothing was trained on."""
    unseen = splits.loc[~splits["patient_seen"], "note_id"]
    return notes[notes["patient_id"].notna() & notes["note_id"].isin(unseen)]


def profile_notes(tagger: Tagger, notes: pd.DataFrame) -> pd.DataFrame:
    """PROFILES of a NOTES table, in its order."""
    labels = notes[["note_id", "patient_id", "written_on"]].reset_index(drop=True)
    return profile_table(labels, [profile(tagger, text) for text in notes["text"]])


def profile_table(labels: pd.DataFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """PROFILES of rows of figures, from the pipeline or from the store, and what names them in the same order."""
    figures = pd.DataFrame([flat(row) for row in rows], columns=list(FIGURES), index=labels.index)
    types = {name: str(column.dtype) for name, column in PROFILES.schema.columns.items() if name in FIGURES}
    return pd.concat([labels, figures.astype(types)], axis=1)[list(PROFILES.schema.columns)]


# --- thresholds ------------------------------------------------------------------------------------
def calibrate(reference: pd.DataFrame, params: DriftParams) -> list[Thresholds]:
    """The thresholds of each of the windows' sizes, smallest first.

    Each witness may be wrong half as often as `params` allow, so that both together are not wrong more often. What is
    promised is the rate of windows like the reference: recalibrate where the reference is no longer typical.

    Raises:
        UserError: the reference is smaller than two of the largest windows: one is cut out and told from the rest.
    """
    sizes = sorted(params.windows)
    if len(reference) < 2 * sizes[-1]:
        raise UserError(
            f"the reference has {len(reference)} notes, two of the largest windows {2 * sizes[-1]} (drift.windows)",
            "take a longer history as the reference, or calibrate for smaller windows",
        )
    rates = (params.watch_false_alarms / 2, params.alert_false_alarms / 2)
    return [
        Thresholds(
            size,
            limits(reference, size, params.resamples, rates, params.seed),
            separability(reference, size, params.splits, rates, params.seed),
        )
        for size in sizes
    ]


def for_reference(params: DriftParams, notes: int) -> DriftParams:
    """The parameters with the windows that a reference of so many notes can have thresholds for, or the smallest."""
    fitting = tuple(size for size in params.windows if 2 * size <= notes)
    return params.model_copy(update={"windows": fitting or (min(params.windows),)})


def thresholds_for(thresholds: list[Thresholds], notes: int) -> Thresholds:
    """Those of the largest calibrated window of no more notes: they are a little stricter than needed.

    Raises:
        UserError: the window is smaller than all of them.
    """
    known = [one for one in thresholds if one.size <= notes]
    if not known:
        raise UserError(
            f"the window has {notes} notes, {min(one.size for one in thresholds)} are needed (drift.windows)",
            "choose a longer window: a small one moves by chance",
        )
    return max(known, key=lambda one: one.size)


def to_json(thresholds: list[Thresholds], model_version: str) -> dict[str, Any]:
    """The thresholds as they are kept, by the size of the window, and the model that read the reference."""
    windows = {
        str(one.size): {"limits": one.limits._asdict(), "separability": one.separability._asdict()}
        for one in thresholds
    }
    return {"model_version": model_version, "windows": windows}


def from_json(content: Mapping[str, Any]) -> list[Thresholds]:
    """Thresholds as they were kept.

    Raises:
        UserError: they are of other figures than notes have now.
    """
    found = [
        Thresholds(int(size), Limits(**one["limits"]), Separability(**one["separability"]))
        for size, one in content.get("windows", {}).items()
    ]
    if not found or any(set(one.limits.alert) != set(FIGURES) for one in found):
        raise UserError("the thresholds are of other figures than notes have now", "calibrate again")
    return sorted(found, key=lambda one: one.size)


# --- comparison --------------------------------------------------------------------------------------
def compare(reference: pd.DataFrame, current: pd.DataFrame, thresholds: list[Thresholds], seed: int) -> Comparison:
    """Compare a window of PROFILES with the reference by thresholds that were calibrated on it.

    The distance of a figure is Wasserstein's, divided by the reference's standard deviation: 0.1 is a tenth of one.
    The verdict is the graver one of the two witnesses: `none`, `watch` or `alert`.

    Raises:
        UserError: the window is too small.
    """
    own = thresholds_for(thresholds, len(current))
    snapshot = _evidently(reference[list(FIGURES)], current[list(FIGURES)], own.limits)
    metrics = json.loads(snapshot.json())["metrics"]
    distances = {metric["config"]["column"]: round(float(metric["value"]), 4) for metric in metrics}
    partial_auc = round(separation(reference, current, seed), 4)
    html = stable_ids(snapshot.get_html_str(as_iframe=False))
    return Comparison(verdict(distances, partial_auc, own), distances, partial_auc, own, html)


def verdict(distances: Mapping[str, float], partial_auc: float, thresholds: Thresholds) -> str:
    """The graver one of what the furthest figure and the classifier say."""
    furthest = max(value / thresholds.limits.alert[name] for name, value in distances.items())
    by_distance = (furthest >= thresholds.limits.watch) + (furthest >= 1)
    by_separation = sum(partial_auc >= limit for limit in thresholds.separability)
    return VERDICTS[max(by_distance, by_separation)]


def _evidently(reference: pd.DataFrame, current: pd.DataFrame, known: Limits) -> Any:
    from evidently import DataDefinition, Dataset, Report  # costs seconds and hundreds of megabytes: only here
    from evidently.metrics import ValueDrift

    # Said, for it takes whole numbers of few kinds for categories.
    definition = DataDefinition(numerical_columns=list(FIGURES))
    batches = [Dataset.from_pandas(batch, data_definition=definition) for batch in (current, reference)]
    metrics = [ValueDrift(column=name, method="wasserstein", threshold=known.alert[name]) for name in FIGURES]
    return Report(metrics, include_tests=True).run(*batches)


def stable_ids(html: str) -> str:
    """The page with its random ids numbered in order of appearance: the same report is the same bytes."""
    numbers: dict[str, str] = {}
    return RANDOM_ID.sub(lambda found: numbers.setdefault(found.group(), f"{len(numbers):032x}"), html)


def drift_metrics(reference: pd.DataFrame, current: pd.DataFrame, comparison: Comparison) -> dict[str, Any]:
    """The verdict with its figures, under one key: `dvc metrics show` then names each of them clearly."""
    furthest, share = next(iter(comparison.exceeded.items()))
    figures = {
        "verdict": comparison.verdict,
        "furthest": furthest,
        "distance": comparison.distances[furthest],
        "share_of_limit": share,
        "partial_auc": comparison.partial_auc,
        "partial_auc_limit": comparison.thresholds.separability.alert,
        "notes_reference": len(reference),
        "notes_current": len(current),
    }
    return {"drift": figures}
