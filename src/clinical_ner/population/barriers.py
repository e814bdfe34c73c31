"""What forbids a treatment: `contraindications.csv` applied to what is known of each person on a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import Regimen
from clinical_ner.population.chart import Cases, People
from clinical_ner.population.timeline import NEVER, Flags, Ints

NOTICED_AFTER = 28  # days from when a treatment becomes forbidden to its end, a pregnancy's say
EVER = -NEVER  # a day before all others
Spell = tuple[Ints, Ints]  # of every person: the first day, and the day after the last


@dataclass(frozen=True)
class Barriers:
    """What can forbid a treatment, of every person.

    `pregnancies` holds the first, second ... pregnancy of everybody, `allergies` by substance the day from
    which it is known, `weak_kidneys` whose kidneys filter too little.
    """

    people: People
    cases: Cases
    pregnancies: tuple[Spell, ...]
    allergies: dict[str, Ints]
    weak_kidneys: Flags
    _spells: dict[str, tuple[Spell, ...]] = field(default_factory=dict)

    def forbid(self, regimen: Regimen, patient: Ints, day: Ints) -> Flags:
        """Whether a treatment may not be begun on a day, a row a patient."""
        forbidden = np.zeros(len(patient), dtype=bool)
        for first, stop in self._of(regimen):
            forbidden |= (first[patient] <= day) & (day < stop[patient])
        return forbidden

    def arising(self, number: Ints, patient: Ints, start: Ints) -> Ints:
        """The day on which a treatment begun is stopped as it has become forbidden, or `NEVER`."""
        found = np.full(len(patient), NEVER)
        for regimen in np.unique(number):
            rows = np.flatnonzero(number == regimen)
            for first, _ in self._of(_regimen(int(regimen))):
                begins = first[patient[rows]]
                noticed = np.where((begins > start[rows]) & (begins < NEVER), begins + NOTICED_AFTER, NEVER)
                found[rows] = np.minimum(found[rows], noticed)
        return found

    def _of(self, regimen: Regimen) -> Iterator[Spell]:
        for rule in catalogue.forbidding(regimen):
            if rule not in self._spells:
                self._spells[rule] = tuple(self._spells_of(rule))
            yield from self._spells[rule]

    def _spells_of(self, rule: str) -> Iterator[Spell]:
        """The days on which a rule of `contraindications.csv` forbids."""
        ever, never = np.full(self.people.size, EVER), np.full(self.people.size, NEVER)
        if rule == "pregnancy":
            yield from self.pregnancies
        elif rule == "child to come":
            for first, stop in self.pregnancies:
                yield np.where(first < NEVER, ever, never), stop
        elif rule == "eGFR below 30":
            yield np.where(self.weak_kidneys, ever, never), never
        elif rule.startswith("allergy to "):
            yield self.allergies[rule.removeprefix("allergy to ")], never + 1
        elif rule.startswith("younger than "):
            yield ever, self.people.day_of_age(float(rule.removeprefix("younger than ")))
        else:
            yield self._known(rule)

    def _known(self, condition: str) -> Spell:
        """From diagnosis to resolution."""
        first, stop = (np.full(self.people.size, NEVER) for _ in range(2))
        case = self.cases.of([condition])
        first[self.cases.patient[case]] = self.cases.diagnosed[case]
        stop[self.cases.patient[case]] = self.cases.resolved[case]
        return first, stop


@cache
def _regimen(number: int) -> Regimen:
    return next(r for _, _, choices in catalogue.treatment_lines() for r in choices if r.number == number)
