"""Rules on vaccines, allergies and the family."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.checks.charts import Charts, Rule, identifiers
from clinical_ner.population.checks.pregnancies import FERTILE
from clinical_ner.population.immunisations import INFLUENZA_SINCE, TDAP, TDAP_SINCE, campaigns, vaccines
from clinical_ner.population.timeline import DAYS_A_YEAR, any_active, keys

EVER = date(2200, 1, 1)


def vaccines_are_given_at_their_age(charts: Charts) -> NDArray[Any]:
    """No dose is given before its age of the schedule, and none while the vaccine was not in use."""
    dose = np.clip(charts.column("immunizations", "dose_number").to_numpy(), 0, _no_dose())
    allowed = charts.by_word("immunizations", "cvx", _in_use, _in_use(""))
    youngest, since, until = allowed[np.arange(len(dose)), dose].T
    day = charts.days("immunizations", "date")
    age = day - charts.birth[charts.patient("immunizations")]
    right = (age >= youngest) & (day >= since) & (day <= until)
    return identifiers(charts, "immunizations", "patient_id", ~right)


@cache
def _in_use(cvx: str) -> tuple[tuple[float, float, float], ...]:
    """By the number of the dose the youngest age in days, and the first and the last day on which it was in use.

    What `vaccines.csv` does not number is given every year, in rounds or in every pregnancy, or never.
    """
    unnumbered = [(DAYS_A_YEAR / 2, since, EVER) for product, since in INFLUENZA_SINCE.items() if product == cvx]
    unnumbered += [(offer.age_from * DAYS_A_YEAR, offer.since, EVER) for offer in campaigns() if offer.cvx == cvx]
    unnumbered += [(FERTILE[0] * DAYS_A_YEAR, TDAP_SINCE, EVER)] if cvx == TDAP else []
    listed = [(v.dose, (v.age_months * DAYS_A_YEAR / 12, v.since, v.until or EVER)) for v in vaccines() if v.cvx == cvx]
    of_doses = ([limits for number, limits in listed if number == dose] for dose in range(_no_dose() + 1))
    return tuple(_widest(of_dose or unnumbered) for of_dose in of_doses)


def _widest(limits: Sequence[tuple[float, date, date]]) -> tuple[float, float, float]:
    """From the earliest to the latest, not numbers where there are none."""
    if not limits:
        return np.nan, np.nan, np.nan
    youngest, since, until = zip(*limits, strict=True)
    first, last = (float(np.datetime64(day, "D").astype(np.int64)) for day in (min(since), max(until)))
    return float(np.floor(min(youngest))), first, last


@cache
def _no_dose() -> int:
    """A number beyond those of `vaccines.csv`."""
    return 1 + max(vaccine.dose for vaccine in vaccines())


def tdap_is_repeated_in_pregnancy_alone(charts: Charts) -> NDArray[Any]:
    """A dose of Tdap after the first is given while pregnant."""
    again = charts.population.immunizations["cvx"].eq(TDAP) & charts.population.immunizations["dose_number"].gt(1)
    rows = np.flatnonzero(again.to_numpy(dtype=bool))
    patient, day = charts.patient("immunizations")[rows], charts.days("immunizations", "date")[rows]
    start, end = (charts.days("pregnancies", f"{name}_date") for name in ("start", "end"))
    order = np.argsort(keys(patient, day), kind="stable")
    pregnant = any_active(keys(patient, day)[order], charts.patient("pregnancies"), start, end)
    found: NDArray[Any] = charts.column("immunizations", "patient_id").to_numpy()[rows[order[~pregnant]]]
    return found


def doses_are_given_in_order(charts: Charts) -> NDArray[Any]:
    """Of one vaccine and person a later dose has the higher number."""
    patient, day = charts.patient("immunizations"), charts.days("immunizations", "date")
    vaccine = patient * 1000 + charts.coded("immunizations", "cvx").codes
    dose = charts.column("immunizations", "dose_number").to_numpy()
    order = np.argsort(keys(vaccine, day), kind="stable")
    same = np.diff(vaccine[order]) == 0
    wrong = np.zeros(len(day), dtype=bool)
    wrong[order[1:][same & (np.diff(dose[order]) <= 0)]] = True
    return identifiers(charts, "immunizations", "patient_id", wrong)


def an_allergy_is_listed_once(charts: Charts) -> NDArray[Any]:
    """Nobody is allergic to the same substance twice."""
    coded = pd.Categorical(charts.column("allergies", "substance")).codes.astype(np.int64)
    wrong = pd.Series(charts.patient("allergies") * 1000 + coded).duplicated().to_numpy()
    return identifiers(charts, "allergies", "patient_id", wrong)


def relatives_have_what_their_sex_can_have(charts: Charts) -> NDArray[Any]:
    """No mother had a condition of men, no father one of women."""
    sex = {condition.mesh: condition.sex for condition in catalogue.conditions()}
    men = charts.by_word("family_history", "relative", {"father", "brother", "grandfather", "son"}.__contains__, False)
    had = charts.by_word("family_history", "concept_id", sex.get, None)
    wrong = (men & (had == "female")) | (~men & (had == "male"))
    return identifiers(charts, "family_history", "patient_id", wrong)


RULES: tuple[Rule, ...] = (
    vaccines_are_given_at_their_age,
    tdap_is_repeated_in_pregnancy_alone,
    doses_are_given_in_order,
    an_allergy_is_listed_once,
    relatives_have_what_their_sex_can_have,
)
