"""Rules on what is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.chart import SEVERITY
from clinical_ner.population.checks.charts import Charts, Measured, Rule, identifiers
from clinical_ner.population.findings import DIABETIC_HBA1C
from clinical_ner.population.histories import GRADES, KIDNEY_DISEASE
from clinical_ner.population.kidneys import egfr
from clinical_ner.population.observations import (
    BMI,
    CHOLESTEROL,
    CREATININE,
    DIABETES,
    DIASTOLIC,
    EGFR,
    HBA1C,
    HDL,
    HEIGHT,
    LDL,
    SYSTOLIC,
    TRIGLYCERIDES,
    WEIGHT,
)
from clinical_ner.population.timeline import (
    NEVER,
    Flags,
    Floats,
    Ints,
    any_active,
    ids,
    keys,
)

ROUNDED = 1.0  # of an eGFR, whose creatinine is rounded
FULL_GROWN = 25  # years


def values_are_such_as_bodies_have(charts: Charts) -> NDArray[Any]:
    """Every value lies within the bounds of `observations.csv`, and its code is listed there with its unit."""
    bounds = {analyte.loinc: (analyte.lowest, analyte.highest) for analyte in catalogue.analytes()}
    unlisted = (np.nan, np.nan)
    low, high = charts.by_word("observations", "loinc", lambda code: bounds.get(code, unlisted), unlisted).T
    value = charts.column("observations", "value").to_numpy()
    inside = (value >= low) & (value <= high)
    return identifiers(charts, "observations", "patient_id", ~inside)


def _encounters_where(charts: Charts, measured: Measured, wrong: Flags) -> NDArray[Any]:
    """The identifiers of the encounters of the measurements that are wrong."""
    return ids("E", charts.numbers("observations", "encounter_id")[measured.row[wrong]])


def measured_bmi_is_weight_over_height_squared(charts: Charts) -> NDArray[Any]:
    """Where height, weight and body mass index are measured together, they fit."""
    bmi = charts.measured(BMI)
    exact = charts.beside(bmi, WEIGHT) / (charts.beside(bmi, HEIGHT) / 100) ** 2
    return _encounters_where(charts, bmi, np.abs(bmi.value - exact) > 0.0501)


def ldl_is_what_friedewald_says(charts: Charts) -> NDArray[Any]:
    """LDL cholesterol is total less HDL less a fifth of the triglycerides, which are then below 400 mg/dL."""
    ldl = charts.measured(LDL)
    total, hdl, fat = (charts.beside(ldl, code) for code in (CHOLESTEROL, HDL, TRIGLYCERIDES))
    right = (np.abs(ldl.value - (total - hdl - fat / 5)) <= 0.5001) & (fat < 400)
    return _encounters_where(charts, ldl, ~right)


def egfr_is_what_ckd_epi_says(charts: Charts) -> NDArray[Any]:
    """The eGFR is that of CKD-EPI 2021 for creatinine, age and sex, rounded."""
    rates = charts.measured(EGFR)
    patient = charts.patient("observations")[rates.row]
    age = charts.age(patient, charts.days("observations", "date")[rates.row])
    exact = egfr(charts.beside(rates, CREATININE), age, charts.female[patient])
    return _encounters_where(charts, rates, ~(np.abs(rates.value - exact) <= 0.5001))


def grown_people_keep_their_height(charts: Charts) -> NDArray[Any]:
    """From 25 on no two measured heights of a person differ by a centimetre."""
    rows, _, value = charts.measured(HEIGHT)
    patient = charts.patient("observations")[rows]
    grown = charts.age(patient, charts.days("observations", "date")[rows]) >= FULL_GROWN
    lowest, highest = np.full(len(charts.birth), np.inf), np.full(len(charts.birth), -np.inf)
    np.minimum.at(lowest, patient[grown], value[grown])
    np.maximum.at(highest, patient[grown], value[grown])
    return identifiers(charts, "patients", "patient_id", highest - lowest >= 1)


def diastolic_lies_below_systolic(charts: Charts) -> NDArray[Any]:
    """Diastolic pressure lies below the systolic pressure of the same encounter."""
    low = charts.measured(DIASTOLIC)
    return _encounters_where(charts, low, ~(low.value < charts.beside(low, SYSTOLIC)))


def everything_is_measured_once(charts: Charts) -> NDArray[Any]:
    """Nothing is measured twice on a day of a person, nor at an encounter."""
    on_days = keys(charts.patient("observations"), charts.days("observations", "date"))
    places = charts.place("observations", "encounter_id", "encounters")
    code = charts.coded("observations", "loinc").codes
    return identifiers(charts, "observations", "patient_id", _repeated(on_days, code) | _repeated(places, code))


def _repeated(number: Ints, code: NDArray[Any]) -> Flags:
    """The rows of which number and code are those of another row too; none of the number -1."""
    key = number * 256 + code
    if (np.diff(key) > 0).all():  # as the table is written
        return np.zeros(len(key), dtype=bool)
    return pd.Series(key).duplicated(keep=False).to_numpy() & (number >= 0)


def severity_fits_what_is_measured(charts: Charts) -> NDArray[Any]:
    """Obesity is as severe as the BMI, hypertension as the last pressure and kidney disease as the last eGFR say."""
    measured = {
        "obesity": charts.column("patients", "bmi").to_numpy()[charts.patient("conditions")],
        "hypertension": _last_since_onset(charts, SYSTOLIC),
        KIDNEY_DISEASE: -_last_since_onset(charts, EGFR),
    }
    grade = pd.Categorical(charts.column("conditions", "severity"), categories=list(SEVERITY)).codes
    wrong = _of_another_stage(charts, -measured[KIDNEY_DISEASE])
    for key, value in measured.items():
        bounds = np.array([-np.inf, *GRADES[key], np.inf])
        misfit = (value < bounds[grade] - ROUNDED) | (value > bounds[grade + 1] + ROUNDED)
        wrong |= misfit & (charts.condition == catalogue.by_key()[key].number)
    return identifiers(charts, "conditions", "condition_id", wrong)


def _of_another_stage(charts: Charts, rate: Floats) -> Flags:
    """Whether the code of a kidney disease is of another stage than the eGFR."""
    stages = [row for row in catalogue.codes() if row.by == "egfr"]
    of = charts.condition == catalogue.by_key()[KIDNEY_DISEASE].number
    codes = charts.column("conditions", "icd10cm")
    stage = pd.Categorical(codes, categories=[row.icd10cm for row in stages]).codes
    bounds = np.array([*(row.since for row in stages), np.inf], dtype=np.float64)
    misfit = (rate < bounds[stage] - ROUNDED) | (rate > bounds[stage + 1] + ROUNDED)
    wrong: Flags = of & ((stage < 0) | misfit)
    return wrong


def _last_since_onset(charts: Charts, loinc: str) -> Floats:
    """Of each condition the patient's last value, not a number if none was measured since its onset."""
    rows = charts.measured(loinc).row
    day = charts.days("observations", "date")[rows]
    last = np.full(len(charts.birth), -1)
    order = np.argsort(keys(charts.patient("observations")[rows], day), kind="stable")
    last[charts.patient("observations")[rows[order]]] = rows[order]
    row = last[charts.patient("conditions")]
    known = (row >= 0) & (charts.days("observations", "date")[row] >= charts.days("conditions", "onset_date"))
    return np.where(known, charts.column("observations", "value").to_numpy()[row], np.nan)


