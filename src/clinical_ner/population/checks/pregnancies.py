"""Rules on pregnancies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.checks.charts import Charts, Rule, identifiers, treatment_names
from clinical_ner.population.checks.treatments import rules_of
from clinical_ner.population.pregnancies import CONDITIONS as OF_PREGNANCY
from clinical_ner.population.timeline import (
    NEVER,
    any_active,
    keys,
)

FERTILE = (12, 50)  # years
LONGEST_PREGNANCY = 310  # days


def only_women_are_pregnant(charts: Charts) -> NDArray[Any]:
    """No pregnancy in men."""
    return identifiers(charts, "pregnancies", "pregnancy_id", ~charts.female[charts.patient("pregnancies")])


def pregnancy_comes_at_a_fertile_age(charts: Charts) -> NDArray[Any]:
    """No pregnancy of girls below 12 nor of women from 50 on."""
    age = charts.age(charts.patient("pregnancies"), charts.days("pregnancies", "start_date"))
    return identifiers(charts, "pregnancies", "pregnancy_id", (age < FERTILE[0]) | (age >= FERTILE[1]))


def pregnancies_follow_one_another(charts: Charts) -> NDArray[Any]:
    """No pregnancy begins while another lasts, and none is longer than 310 days."""
    patient, start = charts.patient("pregnancies"), charts.days("pregnancies", "start_date")
    end = np.minimum(charts.days("pregnancies", "end_date"), charts.today)
    overlapping = np.zeros(len(patient), dtype=bool)
    overlapping[1:] = (patient[1:] == patient[:-1]) & (start[1:] <= end[:-1])
    return identifiers(charts, "pregnancies", "pregnancy_id", overlapping | (end - start > LONGEST_PREGNANCY))


def only_pregnancies_that_last_are_ongoing(charts: Charts) -> NDArray[Any]:
    """A pregnancy is ongoing exactly if it has not ended."""
    ongoing = (charts.column("pregnancies", "outcome") == "ongoing").to_numpy()
    return identifiers(
        charts, "pregnancies", "pregnancy_id", ongoing != (charts.days("pregnancies", "end_date") >= NEVER)
    )


def conditions_of_pregnancy_lie_in_one(charts: Charts) -> NDArray[Any]:
    """Gestational diabetes and pre-eclampsia begin and end within a pregnancy."""
    numbers = [condition.number for condition in catalogue.conditions() if condition.key in OF_PREGNANCY]
    rows = np.flatnonzero(np.isin(charts.condition, numbers))
    rows = rows[np.argsort(keys(charts.patient("conditions")[rows], charts.days("conditions", "onset_date")[rows]))]
    patient, onset, over = (
        charts.patient("conditions")[rows],
        charts.days("conditions", "onset_date")[rows],
        np.minimum(charts.days("conditions", "resolved_date")[rows], charts.today),
    )
    spell = charts.patient("pregnancies"), charts.days("pregnancies", "start_date")
    end = charts.days("pregnancies", "end_date")
    begins = any_active(keys(patient, onset), *spell, np.where(end < NEVER, end + 1, NEVER))
    order = np.argsort(keys(patient, over), kind="stable")
    ends = np.zeros(len(rows), dtype=bool)
    ends[order] = any_active(keys(patient, over)[order], *spell, np.where(end < NEVER, end + 1, NEVER))
    wrong = np.zeros(len(charts.condition), dtype=bool)
    wrong[rows] = ~(begins & ends)
    return identifiers(charts, "conditions", "condition_id", wrong)


def nobody_is_pregnant_without_a_womb(charts: Charts) -> NDArray[Any]:
    """No pregnancy begins after the womb or both ovaries have been taken out."""
    gone = [place for place, name in enumerate(treatment_names()) if "child to come" in rules_of(name)]
    rows = np.isin(charts.treatment, gone)
    since = np.full(len(charts.birth), NEVER)
    np.minimum.at(since, charts.patient("treatments")[rows], charts.days("treatments", "start_date")[rows])
    start = charts.days("pregnancies", "start_date")
    return identifiers(charts, "pregnancies", "pregnancy_id", start > since[charts.patient("pregnancies")])


RULES: tuple[Rule, ...] = (
    only_women_are_pregnant,
    pregnancy_comes_at_a_fertile_age,
    pregnancies_follow_one_another,
    only_pregnancies_that_last_are_ongoing,
    conditions_of_pregnancy_lie_in_one,
    nobody_is_pregnant_without_a_womb,
)
