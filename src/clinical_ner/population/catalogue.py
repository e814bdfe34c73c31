"""What the CSV files in `resources/` say, as typed objects; `resources/SOURCES.md` says where it is from."""

from __future__ import annotations

import csv
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Floats: TypeAlias = NDArray[np.float64]

RESOURCES = Path(__file__).with_name("resources")
PUBLISHED_AGES: Floats = np.array([0.0, 10.0, 20.0, 30.0, 50.0, 70.0, 85.0])  # of the columns at_0 to at_85
KNOTS: Floats = np.array([0.0, 2, 5, 8, 12, 16, 18, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90])


class Row(BaseModel):
    """A row of a resource: text is turned into the types stated, an empty cell into None."""

    model_config = ConfigDict(frozen=True)


class Condition(Row):
    """A row of `conditions.csv` with its rows of `risks.csv`.

    `percent` is, at `PUBLISHED_AGES`, about the share of people who have it, or of an `episode` the share
    who get it within a year; `Thresholds` are calibrated from it and from the published figures. A `chronic`
    condition stays, a `remitting` one leaves as its curve falls, a `passing` one is over after `days` on average
    and `percent` is the share who have ever had it. `risks` names what multiplies the odds: a
    trait, a group or a condition further up in the file; `complicates` those of which it is a complication.
    """

    number: int
    key: str
    name: str
    mesh: str
    icd10cm: str
    sex: Literal["all", "female", "male"]
    female_male_ratio: float
    min_age: float
    max_age: float
    course: Literal["chronic", "remitting", "passing", "episode"]
    days: float | None
    only_with_risk: bool
    decided_by: Literal["smoker", "obese", "hypertensive"] | None
    diagnosed_percent: float
    delay_days: float
    percent: tuple[float, ...]
    rare: bool
    risks: dict[str, float]
    complicates: frozenset[str]


class Regimen(Row):
    """A row of `regimens.csv`: `days` is how long it is taken, 0 for a procedure, None for good.

    Its line is begun within so many days of the diagnosis or of the procedure of the line before, or else as soon
    as the line before has failed, and not before the year `since`, in which it was licensed for that.
    """

    number: int
    condition: str
    name: str
    kind: Literal["drug", "procedure", "therapy"]
    dose: str | None
    line: int
    percent: float
    within_days: int
    days: int | None
    trigger: Literal["diagnosis", "failure", "procedure"]
    route: str | None
    drug_class: str | None
    concept_id: str
    stay_days: int | None
    since: int | None

    @property
    def group(self) -> str:
        """The row of `drug_classes.csv` that it follows."""
        return self.drug_class or self.kind

    @property
    def product(self) -> str:
        """The drug by its route: nobody takes one twice at a time."""
        return f"{self.name}, {self.route}"


class DrugClass(Row):
    """A row of `drug_classes.csv`, also of procedures and therapies: how people respond, and what harms them."""

    drug_class: str
    none_percent: float
    partial_percent: float
    judged_after_days: int
    adverse_effect: str | None
    adverse_percent: float
    stops_percent: float


class Analyte(Row):
    """A row of `observations.csv`: what is measured, how it varies, and the bounds of what a body survives.

    `trait` names the value of the last examination; without one it is the person's own level about `mean`.
    It is measured at most once in a stretch of `every_days`.
    """

    loinc: str
    name: str
    unit: str
    trait: str | None
    mean: float | None
    person_sd: float
    visit_sd: float
    lowest: float
    highest: float
    decimals: int
    years_drift: float
    every_days: int


@cache
def conditions() -> tuple[Condition, ...]:
    """Every condition, those that are a risk of another before it."""
    return tuple(
        Condition.model_validate(
            {cell: value or None for cell, value in row.items()}
            | {"number": number, "percent": [row[f"at_{age:.0f}"] for age in PUBLISHED_AGES]}
            | {"risks": {r["factor"]: r["multiplier"] for r in _risks(row["key"])}}
            | {"complicates": {r["factor"] for r in _risks(row["key"]) if r["complication"] == "yes"}}
        )
        for number, row in enumerate(rows("conditions.csv"))
    )


@cache
def diseases() -> frozenset[str]:
    """The concepts that people may have, whoever is drawn."""
    return frozenset(condition.mesh for condition in conditions())


@cache
def by_key() -> dict[str, Condition]:
    """The conditions by their keys."""
    return {condition.key: condition for condition in conditions()}


def _risks(condition: str) -> list[dict[str, str]]:
    return [row for row in rows("risks.csv") if row["condition"] == condition]