def high_sugar_is_diabetes(charts: Charts) -> NDArray[Any]:
    """Whoever has an HbA1c of 6.5 % or more has diabetes of some type by then, known or not."""
    rows, _, value = charts.measured(HBA1C)
    rows = rows[value >= DIABETIC_HBA1C]
    patient, day = charts.patient("observations")[rows], charts.days("observations", "date")[rows]
    case = np.isin(charts.condition, [catalogue.by_key()[key].number for key in DIABETES])
    spell = (column[case] for column in (charts.patient("conditions"), *_spells(charts)))
    order = np.argsort(keys(patient, day), kind="stable")
    sick = any_active(keys(patient, day)[order], *spell)
    found: NDArray[Any] = charts.column("observations", "patient_id").to_numpy()[rows[order[~sick]]]
    return found


def _spells(charts: Charts) -> tuple[Ints, Ints]:
    """Of each condition the day on which it begins, and the day after its end."""
    onset, over = (charts.days("conditions", f"{name}_date") for name in ("onset", "resolved"))
    return onset, np.minimum(over + 1, NEVER)


RULES: tuple[Rule, ...] = (
    values_are_such_as_bodies_have,
    measured_bmi_is_weight_over_height_squared,
    ldl_is_what_friedewald_says,
    egfr_is_what_ckd_epi_says,
    grown_people_keep_their_height,
    diastolic_lies_below_systolic,
    everything_is_measured_once,
    severity_fits_what_is_measured,
    high_sugar_is_diabetes,
)
