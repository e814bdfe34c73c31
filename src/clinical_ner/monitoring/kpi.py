"""The eight indicators of the business: each figure says whether it was measured, from what, and of how many.

What nobody has measured is not measured: no figure stands in for it. `docs/kpi.md` says what each of them means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from statistics import NormalDist, median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical_ner.core.params import KpiParams
from clinical_ner.monitoring.feedback import Judged, counts, f1_interval, judged_notes, telling
from clinical_ner.monitoring.gauges import ALERT
from clinical_ner.ner.bootstrap import f1, interval, resampled_sums

Row = Mapping[str, Any]
MEASURED, ASSUMED, NOT_MEASURED = "measured", "assumption", "not measured"
MINUTE_MS = 60_000
CONTENT = 4  # the least rating of somebody who is content, of 5
HOUR = timedelta(hours=1)
STORE, PARAMS = "the store", "params.yaml, kpi"


class Figure(NamedTuple):
    """A number with its unit; `basis` says whether it was measured, `n` of how many, low and high its interval."""

    name: str
    value: float | None
    unit: str
    basis: str
    source: str
    n: int | None = None
    low: float | None = None
    high: float | None = None


class Indicator(NamedTuple):
    """One of the eight, with its figures; the first is the one to look at."""

    title: str
    figures: list[Figure]


class Release(NamedTuple):
    """A version that went into production, and what its comparison with the one before found."""

    version: str
    at: datetime
    gains: Mapping[str, float]  # of F1, by test set
    new_terms: int | None


class Traffic(NamedTuple):
    """Requests for work in the window, as Prometheus counted them: all, answered as asked, failed by our fault."""

    requests: float
    accepted: float
    failed: float


@dataclass(frozen=True)
class Evidence:
    """All that the indicators are made of."""

    since: datetime
    until: datetime
    predictions: Sequence[Row]  # created_at, milliseconds
    feedback: Sequence[Row]  # prediction_id, created_at, rating, spans, predicted
    runs: Sequence[Row]  # created_at, verdict
    releases: Sequence[Release]
    benchmark: Mapping[str, Any] | None
    traffic: Traffic | None


def indicators(evidence: Evidence, params: KpiParams) -> list[Indicator]:
    """All eight, in the order in which the project promised them."""
    judged = telling(judged_notes(evidence.feedback))
    return [
        Indicator("Time to extract a note", _times(evidence, params)),
        Indicator("Accuracy against trained personnel", _accuracy(judged, params)),
        Indicator("Scalability", _scalability(evidence)),
        Indicator("Cost and saving", _costs(evidence, params)),
        Indicator("User satisfaction", _satisfaction(evidence.feedback, params)),
        Indicator("Precision, recall and F1 over time", _by_week(judged)),
        Indicator("Adaptability", _adaptability(evidence)),
        Indicator("Integration", _integration(evidence.traffic, params)),
    ]


def missing(name: str, unit: str, source: str) -> Figure:
    """A figure that nobody has measured, and what would hold it."""
    return Figure(name, None, unit, NOT_MEASURED, source)


# --- 1 --------------------------------------------------------------------------------------------
def _times(evidence: Evidence, params: KpiParams) -> list[Figure]:
    manual = params.manual_minutes_per_note
    by_hand = Figure("by hand", manual, "min", ASSUMED, PARAMS)
    spent = [row["milliseconds"] for row in evidence.predictions]
    if not spent:
        return [missing("median", "ms", STORE), missing("95th percentile", "ms", STORE), by_hand]
    p50, p95 = (float(np.quantile(spent, share)) for share in (0.5, 0.95))
    return [
        Figure("median", p50, "ms", MEASURED, STORE, len(spent)),
        Figure("95th percentile", p95, "ms", MEASURED, STORE, len(spent)),
        by_hand,
        Figure("times as fast as by hand", manual * MINUTE_MS / p50, "", ASSUMED, f"{PARAMS}; {STORE}", len(spent)),
    ]


# --- 2 and 6 --------------------------------------------------------------------------------------
def _accuracy(judged: Sequence[Judged], params: KpiParams) -> list[Figure]:
    source = f"{STORE}, corrections"
    if not judged:
        return [missing(name, "", source) for name in ("F1", "precision", "recall")]
    value, low, high = f1_interval(judged, params.seed, params.resamples, params.confidence)
    precision, recall = _shares(counts(judged))
    return [
        Figure("F1", value, "", MEASURED, source, len(judged), low, high),
        Figure("precision", precision, "", MEASURED, source, len(judged)),
        Figure("recall", recall, "", MEASURED, source, len(judged)),
    ]


def _by_week(judged: Sequence[Judged]) -> list[Figure]:
    """Of each week, named by its Monday."""
    source = f"{STORE}, corrections"
    weeks: dict[str, list[Judged]] = {}
    for note in judged:
        weeks.setdefault((note.at - timedelta(days=note.at.weekday())).date().isoformat(), []).append(note)
    found = []
    for monday, notes in sorted(weeks.items()):
        own = counts(notes)
        shares = (float(f1(own.sum(axis=0))), *_shares(own))
        found += [
            Figure(f"{name}, week of {monday}", share, "", MEASURED, source, len(notes))
            for name, share in zip(("F1", "precision", "recall"), shares, strict=True)
        ]
    return found or [missing("F1 by week", "", source)]


def _shares(own: NDArray[np.int64]) -> tuple[float, float]:
    """Precision and recall of such counts; 0/0 is 0.0."""
    right, predicted, gold = (int(column) for column in own.sum(axis=0))
    return right / max(predicted, 1), right / max(gold, 1)


# --- 3 --------------------------------------------------------------------------------------------
def _scalability(evidence: Evidence) -> list[Figure]:
    return [*_benchmark(evidence.benchmark), *_live(evidence)]


def _benchmark(found: Mapping[str, Any] | None) -> list[Figure]:
    """Throughput as clients are added, and memory as requests are."""
    source = "make bench-service"
    if found is None:
        return [missing("requests a second", "", source), missing("memory of a worker", "MB", source)]
    speeds = [
        Figure(
            f"requests a second, {row['connections']} clients",
            row["requests_per_second"],
            "",
            MEASURED,
            source,
            row["requests"],
        )
        for row in found["load"]
    ]
    memory = found["memory_mb"]
    requests = found["long_run_requests"]
    return [
        *speeds,
        Figure("memory of a worker", memory[0], "MB", MEASURED, source),
        Figure(f"memory after {requests} requests", memory[-1], "MB", MEASURED, source, requests),
    ]


def _live(evidence: Evidence) -> list[Figure]:
    hours = Counter(row["created_at"].replace(minute=0, second=0, microsecond=0) for row in evidence.predictions)
    if not hours:
        return [missing("notes an hour", "", STORE), missing("notes in the busiest hour", "", STORE)]
    notes = hours.total()
    return [
        Figure("notes an hour", notes / _hours(evidence), "", MEASURED, STORE, notes),
        Figure("notes in the busiest hour", max(hours.values()), "", MEASURED, STORE, notes),
    ]


def _hours(evidence: Evidence) -> float:
    """From the first note of the window to its end; an hour at least."""
    first = min(row["created_at"] for row in evidence.predictions)
    hours: float = (evidence.until - first) / HOUR
    return max(hours, 1.0)


# --- 4 --------------------------------------------------------------------------------------------
def _costs(evidence: Evidence, params: KpiParams) -> list[Figure]:
    """Of 1,000 notes: the machine whether busy or not, and the people who review some of them."""
    unit, minute = params.currency, params.staff_cost_per_hour / 60
    manual = 1000 * params.manual_minutes_per_note * minute
    review = 1000 * params.review_share * params.review_minutes_per_note * minute
    people = [
        Figure("1,000 notes by hand", manual, unit, ASSUMED, PARAMS),
        Figure("review of 1,000 notes", review, unit, ASSUMED, PARAMS),
    ]
    notes = len(evidence.predictions)
    if not notes:
        return [missing("1,000 notes", unit, STORE), missing("saving on 1,000 notes", unit, STORE), *people]
    machine = 1000 * params.machine_cost_per_hour * _hours(evidence) / notes
    source = f"{PARAMS}; notes an hour from {STORE}"
    saving = manual - machine - review
    return [
        Figure("1,000 notes", machine + review, unit, ASSUMED, source, notes),
        Figure("saving on 1,000 notes", saving, unit, ASSUMED, source, notes),
        Figure("saving, share of the cost by hand", saving / manual if manual else None, "", ASSUMED, source, notes),
        Figure("machine for 1,000 notes", machine, unit, ASSUMED, source, notes),
        *people,
    ]


# --- 5 --------------------------------------------------------------------------------------------
def _satisfaction(feedback: Iterable[Row], params: KpiParams) -> list[Figure]:
    source = f"{STORE}, ratings from 1 to 5"
    last = {
        row["prediction_id"]: row["rating"]
        for row in sorted(feedback, key=lambda row: row["created_at"])
        if row["rating"]
    }
    ratings = list(last.values())
    if not ratings:
        return [missing("mean rating", "", source), missing("share of 4 and 5", "", source)]
    count = len(ratings)
    content = sum(rating >= CONTENT for rating in ratings)
    sums = resampled_sums(np.array(ratings, dtype=np.int64)[:, None], params.seed, "ratings", params.resamples)
    mean, low, high = interval(sum(ratings) / count, sums[:, 0] / count, params.confidence)
    least, most = wilson(content, count, params.confidence)
    return [
        Figure("mean rating", mean, "", MEASURED, source, count, low, high),
        Figure("share of 4 and 5", content / count, "", MEASURED, source, count, least, most),
    ]


def wilson(part: int, whole: int, confidence: float) -> tuple[float, float]:
    """The interval of a share of few, which stays within 0 and 1 (Wilson 1927).

    >>> [round(bound, 3) for bound in wilson(8, 10, 0.95)]
    [0.49, 0.943]
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = part / whole, 1 + z * z / whole
    middle = (share + z * z / (2 * whole)) / scale
    half = z * sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


