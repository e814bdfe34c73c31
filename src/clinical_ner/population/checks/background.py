"""Rules on vaccines, allergies and the family."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.checks.charts import Charts, Rule, identifiers
from clinical_ner.population.checks.pregnancies import FERTILE
from clinical_ner.population.immunisations import INFLUENZA_SINCE, TDAP, TDAP_SINCE, campaigns, vaccines
from clinical_ner.population.timeline import DAYS_A_YEAR, any_active, days, keys

EVER = date(2200, 1, 1)


def vaccines_are_given_at_their_age(charts: Charts) -> NDArray[Any]:
    """No dose is given before its age of the schedule, and none while the vaccine was not in use."""
    scheduled, others = _schedule(), _outside_the_schedule()
    given = charts.population.immunizations[["cvx", "dose_number"]].astype({"cvx": object})
    of_dose = given.merge(scheduled, how="left", on=["cvx", "dose_number"])
    allowed = of_dose.fillna(given.merge(others, how="left", on="cvx"))
    day = charts.days("immunizations", "date")
    since, until = (days(pd.to_datetime(allowed[name])) for name in ("since", "until"))
    age = day - charts.birth[charts.patient("immunizations")]
    right = (age >= np.floor(allowed["youngest"].to_numpy(np.float64))) & (day >= since) & (day <= until)
    return identifiers(charts, "immunizations", "patient_id", ~right)


def _schedule() -> pd.DataFrame:
    """Of each dose of `vaccines.csv` the youngest age in days, and the days between which it was in use."""
    listed = [(v.cvx, v.dose, v.age_months * DAYS_A_YEAR / 12, v.since, v.until or EVER) for v in vaccines()]
    schedule = pd.DataFrame(listed, columns=["cvx", "dose_number", "youngest", "since", "until"])
    found = schedule.groupby(["cvx", "dose_number"], as_index=False)
    return found.agg({"youngest": "min", "since": "min", "until": "max"})


def _outside_the_schedule() -> pd.DataFrame:
    """The same of what is given every year, in rounds or in every pregnancy, whatever the number of the dose."""
    listed = [(cvx, DAYS_A_YEAR / 2, since, EVER) for cvx, since in INFLUENZA_SINCE.items()]
    listed += [(offer.cvx, offer.age_from * DAYS_A_YEAR, offer.since, EVER) for offer in campaigns()]
    listed += [(TDAP, FERTILE[0] * DAYS_A_YEAR, TDAP_SINCE, EVER)]
    found = pd.DataFrame(listed, columns=["cvx", "youngest", "since", "until"]).groupby("cvx", as_index=False)
    return found.agg({"youngest": "min", "since": "min", "until": "max"})


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
    coded = pd.Categorical(charts.column("immunizations", "cvx")).codes.astype(np.int64)
    patient, day = charts.patient("immunizations"), charts.days("immunizations", "date")
    dose = charts.column("immunizations", "dose_number").to_numpy()
    order = np.lexsort((day, coded, patient))
    same = (np.diff(patient[order]) == 0) & (np.diff(coded[order]) == 0)
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
    men = charts.column("family_history", "relative").isin(["father", "brother", "grandfather", "son"]).to_numpy()
    had = charts.column("family_history", "concept_id").map(sex).astype(object).to_numpy()
    wrong = (men & (had == "female")) | (~men & (had == "male"))
    return identifiers(charts, "family_history", "patient_id", wrong)


RULES: tuple[Rule, ...] = (
    vaccines_are_given_at_their_age,
    tdap_is_repeated_in_pregnancy_alone,
    doses_are_given_in_order,
    an_allergy_is_listed_once,
    relatives_have_what_their_sex_can_have,
)
