"""What is foretold is foretold from what was known, of people held out, and the figures say how well."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from clinical_ner.core import params
from clinical_ner.core.errors import UserError
from clinical_ner.population.sample import sample_population
from clinical_ner.population.tables import Population
from clinical_ner.quality import risk
from clinical_ner.quality.cohorts import (
    NON_RESPONSE,
    OUTCOMES,
    Question,
    features,
    first_treatments,
    newly_diagnosed,
    questions,
)

PARAMS = params.load(Path(__file__).parents[3] / "params.yaml")
RISK = PARAMS.risk.model_copy(update={"trees": 20, "folds": 3})
REFERENCE_DATE = date(2024, 12, 31)
DAY = pd.Timestamp("2021-12-31")
DIABETES = OUTCOMES["diabetes"]
HBA1C = "4548-4"
DATED = {  # when a row of each table becomes known
    "encounters": "start_date",
    "conditions": "diagnosed_date",
    "treatments": "start_date",
    "observations": "date",
    "immunizations": "date",
}


@cache
def town() -> Population:
    settings = PARAMS.population.model_copy(update={"seed": 7, "patients": 2_500, "reference_date": REFERENCE_DATE})
    return sample_population(settings)


@cache
def asked() -> dict[str, Question]:
    return questions(town(), RISK, REFERENCE_DATE)


def only(population: Population, patients: pd.Series) -> Population:
    return Population(
        *(frame[frame["patient_id"].isin(patients)] if "patient_id" in frame else frame for frame in population)
    )


def until(population: Population, day: pd.Timestamp) -> Population:
    """The record as it was in the evening of a day: what came later is gone, and so is what is stated as of the end."""
    known = {name: getattr(population, name)[lambda t, d=dated: t[d] <= day] for name, dated in DATED.items()}
    treatments = known["treatments"]
    over = treatments["stop_date"] <= day
    known["treatments"] = treatments.assign(
        stop_date=treatments["stop_date"].where(over),
        response=treatments["response"].where(over, None),
        stop_reason=None,
        adverse_effect=None,
    )
    known["conditions"] = known["conditions"].assign(severity="mild", resolved_date=pd.NaT)
    patients = population.patients
    known["patients"] = patients.assign(
        height_cm=100.0,
        weight_kg=30.0,
        bmi=30.0,
        alcohol="none",
        insurance="uninsured",
        smoking="never",
        pack_years=0.0,
        death_date=pd.NaT,
        death_cause=None,
        smoking_start=patients["smoking_start"].where(patients["smoking_start"] <= day),
        smoking_stop=patients["smoking_stop"].where(patients["smoking_stop"] <= day),
    )
    return population._replace(**known)


# --- who is asked about ---------------------------------------------------------------------------
def people(*rows: dict[str, Any]) -> Population:
    """A population of adults and their diagnoses, as far as a cohort reads it."""
    born = {"sex": "female", "race_ethnicity": "nh_white", "birth_date": pd.Timestamp("1960-01-01"), "death_date": None}
    patients = pd.DataFrame([{"patient_id": f"P{n}"} | born | row for n, row in enumerate(rows)])
    conditions = [
        {"patient_id": f"P{n}", "concept_id": concept, "diagnosed_date": pd.Timestamp(day)}
        for n, row in enumerate(rows)
        for concept, day in row.get("diagnoses", ())
    ]
    for name in ("birth_date", "death_date"):
        patients[name] = pd.to_datetime(patients[name])
    columns = ["patient_id", "concept_id", "diagnosed_date"]
    frame = pd.DataFrame(conditions, columns=columns).astype({"diagnosed_date": "datetime64[ns]"})
    return town()._replace(patients=patients, conditions=frame)


@pytest.mark.parametrize(
    ("person", "outcome"),
    [
        ({}, False),
        ({"diagnoses": [("D003924", "2023-01-01")]}, True),
        ({"diagnoses": [("D003924", "2022-01-01")]}, True),
        ({"diagnoses": [("D003924", None)]}, False),
        ({"diagnoses": [("D006973", "2023-01-01")]}, False),
        ({"death_date": "2022-06-01"}, False),
    ],
    ids=["well", "diagnosed later", "on the next day", "never found", "another disease", "died since"],
)
def test_an_adult_without_the_diagnosis_is_asked_about(person: dict[str, Any], outcome: bool) -> None:
    [case] = newly_diagnosed(people(person), DIABETES, DAY).to_dict("records")

    assert (case["patient_id"], case["day"], case["outcome"]) == ("P0", DAY, outcome)


@pytest.mark.parametrize(
    "person",
    [
        {"diagnoses": [("D003924", "2021-12-31")]},
        {"diagnoses": [("D003922", "1990-01-01"), ("D003924", "2023-01-01")]},
        {"birth_date": "2004-01-01"},
        {"death_date": "2021-12-31"},
    ],
    ids=["diagnosed", "of another type", "a child", "dead"],
)
def test_who_has_it_is_no_adult_or_has_died_is_not_asked_about(person: dict[str, Any]) -> None:
    assert newly_diagnosed(people(person), DIABETES, DAY).empty


def test_only_first_lines_that_were_begun_in_time_and_judged_are_asked_about() -> None:
    cases = first_treatments(town(), DAY)
    treatments = town().treatments

    assert (cases["day"] > DAY).all()
    assert (
        len(cases)
        == ((treatments["line"] == 1) & (treatments["start_date"] > DAY) & treatments["response"].notna()).sum()
    )
    assert (
        cases["outcome"].sum()
        == (
            cases.merge(treatments.rename(columns={"name": "treatment", "start_date": "day"}))["response"] == "none"
        ).sum()
    )


def test_every_case_has_a_row_of_features_and_something_is_known_of_each_feature() -> None:
    for question in asked().values():
        assert len(question.cases) == len(question.features) > 0
        assert question.features.notna().any().all()
        assert question.features.columns.is_unique
        assert (question.features.dtypes == "float64").all()


def test_rare_signs_are_no_features() -> None:
    few, many = (features(town(), asked()["diabetes"].cases, share) for share in (0.1, 0.02))

    signs = [name for name in few if ": " in name]
    assert set(signs) < {name for name in many if ": " in name}
    assert few[signs].mean().min() >= 0.1


# --- no leak --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", OUTCOMES)
def test_the_features_are_those_of_a_record_that_ended_on_the_day(name: str) -> None:
    cases = asked()[name].cases

    assert_frame_equal(features(until(town(), DAY), cases, 0.02), asked()[name].features)


def test_the_features_of_a_first_treatment_are_those_of_a_record_that_ended_as_it_began() -> None:
    cases = asked()[NON_RESPONSE].cases
    for number in range(0, len(cases), max(len(cases) // 12, 1)):
        case = cases.iloc[[number]].reset_index(drop=True)
        alone = only(town(), case["patient_id"])

        then = features(until(alone, case["day"][0]), case, 0.0)

        assert_frame_equal(then, features(alone, case, 0.0))


def planted(population: Population, cases: pd.DataFrame, day: pd.Timestamp) -> Population:
    """The same with a glycated haemoglobin on a day that tells who will be diagnosed."""
    row = population.observations.iloc[0].to_dict() | {"date": day, "loinc": HBA1C}
    told = [
        row | {"patient_id": case.patient_id, "value": 15.0 if case.outcome else 5.0} for case in cases.itertuples()
    ]
    return population._replace(observations=pd.concat([population.observations, pd.DataFrame(told)], ignore_index=True))


def test_a_leak_that_is_planted_after_the_day_is_not_seen_and_before_it_would_be() -> None:
    question = asked()["diabetes"]
    after = planted(town(), question.cases, DAY + pd.Timedelta(days=1))
    before = planted(town(), question.cases, DAY)

    unseen, seen = (
        Question(question.cases, features(population, question.cases, RISK.min_share)) for population in (after, before)
    )

    assert_frame_equal(unseen.features, question.features)
    outcome = question.cases["outcome"].to_numpy()
    assert risk.scores(outcome, risk.out_of_fold(seen, RISK)[risk.LOGISTIC], 10)["auc"] > 0.99


def test_what_was_learnt_of_a_person_does_not_help_with_the_same_person() -> None:
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(300), 5)
    outcome = rng.random(300)[person] < 0.5
    cases = pd.DataFrame({"patient_id": person, "outcome": outcome})
    number = pd.DataFrame({"age": rng.permutation(300)[person], "female": 0.0})

    found = risk.out_of_fold(Question(cases, number), RISK.model_copy(update={"leaves": 60, "trees": 60}))

    assert risk.scores(outcome, found[risk.BOOSTING], 10)["auc"] < 0.6


# --- the models and their figures -------------------------------------------------------------------
def logistic_question(size: int = 6_000) -> Question:
    rng = np.random.default_rng(2)
    age, female, sign = rng.normal(50, 15, size), rng.random(size) < 0.5, rng.random(size) < 0.3
    chance = 1 / (1 + np.exp(-(-2.5 + 0.05 * (age - 50) + 1.5 * sign)))
    cases = pd.DataFrame(
        {"patient_id": np.arange(size), "outcome": rng.random(size) < chance}
        | {"sex": np.where(female, "female", "male"), "race_ethnicity": np.where(sign, "nh_asian", "nh_white")}
    )
    table = pd.DataFrame({"age": age, "female": female.astype(float), "had: sign": sign.astype(float)})
    return Question(cases, table.mask(rng.random(table.shape) < 0.02))


def test_the_models_find_what_there_is_to_find_and_are_calibrated() -> None:
    question = logistic_question()
    figures = {
        name: risk.scores(question.cases["outcome"].to_numpy(), found, 10)
        for name, found in risk.out_of_fold(question, PARAMS.risk).items()
    }

    assert figures[risk.PREVALENCE]["auc"] == 0.5
    assert figures[risk.PREVALENCE]["brier_skill"] == 0
    assert figures[risk.AGE_AND_SEX]["auc"] == pytest.approx(0.67, abs=0.03)
    for model in (risk.LOGISTIC, risk.BOOSTING):
        assert figures[model]["auc"] > figures[risk.AGE_AND_SEX]["auc"] + 0.04
        assert figures[model]["calibration_error"] < 0.03
        assert figures[model]["calibration_slope"] == pytest.approx(1, abs=0.25)
        assert figures[model]["brier_skill"] > 0.05


def test_risks_that_are_right_score_full_and_those_that_are_bold_have_a_flat_slope() -> None:
    rng = np.random.default_rng(3)
    chance = rng.uniform(0.05, 0.95, 20_000)
    outcome = rng.random(20_000) < chance
    logit = np.log(chance / (1 - chance))

    right, honest = risk.scores(outcome, outcome.astype(float), 10), risk.scores(outcome, chance, 10)
    bold = risk.scores(outcome, 1 / (1 + np.exp(-2 * logit)), 10)

    assert (right["auc"], right["average_precision"], right["brier"], right["brier_skill"]) == (1, 1, 0, 1)
    assert honest["calibration_slope"] == pytest.approx(1, abs=0.05)
    assert honest["calibration_error"] < 0.015
    assert bold["calibration_slope"] == pytest.approx(0.5, abs=0.05)
    assert bold["auc"] == honest["auc"]
    assert bold["brier"] > honest["brier"]


@pytest.mark.parametrize(("events", "others"), [(10, 30), (50, 50)])
def test_an_auc_without_information_has_the_error_of_the_rank_sum(events: int, others: int) -> None:
    outcome = np.arange(events + others) < events

    found = risk.scores(outcome, np.full(events + others, 0.3), 5)

    assert found["auc"] == 0.5
    rank_sum = np.sqrt((events + others + 1) / (12 * events * others))
    assert found["auc_standard_error"] == pytest.approx(rank_sum, abs=1e-4)


def test_groups_of_people_are_scored_by_themselves_if_they_have_events_enough(monkeypatch: Any) -> None:
    question = logistic_question()
    monkeypatch.setattr(risk, "questions", lambda *_: {"sign": question})

    [figures] = risk.assess(town(), PARAMS.risk, REFERENCE_DATE).values()
    [strict] = risk.assess(town(), RISK.model_copy(update={"min_events": 10_000}), REFERENCE_DATE).values()

    races = figures["groups"]["race_ethnicity"]
    assert sum(group["cases"] for group in races.values()) == figures["cases"] == len(question.cases)
    assert races["nh_asian"]["observed"] > races["nh_white"]["observed"] + 0.1
    assert races["nh_asian"]["observed"] == pytest.approx(races["nh_asian"]["predicted"], abs=0.03)
    assert 0.6 < figures["groups"]["sex"]["male"]["auc"] < 0.85
    assert "auc" not in strict["groups"]["sex"]["male"]


def test_the_same_population_has_the_same_figures() -> None:
    question = logistic_question(2_000)

    first, second = risk.out_of_fold(question, RISK), risk.out_of_fold(question, RISK)

    assert all((first[name] == second[name]).all() for name in first)


def test_too_few_outcomes_are_an_error_with_a_remedy() -> None:
    few = only(town(), town().patients["patient_id"].head(30))

    with pytest.raises(UserError, match=r"too few to learn from\n  remedy: raise risk\.people"):
        risk.assess(few, RISK, REFERENCE_DATE)


def test_every_figure_is_kept_and_the_curves_are_plots(tmp_path: Path) -> None:
    figures = risk.assess(town(), RISK.model_copy(update={"folds": 2}), REFERENCE_DATE)

    kept = risk.risk_metrics(figures)
    risk.write_plots(tmp_path, figures)

    assert kept.keys() == {*OUTCOMES, NON_RESPONSE}
    assert all(found.keys() == {"cases", "events", "features", "models", "groups"} for found in kept.values())
    assert {path.name for path in tmp_path.iterdir()} == {"auc.csv", *(f"calibration_{name}.csv" for name in kept)}
    aucs = pd.read_csv(tmp_path / "auc.csv", index_col="model")["auc"]
    assert len(aucs) == 4 * len(kept)
    assert aucs["heart disease: gradient boosting"] == kept["heart_disease"]["models"][risk.BOOSTING]["auc"]
    curve = pd.read_csv(tmp_path / "calibration_non_response.csv")
    assert curve["predicted"].is_monotonic_increasing
    assert curve["observed"].between(0, 1).all()
