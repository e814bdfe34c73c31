"""Rules on birth and death."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical_ner.population.checks.charts import Charts, Rule, identifiers
from clinical_ner.population.timeline import (
    NEVER,
    Flags,
    Ints,
)

DATES = {
    "encounters": ("start_date", "end_date"),
    "conditions": ("onset_date", "diagnosed_date", "resolved_date"),
    "treatments": ("start_date", "stop_date"),
    "observations": ("date",),
    "immunizations": ("date",),
    "allergies": ("onset_date",),
    "pregnancies": ("start_date", "end_date"),
    "patients": ("smoking_start", "smoking_stop"),
}


def nothing_comes_before_birth(charts: Charts) -> NDArray[Any]:
    """No date of a person lies before the birth."""
    return _dates(charts, lambda day, patient: day < charts.birth[patient])


def death_ends_everything(charts: Charts) -> NDArray[Any]:
    """No date of a person lies after the death or, of the living, after the reference date."""
    return _dates(charts, lambda day, patient: (day > charts.end[patient]) & (day < NEVER))


def _dates(charts: Charts, wrong: Callable[[Ints, Ints], Flags]) -> NDArray[Any]:
    found = []
    for table, names in DATES.items():
        patient = charts.patient(table)
        for name in names:
            rows = wrong(charts.days(table, name), patient)
            found.append(np.asarray(identifiers(charts, table, "patient_id", rows), dtype=object))
    return np.concatenate(found)


def treatment_ends_with_death(charts: Charts) -> NDArray[Any]:
    """The treatments of the dead have stopped."""
    dead = (charts.days("patients", "death_date") < NEVER)[charts.patient("treatments")]
    return identifiers(charts, "treatments", "treatment_id", dead & (charts.days("treatments", "stop_date") >= NEVER))


def pregnancies_end_with_death(charts: Charts) -> NDArray[Any]:
    """No pregnancy of the dead is ongoing."""
    dead = (charts.days("patients", "death_date") < NEVER)[charts.patient("pregnancies")]
    return identifiers(charts, "pregnancies", "pregnancy_id", dead & (charts.days("pregnancies", "end_date") >= NEVER))


RULES: tuple[Rule, ...] = (
    nothing_comes_before_birth,
    death_ends_everything,
    treatment_ends_with_death,
    pregnancies_end_with_death,
)
