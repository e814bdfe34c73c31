"""What forbids a treatment: `contraindications.csv` applied to what is known of each person on a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import Regimen
from clinical_ner.population.chart import Cases, People
from clinical_ner.population.timeline import DAYS_A_YEAR, NEVER, Flags, Floats, Ints

NOTICED_AFTER = 28  # days from when a treatment becomes forbidden to its end, a pregnancy's say
KIDNEY_RULES = {"eGFR below 30": 45.0, "eGFR above 20": 15.0}  # mL/min/1.73 m2 acted on, as values of a visit stray
KIDNEYS_LOSE = 0.8  # mL/min/1.73 m2 a year
EVER = -NEVER  # a day before all others
Spell = tuple[Ints, Ints]  # of every person: the first day, and the day after the last


@dataclass(frozen=True)
class Barriers:
    """What can forbid a treatment, of every person.

    `pregnancies` holds the first, second ... pregnancy of everybody, `allergies` by substance the day from
    which it is known, `egfr` what the kidneys filter on the last day.
    """

    people: People
    cases: Cases
    pregnancies: tuple[Spell, ...]
    allergies: dict[str, Ints]
    egfr: Floats
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
            yield self._weak_since(KIDNEY_RULES[rule]), never
            yield self._known("acute_kidney_injury")
        elif rule == "eGFR above 20":
            yield ever, self._weak_since(KIDNEY_RULES[rule])
        elif rule.endswith(" to come"):
            first, _ = self._spell_of(rule.removesuffix(" to come"), self.cases.onset)
            yield np.where(first < NEVER, ever, never), first
        elif rule.startswith("allergy to "):
            yield self.allergies[rule.removeprefix("allergy to ")], never + 1
        elif rule.startswith("younger than "):
            yield ever, self.people.day_of_age(float(rule.removeprefix("younger than ")))
        else:
            yield self._known(rule)

    def _weak_since(self, limit: float) -> Ints:
        """The day from which everybody's kidneys filter less, by what they lose a year; `NEVER` if not by the end."""
        years = (limit - self.egfr) / KIDNEYS_LOSE
        since = self.people.end - (np.maximum(years, 0) * DAYS_A_YEAR).astype(np.int64)
        return np.where(years > 0, since, NEVER)

    def _known(self, condition: str) -> Spell:
        """From diagnosis to resolution."""
        return self._spell_of(condition, self.cases.diagnosed)

    def _spell_of(self, condition: str, since: Ints) -> Spell:
        """From a day of each case to its resolution."""
        first, stop = (np.full(self.people.size, NEVER) for _ in range(2))
        case = self.cases.of([condition])
        first[self.cases.patient[case]] = since[case]
        stop[self.cases.patient[case]] = self.cases.resolved[case]
        return first, stop


@dataclass(frozen=True)
class Running:
    """Until when each person takes the drugs and classes of drugs that do not go with others."""

    size: int
    _until: dict[str, Ints] = field(default_factory=dict)

    def forbid(self, regimen: Regimen, patient: Ints, day: Ints) -> Flags:
        """Whether something that does not go with it is still taken on a day, a row a patient, or begun later."""
        forbidden = np.zeros(len(patient), dtype=bool)
        for name in _foes(regimen) & self._until.keys():
            forbidden |= self._until[name][patient] > day
        return forbidden

    def note(self, number: Ints, patient: Ints, stop: Ints) -> None:
        """That these people, each once, take these regimens until a day."""
        for regimen in np.unique(number):
            rows = np.flatnonzero(number == regimen)
            for name in _names(_regimen(int(regimen))):
                until = self._until.setdefault(name, np.full(self.size, EVER))
                until[patient[rows]] = np.maximum(until[patient[rows]], stop[rows])


@cache
def _foes(regimen: Regimen) -> frozenset[str]:
    """The drugs and classes that nobody takes with this drug: itself and what `interactions.csv` says."""
    own = {regimen.name, regimen.drug_class}
    pairs = [pair for pair in catalogue.interactions() if pair & own]
    others = frozenset(name for pair in pairs for name in (pair - own or pair))
    return others | {regimen.product} if regimen.kind == "drug" else frozenset()


@cache
def _names(regimen: Regimen) -> frozenset[str]:
    """The product, the drug and its class, as far as anything asks for them."""
    if regimen.kind != "drug":
        return frozenset()
    return frozenset({regimen.product, regimen.name, regimen.drug_class or ""}) & _asked_for()


@cache
def _asked_for() -> frozenset[str]:
    """The drugs of several lines and whatever interacts."""
    lines = [{choice.product for choice in choices} for _, _, choices in catalogue.treatment_lines()]
    often = Counter(name for names in lines for name in names)
    return frozenset(name for name, count in often.items() if count > 1).union(*catalogue.interactions())


@cache
def _regimen(number: int) -> Regimen:
    return next(r for _, _, choices in catalogue.treatment_lines() for r in choices if r.number == number)
