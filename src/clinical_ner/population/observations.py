"""What is measured at the encounters: series that follow disease and treatment to the traits of the last examination.

A value is the person's own level, plus what the conditions and treatments of that day add (`effects.csv`,
by how well the person responds), plus the years' drift and the visit's chance. The level of a trait is
such that the last value of the series is the trait: what is judged is what is recorded. Before a disease that
the trait is made of, the series ends in the level without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np
import pandas as pd
from scipy.special import ndtri

from clinical_ner.core.schema import ENCOUNTER_KINDS, SEXES
from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import Analyte, Effect
from clinical_ner.population.chart import Cases, People
from clinical_ner.population.encounters import PURPOSES, Encounters
from clinical_ner.population.kidneys import creatinine, egfr
from clinical_ner.population.people import ADULT
from clinical_ner.population.timeline import (
    DAYS_A_YEAR,
    NEVER,
    Flags,
    Floats,
    Ints,
    any_active,
    coded,
    dates,
    keys,
    labels,
    starts_of_runs,
    sum_of_active,
)
from clinical_ner.population.treatments import Courses, regimens

HEIGHT, WEIGHT, BMI, SYSTOLIC, DIASTOLIC = "8302-2", "29463-7", "39156-5", "8480-6", "8462-4"
CHOLESTEROL, HDL, TRIGLYCERIDES, LDL = "2093-3", "2085-9", "2571-8", "13457-7"
EGFR, CREATININE, HBA1C, GLUCOSE = "98979-8", "2160-0", "4548-4", "2345-7"
TOGETHER = {  # measured whenever the other is
    BMI: WEIGHT,
    DIASTOLIC: SYSTOLIC,
    HDL: CHOLESTEROL,
    TRIGLYCERIDES: CHOLESTEROL,
    LDL: CHOLESTEROL,
    CREATININE: EGFR,
}
FRIEDEWALD = (5.0, 400.0)  # LDL = total - HDL - triglycerides / 5, unless those are 400 mg/dL or more
THINNEST = 9.0  # kg/m2, of the newborn, whose weight varies the most beside their length
ADULT_WEIGHT = 80.0  # kg, for which changes of weight are given
PULSE_PRESSURE = 12.0  # mmHg, the least
DIABETIC = {HBA1C: 6.4, GLUCOSE: 199.0}  # the highest value of somebody who has no diabetes at the time
DIABETES = ("diabetes_type_1", "diabetes_type_2", "gestational_diabetes", "diabetic_ketoacidosis")
LEAST_REFLECTED = 0.8  # of that value
TURNING_POINTS = {  # the diseases that a trait of the last day is made of
    **dict.fromkeys((HBA1C, GLUCOSE, HDL, TRIGLYCERIDES), ("diabetes_type_1", "diabetes_type_2")),
    CHOLESTEROL: ("diabetes_type_1", "diabetes_type_2", "myocardial_infarction", "stroke"),
    EGFR: ("chronic_kidney_disease",),
}
MOST_CHAPTERS = 8  # more than any of them has diseases
TAKES_EFFECT_AFTER = 28  # days on a treatment
TAIL = 0.01  # of the chance of a visit: no value strays from its series beyond 2.3 standard deviations
CURES = ("sofosbuvir", "glecaprevir", "ferrous sulfate", "iron sucrose")  # whose effect lasts as long as what they cure
PSA, PROSTATECTOMY, UNDETECTABLE = "2857-1", "radical prostatectomy", 0.02  # ng/mL
FEV1, USUAL_FEV1 = "20150-9", 3.0  # L, of adults, for which changes of the FEV1 are given
VISITS = ("diagnosis", "follow_up")
ACUTE = ("emergency", "inpatient")


@dataclass(frozen=True)
class Record:
    """What the series of a stretch are made from; rows are the encounters of the years of records."""

    people: People
    cases: Cases
    courses: Courses
    encounters: Encounters
    traits: pd.DataFrame

    @cached_property
    def rows(self) -> Ints:
        """Which encounters are measured at."""
        return np.flatnonzero(self.encounters.start >= self.people.first_day)

    @cached_property
    def patient(self) -> Ints:
        """Of each row the person."""
        return self.encounters.patient[self.rows]

    @cached_property
    def day(self) -> Ints:
        """Of each row the day."""
        return self.encounters.start[self.rows]

    @cached_property
    def keys(self) -> Ints:
        """Of each row person and day as one number, ascending."""
        return keys(self.patient, self.day)

    @cached_property
    def age(self) -> Floats:
        """Of each row the age in years."""
        return self.people.age(self.patient, self.day)

    def at(self, purposes: tuple[str, ...]) -> Flags:
        """The rows of these purposes."""
        return np.isin(self.encounters.purpose[self.rows], [PURPOSES.index(name) for name in purposes])

    def of_kind(self, kinds: tuple[str, ...]) -> Flags:
        """The rows of these kinds of encounters."""
        return np.isin(self.encounters.kind[self.rows], [ENCOUNTER_KINDS.index(name) for name in kinds])

    def chance(self, name: str, rows: Ints) -> Floats:
        """A standard normal of each row, short of its tails and the same wherever the stretch starts."""
        uniform = self.people.draw.of_rows(f"observation/{name}", self.patient[rows], self.day[rows] + NEVER // 2)
        return ndtri(np.clip(uniform, TAIL, 1 - TAIL))


def observation_table(record: Record) -> pd.DataFrame:
    """OBSERVATIONS, ordered by person, day and code."""
    listed = sorted(catalogue.analytes(), key=lambda analyte: analyte.loinc)
    values = _values(record)
    columns = np.stack([values[analyte.loinc] for analyte in listed])  # of every row, not a number where not measured
    row, code = np.nonzero(np.ascontiguousarray(~np.isnan(columns).T))
    encounter = record.rows[row]
    return pd.DataFrame(
        {
            "patient_id": record.people.named(record.encounters.patient[encounter]),
            "encounter_id": coded(encounter, record.encounters.names),
            "date": dates(record.encounters.start)[encounter],
            "loinc": labels(code, [analyte.loinc for analyte in listed]),
            "name": labels(code, [analyte.name for analyte in listed]),
            "value": columns[code, row],
            "unit": _units(code, [analyte.unit for analyte in listed]),
        }
    )


def _units(code: Ints, units: list[str]) -> pd.Categorical:
    distinct = sorted(set(units))
    return labels(np.array([distinct.index(unit) for unit in units])[code], distinct)


# --- which rows are measured ----------------------------------------------------------------------
def _ordered(record: Record) -> dict[str, Flags]:
    """Of each analyte the rows at which it is measured."""
    reasons = {
        "wellness": record.encounters.check_up[record.rows],
        "screening": record.encounters.check_up[record.rows],
        "visit": record.at(VISITS),
        "prenatal": record.at(("prenatal",)),
        "acute": record.of_kind(ACUTE),
    }
    fitting = cache(partial(_of_age_and_sex, record))
    examined = record.at(VISITS) | reasons["wellness"] | reasons["acute"] | reasons["prenatal"]
    found: dict[str, Flags] = {}
    for order in catalogue.rows("orders.csv"):
        if order["reason"] not in reasons:
            reasons[order["reason"]] = examined & _known(record, order["reason"])
        rows = reasons[order["reason"]] & fitting(order["age_min"], order["age_max"], order["sex"])
        if order["only_acute"] == "yes":
            rows &= reasons["acute"]
        found[order["loinc"]] = found.get(order["loinc"], False) | rows
    found = {loinc: _now_and_then(record, rows, _analyte(loinc).every_days) for loinc, rows in found.items()}
    return found | {loinc: found[other] for loinc, other in TOGETHER.items()}


def _now_and_then(record: Record, rows: Flags, every_days: int) -> Flags:
    """The first of these rows in each stretch of so many days of a person."""
    here = np.flatnonzero(rows)
    stretch = keys(record.patient[here], record.day[here] // every_days)
    found = np.zeros(len(rows), dtype=bool)
    found[here[starts_of_runs(stretch)]] = True
    return found


def _known(record: Record, condition: str) -> Flags:
    """The rows on whose day the condition is known and not over."""
    case = record.cases.of([condition])
    cases = record.cases
    return any_active(record.keys, cases.patient[case], cases.diagnosed[case], cases.resolved[case])


def _of_age_and_sex(record: Record, youngest: str, oldest: str, sex: str) -> Flags:
    fits = (record.age >= float(youngest)) & (record.age < float(oldest))
    if sex != "all":
        fits &= record.people.female[record.patient] == (sex == "female")
    return fits


# --- what is measured -----------------------------------------------------------------------------
def _values(record: Record) -> dict[str, Floats]:
    """Of each analyte a value a row, not a number where it is not measured."""
    ordered = _ordered(record)
    values = {}
    for analyte in catalogue.analytes():
        rows = np.flatnonzero(ordered[analyte.loinc])
        column: Floats = np.full(len(record.rows), np.nan, dtype=np.float64)
        if analyte.loinc not in (BMI, LDL, CREATININE):
            column[rows] = _bounded(analyte, _series(record, analyte, rows))
        if analyte.loinc == PSA:
            column[rows] = np.where(_without_prostate(record)[rows], UNDETECTABLE, column[rows])
        values[analyte.loinc] = column
    _derive(record, values)
    return values


def _without_prostate(record: Record) -> Flags:
    """The rows after the prostate has been taken out."""
    courses = record.courses
    course = courses.of(PROSTATECTOMY)
    never = np.full(len(course), NEVER)
    return any_active(record.keys, courses.patient[course], courses.start[course] + 1, never)


def _bounded(analyte: Analyte, values: Floats) -> Floats:
    return np.clip(values, analyte.lowest, analyte.highest).round(analyte.decimals)


def _series(record: Record, analyte: Analyte, rows: Ints) -> Floats:
    """The values at these rows."""
    patient = record.patient[rows]
    level = _level(record, analyte)[patient]
    if analyte.loinc in (HEIGHT, WEIGHT):
        level = level * _growth(record, analyte, rows)
    change = _change(record, analyte, rows)
    if analyte.loinc == WEIGHT:
        change *= np.minimum(level / ADULT_WEIGHT, 1.5)
    if analyte.loinc == FEV1:
        predicted = _predicted_fev1(record, rows)
        level, change = level * predicted, change * predicted / USUAL_FEV1
    if not _is_trait(record, analyte):
        return level + change
    level = _level_then(record, analyte, rows, level)
    change -= change[_last_of_each(_chapter(record, analyte, rows))]
    return _not_yet_diabetic(record, analyte, rows, level + change)


def _level_then(record: Record, analyte: Analyte, rows: Ints, level: Floats) -> Floats:
    """The level that the trait had at these rows: without the diseases that were still to come.

    Nothing of them may show before they begin, or the record would tell what is yet to happen.
    """
    cases, case = record.cases, record.cases.of(TURNING_POINTS.get(analyte.loinc, ()))
    patient, born = cases.patient[case], record.people.birth[cases.patient[case]]
    healthy = f"{analyte.trait}_healthy"
    if healthy in record.traits:
        ahead = any_active(record.keys[rows], patient, born, cases.onset[case])
        if analyte.loinc in DIABETIC:
            ahead |= _not_diabetic(record, rows) & ~_is_last(record, rows)
        return np.where(ahead, record.traits[healthy].to_numpy(np.float64)[record.patient[rows]], level)
    for effect in catalogue.effects().get(analyte.loinc, ()):
        case = cases.of({effect.cause} & set(TURNING_POINTS.get(analyte.loinc, ())))
        patient, born = cases.patient[case], record.people.birth[cases.patient[case]]
        level = level - sum_of_active(record.keys[rows], patient, born, cases.onset[case], effect.amount)
    return level


def _chapter(record: Record, analyte: Analyte, rows: Ints) -> Ints:
    """Person and number of turning points behind, as one ascending number; a series is anchored in each anew."""
    cases, case = record.cases, record.cases.of(TURNING_POINTS.get(analyte.loinc, ()))
    behind = sum_of_active(record.keys[rows], cases.patient[case], cases.onset[case], np.full(len(case), NEVER))
    return record.patient[rows] * MOST_CHAPTERS + np.rint(behind).astype(np.int64)


def _is_trait(record: Record, analyte: Analyte) -> bool:
    return analyte.trait in record.traits.columns


def _level(record: Record, analyte: Analyte) -> Floats:
    """The trait of each person, or the own level about the mean where there is none."""
    size = record.people.size
    own = np.zeros(size)
    if analyte.mean is not None:
        own += analyte.mean + analyte.person_sd * ndtri(
            np.maximum(record.people.draw(f"observation/{analyte.loinc}/own"), 1e-12)
        )
    if not _is_trait(record, analyte):
        return own
    trait = record.traits[analyte.trait].to_numpy(np.float64)
    return np.where(np.isnan(trait), own, trait)


def _last_of_each(patient: Ints) -> Ints:
    """Of each row the last one of the same person, or of the same number of any ascending ones."""
    last = np.flatnonzero(np.diff(patient, append=-1))
    return last[np.searchsorted(patient[last], patient)]


def _change(record: Record, analyte: Analyte, rows: Ints) -> Floats:
    """What the day adds to the person's level: drift, conditions, treatments and chance."""
    years = (record.day[rows] - record.people.end[record.patient[rows]]) / DAYS_A_YEAR
    change = analyte.years_drift * years + analyte.visit_sd * record.chance(analyte.loinc, rows)
    row_keys = record.keys[rows]
    for effect in catalogue.effects().get(analyte.loinc, ()):
        change += _effect(record, row_keys, effect)
    return change


