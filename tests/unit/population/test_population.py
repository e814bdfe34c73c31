"""The promises of the sample as a whole: prefix, repeatability, schema, figures."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from clinical_ner.core.params import PopulationParams
from clinical_ner.population.catalogue import diseases
from clinical_ner.population.people import lives
from clinical_ner.population.sample import POPULATION, Population, sample_population
from clinical_ner.population.summary import population_metrics

REFERENCE_DATE = date(2024, 12, 31)


def params(size: int, seed: int = 7) -> PopulationParams:
    return PopulationParams(seed=seed, patients=size, reference_date=REFERENCE_DATE, years_of_records=4)


def of(patients: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["patient_id"].isin(patients["patient_id"])].reset_index(drop=True)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), few=st.integers(1, 40), more=st.integers(0, 60))
def test_the_first_patients_of_a_large_population_are_the_small_population(seed: int, few: int, more: int) -> None:
    small, large = sample_population(params(few, seed)), sample_population(params(few + more, seed))

    assert_frame_equal(large.patients.head(few), small.patients)
    assert_frame_equal(of(small.patients, large.conditions), small.conditions)
    assert_frame_equal(of(small.patients, large.treatments), small.treatments)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), start=st.integers(0, 50), size=st.integers(1, 40))
def test_a_stretch_of_the_population_is_the_same_however_it_is_cut(seed: int, start: int, size: int) -> None:
    whole, part = sample_population(params(100, seed)), sample_population(params(100, seed), start, start + size)

    assert_frame_equal(whole.patients[start : start + size].reset_index(drop=True), part.patients)
    for all_rows, rows in zip(whole[2:], part[2:], strict=True):
        assert_frame_equal(of(part.patients, all_rows), rows)


def test_sampling_twice_gives_the_same_population() -> None:
    for first, second in zip(sample_population(params(300)), sample_population(params(300)), strict=True):
        assert_frame_equal(first, second)


def test_another_seed_gives_other_people() -> None:
    first, second = sample_population(params(300, 1)).patients, sample_population(params(300, 2)).patients

    assert (first["birth_date"] != second["birth_date"]).mean() > 0.9


def test_whoever_is_drawn_has_no_disease_but_those_that_anybody_may_have(town: Population) -> None:
    found = set(town.conditions["concept_id"])

    assert found <= diseases()


def test_the_tables_hold_what_the_schema_states(town: Population) -> None:
    for table, frame in zip(POPULATION, town, strict=True):
        table.schema.validate(frame, lazy=True)


def test_a_single_patient_may_have_no_condition_and_no_treatment() -> None:
    for seed in range(12):
        for table, frame in zip(POPULATION, sample_population(params(1, seed)), strict=True):
            table.schema.validate(frame, lazy=True)


def test_the_tables_are_ordered_by_their_key(town: Population) -> None:
    for table, frame in zip(POPULATION, town, strict=True):
        assert frame[table.key[0]].is_monotonic_increasing


def test_a_condition_belongs_to_a_patient_and_a_treatment_to_a_condition_of_the_same_patient(town: Population) -> None:
    owner = town.conditions.set_index("condition_id")["patient_id"]

    assert town.conditions["patient_id"].isin(town.patients["patient_id"]).all()
    assert (town.treatments["condition_id"].map(owner) == town.treatments["patient_id"]).all()


def test_ages_and_sexes_are_those_of_the_census(town: Population) -> None:
    alive = town.patients[town.patients["death_date"].isna()]
    age = lives(alive, REFERENCE_DATE).age

    assert (alive["sex"] == "male").mean() == pytest.approx(0.491, abs=0.015)
    assert (age >= 18).mean() == pytest.approx(0.779, abs=0.02)
    assert (age >= 65).mean() == pytest.approx(0.168, abs=0.02)


@pytest.mark.parametrize(
    ("sex", "height", "weight"), [("male", (174.6, 7.7), (91.0, 22.2)), ("female", (160.8, 7.1), (78.5, 22.3))]
)
def test_adults_have_the_heights_and_weights_of_nhanes(
    town: Population, sex: str, height: tuple[float, float], weight: tuple[float, float]
) -> None:
    adults = town.patients[(town.patients["sex"] == sex) & (lives(town.patients, REFERENCE_DATE).age >= 20)]

    assert adults["height_cm"].mean() == pytest.approx(height[0], abs=1)
    assert adults["height_cm"].std() == pytest.approx(height[1], abs=0.6)
    assert adults["weight_kg"].mean() == pytest.approx(weight[0], abs=2.5)
    assert adults["weight_kg"].std() == pytest.approx(weight[1], abs=2.5)


def test_a_risk_raises_the_share_of_those_who_have_it(town: Population) -> None:
    having = town.conditions.groupby("name")["patient_id"].agg(set)
    adults = town.patients[lives(town.patients, REFERENCE_DATE).age.round() >= 50]
    obese = adults["patient_id"].isin(having["obesity"])
    diabetic = adults["patient_id"].isin(having["type 2 diabetes mellitus"])

    odds = diabetic.groupby(obese).mean().pipe(lambda share: share / (1 - share))

    assert 1.6 < odds[True] / odds[False] < 3.6


def test_the_metrics_count(town: Population) -> None:
    metrics = population_metrics(town, REFERENCE_DATE)

    assert metrics["patients"] == 20_000
    assert metrics["conditions"] == len(town.conditions)
    assert metrics["treatments"] == len(town.treatments)
    assert metrics["female_share"] == pytest.approx(0.51, abs=0.02)
    assert 36 < metrics["mean_age"] < 43
    assert 0.01 < metrics["dead_share"] < 0.06
    assert 28 < metrics["mean_adult_bmi"] < 32
