"""Rules on vaccines, allergies and the family."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.checks.charts import Charts, Rule, identifiers
from clinical_ner.population.immunisations import INFLUENZA_SINCE, vaccines
from clinical_ner.population.timeline import (
    DAYS_A_YEAR,
    days,
)


def vaccines_are_given_at_their_age(charts: Charts) -> NDArray[Any]:
    """No dose is given before its age of the schedule, and none while the vaccine was not in use."""
    ever = date(2200, 1, 1)
    listed = [(v.cvx, v.dose, v.age_months * DAYS_A_YEAR / 12, v.since, v.until or ever) for v in vaccines()]
    schedule = pd.DataFrame(listed, columns=["cvx", "dose_number", "youngest", "since", "until"])
    schedule = schedule.groupby(["cvx", "dose_number"], as_index=False).agg(
        {"youngest": "min", "since": "min", "until": "max"}
    )
    given = charts.population.immunizations[["cvx", "dose_number"]].astype({"cvx": object})
    given = given.merge(schedule, how="left", on=["cvx", "dose_number"])
    yearly = given["cvx"].isin(INFLUENZA_SINCE).to_numpy()
    season = given["cvx"].map(INFLUENZA_SINCE)
    youngest = np.where(yearly, DAYS_A_YEAR / 2, given["youngest"].to_numpy(np.float64))
    since, until = days(pd.to_datetime(given["since"].where(~yearly, season))), days(pd.to_datetime(given["until"]))
    day = charts.days("immunizations", "date")
    old_enough = day - charts.birth[charts.patient("immunizations")] >= np.floor(youngest)
    return identifiers(charts, "immunizations", "patient_id", ~(old_enough & (day >= since) & (day <= until)))


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
    doses_are_given_in_order,
    an_allergy_is_listed_once,
    relatives_have_what_their_sex_can_have,
)
