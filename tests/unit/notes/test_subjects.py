"""A subject is what a record says of a person on a day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.notes.charts import Chart
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.subjects import Trend, age_on, invented, of_record, smoking_on

DATES = st.dates(date(1900, 1, 1), date(2030, 1, 1))


@given(DATES, DATES)
def test_an_age_is_the_number_of_birthdays_past(one: date, other: date) -> None:
    born, day = sorted((one, other))
    birthdays = [f"{year}-{born:%m-%d}" for year in range(born.year + 1, day.year + 1)]

    assert age_on(day, born) == sum(birthday <= f"{day:%Y-%m-%d}" for birthday in birthdays)


def told(chart: Chart, day: str, slot: str) -> dict[str, list[str]]:
    """The treatments of a slot, by case, as known on that day."""
    subject = of_record(chart, date.fromisoformat(day))
    return {case.name: [given.name for given in case.given.get(slot, ())] for case in subject.cases}


def problems(chart: Chart, day: str, slot: str) -> list[str]:
    return [case.name for case in of_record(chart, date.fromisoformat(day)).cases_for(slot)]


@pytest.fixture
def ann(chart: Any) -> Chart:
    found: Chart = chart("P0000001")
    return found


@pytest.fixture
def bob(chart: Any) -> Chart:
    found: Chart = chart("P0000002")
    return found


def test_a_subject_has_the_cases_and_treatments_that_are_known_on_that_day(ann: Chart) -> None:
    assert told(ann, "2022-01-10", "regimen") == {
        "hypertension": ["lisinopril"],
        "type 2 diabetes": [],
        "pneumonia": ["amoxicillin"],
    }
    assert told(ann, "2023-09-01", "regimen")["hypertension"] == ["lisinopril"]
    assert told(ann, "2022-10-01", "regimen")["hypertension"] == ["lisinopril", "amlodipine"]


def test_what_is_over_is_past(ann: Chart) -> None:
    assert problems(ann, "2022-02-09", "problem") == ["hypertension", "type 2 diabetes", "pneumonia"]
    assert problems(ann, "2022-02-10", "problem") == ["hypertension", "type 2 diabetes"]
    assert problems(ann, "2022-02-10", "past_problem") == ["pneumonia"]
    assert told(ann, "2023-09-01", "past_regimen")["hypertension"] == ["amlodipine"]
    assert told(ann, "2022-01-19", "past_regimen")["pneumonia"] == []


def test_a_procedure_is_todays_operation_and_later_a_past_one(bob: Chart) -> None:
    days = {
        day: [told(bob, day, slot)["hypertension"] for slot in ("operation", "past_procedure")]
        for day in ("2021-05-04", "2021-05-05", "2021-05-06")
    }

    assert days == {"2021-05-04": [[], []], "2021-05-05": [["angioplasty"], []], "2021-05-06": [[], ["angioplasty"]]}


def test_a_therapy_is_a_regimen_but_no_medication(bob: Chart) -> None:
    assert told(bob, "2022-01-01", "regimen")["COPD"] == ["tiotropium", "oxygen therapy"]
    assert told(bob, "2022-01-01", "medication")["COPD"] == ["tiotropium"]


def test_cases_are_asked_for_with_the_treatments_that_a_sentence_wants(ann: Chart) -> None:
    subject = of_record(ann, date(2023, 8, 1))

    assert [case.name for case in subject.cases_for("problem", (("regimen", 2),))] == ["hypertension"]
    assert [case.name for case in subject.cases_for("problem", (("regimen", 1),))] == [
        "hypertension",
        "type 2 diabetes",
    ]
    assert subject.cases_for("past_problem", (("regimen", 1),)) == ()
    assert subject.counts == {
        "problem": 3,
        "past_problem": 1,
        "indication": 0,
        "regimen": 3,
        "medication": 3,
        "past_regimen": 1,
        "effective": 1,
        "tolerated": 2,
        "allergen": 2,
        "family": 3,
    }


def test_what_nobody_has_diagnosed_is_not_among_the_problems(ann: Chart) -> None:
    assert problems(ann, "2023-06-30", "problem") == ["hypertension", "type 2 diabetes"]
    assert problems(ann, "2024-12-31", "problem") == ["hypertension", "type 2 diabetes", "gout"]


def test_a_treatment_is_told_with_why_it_was_stopped_and_what_took_its_place(ann: Chart) -> None:
    slots = ("not_tolerated", "switched_from", "switched_to", "ineffective", "effective")

    found = {slot: told(ann, "2024-01-01", slot)["hypertension"] for slot in slots}

    assert found == {
        "not_tolerated": ["amlodipine"],
        "switched_from": ["amlodipine"],
        "switched_to": ["warfarin"],
        "ineffective": ["warfarin"],
        "effective": ["lisinopril"],
    }


def test_a_value_that_fell_on_a_treatment_is_told_with_the_one_before(ann: Chart) -> None:
    before, after = (of_record(ann, date(2023, 10, day)) for day in (19, 20))

    assert before.cases_for("problem", (("improving", 1),)) == ()
    (case,) = after.cases_for("problem", (("improving", 1),))
    assert case.given["improving"][0].trend == Trend(("hemoglobin A1c", "A1c"), "9.1", "7.2")


def test_smoking_is_that_of_the_day(ann: Chart) -> None:
    days = ("1979-12-31", "1980-01-01", "2022-05-31", "2022-06-01")

    assert [smoking_on(ann.patient, date.fromisoformat(day)) for day in days] == [
        "never",
        "current",
        "current",
        "former",
    ]


def test_a_pregnancy_is_known_from_the_sixth_week_to_the_birth(ann: Chart) -> None:
    subjects = [
        of_record(ann, date.fromisoformat(day)) for day in ("2022-08-11", "2022-08-12", "2023-03-19", "2023-03-20")
    ]

    assert [subject.details.get("weeks") for subject in subjects] == [None, "6", "37", None]
    assert [subject.pregnant for subject in subjects] == [False, True, True, False]


def test_a_value_is_the_latest_one_that_is_not_too_old(ann: Chart) -> None:
    days = ("2021-05-31", "2021-06-01", "2021-06-15", "2021-06-16")

    assert [of_record(ann, date.fromisoformat(day)).value("sbp") for day in days] == [None, 147.0, 147.0, None]


def test_the_record_is_quoted_literally(ann: Chart) -> None:
    subject = of_record(ann, date(2024, 5, 16))

    assert subject.details == {
        "patient_name": "Ann Lee",
        "surname": "Lee",
        "birth_date": "1960-05-17",
        "note_date": "05/16/2024",
        "provider": "Dr. Smith",
        "smoking": "former smoker",
        "pack_years": "21",
        "alcohol": "drinks on social occasions only",
        "etoh": "EtOH occ",
    }
    assert (subject.age, subject.adult, subject.sex) == (63, True, "female")


def test_two_days_without_a_change_of_the_record_have_equal_cases(ann: Chart) -> None:
    days = [date(2022, 5, 1), date(2022, 8, 31), date(2022, 9, 1)]

    one, same, other = (of_record(ann, day).cases for day in days)

    assert one == same != other


def test_a_case_is_a_man_or_a_woman_of_any_age(draws: Draws) -> None:
    cases: list[Any] = [invented(draws, date(2024, 5, 1)) for _ in range(1000)]

    assert abs(sum(case.sex == "female" for case in cases) / 1000 - 0.5) < 0.06
    assert {case.age for case in cases} == set(range(1, 92))
    assert {(case.written_on, case.cases) for case in cases} == {(date(2024, 5, 1), ())}
