"""What the patients' parents and siblings have had: the closer to what the patients have, the more heritable.

A relative's chance is the share of parents who ever have it, raised by the relative risk of `family.csv`
where the patient has it, and lowered for the others so that the share stays what it is.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import Row, rows
from clinical_ner.population.chart import Cases, People
from clinical_ner.population.timeline import Flags, Floats, Ints, labels

RELATIVES = ("brother", "father", "mother", "sister")  # in the order of the table's key
OLDER = {"father": 31.0, "mother": 28.0, "brother": 0.0, "sister": 0.0}  # years than the patient, in the mean
HAS_SIBLING = 0.6  # a brother of that share of people, a sister of as many
KNOWN = 0.8  # of what relatives had, what the patients tell
LONGEST_LIFE = 88.0  # years, after which nothing begins
SURELY = 0.9  # the highest chance that anybody's relative has anything


class Heritable(Row):
    """A row of `family.csv`."""

    condition: str
    percent_of_parents: float
    relative_risk: float
    onset_mean: float
    onset_sd: float
    parents: Literal["both", "mother", "father"]


@cache
def _heritable() -> tuple[tuple[Heritable, catalogue.Condition], ...]:
    known = {condition.key: condition for condition in catalogue.conditions()}
    listed = (Heritable.model_validate(row) for row in rows("family.csv"))
    return tuple((entry, known[entry.condition]) for entry in listed)


def sample_family(people: People, cases: Cases) -> pd.DataFrame:
    """FAMILY_HISTORY."""
    age = people.age(np.arange(people.size), people.end)
    there = {name: _there(people, name) for name in RELATIVES}
    parts = []
    for number, (entry, condition) in enumerate(_heritable()):
        having = np.zeros(people.size, dtype=bool)
        having[cases.patient[cases.of([condition.key])]] = True
        chance = _chance(entry, having)
        for relative, name in enumerate(RELATIVES):
            if not _can_have(entry, name):
                continue
            affected, onset = _affected(people, age, entry, name, chance * there[name])
            parts.append((affected, np.full(len(affected), relative), np.full(len(affected), number), onset))
    patient, relative_code, condition_code, onset_age = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((_by_concept()[condition_code], relative_code, patient))
    return _table(people, patient[order], relative_code[order], condition_code[order], onset_age[order])


def _chance(entry: Heritable, having: Flags) -> Floats:
    """A relative's chance ever to have it, by whether the patient has it."""
    share = entry.percent_of_parents / 100
    raised = min(share * entry.relative_risk, SURELY)
    return np.where(having, raised, max(share - share * (raised - share), 0.2 * share))


def _can_have(entry: Heritable, relative: str) -> bool:
    woman = relative in ("mother", "sister")
    return entry.parents == "both" or woman == (entry.parents == "mother")


def _there(people: People, relative: str) -> Flags:
    """Who has such a relative: everybody has parents."""
    if OLDER[relative] > 0:
        return np.ones(people.size, dtype=bool)
    return people.draw(f"family/{relative}") < HAS_SIBLING


def _affected(people: People, age: Floats, entry: Heritable, relative: str, chance: Floats) -> tuple[Ints, Ints]:
    """Whose relative has it by now, and from which age on."""
    stream = f"family/{entry.condition}/{relative}"
    uniform = people.draw(stream)
    patient = np.flatnonzero(uniform < chance * KNOWN)
    onset = entry.onset_mean + entry.onset_sd * ndtri(people.draw.of_rows(f"{stream}/onset", patient))
    onset = np.clip(onset, 1, LONGEST_LIFE)
    lived = np.minimum(age[patient] + OLDER[relative], LONGEST_LIFE)
    begun = onset <= lived
    return patient[begun], onset[begun].astype(np.int64)


@cache
def _by_concept() -> Ints:
    return np.argsort(np.argsort([condition.mesh for _, condition in _heritable()]))


def _table(people: People, patient: Ints, relative: Ints, condition: Ints, onset_age: Ints) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": people.named(patient),
            "relative": labels(relative, RELATIVES),
            "concept_id": labels(condition, [found.mesh for _, found in _heritable()]),
            "name": labels(condition, [found.name for _, found in _heritable()]),
            "onset_age": onset_age.astype(np.float64),
        }
    )
