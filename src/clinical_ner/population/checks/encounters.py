"""Rules on encounters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical_ner.population.checks.charts import Charts, Rule, identifiers
from clinical_ner.population.timeline import (
    NEVER,
    Flags,
    Ints,
    any_active,
    keys,
)


def encounters_do_not_overlap(charts: Charts) -> NDArray[Any]:
    """Of one person each encounter begins after the one before has ended, and none ends before it begins."""
    patient, start, end = _encounters(charts)
    wrong = end < start
    wrong[1:] |= (patient[1:] == patient[:-1]) & (start[1:] <= end[:-1])
    return identifiers(charts, "encounters", "encounter_id", wrong)


def diagnoses_are_made_at_encounters(charts: Charts) -> NDArray[Any]:
    """What is known was found at an encounter on that day; what nobody knows of has none."""
    place, known = charts.place("conditions", "encounter_id", "encounters"), charts.days("conditions", "diagnosed_date")
    wrong = (place >= 0) != (known < NEVER)
    wrong |= (place >= 0) & ~_within(charts, place, known)
    return identifiers(charts, "conditions", "condition_id", wrong)


def treatments_begin_at_encounters(charts: Charts) -> NDArray[Any]:
    """Every treatment is begun at an encounter on that day."""
    place = charts.place("treatments", "encounter_id", "encounters")
    wrong = (place < 0) | ~_within(charts, place, charts.days("treatments", "start_date"))
    return identifiers(charts, "treatments", "treatment_id", wrong)


def measurements_are_made_at_encounters(charts: Charts) -> NDArray[Any]:
    """Every measurement is made at an encounter on that day."""
    place = charts.place("observations", "encounter_id", "encounters")
    wrong = (place < 0) | ~_within(charts, place, charts.days("observations", "date"))
    return identifiers(charts, "observations", "patient_id", wrong)


def encounters_are_about_what_is_known(charts: Charts) -> NDArray[Any]:
    """The reason of an encounter is known by then, at the latest at that encounter."""
    place = charts.place("encounters", "condition_id", "conditions")
    known = charts.days("conditions", "diagnosed_date")[place] if len(charts.condition) else np.full(len(place), NEVER)
    return identifiers(
        charts, "encounters", "encounter_id", (place >= 0) & (known > charts.days("encounters", "end_date"))
    )


def prenatal_visits_lie_in_a_pregnancy(charts: Charts) -> NDArray[Any]:
    """Prenatal visits and deliveries are of women who are pregnant."""
    patient, start, _ = _encounters(charts)
    end = charts.days("pregnancies", "end_date")
    spell = charts.patient("pregnancies"), charts.days("pregnancies", "start_date")
    pregnant = any_active(keys(patient, start), *spell, np.where(end < NEVER, end + 1, NEVER))
    asked = charts.column("encounters", "kind").isin(["prenatal", "delivery"]).to_numpy()
    return identifiers(charts, "encounters", "encounter_id", asked & ~pregnant)


def _encounters(charts: Charts) -> tuple[Ints, Ints, Ints]:
    start, end = (charts.days("encounters", f"{name}_date") for name in ("start", "end"))
    return charts.patient("encounters"), start, end


def _within(charts: Charts, place: Ints, day: Ints) -> Flags:
    _, start, end = _encounters(charts)
    if not len(start):
        return np.zeros(len(day), dtype=bool)
    return (start[place] <= day) & (day <= end[place])


RULES: tuple[Rule, ...] = (
    encounters_do_not_overlap,
    diagnoses_are_made_at_encounters,
    treatments_begin_at_encounters,
    measurements_are_made_at_encounters,
    encounters_are_about_what_is_known,
    prenatal_visits_lie_in_a_pregnancy,
)
