"""The promises of the sample as a whole: prefix, repeatability, schema, figures."""

import math
from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from clinical_ner.core.params import PopulationParams
from clinical_ner.population import catalogue
from clinical_ner.population.people import lives
from clinical_ner.population.sample import POPULATION, Population, sample_population
from clinical_ner.population.summary import (
    ADULT_AGES,
    MAIN_PERCENT,
    Comparison,
    main_prevalences,
    population_metrics,
    prevalence,
)

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


MAIN = [
    *("hypertension", "diabetes_diagnosed", "obesity", "hyperlipidemia_ever_told", "asthma", "copd", "ckd"),
    *("coronary_heart_disease", "stroke_ever", "depression_ever", "osteoarthritis", "gerd", "migraine"),
    *("smoking_current", "atrial_fibrillation", "heart_failure", "gout", "hypothyroidism"),
]


@pytest.fixture(scope="module")
def compared(town: Population) -> dict[str, Comparison]:
    return {row.condition: row for row in main_prevalences(town, REFERENCE_DATE)}


def of_all_adults() -> dict[str, dict[str, str]]:
    rows = catalogue.rows("published_prevalence.csv")
    adults = [row for row in rows if (row["sex"], row["age_max"]) == ("all", "") and row["age_min"] in ADULT_AGES]
    return {row["name"]: row for row in adults}


@pytest.mark.parametrize("name", MAIN)
def test_a_main_condition_is_about_as_common_among_adults_as_published(town: Population, name: str) -> None:
    row = of_all_adults()[name]

    assert prevalence(town, row, REFERENCE_DATE) == pytest.approx(float(row["percent"]), rel=0.15, abs=0.3)


def test_every_checked_figure_of_all_adults_that_is_large_enough_is_compared(
    town: Population, compared: dict[str, Comparison]
) -> None:
    adults = of_all_adults()
    checked = {name: row for name, row in adults.items() if row["checked"] == "yes"}
    large = {name: row for name, row in checked.items() if float(row["percent"]) >= MAIN_PERCENT}

    assert compared.keys() == large.keys()
    assert len(large) < len(checked) < len(adults)
    for name, row in large.items():
        assert compared[name].published == float(row["percent"])
        assert compared[name].sampled == pytest.approx(prevalence(town, row, REFERENCE_DATE), abs=0.005)


@pytest.mark.parametrize("name", ["hypertension", "diabetes_diagnosed", "obesity", "gout", "osteoporosis", "migraine"])
def test_a_condition_follows_age_and_sex_as_published(town: Population, name: str) -> None:
    for row in catalogue.rows("published_prevalence.csv"):
        if row["name"] == name and row["age_min"] != "0":
            percent = float(row["percent"])
            assert prevalence(town, row, REFERENCE_DATE) == pytest.approx(percent, rel=0.2, abs=1.0), row


def test_women_have_breast_cancer_and_men_prostate_cancer_as_often_as_published(town: Population) -> None:
    for row in catalogue.rows("published_prevalence.csv"):
        if row["name"] in ("breast_cancer_ever", "prostate_cancer_ever"):
            assert prevalence(town, row, REFERENCE_DATE) == pytest.approx(float(row["percent"]), rel=0.25)


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


def test_the_metrics_count_and_compare(town: Population, compared: dict[str, Comparison]) -> None:
    metrics = population_metrics(town, REFERENCE_DATE)

    assert metrics["patients"] == 20_000
    assert metrics["conditions"] == len(town.conditions)
    assert metrics["treatments"] == len(town.treatments)
    assert metrics["female_share"] == pytest.approx(0.51, abs=0.02)
    assert 36 < metrics["mean_age"] < 43
    assert 0.01 < metrics["dead_share"] < 0.06
    assert 28 < metrics["mean_adult_bmi"] < 32
    assert "hypertension" in compared
    apart = [abs(row.sampled - row.published) for row in compared.values()]
    assert metrics["prevalence_points_off"] == pytest.approx(sum(apart) / len(apart), abs=0.005)
    assert metrics["prevalence_points_off"] < 0.6


def test_without_an_adult_no_prevalence_is_compared(town: Population) -> None:
    children = town.patients[lives(town.patients, REFERENCE_DATE).age < 18]
    school = town._replace(patients=children, conditions=of(children, town.conditions))

    metrics, rows = population_metrics(school, REFERENCE_DATE), main_prevalences(school, REFERENCE_DATE)

    assert metrics["patients"] == len(children)
    assert metrics["prevalence_points_off"] == 0
    assert all(math.isnan(row.sampled) for row in rows)


def test_prevalence_counts_the_living_of_the_stratum_who_have_it_now(town: Population) -> None:
    born, none = pd.Timestamp("1970-01-01"), pd.NaT
    patients = pd.DataFrame(
        {
            "patient_id": ["P0", "P1", "P2", "P3"],
            "sex": "female",
            "birth_date": [born, born, born, pd.Timestamp("2015-01-01")],
            "death_date": [none, none, pd.Timestamp("2024-01-01"), none],
        }
    )
    onset = {"name": "gout", "onset_date": pd.Timestamp("2020-01-01")}
    resolved = [none, pd.Timestamp("2021-01-01"), none, none]
    conditions = pd.DataFrame({"patient_id": patients["patient_id"], "resolved_date": resolved, **onset})
    row = {"conditions": "gout", "sex": "all", "age_min": "18", "age_max": ""}

    assert prevalence(town._replace(patients=patients, conditions=conditions), row, REFERENCE_DATE) == 50
