"""Rules on conditions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.checks.charts import Charts, Rule, identifiers
from clinical_ner.population.timeline import (
    DAYS_A_YEAR,
    NEVER,
)


def diagnosis_follows_onset(charts: Charts) -> NDArray[Any]:
    """A condition is found after it has begun and before it is over."""
    onset, known, over = (charts.days("conditions", f"{name}_date") for name in ("onset", "diagnosed", "resolved"))
    wrong = (known < onset) | ((known < NEVER) & (known > over)) | (over < onset)
    return identifiers(charts, "conditions", "condition_id", wrong)


def conditions_are_of_the_right_sex(charts: Charts) -> NDArray[Any]:
    """Nobody has a condition of the other sex."""
    sexes = np.array([condition.sex for condition in catalogue.conditions()])[charts.condition]
    own = np.where(charts.female, "female", "male")[charts.patient("conditions")]
    return identifiers(charts, "conditions", "condition_id", (sexes != "all") & (sexes != own))


def conditions_begin_at_their_age(charts: Charts) -> NDArray[Any]:
    """No condition begins before the age from which it is had."""
    youngest = np.array([condition.min_age for condition in catalogue.conditions()])[charts.condition]
    day = charts.days("conditions", "onset_date") - charts.birth[charts.patient("conditions")]
    return identifiers(charts, "conditions", "condition_id", day < np.floor(youngest * DAYS_A_YEAR) - 1)


def complications_follow_their_cause(charts: Charts) -> NDArray[Any]:
    """A complication does not begin before the condition that it complicates, nor is it its own cause."""
    place = charts.place("conditions", "complicates", "conditions")
    onset = charts.days("conditions", "onset_date")
    wrong = (place >= 0) & ((onset < onset[place]) | (place == np.arange(len(place))))
    return identifiers(charts, "conditions", "condition_id", wrong)


def conditions_that_exclude_each_other_do_not_meet(charts: Charts) -> NDArray[Any]:
    """Nobody has two conditions of which `risks.csv` says that they exclude each other."""
    number = {condition.key: condition.number for condition in catalogue.conditions()}
    patient, wrong = charts.patient("conditions"), np.zeros(len(charts.condition), dtype=bool)
    for condition in catalogue.conditions():
        for other in (key for key, odds in condition.risks.items() if odds == 0 and key in number):
            having = patient[charts.condition == number[other]]
            wrong |= (charts.condition == condition.number) & np.isin(patient, having)
    return identifiers(charts, "conditions", "condition_id", wrong)


def chronic_conditions_last(charts: Charts) -> NDArray[Any]:
    """A chronic condition is never over."""
    chronic = np.array([condition.course == "chronic" for condition in catalogue.conditions()])[charts.condition]
    return identifiers(
        charts, "conditions", "condition_id", chronic & (charts.days("conditions", "resolved_date") < NEVER)
    )


def codes_fit_the_case(charts: Charts) -> NDArray[Any]:
    """A code that depends on the case is that of its cause, its stage or its age; all others are the catalogue's."""
    patient, onset = charts.patient("conditions"), charts.days("conditions", "onset_date")
    cause = charts.place("conditions", "complicates", "conditions")
    measured = {"bmi": charts.column("patients", "bmi").to_numpy()[patient], "days": charts.end[patient] - onset}
    right = np.array([condition.icd10cm for condition in catalogue.conditions()], dtype=object)[charts.condition]
    staged = np.zeros(len(right), dtype=bool)
    for row in catalogue.codes():
        of = charts.condition == catalogue.by_key()[row.condition].number
        if row.since is None:
            right[of & (cause >= 0) & (charts.condition[cause] == catalogue.by_key()[row.by].number)] = row.icd10cm
        elif row.by in measured:
            right[of & (measured[row.by] >= row.since)] = row.icd10cm
        else:
            staged |= of  # `severity_fits_what_is_measured` reads the measurements
    return identifiers(
        charts, "conditions", "condition_id", ~staged & (charts.column("conditions", "icd10cm").to_numpy() != right)
    )


RULES: tuple[Rule, ...] = (
    diagnosis_follows_onset,
    conditions_are_of_the_right_sex,
    conditions_begin_at_their_age,
    complications_follow_their_cause,
    conditions_that_exclude_each_other_do_not_meet,
    chronic_conditions_last,
    codes_fit_the_case,
)
