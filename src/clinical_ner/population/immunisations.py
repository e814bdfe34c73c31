"""What the patients are vaccinated with: `vaccines.csv` by age, and influenza every autumn.

Children have their whole schedule, adults what fell into the years of records. Who gets the first dose of
a series gets the later ones while the coverage of those holds; no dose is older than its licence.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache

import numpy as np
import pandas as pd

from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import Row
from clinical_ner.population.chart import People
from clinical_ner.population.timeline import DAYS_A_YEAR, Floats, Ints, dates, labels

GROWN_UP = 19  # years, from which on only the years of records are kept
QUADRIVALENT = ("150", "influenza, injectable, quadrivalent, preservative free")
TRIVALENT = ("140", "Influenza, split virus, trivalent, PF")
INFLUENZA_SINCE = {QUADRIVALENT[0]: date(2012, 9, 1), TRIVALENT[0]: date(2024, 7, 1)}
SEASON = (244, 90)  # it is given from this day of the year on, within so many days
HABIT = 0.6  # of the yearly decisions are the person's habit, not the year's chance


class Vaccine(Row):
    """A row of `vaccines.csv`: a dose, from which age on, within how many days, how many get it, and when."""

    cvx: str
    name: str
    dose: int
    age_months: float
    within_days: int
    coverage_percent: float
    since: date
    until: date | None
    series: str


@cache
def vaccines() -> tuple[Vaccine, ...]:
    """Every dose of the schedule."""
    return tuple(
        Vaccine.model_validate(row | {"until": row["until"] or None}) for row in catalogue.rows("vaccines.csv")
    )


def sample_immunizations(people: People) -> pd.DataFrame:
    """IMMUNIZATIONS."""
    parts = [*_scheduled(people), *_influenza(people)]
    patient, day, vaccine, dose = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((_by_cvx()[vaccine], day, patient))
    patient, day, vaccine, dose = patient[order], day[order], vaccine[order], dose[order]
    return pd.DataFrame(
        {
            "patient_id": people.named(patient),
            "date": dates(day),
            "cvx": labels(vaccine, [cvx for cvx, _ in _products()]),
            "name": labels(vaccine, [name for _, name in _products()]),
            "dose_number": dose,
        }
    )


def _scheduled(people: People) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    grown = people.day_of_age(GROWN_UP)
    doses = [(vaccine.series, vaccine.dose) for vaccine in vaccines()]
    for vaccine in vaccines():
        number = doses.index((vaccine.series, vaccine.dose))  # so that of two products of a dose each gets one
        wanting = people.draw(f"vaccine/{vaccine.series}") < vaccine.coverage_percent / 100
        day = people.birth + int(np.ceil(vaccine.age_months * DAYS_A_YEAR / 12))
        day = day + (people.draw.of_rows("vaccine/day", np.arange(people.size), number) * vaccine.within_days).astype(
            np.int64
        )
        kept = (day >= people.first_day) | ((day < grown) & (grown > people.first_day))
        in_use = (day >= _day(vaccine.since)) & (day <= _day(vaccine.until or date.max))
        patient = np.flatnonzero(wanting & kept & in_use & (day <= people.end))
        product = _products().index((vaccine.cvx, vaccine.name))
        yield patient, day[patient], np.full(len(patient), product), np.full(len(patient), vaccine.dose)


def _influenza(people: People) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """One dose a season and person that wants it, numbered from 1 within the record."""
    everyone, given = np.arange(people.size), np.zeros(people.size, dtype=np.int64)
    own = people.draw("influenza/habit")
    first_year, last_year = (1970 + int(day // DAYS_A_YEAR) for day in (people.first_day, people.today))
    for year in range(max(first_year, INFLUENZA_SINCE[QUADRIVALENT[0]].year), last_year + 1):
        product = _products().index(TRIVALENT if year >= INFLUENZA_SINCE[TRIVALENT[0]].year else QUADRIVALENT)
        chance, follows = (people.draw.of_rows(f"influenza/{part}", everyone, year) for part in ("chance", "follows"))
        into = (people.draw.of_rows("influenza/day", everyone, year) * SEASON[1]).astype(np.int64)
        day = _day(date(year, 1, 1)) + SEASON[0] + into
        wanting = np.where(follows < HABIT, own, chance) < _coverage(people.age(everyone, day))
        patient = np.flatnonzero(wanting & (day >= people.first_day) & (day <= people.end))
        given[patient] += 1
        yield patient, day[patient], np.full(len(patient), product), given[patient]


def _coverage(age: Floats) -> Floats:
    """The share vaccinated against influenza in a season; nobody younger than six months."""
    ages = catalogue.column("influenza_coverage.csv", "age_from")
    shares = np.concatenate([[0.0], catalogue.column("influenza_coverage.csv", "percent") / 100])
    return shares[np.searchsorted(ages, age, side="right")]


@cache
def _products() -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys([*((vaccine.cvx, vaccine.name) for vaccine in vaccines()), QUADRIVALENT, TRIVALENT]))


@cache
def _by_cvx() -> Ints:
    return np.argsort(np.argsort([cvx for cvx, _ in _products()]))


def _day(day: date) -> int:
    return int(np.datetime64(day, "D").astype(np.int64))
