"""What the CSV files in `resources/` say, as typed objects; `resources/SOURCES.md` says where it is from."""

from __future__ import annotations

import csv
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Floats: TypeAlias = NDArray[np.float64]

RESOURCES = Path(__file__).with_name("resources")
KNOTS: Floats = np.array([0.0, 10.0, 30.0, 50.0, 70.0, 85.0])  # ages of the columns at_0 to at_85


class Row(BaseModel):
    """A row of a resource: text is turned into the types stated, an empty cell into None."""

    model_config = ConfigDict(frozen=True)


class Condition(Row):
    """A row of `conditions.csv` with its rows of `risks.csv`.

    `percent` is, at the ages of `KNOTS`, the share of people who have it, or of an `episode` the share
    who get it within a year. A `chronic` condition stays, a `remitting` one leaves as its curve falls.
    `risks` names what multiplies that share: a trait, a group or a condition further up in the file.
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
    course: Literal["chronic", "remitting", "episode"]
    days: float | None
    only_with_risk: bool
    decided_by: Literal["smoker", "obese"] | None
    percent: tuple[float, ...]
    rare: bool
    risks: dict[str, float]


class Regimen(Row):
    """A row of `regimens.csv`: `days` is how long it is taken, 0 for a procedure, None for good.

    Its line is begun within so many days of the diagnosis, or else as soon as the line before has failed.
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
    trigger: Literal["diagnosis", "failure"]
    route: str | None
    drug_class: str | None
    concept_id: str
    stay_days: int | None

    @property
    def group(self) -> str:
        """The row of `drug_classes.csv` that it follows."""
        return self.drug_class or self.kind


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
            | {"number": number, "percent": [row[f"at_{age:.0f}"] for age in KNOTS]}
            | {"risks": {r["factor"]: r["multiplier"] for r in rows("risks.csv") if r["condition"] == row["key"]}}
        )
        for number, row in enumerate(rows("conditions.csv"))
    )


@cache
def treatment_lines() -> tuple[tuple[str, int, tuple[Regimen, ...]], ...]:
    """Condition, line and the alternatives of that line, of which a patient gets at most one."""
    regimens = [
        Regimen.model_validate(_filled(row) | {"number": number})
        for number, row in enumerate(rows("regimens.csv"))
    ]
    lines = groupby(regimens, key=lambda regimen: (regimen.condition, regimen.line))
    return tuple((condition, line, tuple(choices)) for (condition, line), choices in lines)


@cache
def drug_classes() -> dict[str, DrugClass]:
    """How people respond to each class of drug, to procedures and to therapies."""
    listed = (DrugClass.model_validate(_filled(row)) for row in rows("drug_classes.csv"))
    return {entry.drug_class: entry for entry in listed}


@cache
def contraindications() -> dict[str, tuple[str, ...]]:
    """Of each drug or class that has any, what forbids it."""
    listed = rows("contraindications.csv")
    return {
        drug: tuple(row["contraindication"] for row in listed if row["drug"] == drug)
        for drug in dict.fromkeys(row["drug"] for row in listed)
    }


@cache
def forbidding(regimen: Regimen) -> tuple[str, ...]:
    """What forbids this regimen, as the drug or as one of its class."""
    found = contraindications()
    return (*found.get(regimen.name, ()), *found.get(regimen.drug_class or "", ()))


@cache
def analytes() -> tuple[Analyte, ...]:
    """Everything that is measured, in the order of `observations.csv`."""
    return tuple(Analyte.model_validate(_filled(row)) for row in rows("observations.csv"))


@cache
def effects() -> dict[str, tuple[tuple[str, float], ...]]:
    """Of each analyte what changes it, a condition, a class or a treatment, and by how much."""
    listed = rows("effects.csv")
    return {
        loinc: tuple((row["cause"], float(row["amount"])) for row in listed if row["loinc"] == loinc)
        for loinc in dict.fromkeys(row["loinc"] for row in listed)
    }


def _filled(row: dict[str, str]) -> dict[str, str | None]:
    return {cell: value or None for cell, value in row.items()}


def column(file: str, name: str, **where: str) -> Floats:
    """The figures of one column, of the rows that hold the values in `where`."""
    found = [row for row in rows(file) if all(row[key] == value for key, value in where.items())]
    return np.array([float(row[name]) for row in found])


@cache
def rows(file: str) -> list[dict[str, str]]:
    """The rows of a resource as they are written."""
    with (RESOURCES / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
