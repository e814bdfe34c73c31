"""How the sampled population compares with the published figures."""

from __future__ import annotations

from datetime import date
from math import isnan
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.population import catalogue
from clinical_ner.population.people import lives
from clinical_ner.population.sample import Population

MAIN_PERCENT = 2.0  # published figures of all adults from here on are compared in the metrics
ADULT_AGES = ("18", "20")


class Comparison(NamedTuple):
    """A prevalence among all adults, in percent of them."""

    condition: str
    sampled: float
    published: float


def population_metrics(population: Population, reference_date: date) -> dict[str, Any]:
    """Counts, shares and means, and how far prevalences lie from the published ones on average."""
    patients, conditions, treatments = population.patients, population.conditions, population.treatments
    alive = patients["death_date"].isna()
    age = lives(patients, reference_date).age
    compared = main_prevalences(population, reference_date)
    apart = [abs(row.sampled - row.published) for row in compared if not isnan(row.sampled)]
    return {
        "patients": len(patients),
        "conditions": len(conditions),
        "treatments": len(treatments),
        "female_share": round(float((patients["sex"] == "female").mean()), 4),
        "dead_share": round(float(1 - alive.mean()), 4),
        "mean_age": round(float(age.mean()), 2),
        "mean_adult_bmi": round(float(patients["bmi"][age >= 20].mean()), 2),
        "prevalence_points_off": round(sum(apart) / len(apart), 2) if apart else 0.0,
    }


def main_prevalences(population: Population, reference_date: date) -> list[Comparison]:
    """The prevalences of the main conditions among adults beside the published figures that were checked."""
    return [
        Comparison(row["name"], round(prevalence(population, row, reference_date), 2), float(row["percent"]))
        for row in catalogue.rows("published_prevalence.csv")
        if row["sex"] == "all" and row["age_min"] in ADULT_AGES and not row["age_max"]
        if float(row["percent"]) >= MAIN_PERCENT and row["checked"] == "yes"
    ]


def prevalence(population: Population, row: dict[str, str], reference_date: date) -> float:
    """Percent of the living of a row's sex and ages who now have one of its conditions.

    `row` is a row of `published_prevalence.csv`; ages are inclusive, in completed years.
    """
    counted = _stratum(population.patients, row, reference_date)
    names = {condition.key: condition.name for condition in catalogue.conditions()}
    wanted = [names[key] for key in row["conditions"].split("+")]
    now = population.conditions[population.conditions["resolved_date"].isna()]
    having = now.loc[now["name"].isin(wanted), "patient_id"]
    return 100 * float(counted.isin(having).mean()) if len(counted) else float("nan")


def _stratum(patients: pd.DataFrame, row: dict[str, str], reference_date: date) -> pd.Series[str]:
    age = lives(patients, reference_date).age
    within = (age >= float(row["age_min"])) & (age < float(row["age_max"] or "inf") + 1)
    sex = patients["sex"].isin(["female", "male"] if row["sex"] == "all" else [row["sex"]])
    return patients.loc[within & sex & patients["death_date"].isna(), "patient_id"]
