"""How conditions go together: Mantel-Haenszel odds ratios by age and sex against those measured on real people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical_ner.population.people import SURVEYED_FROM
from clinical_ner.quality.people import Bools, People, fits

BAND, TOP_BAND = 10, 80  # years


class OddsRatio(NamedTuple):
    """Two conditions and how many times the odds of one are raised by the other, at the same age and sex."""

    a: str
    b: str
    measured: float
    found: float

    @property
    def ratio(self) -> float:
        """Found over measured."""
        return self.found / self.measured


def odds_ratios(people: People, rows: Iterable[Mapping[str, str]]) -> list[OddsRatio]:
    """Of each pair of `comorbidity_odds_ratios.csv`, among adults, adjusted for age band and sex."""
    adult = (people.traits["age"] >= SURVEYED_FROM).to_numpy()
    strata = age_and_sex(people)[adult]
    return [
        OddsRatio(
            row["a"],
            row["b"],
            float(row["odds_ratio"]),
            mantel_haenszel(
                fits(people, row["conditions_a"], ever=True)[adult],
                fits(people, row["conditions_b"], ever=True)[adult],
                strata,
            ),
        )
        for row in rows
    ]


def agrees(odds: OddsRatio, factor: float) -> bool:
    """Whether found and measured are apart by no more than the factor, up or down."""
    return 1 / factor <= odds.ratio <= factor


def age_and_sex(people: People) -> NDArray[np.int64]:
    """One number for every band of ten years of age, the last from 80 on, and sex."""
    band = np.minimum(people.traits["age"].to_numpy() // BAND, TOP_BAND // BAND)
    return np.asarray(2 * band + (people.traits["sex"] == "female").to_numpy(), dtype=np.int64)


def mantel_haenszel(a: Bools, b: Bools, strata: NDArray[np.int64]) -> float:
    """The common odds ratio of `a` and `b` over strata (Mantel and Haenszel 1959); NaN if nothing can be said.

    One stratum of 10 with both, 20 with `a` alone, 30 with `b` alone and 40 with neither has 10 * 40 / (20 * 30):

    >>> a, b = np.repeat([1, 1, 0, 0], [10, 20, 30, 40]), np.repeat([1, 0, 1, 0], [10, 20, 30, 40])
    >>> round(mantel_haenszel(a == 1, b == 1, np.zeros(100, dtype=int)), 3)
    0.667
    """
    size = int(strata.max()) + 1 if len(strata) else 0
    both, only_a, only_b, neither = (
        np.bincount(strata, weights=cell, minlength=size).astype(np.float64)
        for cell in (a & b, a & ~b, ~a & b, ~a & ~b)
    )
    people = np.maximum(both + only_a + only_b + neither, 1)
    against = float((only_a * only_b / people).sum())
    return float((both * neither / people).sum()) / against if against else nan


def odds_ratio_rows(found: Iterable[OddsRatio], factor: float) -> list[dict[str, Any]]:
    """The comparisons as plain figures, for a report; None where there were too few people to tell."""
    return [
        {
            "a": odds.a,
            "b": odds.b,
            "measured": odds.measured,
            "found": None if isnan(odds.found) else round(odds.found, 2),
            "ratio": None if isnan(odds.found) else round(odds.ratio, 2),
            "within": agrees(odds, factor),
        }
        for odds in found
    ]