def _effect(record: Record, row_keys: Ints, effect: Effect) -> Floats:
    """What a condition adds while it lasts, or a treatment while it is taken, a procedure or a cure from then on."""
    cases, courses = record.cases, record.courses
    case = cases.of([effect.cause])
    if len(case):
        grade = np.array([0.7, 1.0, 1.4])[cases.severity[case]]
        onset = cases.onset[case]
        over = np.minimum(cases.resolved[case] + 1, onset + (effect.lasting_days or NEVER))
        return sum_of_active(row_keys, cases.patient[case], onset, over, effect.amount * grade)
    course = courses.of(effect.cause)
    procedure, cure = (flags[courses.regimen[course]] for flags in _lasting())
    stop = np.where(cure, cases.resolved[courses.case[course]] + 1, courses.stop[course])
    stop = np.where(procedure, NEVER, stop)
    start = courses.start[course] + np.where(procedure | cure, 1, TAKES_EFFECT_AFTER)
    return sum_of_active(row_keys, courses.patient[course], start, stop, effect.amount * courses.strength[course])


@cache
def _lasting() -> tuple[Flags, Flags]:
    """Of each regimen whether it is a procedure, and whether it cures."""
    procedure = np.array([regimen.kind == "procedure" for regimen in regimens()])
    return procedure, np.array([regimen.name in CURES for regimen in regimens()])


