"""Pregnancies of the years of records, by age; the conditions of pregnancy lie inside them.

Time is cut into slots, each with room for one pregnancy and the months after it. Where somebody has a
condition of pregnancy, the pregnancy is laid around it, and what the slots would put beside it gives way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population.catalogue import column, rows
from clinical_ner.population.chart import Cases, People
from clinical_ner.population.timeline import DAYS_A_YEAR, NEVER, Flags, Floats, Ints, dates, ids, labels, ordinals

SLOT = 540  # days, each with room for the start of one pregnancy
APART = 330  # days at least from the start of one to the start of the next
TERM = (266, 280)  # days from the start to the birth, of the pregnancies laid around a condition
VIABLE = 140  # days; a death before it is a miscarriage, after it a stillbirth
CONDITIONS = {"gestational_diabetes": (168, 196), "pre_eclampsia": (150, 250)}  # days of pregnancy at onset
OUTCOMES = ("live_birth", "stillbirth", "miscarriage", "ectopic", "termination", "ongoing")
PREGNANCIES_A_PATIENT = 100


@dataclass(frozen=True)
class Pregnancies:
    """One element a pregnancy, ordered by person and start; `end` is `NEVER` while it is ongoing."""

    patient: Ints
    start: Ints
    end: Ints
    outcome: Ints

    def spells(self, people: int) -> tuple[tuple[Ints, Ints], ...]:
        """The first, second ... pregnancy of everybody: from when and to when, `NEVER` for none."""
        place = ordinals(self.patient)
        found = []
        for number in range(int(place.max(initial=-1)) + 1):
            first, stop = np.full(people, NEVER), np.full(people, NEVER)
            those = place == number
            first[self.patient[those]], stop[self.patient[those]] = self.start[those], self.end[those]
            found.append((first, stop))
        return tuple(found)


def sample_pregnancies(people: People, cases: Cases) -> tuple[Pregnancies, Flags]:
    """The pregnancies, and which CASES remain.

    Of two conditions of pregnancy that fit neither into one nor into two, the second is no case.
    """
    around, kept = _around_conditions(people, cases)
    patient, start, known = (np.concatenate(part) for part in zip(around, _by_age(people), strict=True))
    order = np.lexsort((~known, start, patient))
    patient, start, known = patient[order], start[order], known[order]
    room = known | ~_beside_known(patient, start, known)
    return _with_outcomes(people, patient[room], start[room], known[room]), kept


def delivered(cases: Cases, pregnancies: Pregnancies, people: int) -> Cases:
    """The cases with those of pregnancy over by its end."""
    resolved = cases.resolved.copy()
    case = cases.of(CONDITIONS)
    for first, stop in pregnancies.spells(people):
        inside = (first[cases.patient[case]] <= cases.onset[case]) & (cases.onset[case] <= stop[cases.patient[case]])
        resolved[case[inside]] = np.minimum(resolved[case[inside]], stop[cases.patient[case[inside]]])
    return replace(cases, resolved=resolved)


def pregnancy_table(people: People, pregnancies: Pregnancies) -> pd.DataFrame:
    """PREGNANCIES."""
    position = people.draw.start + pregnancies.patient
    return pd.DataFrame(
        {
            "pregnancy_id": ids("G", position * PREGNANCIES_A_PATIENT + ordinals(pregnancies.patient)),
            "patient_id": people.named(pregnancies.patient),
            "start_date": dates(pregnancies.start),
            "end_date": dates(pregnancies.end),
            "outcome": labels(pregnancies.outcome, OUTCOMES),
        }
    )


def _around_conditions(people: People, cases: Cases) -> tuple[tuple[Ints, Ints, Flags], Flags]:
    """Person, start and whether it is certain, of the pregnancies that the cases ask for; which cases remain."""
    kept = np.ones(len(cases.patient), dtype=bool)
    first_start = np.full(people.size, -NEVER)
    found: list[tuple[Ints, Ints]] = []
    for key, (earliest, latest) in CONDITIONS.items():
        case = cases.of([key])
        patient, onset = cases.patient[case], cases.onset[case]
        weeks = people.draw.of_rows(f"pregnancy/{key}", patient)
        start = onset - earliest - (weeks * (latest - earliest)).astype(np.int64)
        other = first_start[patient]
        same = (onset >= other + VIABLE) & (onset <= other + TERM[0])
        fits = same | (np.abs(start - other) >= APART)
        kept[case[~fits]] = False
        new = fits & ~same
        found.append((patient[new], start[new]))
        first_start[patient[new]] = start[new]
    patient, start = (np.concatenate(part) for part in zip(*found, strict=True))
    return (patient, start, np.ones(len(patient), dtype=bool)), kept


def _by_age(people: People) -> tuple[Ints, Ints, Flags]:
    """The pregnancies that women of an age have, one at most in a slot."""
    women = np.flatnonzero(people.female)
    found = list(_slots(people, women))
    patient, start = (np.concatenate(part) for part in zip(*found, strict=True))
    return patient, start, np.zeros(len(patient), dtype=bool)


def _slots(people: People, women: Ints) -> Iterator[tuple[Ints, Ints]]:
    share_born = column("pregnancy_outcomes.csv", "percent")[0] / 100
    for number, slot in enumerate(range(people.first_day, people.today, SLOT)):
        into = (people.draw.of_rows("pregnancy/start", women, number) * (SLOT - APART)).astype(np.int64)
        start = slot + into
        rate = _birth_rate(people.age(women, start)) / share_born * SLOT / DAYS_A_YEAR
        begins = (people.draw.of_rows("pregnancy", women, number) < rate) & (start < people.end[women])
        yield women[begins], start[begins]


@cache
def _births() -> tuple[Floats, Floats]:
    """The ages at which the rate of births a woman and year changes, and the rates from there on."""
    ages = np.append(column("births.csv", "age_from"), column("births.csv", "age_to")[-1])
    return ages, np.concatenate([[0.0], column("births.csv", "births_per_1000") / 1000, [0.0]])


def _birth_rate(age: Floats) -> Floats:
    """Births a woman of an age and year; none from 50 on, and none before 12."""
    ages, rates = _births()
    return np.where(age >= 12, rates[np.searchsorted(ages, age, side="right")], 0.0)


def _beside_known(patient: Ints, start: Ints, known: Flags) -> Flags:
    """Which rows start too near to a pregnancy that is certain; rows are ordered by person and start."""
    place = np.where(known, np.arange(len(patient)), -1)
    before = np.maximum.accumulate(place)
    after = np.minimum.accumulate(np.where(known, np.arange(len(patient)), len(patient))[::-1])[::-1]
    beside = np.zeros(len(patient), dtype=bool)
    for neighbour in (before, after):
        real = (neighbour >= 0) & (neighbour < len(patient))
        other = np.where(real, neighbour, 0)
        near = (patient[other] == patient) & (np.abs(start[other] - start) < APART)
        beside |= real & near
    return beside


def _with_outcomes(people: People, patient: Ints, start: Ints, known: Flags) -> Pregnancies:
    outcomes = rows("pregnancy_outcomes.csv")
    share = np.cumsum(column("pregnancy_outcomes.csv", "percent"))
    uniform = people.draw.of_rows("pregnancy/outcome", patient, start - people.today + NEVER // 4)
    outcome = np.minimum(np.searchsorted(share, uniform * 100, side="right"), len(outcomes) - 1)
    outcome = np.where(known, 0, outcome)
    shortest, longest = (column("pregnancy_outcomes.csv", name)[outcome] for name in ("shortest_days", "longest_days"))
    shortest, longest = np.where(known, TERM[0], shortest), np.where(known, TERM[1], longest)
    into = people.draw.of_rows("pregnancy/length", patient, start - people.today + NEVER // 4)
    end = start + (shortest + into * (longest - shortest)).astype(np.int64)
    return _ended(people, patient, start, end, outcome, known)


def _ended(
    people: People, patient: Ints, start: Ints, end: Ints, outcome: Ints, known: NDArray[np.bool_]
) -> Pregnancies:
    """Ended by death or still ongoing; those that death ends and nothing asks for are left out."""
    died, ongoing = end > people.death[patient], end > people.today
    lost = np.where(people.death[patient] - start >= VIABLE, OUTCOMES.index("stillbirth"), OUTCOMES.index("miscarriage"))
    outcome = np.where(died, lost, np.where(ongoing, OUTCOMES.index("ongoing"), outcome))
    end = np.where(died, people.death[patient], np.where(ongoing, NEVER, end))
    kept = known | ~died
    return Pregnancies(patient[kept], start[kept], end[kept], outcome[kept])
