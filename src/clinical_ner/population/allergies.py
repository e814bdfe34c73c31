"""What the patients do not bear: `allergens.csv`, as the chart says it (a label, not a test)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from clinical_ner.population.catalogue import Row, rows
from clinical_ner.population.chart import Cases, People
from clinical_ner.population.timeline import DAYS_A_YEAR, NEVER, Ints, dates, labels

SEVERITIES = ("mild", "moderate", "severe")
RAISED = 2.5  # the odds of those who have what the allergy goes with, roughly


class Allergen(Row):
    """A row of `allergens.csv`: `reactions` is a list of reaction:severity:percent."""

    substance: str
    concept_id: str
    category: str
    percent: float
    onset_from: float
    onset_to: float
    associated: str
    reactions: str


@dataclass(frozen=True)
class Allergies:
    """One element an allergy: whose, to which row of `allergens.csv`, since when, with which of the reactions."""

    patient: Ints
    substance: Ints
    onset: Ints
    reaction: Ints

    def since(self, people: int) -> dict[str, Ints]:
        """By substance, of everybody the day from which the allergy is known, `NEVER` for none."""
        found = {allergen.substance: np.full(people, NEVER) for allergen in allergens()}
        for number, allergen in enumerate(allergens()):
            those = self.substance == number
            found[allergen.substance][self.patient[those]] = self.onset[those]
        return found


@cache
def allergens() -> tuple[Allergen, ...]:
    """Every substance that people are allergic to."""
    return tuple(Allergen.model_validate(row) for row in rows("allergens.csv"))


def sample_allergies(people: People, cases: Cases) -> Allergies:
    """The allergies that have begun by the end of each record."""
    parts = []
    for number, allergen in enumerate(allergens()):
        having = np.zeros(people.size, dtype=bool)
        having[cases.patient[cases.of([allergen.associated])]] = True
        uniform = people.draw(f"allergy/{allergen.substance}")
        share = allergen.percent / 100 * np.where(having, RAISED, 1.0)
        since = allergen.onset_from + (allergen.onset_to - allergen.onset_from) * np.minimum(uniform / share, 1)
        onset = people.birth + np.ceil(since * DAYS_A_YEAR).astype(np.int64)
        patient = np.flatnonzero((uniform < share) & (onset <= people.end))
        reaction = _reaction(people.draw.of_rows(f"allergy/{allergen.substance}/reaction", patient), number)
        parts.append((patient, np.full(len(patient), number), onset[patient], reaction))
    patient, substance, onset, reaction = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((_alphabetical()[substance], patient))
    return Allergies(patient[order], substance[order], onset[order], reaction[order])


def allergy_table(people: People, allergies: Allergies) -> pd.DataFrame:
    """ALLERGIES."""
    listed = allergens()
    return pd.DataFrame(
        {
            "patient_id": people.named(allergies.patient),
            "substance": labels(allergies.substance, [allergen.substance for allergen in listed]),
            "concept_id": labels(allergies.substance, [allergen.concept_id for allergen in listed]),
            "category": _labelled(allergies.substance, [allergen.category for allergen in listed]),
            "reaction": _labelled(allergies.reaction, [name for name, _, _ in _reactions()[0]]),
            "severity": _labelled(allergies.reaction, [severity for _, severity, _ in _reactions()[0]]),
            "onset_date": dates(allergies.onset),
        }
    )


@cache
def _reactions() -> tuple[tuple[tuple[str, str, float], ...], tuple[int, ...]]:
    """All reactions, those of a substance behind those of the one before, and where those of each start."""
    every: list[tuple[str, str, float]] = []
    starts = []
    for allergen in allergens():
        starts.append(len(every))
        parts = (part.split(":") for part in allergen.reactions.split(";"))
        every += [(name, severity, float(percent)) for name, severity, percent in parts]
    return tuple(every), (*starts, len(every))


def _reaction(uniform: np.ndarray, substance: int) -> Ints:
    every, starts = _reactions()
    own = np.array([percent for _, _, percent in every[starts[substance] : starts[substance + 1]]])
    cumulated = np.cumsum(own) / own.sum()
    return starts[substance] + np.minimum(np.searchsorted(cumulated, uniform, side="right"), len(own) - 1)


@cache
def _alphabetical() -> Ints:
    """The rank of each substance in the order of the alphabet, which is that of the table's key."""
    return np.argsort(np.argsort([allergen.substance for allergen in allergens()]))


def _labelled(code: Ints, words: list[str]) -> pd.Categorical:
    """Words by position, each once among the categories."""
    distinct = sorted(set(words))
    return labels(np.array([distinct.index(word) for word in words])[code], distinct)