def _not_yet_diabetic(record: Record, analyte: Analyte, rows: Ints, values: Floats) -> Floats:
    """Below the limit of the diagnosis while there is no diabetes.

    What is above it is reflected, as values that pile up at the limit would give away who is near it.
    """
    if analyte.loinc not in DIABETIC:
        return values
    limit = DIABETIC[analyte.loinc]
    free = _not_diabetic(record, rows)
    return np.where(free & (values > limit), np.maximum(2 * limit - values, LEAST_REFLECTED * limit), values)


def _not_diabetic(record: Record, rows: Ints) -> Flags:
    cases, case = record.cases, record.cases.of(DIABETES)
    return ~any_active(record.keys[rows], cases.patient[case], cases.onset[case], cases.resolved[case])


def _is_last(record: Record, rows: Ints) -> Flags:
    """The last of these rows of each person."""
    last: Flags = _last_of_each(record.patient[rows]) == np.arange(len(rows))
    return last


def _growth(record: Record, analyte: Analyte, rows: Ints) -> Floats:
    """The median body of that age over the median one of the age at the end of the record."""
    people, patient = record.people, record.patient[rows]
    then = _median_body(people.female[patient], record.age[rows], analyte.loinc)
    now = _median_body(people.female, people.age(np.arange(people.size), people.end), analyte.loinc)
    return then / now[patient]


