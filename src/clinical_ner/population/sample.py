"""The whole population from one seed."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from clinical_ner.core.params import PopulationParams
from clinical_ner.core.schema import (
    ALLERGIES,
    CONDITIONS,
    ENCOUNTERS,
    FAMILY_HISTORY,
    IMMUNIZATIONS,
    OBSERVATIONS,
    PATIENTS,
    PREGNANCIES,
    PROVIDERS,
    TREATMENTS,
    Table,
)
from clinical_ner.population.draws import Draws
from clinical_ner.population.histories import sample_conditions
from clinical_ner.population.people import providers, sample_people
from clinical_ner.population.treatments import sample_treatments

POPULATION = (
    *(PATIENTS, PROVIDERS, ENCOUNTERS, CONDITIONS, TREATMENTS, OBSERVATIONS),
    *(IMMUNIZATIONS, ALLERGIES, FAMILY_HISTORY, PREGNANCIES),
)


class Population(NamedTuple):
    """The tables of `POPULATION`, in its order."""

    patients: pd.DataFrame
    providers: pd.DataFrame
    encounters: pd.DataFrame
    conditions: pd.DataFrame
    treatments: pd.DataFrame
    observations: pd.DataFrame
    immunizations: pd.DataFrame
    allergies: pd.DataFrame
    family_history: pd.DataFrame
    pregnancies: pd.DataFrame


def sample_population(params: PopulationParams, start: int = 0, stop: int | None = None) -> Population:
    """The people from position `start` to before `stop` (None: to the end) with their records.

    A person's rows depend on the seed, the reference date and the position alone: any cut of the
    population into stretches gives the same rows, and the first n people are the population of n.
    """
    draws = Draws(params.seed, start, (params.patients if stop is None else stop) - start)
    patients = sample_people(params, draws)
    conditions = sample_conditions(patients, draws, params.reference_date)
    treatments = sample_treatments(patients, conditions, draws, params.reference_date)
    return Population(
        patients,
        providers(params.seed),
        empty(ENCOUNTERS),
        conditions,
        treatments,
        *(empty(table) for table in POPULATION[5:]),
    )


def empty(table: Table) -> pd.DataFrame:
    """No row of the table, with its columns and their types."""
    return pd.DataFrame(
        {name: pd.Series(dtype=_dtype(str(column.dtype))) for name, column in table.schema.columns.items()}
    )


def _dtype(name: str) -> str:
    return "object" if name == "str" else name
