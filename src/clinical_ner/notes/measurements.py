"""What was measured of a patient, by the slots of the templates that tell it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clinical_ner.notes.templates import Gauge, ranges

DERIVED: dict[str, tuple[str, Callable[[float], float]]] = {  # slots that are told of another's value
    "temp_f": ("temp", lambda celsius: celsius * 1.8 + 32),
    "hct": ("hgb", lambda hemoglobin: hemoglobin * 3),
}
PAIRS = {"bp": ("sbp", "dbp")}  # written one/other
TAKES_EFFECT_AFTER = 28  # days on a treatment
BEFORE = 400  # days up to its start in which the value before it was measured
IMPROVED = 0.92  # of the value before, at most


class Series(NamedTuple):
    """The values of one code, by ascending day."""

    days: list[int]
    values: list[float]

    def last(self, first: int, last: int) -> float | None:
        """The latest value from one day to another, both included."""
        place = bisect_right(self.days, last)
        return self.values[place - 1] if place and self.days[place - 1] >= first else None


Measured = dict[str, Series]  # by LOINC code


def by_patient(observations: pd.DataFrame) -> dict[str, Measured]:
    """The series of every patient: sorted and cut once, so that no note searches the table."""
    told = observations[observations["loinc"].isin(_codes())]
    if told.empty:
        return {}
    patient, patients = pd.factorize(told["patient_id"].astype(object))
    code, codes = pd.factorize(told["loinc"].astype(object))
    day = told["date"].to_numpy("datetime64[D]").astype(np.int64) + date(1970, 1, 1).toordinal()
    order = np.lexsort((day, code, patient))
    run = patient[order] * len(codes) + code[order]
    cuts = [0, *(np.flatnonzero(np.diff(run)) + 1).tolist(), len(run)]
    whose, which = patients[patient[order[cuts[:-1]]]].tolist(), codes[code[order[cuts[:-1]]]].tolist()
    days, values = day[order].tolist(), told["value"].to_numpy()[order].tolist()
    found: dict[str, Measured] = {}
    for who, what, (start, end) in zip(whose, which, pairwise(cuts), strict=True):
        found.setdefault(who, {})[what] = Series(days[start:end], values[start:end])
    return found


@cache
def _codes() -> frozenset[str]:
    return frozenset(gauge.loinc for gauge in ranges().values() if gauge.loinc)


@cache
def told_of_record() -> frozenset[str]:
    """The slots that tell what was measured, if it was."""
    measured = {name for name, gauge in ranges().items() if gauge.loinc}
    return frozenset({*measured, *DERIVED, *PAIRS})


def latest(measured: Measured, gauge: Gauge, day: date) -> float | None:
    """The latest value up to the day, unless it is too old to be told."""
    series = measured.get(gauge.loinc)
    if series is None:
        return None
    today = day.toordinal()
    return series.last(today - gauge.days, today)


def improvement(measured: Measured, gauge: Gauge, start: date, day: date) -> tuple[str, str] | None:
    """The value before a treatment and the lower one that it led to by the day, as they are written, if it did."""
    series: Any = measured.get(gauge.loinc)
    if series is None:
        return None
    begun, today = start.toordinal(), day.toordinal()
    before = series.last(begun - BEFORE, begun)
    after = series.last(max(begun + TAKES_EFFECT_AFTER, today - gauge.days), today)
    if before is None or after is None or after > IMPROVED * before:
        return None
    return f"{before:.{gauge.decimals}f}", f"{after:.{gauge.decimals}f}"
