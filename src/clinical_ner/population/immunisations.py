"""What the patients are vaccinated with: `vaccines.csv` by age, influenza every autumn, `campaigns.csv` in rounds.

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
from clinical_ner.population.pregnancies import Pregnancies
from clinical_ner.population.timeline import DAYS_A_YEAR, Floats, Ints, dates, labels, ordinals

GROWN_UP = 19  # years, from which on only the years of records are kept
QUADRIVALENT = ("150", "influenza, injectable, quadrivalent, preservative free")
TRIVALENT = ("140", "Influenza, split virus, trivalent, PF")
TDAP, TDAP_IN_PREGNANCY = (
    "115",
    (189, 252, 57.0),
)  # days of pregnancy, percent (ACIP: every one, from 27 to 36 weeks on)
TDAP_SINCE = date(2012, 10, 24)  # recommended for every pregnancy
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


class Campaign(Row):
    """A row of `campaigns.csv`: a product offered from a day on, to whom by the age on another, and how many get it."""

    cvx: str
    name: str
    age_from: float
    age_to: float
    age_on: date
    since: date
    within_days: int
    coverage_percent: float
    series: str


@cache
def campaigns() -> tuple[Campaign, ...]:
    """Every round, in its order."""
    return tuple(Campaign.model_validate(row) for row in catalogue.rows("campaigns.csv"))


@cache
def vaccines() -> tuple[Vaccine, ...]:
    """Every dose of the schedule."""
    return tuple(
        Vaccine.model_validate(row | {"until": row["until"] or None}) for row in catalogue.rows("vaccines.csv")
    )


def sample_immunizations(people: People, pregnancies: Pregnancies) -> pd.DataFrame:
    """IMMUNIZATIONS."""
    parts = [*_scheduled(people), *_influenza(people), *_in_rounds(people), _in_pregnancy(people, pregnancies)]
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
    grown, draw = people.day_of_age(GROWN_UP), cache(people.draw)
    doses = [(vaccine.series, vaccine.dose) for vaccine in vaccines()]
    for vaccine in vaccines():
        number = doses.index((vaccine.series, vaccine.dose))  # so that of two products of a dose each gets one
        wanting = draw(f"vaccine/{vaccine.series}") < vaccine.coverage_percent / 100
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


def _in_rounds(people: People) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """The doses of `campaigns.csv`, numbered by person and product; who gets a later round got those before it."""
    everyone, draw = np.arange(people.size), cache(people.draw)
    given: dict[str, Ints] = {}
    for offer in campaigns():
        day = _day(offer.since) + (draw(f"vaccine/{offer.series}/day") * offer.within_days).astype(np.int64)
        age = people.age(everyone, np.full(people.size, _day(offer.age_on)))
        wanting = draw(f"vaccine/{offer.series}") < offer.coverage_percent / 100
        takers = wanting & (age >= offer.age_from) & (age < offer.age_to) & (day <= people.end)
        doses = given.setdefault(offer.cvx, np.zeros(people.size, dtype=np.int64))
        doses += takers
        patient = np.flatnonzero(takers & (day >= people.first_day))
        product = _products().index((offer.cvx, offer.name))
        yield patient, day[patient], np.full(len(patient), product), doses[patient]


def _in_pregnancy(people: People, pregnancies: Pregnancies) -> tuple[Ints, Ints, Ints, Ints]:
    """Tdap in each pregnancy that lasts long enough; the first dose of the schedule counts."""
    first, last, percent = TDAP_IN_PREGNANCY
    which = people.draw.of_rows("vaccine/Tdap in pregnancy", pregnancies.patient, ordinals(pregnancies.patient))
    day = pregnancies.start + first + (which / (percent / 100) * (last - first)).astype(np.int64)
    given = (which < percent / 100) & (day < pregnancies.end) & (day <= people.end[pregnancies.patient])
    given &= day >= max(people.first_day, _day(TDAP_SINCE))
    patient, day = pregnancies.patient[given], day[given]
    product = next(number for number, (cvx, _) in enumerate(_products()) if cvx == TDAP)
    return patient, day, np.full(len(patient), product), ordinals(patient) + 2


def _coverage(age: Floats) -> Floats:
    """The share vaccinated against influenza in a season; nobody younger than six months."""
    ages = catalogue.column("influenza_coverage.csv", "age_from")
    shares = np.concatenate([[0.0], catalogue.column("influenza_coverage.csv", "percent") / 100])
    return shares[np.searchsorted(ages, age, side="right")]


@cache
def _products() -> tuple[tuple[str, str], ...]:
    scheduled = [(vaccine.cvx, vaccine.name) for vaccine in vaccines()]
    offered = [(campaign.cvx, campaign.name) for campaign in campaigns()]
    return tuple(dict.fromkeys([*scheduled, *offered, QUADRIVALENT, TRIVALENT]))


@cache
def _by_cvx() -> Ints:
    return np.argsort(np.argsort([cvx for cvx, _ in _products()]))


def _day(day: date) -> int:
    return int(np.datetime64(day, "D").astype(np.int64))
