"""Prevalences by stratum against the published ones; age-adjusted where those are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, isnan, sqrt
from typing import Any, NamedTuple

import numpy as np

from clinical_ner.population import catalogue
from clinical_ner.quality.people import Bools, Floats, People, fits, within

OLDEST = 120
ROUNDING = 1e-9  # of floats, on the edge of the tolerance


class Target(NamedTuple):
    """A published prevalence, in percent; `checked`: it was read in its source."""

    name: str
    description: str
    sex: str
    age_min: float
    age_max: float
    race_ethnicity: str
    percent: float
    age_adjusted: bool
    checked: bool
    source: str

    @property
    def stratum(self) -> str:
        """Sex, ages and race in words."""
        upper = "+" if self.age_max == inf else f" to {self.age_max:.0f}"
        sex = "people" if self.sex == "all" else self.sex
        race = "" if self.race_ethnicity == "all" else f" {self.race_ethnicity}"
        return f"{sex} {self.age_min:.0f}{upper}{race}"


class Estimate(NamedTuple):
    """A share of people in percent with its standard error."""

    percent: float
    standard_error: float
    people: int


class Prevalence(NamedTuple):
    """A target and what the population has; `within` tells whether they agree."""

    target: Target
    found: Estimate
    tolerance: float
    within: bool


def targets(rows: Iterable[Mapping[str, str]]) -> list[Target]:
    """The rows of `published_prevalence.csv` as typed objects."""
    return [
        Target(
            row["name"],
            row["conditions"],
            row["sex"],
            float(row["age_min"]),
            float(row["age_max"] or inf),
            row["race_ethnicity"],
            float(row["percent"]),
            row["age_adjusted"] == "yes",
            row["checked"] == "yes",
            row["source"],
        )
        for row in rows
    ]


def compare(people: People, target: Target, relative: float, standard_errors: float) -> Prevalence:
    """The target beside the population's figure; they agree within the wider of two tolerances.

    `relative` is a share of the published figure; `standard_errors` counts those of a sample as large as ours
    from a population in which the published figure is true.
    """
    found = prevalence(people, target)
    published = target.percent / 100
    expected = 100 * sqrt(published * (1 - published) / max(found.people, 1))
    tolerance = max(relative * target.percent, standard_errors * max(expected, found.standard_error))
    return Prevalence(target, found, tolerance, abs(found.percent - target.percent) <= tolerance + ROUNDING)


def prevalence(people: People, target: Target) -> Estimate:
    """The share of the target's stratum that fits it; names that end in `_ever` count what has passed too."""
    counted = within(people, target.sex, target.age_min, target.age_max, target.race_ethnicity)
    having = fits(people, target.description, ever=target.name.endswith("_ever"))[counted]
    age = people.traits["age"].to_numpy()[counted]
    return age_adjusted(having, age, target) if target.age_adjusted else crude(having)


def crude(having: Bools) -> Estimate:
    """The share as it is.

    >>> crude(np.array([True, False, False, True]))
    Estimate(percent=50.0, standard_error=25.0, people=4)
    """
    if not len(having):
        return Estimate(float("nan"), float("nan"), 0)
    share = float(having.mean())
    return Estimate(100 * share, 100 * sqrt(share * (1 - share) / len(having)), len(having))


def age_adjusted(having: Bools, age: Floats, target: Target) -> Estimate:
    """The share in the U.S. standard population of 2000, by direct standardisation over bands of five years."""
    weights, shares = [], []
    for low, high, weight in standard_population():
        share = crude(having[(age >= low) & (age < high)])
        if share.people:
            weights.append(weight * _overlap(low, high, target))
            shares.append(share)
    share_of_standard = np.array(weights) / sum(weights)
    percents, errors = np.array([share[:2] for share in shares]).T
    return Estimate(float(share_of_standard @ percents), float(np.sqrt(share_of_standard**2 @ errors**2)), len(having))


def _overlap(low: float, high: float, target: Target) -> float:
    """The share of a band of ages that lies within the target's."""
    return max(min(high, target.age_max + 1) - max(low, target.age_min), 0.0) / (high - low)


def standard_population() -> list[tuple[float, float, float]]:
    """Age from, age before, people in a million; the last band ends where no one lives."""
    first = catalogue.column("standard_population.csv", "age_from")
    people = catalogue.column("standard_population.csv", "people")
    return list(zip(first, [*first[1:], OLDEST], people, strict=True))


def prevalence_rows(compared: Iterable[Prevalence]) -> list[dict[str, Any]]:
    """The comparisons as plain figures, for a report; None where there was nobody."""
    return [
        {
            "name": row.target.name,
            "stratum": row.target.stratum,
            "published": row.target.percent,
            "found": _digits(row.found.percent),
            "tolerance": _digits(row.tolerance),
            "people": row.found.people,
            "age_adjusted": row.target.age_adjusted,
            "checked": row.target.checked,
            "within": row.within,
            "source": row.target.source,
        }
        for row in compared
    ]


def _digits(value: float) -> float | None:
    return None if isnan(value) else float(f"{value:.4g}")
