"""Who a text is about, as the templates ask for it: a patient of the population, or an invented case."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clinical_ner.notes.terms import Lexis, Term

Row = dict[Hashable, Any]  # of a population table


class Problem(NamedTuple):
    """A condition of the record, active on the day of the note, and the treatments given for it by then."""

    concept_id: str
    name: str
    onset_year: int
    regimens: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """What a note may say of a person."""

    sex: str
    age: int
    year: int  # in which the text is written
    problems: tuple[Problem, ...] = ()
    record: frozenset[str] = frozenset()  # concepts that must not be denied, nor given to a relative instead
    details: tuple[tuple[str, str], ...] = ()  # slot name -> words

    def regimens(self) -> set[str]:
        """The treatments of all problems."""
        return {name for problem in self.problems for name in problem.regimens}


def invented(rng: np.random.Generator, written_on: pd.Timestamp) -> Subject:
    """The unnamed subject of a case report."""
    return Subject("female" if rng.random() < 0.5 else "male", int(rng.integers(1, 92)), written_on.year)


def age_on(day: pd.Timestamp, birth_date: pd.Timestamp) -> int:
    """Completed years; who was born on 29 February is a year older on 1 March.

    >>> age_on(pd.Timestamp("2024-03-01"), pd.Timestamp("2023-03-01"))
    1
    """
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def of_record(patient: Row, conditions: Sequence[Row], treatments: Sequence[Row], written_on: pd.Timestamp) -> Subject:
    """A patient as known on the day of the note: what began later is not known, what was resolved is over."""
    regimens: dict[str, list[str]] = {}
    for treatment in treatments:
        if _is_under_way(treatment["start_date"], treatment["stop_date"], written_on):
            regimens.setdefault(treatment["condition_id"], []).append(treatment["name"])
    problems = tuple(
        Problem(row["concept_id"], row["name"], row["onset_date"].year, tuple(regimens.get(row["condition_id"], ())))
        for row in conditions
        if _is_under_way(row["onset_date"], row["resolved_date"], written_on)
    )
    return Subject(
        patient["sex"],
        age_on(written_on, patient["birth_date"]),
        written_on.year,
        problems,
        frozenset(row["concept_id"] for row in conditions),
        details(patient, written_on),
    )


def _is_under_way(start: pd.Timestamp, stop: pd.Timestamp | None, day: pd.Timestamp) -> bool:
    return start <= day and (pd.isna(stop) or stop > day)


def details(patient: Row, written_on: pd.Timestamp) -> tuple[tuple[str, str], ...]:
    """What the record says literally."""
    return (
        ("patient_name", f"{patient['given_name']} {patient['family_name']}"),
        ("birth_date", f"{patient['birth_date']:%Y-%m-%d}"),
        ("note_date", f"{written_on:%m/%d/%Y}"),
        ("provider", patient["provider"]),
        ("smoking", "current smoker" if patient["smoker"] else "does not smoke"),
        ("weight", f"{patient['weight_kg']:.0f}"),
        ("bmi", f"{patient['bmi']:.1f}"),
    )


def problem_term(rng: np.random.Generator, problem: Problem, lexis: Lexis) -> Term:
    """The problem as the record names it, or as the vocabulary has it."""
    if problem.concept_id in lexis.diseases and rng.random() < 0.6:
        return lexis.diseases.form(rng, problem.concept_id)
    return Term(problem.name, problem.concept_id)


def pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    """One of the choices, uniformly."""
    return choices[int(rng.integers(len(choices)))]
