"""The tables of a population, as they are handed round."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

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
)

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