class Thresholds(NamedTuple):
    """The log odds of having a condition at the ages of `KNOTS`, before any effect, and what effects add to them."""

    women: Floats
    men: Floats
    effects: dict[str, float]


@cache
def thresholds() -> dict[str, Thresholds]:
    """Of every condition and graded trait, as `docs/calibration.py` wrote them."""
    effects: dict[str, dict[str, float]] = {}
    for row in rows("condition_effects.csv"):
        effects.setdefault(row["key"], {})[row["factor"]] = float(row["log_odds"])
    return {
        key: _curves([(float(row["women"]), float(row["men"])) for row in ages], effects.get(key, {}))
        for key, ages in groupby(rows("thresholds.csv"), key=lambda row: row["key"])
    }


def _curves(ages: list[tuple[float, float]], effects: dict[str, float]) -> Thresholds:
    women, men = np.array(ages).T
    return Thresholds(women, men, effects)


@cache
def treatment_lines() -> tuple[tuple[str, int, tuple[Regimen, ...]], ...]:
    """Condition, line and the alternatives of that line, of which a patient gets at most one."""
    regimens = [
        Regimen.model_validate(_filled(row) | {"number": number}) for number, row in enumerate(rows("regimens.csv"))
    ]
    lines = groupby(regimens, key=lambda regimen: (regimen.condition, regimen.line))
    return tuple((condition, line, tuple(choices)) for (condition, line), choices in lines)


@cache
def drug_classes() -> dict[str, DrugClass]:
    """How people respond to each class of drug, to procedures and to therapies."""
    listed = (DrugClass.model_validate(_filled(row)) for row in rows("drug_classes.csv"))
    return {entry.drug_class: entry for entry in listed}


@cache
def forbidding(regimen: Regimen) -> tuple[str, ...]:
    """What forbids this regimen, as the treatment or as one of its class, unless it is for the `except`."""
    return tuple(
        row["contraindication"]
        for row in rows("contraindications.csv")
        if row["drug"] in (regimen.name, regimen.drug_class) and row["except"] != regimen.condition
    )


@cache
def interactions() -> frozenset[frozenset[str]]:
    """The pairs of drugs or classes, or single classes, of which nobody takes two at a time."""
    return frozenset(frozenset((row["one"], row["other"])) for row in rows("interactions.csv"))


@cache
def analytes() -> tuple[Analyte, ...]:
    """Everything that is measured, in the order of `observations.csv`."""
    return tuple(Analyte.model_validate(_filled(row)) for row in rows("observations.csv"))


class Effect(Row):
    """A row of `effects.csv`: what a condition, a class or a treatment adds, a condition for so many days at most."""

    cause: str
    amount: float
    lasting_days: int | None


@cache
def effects() -> dict[str, tuple[Effect, ...]]:
    """Of each analyte what changes it."""
    listed = rows("effects.csv")
    return {
        loinc: tuple(Effect.model_validate(_filled(row)) for row in listed if row["loinc"] == loinc)
        for loinc in dict.fromkeys(row["loinc"] for row in listed)
    }


def _filled(row: dict[str, str]) -> dict[str, str | None]:
    return {cell: value or None for cell, value in row.items()}


class Onset(Row):
    """A row of `onset.csv`: the age at which a condition begins, and between which years its median is published."""

    condition: str
    mean: float
    sd: float
    median_from: float
    median_to: float
    source: str


@cache
def onsets() -> dict[str, Onset]:
    """Of the conditions of which the age at onset is known; the others begin as their curves rise."""
    return {row["condition"]: Onset.model_validate(row) for row in rows("onset.csv")}


class Code(Row):
    """A row of `codes.csv`: the code of a condition from a value of a measure on, or as a complication of another."""

    condition: str
    by: str  # a measure, or the key of the condition that it complicates
    since: float | None
    icd10cm: str


@cache
def codes() -> tuple[Code, ...]:
    """The codes that depend on the case, of each measure in ascending order."""
    return tuple(Code.model_validate(_filled(row) | {"since": row["from"] or None}) for row in rows("codes.csv"))


@cache
def _column(file: str, name: str, where: tuple[tuple[str, str], ...]) -> Floats:
    found = [row for row in rows(file) if all(row[key] == value for key, value in where)]
    return np.array([float(row[name]) for row in found])


def column(file: str, name: str, **where: str) -> Floats:
    """The figures of one column, of the rows that hold the values in `where`."""
    return _column(file, name, tuple(where.items()))


@cache
def rows(file: str) -> list[dict[str, str]]:
    """The rows of a resource as they are written."""
    with (RESOURCES / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
