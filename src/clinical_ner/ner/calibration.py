"""From the model's probability of an entity to how often such an entity is right, by label.

Beta calibration (Kull, Silva Filho, Flach 2017): logit = a ln p - b ln(1-p) + c with a, b >= 0. It is monotone, and
holds the identity (1, 1, 0), which Platt's sigmoid does not; its three numbers are stable on some hundred entities,
where isotonic steps are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

SMALLEST = 1e-4  # a probability of 0 or 1 is taken as this far from it: the tagger gives four digits
FEWEST = 50  # entities, and FEWEST_WRONG of each outcome; with fewer the identity is kept
FEWEST_WRONG = 5
DIGITS = 6
INVERSE_PENALTY = 10.0  # of the regression: enough to bound it when right and wrong can be told apart exactly


class Point(NamedTuple):
    """An entity found: its label, the model's probability, and whether boundaries and label are right."""

    label: str
    probability: float
    right: bool


class Beta(NamedTuple):
    """A monotone map from probability to confidence."""

    a: float
    b: float
    c: float

    def __call__(self, probability: float) -> float:
        """The share of entities of this probability that are right.

        >>> round(Beta(1.0, 1.0, 0.0)(0.25), 9)
        0.25
        """
        high, low = _logs(probability)
        return 1 / (1 + math.exp(-(self.a * high - self.b * low + self.c)))


IDENTITY = Beta(1.0, 1.0, 0.0)


class Bin(NamedTuple):
    """The entities of a stretch of confidence: how many, how sure on average, and the share that is right."""

    low: float
    high: float
    entities: int
    confidence: float
    right: float


class Reliability(NamedTuple):
    """How far confidence is from truth: by bins, the expected calibration error, and the Brier score."""

    bins: tuple[Bin, ...]
    expected_calibration_error: float
    brier: float


def calibrated(curves: Mapping[str, Beta], label: str, probability: float) -> float:
    """The confidence in an entity; a label without a curve keeps its probability."""
    return curves.get(label, IDENTITY)(probability)


def fit(points: Iterable[Point]) -> dict[str, Beta]:
    """A curve for each label that occurs, in alphabetical order: the same points give the same curves."""
    by_label: dict[str, list[Point]] = {}
    for point in sorted(points):
        by_label.setdefault(point.label, []).append(point)
    return {label: _curve(found) for label, found in by_label.items()}


def _curve(points: Sequence[Point]) -> Beta:
    right = sum(point.right for point in points)
    if len(points) < FEWEST or min(right, len(points) - right) < FEWEST_WRONG:
        return IDENTITY
    logs = [_logs(point.probability) for point in points]
    outcomes = [point.right for point in points]
    a, b, c = _regression([[high, -low] for high, low in logs], outcomes)
    if min(a, b) <= 0:  # not monotone, or without end at one side: one slope for both
        slope, c = _regression([[high - low] for high, low in logs], outcomes)
        a = b = slope
    return Beta(*(round(value, DIGITS) for value in (a, b, c))) if a > 0 else IDENTITY


def _regression(rows: Sequence[Sequence[float]], outcomes: Sequence[bool]) -> list[float]:
    """The coefficients and the intercept of a logistic regression."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1_000, tol=1e-8).fit(rows, outcomes)
    return [*map(float, model.coef_[0]), float(model.intercept_[0])]


def _logs(probability: float) -> tuple[float, float]:
    inside = min(max(probability, SMALLEST), 1 - SMALLEST)
    return math.log(inside), math.log1p(-inside)


def reliability(outcomes: Iterable[tuple[float, bool]], bins: int) -> Reliability:
    """The reliability of (confidence, right) pairs in bins of equal width; empty bins are left out.

    >>> reliability([(0.75, True), (0.75, False)], bins=2)
    Reliability(bins=(Bin(low=0.5, high=1.0, entities=2, confidence=0.75, right=0.5),), \
expected_calibration_error=0.25, brier=0.3125)
    """
    outcomes = list(outcomes)
    groups: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in outcomes:
        groups.setdefault(min(int(confidence * bins), bins - 1), []).append((confidence, right))
    table = tuple(_bin(number, bins, groups[number]) for number in sorted(groups))
    apart = math.fsum(row.entities * abs(row.confidence - row.right) for row in table)
    squares = math.fsum((confidence - right) ** 2 for confidence, right in outcomes)
    count = max(len(outcomes), 1)
    return Reliability(table, round(apart / count, DIGITS), round(squares / count, DIGITS))


def _bin(number: int, bins: int, outcomes: Sequence[tuple[float, bool]]) -> Bin:
    count = len(outcomes)
    mean = math.fsum(confidence for confidence, _ in outcomes) / count
    share = sum(right for _, right in outcomes) / count
    return Bin(number / bins, (number + 1) / bins, count, round(mean, DIGITS), round(share, DIGITS))
