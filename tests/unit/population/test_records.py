"""No impossible record."""

from datetime import date

import numpy as np
import pandas as pd

from clinical_ner.population import catalogue
from clinical_ner.population.people import DAYS_A_YEAR, lives
from clinical_ner.population.sample import Population

REFERENCE_DATE = date(2024, 12, 31)
TODAY = pd.Timestamp(REFERENCE_DATE)


def with_person(town: Population, frame: pd.DataFrame) -> pd.DataFrame:
    people = town.patients.assign(end=town.patients["death_date"].fillna(TODAY))
    return frame.merge(people, on="patient_id")


def first_onset(town: Population, *names: str) -> pd.Series:
    return town.conditions[town.conditions["name"].isin(names)].groupby("patient_id")["onset_date"].min()


def test_nobody_is_born_or_dies_after_the_reference_date(town: Population) -> None:
    assert (town.patients["birth_date"] <= TODAY).all()
    assert (town.patients["death_date"].dropna() <= TODAY).all()
    assert (TODAY - town.patients["death_date"].dropna()).dt.days.max() <= 3 * DAYS_A_YEAR


def test_no_condition_starts_before_birth_or_after_the_end(town: Population) -> None:
    rows = with_person(town, town.conditions)

    assert (rows["onset_date"] >= rows["birth_date"]).all()
    assert (rows["onset_date"] <= rows["end"]).all()
    assert (rows["resolved_date"].isna() | (rows["resolved_date"] <= rows["end"])).all()


def test_bmi_is_weight_over_height_squared(town: Population) -> None:
    people = town.patients

    assert np.abs(people["bmi"] - people["weight_kg"] / (people["height_cm"] / 100) ** 2).max() <= 0.0501


def test_children_have_the_heights_of_children(town: Population) -> None:
    age = lives(town.patients, REFERENCE_DATE).age
    height = town.patients["height_cm"]

    assert height[age < 1].max() < 90
    assert height[(age > 5) & (age < 7)].between(95, 140).all()
    assert height[age > 18].min() > 130


def test_nobody_has_a_condition_of_the_other_sex(town: Population) -> None:
    rows = with_person(town, town.conditions)
    limited = {condition.name: condition.sex for condition in catalogue.conditions() if condition.sex != "all"}
    rows = rows[rows["name"].isin(limited)]

    assert set(rows["sex"]) == {"female", "male"}
    assert (rows["name"].map(limited) == rows["sex"]).all()


def test_no_smoker_is_younger_than_twelve(town: Population) -> None:
    age = lives(town.patients, REFERENCE_DATE).age

    smoker = town.patients["smoking"] == "current"

    assert smoker.any()
    assert age[smoker].min() >= 12


def test_exactly_the_smokers_have_a_tobacco_use_disorder_and_the_heavy_adults_obesity(town: Population) -> None:
    people, age = town.patients, lives(town.patients, REFERENCE_DATE).age
    for name, decided in {
        "tobacco use disorder": people["smoking"] == "current",
        "obesity": (people["bmi"] >= 30) & (age >= 18),
    }.items():
        assert set(people.loc[decided, "patient_id"]) == set(first_onset(town, name).index)


def test_no_condition_starts_below_its_lowest_age(town: Population) -> None:
    rows = with_person(town, town.conditions)
    lowest = rows["name"].map({condition.name: condition.min_age for condition in catalogue.conditions()})

    assert ((rows["onset_date"] - rows["birth_date"]).dt.days >= np.floor(lowest * DAYS_A_YEAR)).all()


def test_a_diabetic_complication_follows_diabetes(town: Population) -> None:
    diabetes = first_onset(town, "type 1 diabetes mellitus", "type 2 diabetes mellitus")
    for name in ("diabetic retinopathy", "diabetic neuropathy", "diabetic ketoacidosis"):
        complication = first_onset(town, name)

        assert len(complication)
        assert (complication >= diabetes.reindex(complication.index)).all()


def test_conditions_that_exclude_each_other_do_not_meet(town: Population) -> None:
    names = {condition.key: condition.name for condition in catalogue.conditions()}
    for row in catalogue.rows("risks.csv"):
        if float(row["multiplier"]) == 0:
            one, other = (first_onset(town, names[row[cell]]).index for cell in ("condition", "factor"))
            assert not set(one) & set(other)


def test_chronic_conditions_never_resolve_and_episodes_of_the_past_do(town: Population) -> None:
    course = town.conditions["name"].map({c.name: c.course for c in catalogue.conditions()})
    resolved = town.conditions["resolved_date"].notna()

    assert not resolved[course == "chronic"].any()
    assert resolved[course == "episode"].mean() > 0.9
    assert 0 < resolved[course == "remitting"].mean() < 0.9


def test_a_treatment_starts_on_or_after_onset_and_within_life(town: Population) -> None:
    rows = with_person(town, town.treatments).merge(town.conditions, on=["condition_id", "patient_id"])

    assert (rows["start_date"] >= rows["onset_date"]).all()
    assert (rows["start_date"] <= rows["end"]).all()
    assert (rows["resolved_date"].isna() | (rows["start_date"] <= rows["resolved_date"])).all()


def test_treatment_stops_at_death(town: Population) -> None:
    rows = with_person(town, town.treatments)
    dead = rows[rows["death_date"].notna()]

    assert len(dead)
    assert (dead["stop_date"] <= dead["death_date"]).all()


def test_a_procedure_lasts_a_day_and_only_medicines_have_a_dose(town: Population) -> None:
    procedures = town.treatments[town.treatments["kind"] == "procedure"]

    assert (procedures["start_date"] == procedures["stop_date"]).all()
    assert town.treatments.loc[town.treatments["kind"] != "drug", "dose"].isna().all()
    assert town.treatments.loc[town.treatments["kind"] == "drug", "dose"].notna().mean() > 0.7


def test_nobody_takes_two_alternatives_of_one_line(town: Population) -> None:
    line = {choice.number: (key, line) for key, line, choices in catalogue.treatment_lines() for choice in choices}
    lines = town.treatments["treatment_id"].str[-3:].astype(int).map(line)

    assert not pd.DataFrame({"case": town.treatments["condition_id"], "line": lines}).duplicated().any()
