"""No impossible record: every rule is a function that finds the rows that break it.

Its name is the rule's, its first line says the rule, and it returns the identifiers of the rows, or of
their patients, that break it. They read the tables alone, as somebody who is given them would.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from numpy.typing import NDArray

from clinical_ner.population.checks import (
    background,
    conditions,
    encounters,
    lifetimes,
    measurements,
    people,
    pregnancies,
    references,
    treatments,
)
from clinical_ner.population.checks.charts import Charts, Rule
from clinical_ner.population.checks.treatments import rules_of
from clinical_ner.population.tables import Population

__all__ = ["RULES", "Charts", "ImpossibleRecordError", "Rule", "refuse_impossible_records", "rules_of", "violations"]

RULES: tuple[Rule, ...] = (
    *people.RULES,
    *references.RULES,
    *lifetimes.RULES,
    *conditions.RULES,
    *pregnancies.RULES,
    *encounters.RULES,
    *treatments.RULES,
    *measurements.RULES,
    *background.RULES,
)
REMEDY = (
    "This is our error: please report the rule, population.seed, population.reference_date "
    "and population.years_of_records"
)
SHOWN = 3  # identifiers of each rule in an error


class ImpossibleRecordError(Exception):
    """Our error: the sampled records break a rule."""


def violations(population: Population, reference_date: date) -> dict[str, NDArray[Any]]:
    """By the name of each rule that is broken, the identifiers of the rows that break it."""
    return dict(_broken(Charts(population, reference_date)))


def _broken(charts: Charts) -> Iterator[tuple[str, NDArray[Any]]]:
    for rule in RULES:
        found = rule(charts)
        if len(found):
            yield rule.__name__, found


def refuse_impossible_records(population: Population, reference_date: date) -> None:
    """Nothing happens if every record is possible.

    Raises:
        ImpossibleRecordError: by name the rules that are broken, how often, and the first identifiers.
    """
    found = violations(population, reference_date)
    if found:
        listed = (f"{name}: {len(ids)} ({', '.join(map(str, ids[:SHOWN]))})" for name, ids in found.items())
        raise ImpossibleRecordError(f"{'; '.join(listed)}. {REMEDY}")
