"""The whole population from one seed."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from clinical_ner.core.params import PopulationParams
from clinical_ner.population.histories import sample_conditions
from clinical_ner.population.people import sample_people
from clinical_ner.population.treatments import sample_treatments


class Population(NamedTuple):
    """The tables PATIENTS, CONDITIONS and TREATMENTS."""

    patients: pd.DataFrame
    conditions: pd.DataFrame
    treatments: pd.DataFrame


def sample_population(params: PopulationParams) -> Population:
    """As many patients as `params.patients` says, of whom the first n are the population of n patients."""
    patients = sample_people(params)
    conditions = sample_conditions(patients, params.seed, params.reference_date)
    treatments = sample_treatments(patients, conditions, params.seed, params.reference_date)
    return Population(patients, conditions, treatments)
