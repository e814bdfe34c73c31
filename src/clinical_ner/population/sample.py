"""The whole population from one seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from clinical_ner.core.params import PopulationParams
from clinical_ner.population.allergies import allergy_table, sample_allergies
from clinical_ner.population.barriers import Barriers
from clinical_ner.population.catalogue import Floats, thresholds
from clinical_ner.population.chart import Cases, People, cases_of, people_of
from clinical_ner.population.draws import Draws
from clinical_ner.population.encounters import Encounters, encounter_table, sample_encounters
from clinical_ner.population.family import sample_family
from clinical_ner.population.findings import drinking, with_unknown_diabetes
from clinical_ner.population.histories import Histories, causes_of_death, conditions_table, histories_of
from clinical_ner.population.immunisations import sample_immunizations
from clinical_ner.population.observations import Record, observation_table
from clinical_ner.population.people import lives, providers, sample_people
from clinical_ner.population.pregnancies import delivered, pregnancy_table, sample_pregnancies
from clinical_ner.population.pressure import CONTROLLED_HYPERTENSION, pressure_of
from clinical_ner.population.tables import POPULATION, Population
from clinical_ner.population.timeline import dates
from clinical_ner.population.traits import traits_of
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
    examined = sample_examined(params, draws)
    people = people_of(examined.patients, draws, params.reference_date, params.years_of_records)
    return _with_records(params, people, examined)


def sample_traits(params: PopulationParams, start: int = 0, stop: int | None = None) -> pd.DataFrame:
    """What an examination on the last day would measure of the same people (`traits.traits_of`), in their order."""
    draws = Draws(params.seed, start, (params.patients if stop is None else stop) - start)
    return sample_examined(params, draws).traits


class Examined(NamedTuple):
    """PATIENTS of a stretch with what they have had and what would be measured of them on the last day."""

    patients: pd.DataFrame
    histories: Histories
    traits: pd.DataFrame

    @property
    def egfr(self) -> Floats:
        """What the kidneys of each filter on the last day (mL/min/1.73 m2)."""
        return self.traits["egfr"].to_numpy(np.float64)

    def conditions(self) -> pd.DataFrame:
        """CONDITIONS."""
        return conditions_table(self.histories, self.patients, self.egfr)


def sample_examined(params: PopulationParams, draws: Draws) -> Examined:
    """The people of a stretch before anybody treats them."""
    patients = sample_people(params, draws)
    life = lives(patients, params.reference_date)
    pressure = pressure_of(patients, life, thresholds()[CONTROLLED_HYPERTENSION], draws)
    histories = histories_of(patients, life, pressure, draws, params.years_of_records)
    traits = traits_of(patients, histories)
    revealed = with_unknown_diabetes(histories, traits["hba1c"].to_numpy(np.float64))
    return Examined(patients.assign(alcohol=drinking(patients["alcohol"], histories)), revealed, traits)


def _with_records(params: PopulationParams, people: People, examined: Examined) -> Population:
    """What follows from the people, what they have and what is measured in them."""
    patients, histories, traits = examined
    conditions = examined.conditions()
    cases = cases_of(conditions, people)
    pregnancies, kept = sample_pregnancies(people, cases)
    conditions = conditions[kept].reset_index(drop=True)
    cases = delivered(cases.only(kept), pregnancies, people.size)
    allergies = sample_allergies(people, cases)
    barriers = Barriers(people, cases, pregnancies.spells(people.size), allergies.since(people.size), examined.egfr)
    courses = sample_courses(people, cases, barriers, {"hypertension": histories.pressure.treated})
    encounters = sample_encounters(people, cases, courses, pregnancies)
    doctors = providers(params.seed)
    return Population(
        patients.assign(death_cause=causes_of_death(histories)),
        doctors,
        encounter_table(people, cases, encounters, patients, doctors),
        _found_at(conditions, cases, encounters),
        treatment_table(people, cases, courses, encounters.named(courses.patient, courses.start)),
        observation_table(Record(people, cases, courses, encounters, traits)),
        sample_immunizations(people, pregnancies),
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
    words = np.array([*column.cat.categories, None], dtype=object)
    return pd.Series(words[column.cat.codes.to_numpy()], index=column.index, dtype=object)