def _predicted_fev1(record: Record, rows: Ints) -> Floats:
    """The FEV1 (L) of a healthy person of that height, age and sex.

    Adults after the European Community for Steel and Coal (Quanjer et al., Eur Respir J 1993;6 Suppl 16:5),
    children after Polgar and Promadhat (1971).
    """
    patient, age = record.patient[rows], np.maximum(record.age[rows], 25)
    height = (_level(record, _analyte(HEIGHT))[patient] * _growth(record, _analyte(HEIGHT), rows)) / 100
    women, men = 3.95 * height - 0.025 * age - 2.60, 4.30 * height - 0.029 * age - 2.49
    adult = np.where(record.people.female[patient], women, men)
    child = 2.1e-6 * (100 * height) ** 2.8
    return np.where(record.age[rows] < ADULT, np.minimum(child, adult), np.maximum(adult, 1.0))


def _median_body(female: Flags, age: Floats, loinc: str) -> Floats:
    """The median height (cm) or weight (kg) at an age, which changes no more once people are grown up."""
    age = np.minimum(age, 20.0)
    height, bmi = (
        np.where(
            female,
            *(
                np.interp(age, catalogue.column("body.csv", "age", sex=s), catalogue.column("body.csv", name, sex=s))
                for s in SEXES
            ),
        )
        for name in ("height_cm", "bmi_median")
    )
    return height if loinc == HEIGHT else bmi * (height / 100) ** 2


