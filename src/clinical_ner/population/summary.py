"""What a sampled population holds; whether it is believable is the question of `quality`."""

from __future__ import annotations

from datetime import date
from typing import Any

from clinical_ner.population.people import SURVEYED_FROM, lives
from clinical_ner.population.tables import Population


def population_metrics(population: Population, reference_date: date) -> dict[str, Any]:
    """The rows of every table, and the shares and means of the people."""
    patients = population.patients
    age = lives(patients, reference_date).age
    return {
        **{name: len(table) for name, table in population._asdict().items()},
        "female_share": round(float((patients["sex"] == "female").mean()), 4),
        "dead_share": round(float(patients["death_date"].notna().mean()), 4),
        "mean_age": round(float(age.mean()), 2),
        "mean_adult_bmi": round(float(patients["bmi"][age >= SURVEYED_FROM].mean()), 2),
    }