# --- 7 --------------------------------------------------------------------------------------------
def _adaptability(evidence: Evidence) -> list[Figure]:
    releases = sorted(evidence.releases, key=lambda release: release.at)
    source = "the registry, what each release was compared on"
    learnt = [release.new_terms for release in releases if release.new_terms is not None]
    days = days_to_release(evidence.runs, releases)
    waited = f"{STORE}, monitoring runs; the registry"
    gains: dict[str, list[float]] = {}
    for release in releases:
        for name, gain in release.gains.items():
            gains.setdefault(name, []).append(gain)
    return [
        Figure("new terms learnt", sum(learnt), "", MEASURED, source, len(learnt))
        if learnt
        else missing("new terms learnt", "", source),
        Figure("days from drift to a new model, median", median(days), "days", MEASURED, waited, len(days))
        if days
        else missing("days from drift to a new model", "days", waited),
        *(
            Figure(f"F1 gained by a release, {name}", sum(of) / len(of), "", MEASURED, source, len(of))
            for name, of in sorted(gains.items())
        ),
        *([] if gains else [missing("F1 gained by a release", "", source)]),
    ]


def days_to_release(runs: Iterable[Row], releases: Sequence[Release]) -> list[float]:
    """From the first alert since the release before to the release, of each that an alert preceded."""
    alerts = sorted(run["created_at"] for run in runs if run["verdict"] == ALERT)
    found, before = [], None
    for release in releases:
        first = next((at for at in alerts if (before is None or at > before) and at <= release.at), None)
        if first:
            found.append((release.at - first) / timedelta(days=1))
        before = release.at
    return found


# --- 8 --------------------------------------------------------------------------------------------
def _integration(traffic: Traffic | None, params: KpiParams) -> list[Figure]:
    source = "Prometheus"
    names = ("share of requests answered as asked", "share that did not fail by our fault", "error budget left")
    if traffic is None or traffic.requests <= 0:
        return [missing(name, "", f"{source} (--prometheus)") for name in names]
    failed = traffic.failed / traffic.requests
    budget = 1 - failed / (1 - params.availability_target)
    shares = (traffic.accepted / traffic.requests, 1 - failed, budget)
    return [
        Figure(name, share, "", MEASURED, source, round(traffic.requests))
        for name, share in zip(names, shares, strict=True)
    ]