# --- what follows from other values ---------------------------------------------------------------
def _derive(record: Record, values: dict[str, Floats]) -> None:
    """BMI, LDL and creatinine from what was measured; pressures that belong together."""
    values[DIASTOLIC] = np.minimum(values[DIASTOLIC], values[SYSTOLIC] - PULSE_PRESSURE)
    height = np.round(_level_at_rows(record, HEIGHT), 1)
    values[WEIGHT] = np.maximum(values[WEIGHT], np.ceil(10 * THINNEST * (height / 100) ** 2) / 10)
    values[BMI] = np.round(values[WEIGHT] / (height / 100) ** 2, 1)
    fat = np.where(values[TRIGLYCERIDES] < FRIEDEWALD[1], values[TRIGLYCERIDES], np.nan)
    low = np.round(values[CHOLESTEROL] - values[HDL] - fat / FRIEDEWALD[0])
    values[LDL] = np.where(low >= _analyte(LDL).lowest, low, np.nan)
    women = record.people.female[record.patient]
    values[CREATININE] = _bounded(_analyte(CREATININE), creatinine(values[EGFR], record.age, women))
    values[EGFR] = np.round(egfr(values[CREATININE], record.age, women))


def _level_at_rows(record: Record, loinc: str) -> Floats:
    rows = np.arange(len(record.rows))
    return _level(record, _analyte(loinc))[record.patient] * _growth(record, _analyte(loinc), rows)


def _analyte(loinc: str) -> Analyte:
    return next(analyte for analyte in catalogue.analytes() if analyte.loinc == loinc)
