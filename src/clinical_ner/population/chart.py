"""A stretch of people and their conditions as arrays: what treatments, encounters and measurements start from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from clinical_ner.population import catalogue
from clinical_ner.population.draws import Draws
from clinical_ner.population.timeline import DAYS_A_YEAR, Flags, Floats, Ints, categories, coded, days, ids, numbers_of

SEVERITY = {"mild": 0, "moderate": 1, "severe": 2}


@dataclass(frozen=True)
class People:
    """One element a person of the stretch, in days; `death` is `NEVER` of the living, `end` the last day of record."""

    draw: Draws
    today: int
    first_day: int  # of the years of records that are kept in full
    female: Flags
    birth: Ints
    death: Ints

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.birth)

    @cached_property
    def end(self) -> Ints:
        """The day of death or the reference date."""
        return np.minimum(self.death, self.today)

    @cached_property
    def names(self) -> pd.CategoricalDtype:
        """The identifiers as categories."""
        return categories(ids("P", self.draw.start + np.arange(self.size), 7))

    def named(self, patient: Ints) -> pd.Categorical:
        """The column `patient_id` of rows that belong to these people."""
        return coded(patient, self.names)

    def age(self, patient: Ints, day: Ints) -> Floats:
        """Ages in years on these days."""
        years: Floats = (day - self.birth[patient]) / DAYS_A_YEAR
        return years

    def day_of_age(self, years: float) -> Ints:
        """The day on which everybody reaches an age."""
        return self.birth + int(np.ceil(years * DAYS_A_YEAR))


@dataclass(frozen=True)
class Cases:
    """One element a condition of a person, ordered by person; `NEVER` for no diagnosis and no resolution."""

    identifier: Ints
    patient: Ints
    number: Ints  # of the condition in the catalogue
    onset: Ints
    diagnosed: Ints
    resolved: Ints
    severity: Ints

    @cached_property
    def names(self) -> pd.CategoricalDtype:
        """The identifiers as categories."""
        return categories(ids("C", self.identifier))

    def named(self, case: Ints) -> pd.Categorical:
        """The column `condition_id` of rows that are about these cases; missing where the case is -1."""
        return coded(case, self.names)

    @cached_property
    def _by_number(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.number, kind="stable")
        return order, np.searchsorted(self.number[order], np.arange(len(catalogue.conditions()) + 1))

    def only(self, kept: Flags) -> Cases:
        """Those of these cases."""
        return Cases(*(getattr(self, column.name)[kept] for column in fields(self)))

    def of(self, keys: Iterable[str]) -> Ints:
        """Where the cases of these conditions are, ordered by person."""
        order, bounds = self._by_number
        known = catalogue.by_key()
        numbers = sorted({known[key].number for key in keys if key in known})
        found = np.concatenate([order[bounds[n] : bounds[n + 1]] for n in numbers] or [np.empty(0, np.int64)])
        return np.sort(found) if len(numbers) > 1 else found


def people_of(patients: pd.DataFrame, draw: Draws, reference_date: date, years_of_records: int) -> People:
    """PATIENTS as arrays."""
    today = int(np.datetime64(reference_date, "D").astype(np.int64))
    return People(
        draw=draw,
        today=today,
        first_day=today - int(years_of_records * DAYS_A_YEAR),
        female=(patients["sex"] == "female").to_numpy(),
        birth=days(patients["birth_date"]),
        death=days(patients["death_date"]),
    )


def cases_of(conditions: pd.DataFrame, people: People) -> Cases:
    """CONDITIONS as arrays."""
    identifier = numbers_of(conditions["condition_id"])
    return Cases(
        identifier=identifier,
        patient=numbers_of(conditions["patient_id"]) - people.draw.start,
        number=_numbers_by_name(conditions["name"]),
        onset=days(conditions["onset_date"]),
        diagnosed=days(conditions["diagnosed_date"]),
        resolved=days(conditions["resolved_date"]),
        severity=pd.Categorical(conditions["severity"], categories=list(SEVERITY)).codes.astype(np.int64),
    )


def _numbers_by_name(names: pd.Series[str]) -> Ints:
    listed = [condition.name for condition in catalogue.conditions()]
    return pd.Categorical(names, categories=listed).codes.astype(np.int64)
