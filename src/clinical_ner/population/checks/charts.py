"""The tables with what the rules share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.tables import Population
from clinical_ner.population.timeline import (
    DAYS_A_YEAR,
    Flags,
    Floats,
    Ints,
    days,
    numbers_of,
)
from clinical_ner.population.treatments import regimens


class Measured(NamedTuple):
    """Measurements of one code: their rows in OBSERVATIONS, the places of their encounters, and their values."""

    row: Ints
    encounter: Ints
    value: Floats


@dataclass(frozen=True, eq=False)
class Charts:
    """The tables with what the rules share: rows as positions, dates as days, each worked out once."""

    population: Population
    reference_date: date
    _known: dict[tuple[str, ...], Ints] = field(default_factory=dict)
    _words: list[tuple[pd.Index[Any], Ints]] = field(default_factory=list)
    _coded: dict[tuple[str, str], pd.Categorical] = field(default_factory=dict)
    _measured: dict[str, Measured] = field(default_factory=dict)

    def _once(self, make: Callable[..., Ints], *names: str) -> Ints:
        key = (make.__name__, *names)
        if key not in self._known:
            self._known[key] = make(*names)
        return self._known[key]

    @cached_property
    def today(self) -> int:
        """The reference date as a day."""
        return int(np.datetime64(self.reference_date, "D").astype(np.int64))

    @cached_property
    def birth(self) -> Ints:
        """The day of birth of each patient."""
        return days(self.population.patients["birth_date"])

    @cached_property
    def end(self) -> Ints:
        """The day of death or the reference date, of each patient."""
        return np.minimum(days(self.population.patients["death_date"]), self.today)

    @cached_property
    def female(self) -> Flags:
        """Of each patient."""
        return (self.population.patients["sex"] == "female").to_numpy()

    def column(self, table: str, name: str) -> pd.Series[Any]:
        """A column of a table."""
        column: pd.Series[Any] = getattr(self.population, table)[name]
        return column

    def coded(self, table: str, name: str) -> pd.Categorical:
        """A column of words by their codes."""
        if (table, name) not in self._coded:
            self._coded[table, name] = pd.Categorical(self.column(table, name))
        return self._coded[table, name]

    def by_word(self, table: str, name: str, said: Callable[[Any], Any], missing: Any) -> NDArray[Any]:
        """Of each row what is said of its word, worked out once a word."""
        coded = self.coded(table, name)
        found: NDArray[Any] = np.array([*(said(word) for word in coded.categories), missing])[coded.codes]
        return found

    def days(self, table: str, name: str) -> Ints:
        """A column of dates as days, `NEVER` where one is missing."""
        return self._once(self._days, table, name)

    def numbers(self, table: str, name: str) -> Ints:
        """A column of identifiers as their numbers, -1 where one is missing."""
        return self._once(self._numbers, table, name)

    def patient(self, table: str) -> Ints:
        """The place of each row's patient among the patients, -1 where there is no such patient."""
        return self._once(self._patient, table)

    def place(self, table: str, name: str, of: str) -> Ints:
        """The place of the row of the table `of` that a column names, -1 for none."""
        return self._once(self._place, table, name, of)

    def _days(self, table: str, name: str) -> Ints:
        return days(self.column(table, name))

    def _numbers(self, table: str, name: str) -> Ints:
        column = self.column(table, name)
        if isinstance(column.dtype, pd.CategoricalDtype):
            return np.append(self._of_words(column.cat.categories), -1)[column.cat.codes.to_numpy()]
        return numbers_of(column)

    def _of_words(self, words: pd.Index[Any]) -> Ints:
        """The numbers of categories, which several columns share."""
        for known, numbers in self._words:
            if known is words:
                return numbers
        self._words.append((words, numbers_of(words)))
        return self._words[-1][1]

    def _patient(self, table: str) -> Ints:
        return self._among(self.column(table, "patient_id"), "patients", "patient_id")

    def _place(self, table: str, name: str, of: str) -> Ints:
        key = {"conditions": "condition_id", "encounters": "encounter_id"}[of]
        return self._among(self.column(table, name), of, key)

    def _among(self, column: pd.Series[Any], of: str, key: str) -> Ints:
        """Where the row of the table `of` stands that each identifier names, -1 where it is not there."""
        among = self.numbers(of, key)
        if not isinstance(column.dtype, pd.CategoricalDtype):
            return _place(numbers_of(column), among)
        words = self._of_words(column.cat.categories)  # kept, so that its address is its own
        place = self._once(lambda *_: np.append(_place(words, among), -1), of, str(id(words)))
        return place[column.cat.codes.to_numpy()]

    @cached_property
    def condition(self) -> Ints:
        """Of each row of CONDITIONS its number in the catalogue, -1 if it is not there."""
        names = [condition.name for condition in catalogue.conditions()]
        return pd.Categorical(self.column("conditions", "name"), categories=names).codes.astype(np.int64)

    @cached_property
    def treatment(self) -> Ints:
        """Of each row of TREATMENTS the place of its name among `treatment_names`."""
        return pd.Categorical(self.column("treatments", "name"), categories=treatment_names()).codes.astype(np.int64)

    def age(self, patient: Ints, day: Ints) -> Floats:
        """Ages in years."""
        years: Floats = (day - self.birth[patient]) / DAYS_A_YEAR
        return years

    def measured(self, loinc: str) -> Measured:
        """The rows of OBSERVATIONS of one code."""
        if loinc not in self._measured:
            rows = self._rows_by_code.get(loinc, np.empty(0, np.int64))
            place = self.place("observations", "encounter_id", "encounters")[rows]
            self._measured[loinc] = Measured(rows, place, self.column("observations", "value").to_numpy()[rows])
        return self._measured[loinc]

    def beside(self, one: Measured, loinc: str) -> Floats:
        """What was measured of another code at the same encounters, not a number where it was not.

        No code is measured twice at an encounter (`measurements.everything_is_measured_once`).
        """
        other = self.measured(loinc)
        values = np.full(len(self.patient("encounters")) + 1, np.nan)
        values[other.encounter] = other.value
        values[-1] = np.nan  # of no encounter
        return values[one.encounter]

    @cached_property
    def _rows_by_code(self) -> dict[str, Ints]:
        coded = self.coded("observations", "loinc")
        order = np.argsort(coded.codes, kind="stable")
        bounds = np.searchsorted(coded.codes[order], np.arange(len(coded.categories) + 1))
        return {code: order[bounds[n] : bounds[n + 1]] for n, code in enumerate(coded.categories)}


def _place(numbers: Ints, among: Ints) -> Ints:
    """Where each number stands among others, which ascend; -1 where it does not."""
    if not len(among):
        return np.full(len(numbers), -1)
    place = np.minimum(np.searchsorted(among, numbers), len(among) - 1)
    return np.where(among[place] == numbers, place, -1)


@cache
def treatment_names() -> tuple[str, ...]:
    """The names of `regimens.csv`, each once."""
    return tuple(dict.fromkeys(regimen.name for regimen in regimens()))


def identifiers(charts: Charts, table: str, name: str, wrong: Flags) -> NDArray[Any]:
    """What a column of a table holds where it is wrong."""
    rows = np.flatnonzero(wrong)
    return charts.column(table, name).iloc[rows].to_numpy() if len(rows) else np.empty(0, dtype=object)


Rule: TypeAlias = Callable[[Charts], NDArray[Any]]
