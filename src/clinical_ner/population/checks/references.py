"""Rules on what belongs to whom."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical_ner.population.checks.charts import Charts, Rule, identifiers
from clinical_ner.population.people import ADULT, PEDIATRICS
from clinical_ner.population.timeline import (
    DAYS_A_YEAR,
)

PHYSICIANS_OF_ADULTS = ("family medicine", "internal medicine")
OF_A_PATIENT = (
    *("encounters", "conditions", "treatments", "observations"),
    *("immunizations", "allergies", "family_history", "pregnancies"),
)
REFERENCES = (
    *(("encounters", "condition_id", "conditions"), ("conditions", "complicates", "conditions")),
    *(("conditions", "encounter_id", "encounters"), ("treatments", "condition_id", "conditions")),
    *(("treatments", "encounter_id", "encounters"), ("observations", "encounter_id", "encounters")),
)


def every_row_is_of_a_patient(charts: Charts) -> NDArray[Any]:
    """Every row of every table belongs to a patient that exists."""
    wrong = [identifiers(charts, table, "patient_id", charts.patient(table) < 0) for table in OF_A_PATIENT]
    return np.concatenate([np.asarray(ids, dtype=object) for ids in wrong])


def references_stay_with_the_patient(charts: Charts) -> NDArray[Any]:
    """What a row refers to exists and belongs to the same patient."""
    found = []
    for table, name, of in REFERENCES:
        place, named = charts.place(table, name, of), charts.column(table, name).notna().to_numpy()
        same = charts.patient(of)[place] == charts.patient(table) if len(charts.patient(of)) else ~named
        found.append(np.asarray(identifiers(charts, table, "patient_id", named & ((place < 0) | ~same)), dtype=object))
    return np.concatenate(found)


def providers_exist(charts: Charts) -> NDArray[Any]:
    """Every patient and encounter has a provider of the table PROVIDERS."""
    known = frozenset(charts.population.providers["provider_id"])
    found = []
    for table in ("patients", "encounters"):
        there = charts.by_word(table, "provider_id", known.__contains__, False)
        found.append(np.asarray(identifiers(charts, table, "patient_id", ~there), dtype=object))
    return np.concatenate(found)


def providers_fit_the_patient(charts: Charts) -> NDArray[Any]:
    """Adults have a physician of adults and children a pediatrician of their own; obstetricians see women."""
    specialty = charts.population.providers.set_index("provider_id")["specialty"].to_dict()
    own = charts.by_word("patients", "provider_id", specialty.get, None)
    grown = (charts.end - charts.birth) / DAYS_A_YEAR >= ADULT
    misfit = np.where(grown, ~np.isin(own, PHYSICIANS_OF_ADULTS), own != PEDIATRICS)
    obstetrician = charts.by_word("encounters", "provider_id", lambda name: specialty.get(name) == "obstetrics", False)
    man = obstetrician & ~charts.female[charts.patient("encounters")]
    found = identifiers(charts, "patients", "patient_id", misfit), identifiers(charts, "encounters", "patient_id", man)
    return np.concatenate([np.asarray(ids, dtype=object) for ids in found])


RULES: tuple[Rule, ...] = (
    every_row_is_of_a_patient,
    references_stay_with_the_patient,
    providers_exist,
    providers_fit_the_patient,
)
