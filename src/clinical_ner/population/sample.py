"""The whole population from one seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clinical_ner.core.params import PopulationParams
from clinical_ner.population.allergies import allergy_table, sample_allergies
from clinical_ner.population.barriers import Barriers
from clinical_ner.population.chart import Cases, cases_of, people_of
from clinical_ner.population.draws import Draws
from clinical_ner.population.encounters import Encounters, encounter_table, sample_encounters
from clinical_ner.population.family import sample_family
from clinical_ner.population.histories import sample_conditions
from clinical_ner.population.immunisations import sample_immunizations
from clinical_ner.population.kidneys import NOT_STARTED_BELOW, filtration_rates
from clinical_ner.population.observations import Record, observation_table
from clinical_ner.population.people import providers, sample_people
from clinical_ner.population.pregnancies import delivered, pregnancy_table, sample_pregnancies
from clinical_ner.population.tables import POPULATION, Population
from clinical_ner.population.timeline import dates
from clinical_ner.population.treatments import sample_courses, treatment_table

__all__ = ["POPULATION", "Population", "sample_population", "sample_stretch"]


def sample_population(params: PopulationParams, start: int = 0, stop: int | None = None) -> Population:
    """The people from position `start` to before `stop` (None: to the end) with their records.

    A person's rows depend on the seed, the reference date and the position alone: any cut of the
    population into stretches gives the same rows, and the first n people are the population of n.
    """
    return Population(*(plain(frame) for frame in sample_stretch(params, start, stop)))


def sample_stretch(params: PopulationParams, start: int = 0, stop: int | None = None) -> Population:
    """The same, with repeated words as categories: what is written in bulk."""
    draws = Draws(params.seed, start, (params.patients if stop is None else stop) - start)
    patients = sample_people(params, draws)
    conditions = sample_conditions(patients, draws, params.reference_date)
    traits = pd.DataFrame({"height_cm": patients["height_cm"], "weight_kg": patients["weight_kg"]})
    return _with_records(params, draws, patients, conditions, traits)


def _with_records(
    params: PopulationParams, draws: Draws, patients: pd.DataFrame, conditions: pd.DataFrame, traits: pd.DataFrame
) -> Population:
    """What follows from the people, what they have and what is measured in them."""
    people = people_of(patients, draws, params.reference_date, params.years_of_records)
    pregnancies, kept = sample_pregnancies(people, cases_of(conditions, people))
    conditions = conditions[kept].reset_index(drop=True)
    cases = delivered(cases_of(conditions, people), pregnancies, people.size)
    allergies = sample_allergies(people, cases)
    rates = filtration_rates(people, cases)
    weak_kidneys = rates < NOT_STARTED_BELOW
    barriers = Barriers(people, cases, pregnancies.spells(people.size), allergies.since(people.size), weak_kidneys)
    courses = sample_courses(people, cases, barriers)
    encounters = sample_encounters(people, cases, courses, pregnancies)
    return Population(
        patients,
        providers(params.seed),
        encounter_table(people, cases, encounters, patients, providers(params.seed)),
        _found_at(conditions, cases, encounters),
        treatment_table(people, cases, courses, encounters.named(courses.patient, courses.start)),
        observation_table(Record(people, cases, courses, encounters, traits.assign(egfr=rates))),
        sample_immunizations(people),
        allergy_table(people, allergies),
        sample_family(people, cases),
        pregnancy_table(people, pregnancies),
    )


def _found_at(conditions: pd.DataFrame, cases: Cases, encounters: Encounters) -> pd.DataFrame:
    """CONDITIONS with the encounters of their diagnoses."""
    found_at = encounters.named(cases.patient, cases.diagnosed)
    return conditions.assign(encounter_id=found_at, resolved_date=dates(cases.resolved))


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with words instead of categories, missing ones as None."""
    words = {name: column for name, column in frame.items() if isinstance(column.dtype, pd.CategoricalDtype)}
    return frame.assign(**{str(name): _words(column) for name, column in words.items()})


def _words(column: pd.Series) -> pd.Series:
    words = np.append(column.cat.categories.to_numpy(dtype=object), None)
    return pd.Series(words[column.cat.codes.to_numpy()], index=column.index, dtype=object)
