"""Slots are filled with words that fit the subject, and with nothing that its record does not hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.filling import DAYS_TOLD, Blank, Filling, initials
from clinical_ner.notes.subjects import Case, Given, Subject
from clinical_ner.notes.syntax import Mention, Slot, parse
from clinical_ner.notes.templates import gauged, short_names

DAY = date(2024, 6, 1)
HYPERTENSION = Case(
    "D006973",
    "hypertension",
    2011,
    None,
    {
        "regimen": (Given("lisinopril", "20 mg twice daily", 2011, None), Given("amlodipine", "", 2022, None)),
        "past_procedure": (Given("angioplasty", "", 2020, 2020),),
    },
)
DIABETES = Case("D003924", "type 2 diabetes", 2015, None, {"regimen": (Given("metformin", "", 2016, None),)})
PNEUMONIA = Case("D011014", "pneumonia", 2021, 2022, {"past_regimen": (Given("amoxicillin", "", 2021, 2022),)})
GIVEN = {"NAME:lisinopril", "NAME:amlodipine", "NAME:metformin", "NAME:amoxicillin"}
RECORD = frozenset({"D006973", "D003924", "D011014", *GIVEN})
WOMAN = Subject("female", 50, DAY, (HYPERTENSION, DIABETES, PNEUMONIA), RECORD, birth_date=date(1974, 1, 1))


def person(sex: str, age: int) -> Subject:
    return Subject(sex, age, DAY)


def fill(study: Any, subject: Subject, text: str, seed: int = 1, shorthand: float = 0) -> list[Blank]:
    template = parse("x", text)
    filling = Filling(subject, study.lexis, Draws(seed, "filling"), shorthand=shorthand)
    filling.begin(template)
    return [filling.fill(piece) for piece in template.pieces if isinstance(piece, Slot | Mention)]


def drawn(study: Any, subject: Subject, text: str, shorthand: float = 0) -> set[str]:
    return {blank.text for seed in range(300) for blank in fill(study, subject, text, seed, shorthand)}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("squamous cell carcinoma", "SCC"),
        ("metformin", "MET"),
        ("non-Hodgkin lymphoma", "NHL"),
        ("type 2 diabetes", "TD"),
    ],
)
def test_initials_are_those_of_the_words_or_the_first_three_letters(term: str, expected: str) -> None:
    assert initials(term) == expected


@pytest.mark.parametrize("seed", range(20))
def test_linked_slots_share_a_problem_and_unlinked_ones_repeat_none(study: Any, seed: int) -> None:
    treatment, disease = fill(study, WOMAN, "{regimen#1} {problem#1}", seed)
    one, other = fill(study, WOMAN, "{problem} {problem}", seed)
    given_ = fill(study, WOMAN, "{regimen} {regimen} {regimen}", seed)

    assert (treatment.concept_id == "NAME:metformin") == (disease.concept_id == "D003924")
    assert (treatment.label, disease.label) == (TREATMENT, DISEASE)
    assert one.concept_id != other.concept_id
    assert {blank.concept_id for blank in given_} == {"NAME:lisinopril", "NAME:amlodipine", "NAME:metformin"}


@pytest.mark.parametrize("seed", range(20))
def test_concepts_of_a_sentence_differ(study: Any, seed: int) -> None:
    blanks = fill(
        study, WOMAN, "{drug} {drug} {drug} {disease} {disease:absent} {disease} {procedure} {procedure}", seed
    )

    assert len({blank.concept_id for blank in blanks}) == len(blanks)


def test_an_abbreviation_names_the_entity_before_it_in_the_same_sense(study: Any) -> None:
    whole, short = fill(study, WOMAN, "{disease:historical} ({abbr})")

    assert short == whole._replace(text=initials(whole.text))
    assert short.assertion == "historical"


def test_what_is_abbreviated_is_no_abbreviation_itself(study: Any) -> None:
    found = [drawn(study, WOMAN, text, 1) for text in ("{problem} ({abbr})", "{disease:absent} ({abbr})")]

    assert not {"HTN", "T2DM", "SLE", "COPD"} & set().union(*found)
    assert {"HTN", "T2DM"} <= drawn(study, WOMAN, "{problem}", 1)


def test_a_mention_written_out_names_a_concept_of_the_vocabulary_or_one_of_its_own(study: Any) -> None:
    known, own, drug, other = fill(study, WOMAN, "[D Celiac  disease] [D:absent celiac woe] [T aspirin] [D aspirin]")

    assert known == Blank("Celiac  disease", DISEASE, "D002446", "present")
    assert own == Blank("celiac woe", DISEASE, "TEXT:celiac woe", "absent")
    assert (drug.label, drug.concept_id) == (TREATMENT, "NAME:aspirin")
    assert other.concept_id == "TEXT:aspirin"


def test_a_mention_around_a_slot_is_one_entity_of_the_concept_inside(study: Any) -> None:
    for seed in range(20):
        whole, short = fill(study, WOMAN, "[D:uncertain advanced {Disease} ({abbr})] {abbr}", seed)
        inside = whole.text.removeprefix("advanced ").rsplit(" (", 1)[0]
        assert whole.concept_id in study.lexis.diseases
        assert whole.text == f"advanced {inside} ({initials(inside)})"
        assert inside[0].isupper() or not inside[0].isalpha()
        assert short == whole._replace(text=initials(whole.text))


def test_the_year_of_onset_is_that_of_the_problem_named_last(study: Any) -> None:
    for seed in range(20):
        problem, year = fill(study, WOMAN, "{problem} since {diagnosed_year}", seed)
        assert year.text == {"D006973": "2011", "D003924": "2015"}[problem.concept_id]


def test_years_of_a_sentence_ascend_and_are_past(study: Any) -> None:
    for seed in range(50):
        years = [int(blank.text) for blank in fill(study, WOMAN, "{year} {year} {year}", seed)]
        assert years == sorted(years)
        assert 1984 <= years[0] <= years[-1] < 2024


def test_no_word_is_unfit_for_the_subject(study: Any) -> None:
    man, girl = person("male", 50), person("female", 9)
    slots = "{anatomy} {symptom} {lab} {disease:absent} {procedure:hypothetical}"

    for_man, for_woman = drawn(study, man, slots), drawn(study, WOMAN, slots)

    assert for_woman - for_man >= {"uterus", "ovary", "vaginal bleeding", "CA 125", "hysterectomy", "ovarian cancer"}
    assert for_man - for_woman >= {"prostate", "testis", "PSA", "prostatectomy", "prostate cancer"}
    assert drawn(study, WOMAN, "{relative}") - drawn(study, girl, "{relative}") == {"son", "daughter"}
    assert "ovarian cancer" in drawn(study, man, "{disease:family}")


def test_of_a_patient_no_value_is_invented_of_what_the_record_may_hold(study: Any) -> None:
    draws = Draws(1, "analytes")
    known = {study.lexis.analytes.draw(draws, ()).text.casefold() for _ in range(500)}

    told = {name.casefold() for name in drawn(study, WOMAN, "{lab} {marker}")}

    assert known & gauged()
    assert told
    assert not told & gauged()


@pytest.mark.parametrize(
    ("sex", "age", "words"),
    [
        ("female", 15, {"girl"}),
        ("male", 15, {"boy"}),
        ("female", 16, {"woman", "female", "lady"}),
        ("male", 16, {"man", "male", "gentleman"}),
    ],
)
def test_a_person_is_called_by_sex_and_age(study: Any, sex: str, age: int, words: set[str]) -> None:
    assert drawn(study, person(sex, age), "{sex}") == words
    assert drawn(study, person(sex, age), "{he} {his}") == ({"she", "her"} if sex == "female" else {"he", "his"})


def test_a_case_that_is_over_is_told_with_its_end(study: Any) -> None:
    problem, end, treatment, stop = fill(study, WOMAN, "{past_problem#1} {end_year} {past_regimen#1} {its_end}")

    assert (problem.concept_id, problem.assertion, end.text) == ("D011014", "historical", "2022")
    assert (treatment.concept_id, treatment.assertion, stop.text) == ("NAME:amoxicillin", "historical", "2022")


def test_a_past_procedure_is_linked_to_the_problem_it_was_done_for(study: Any) -> None:
    for seed in range(20):
        problem, procedure, year = fill(study, WOMAN, "{problem#1} {past_procedure#1} {its_year}", seed)
        assert (problem.concept_id, procedure.text, year.text) == ("D006973", "angioplasty", "2020")


def test_a_dose_is_the_recorded_one_or_nothing(study: Any) -> None:
    doses = {
        tuple(blank.text for blank in fill(study, WOMAN, "{problem#1} {regimen#1}{its_dose}", seed)[1:])
        for seed in range(60)
    }

    assert {dose for name, dose in doses if name not in ("lisinopril", "Prinivil")} == {""}
    assert {dose for name, dose in doses if name == "lisinopril"} == {" 20 mg twice daily"}


def test_authors_in_a_hurry_abbreviate_doses_drugs_and_diseases(study: Any) -> None:
    short = drawn(study, WOMAN, "{regimen}{its_dose} {problem}", shorthand=1)

    assert {" 20 mg BID", " 20 mg b.i.d.", " 20 mg bid"} <= short
    assert not {" 20 mg twice daily"} & short
    assert set(short_names()["amlodipine"]) <= short
    assert {"HTN", "T2DM"} <= short


def test_what_is_refused_or_proposed_is_not_of_the_record(study: Any) -> None:
    found = {
        blank.concept_id
        for seed in range(200)
        for blank in fill(study, WOMAN, "{drug:absent} {disease:uncertain} {disease:absent}", seed)
    }

    assert found & RECORD == set()
    assert len(found) > 10


def test_a_recent_day_is_in_the_last_months_of_life(study: Any) -> None:
    newborn = Subject("female", 0, DAY, birth_date=date(2024, 5, 30))

    days = {age: drawn(study, subject, "{past_date}") for age, subject in (("old", WOMAN), ("new", newborn))}

    assert days["new"] == {"05/30/2024", "05/31/2024", "06/01/2024"}
    assert {day[6:] for day in days["old"]} == {"2023", "2024"}
    assert 150 < len(days["old"]) <= DAYS_TOLD + 1


def test_a_problem_is_called_as_in_the_record_or_as_in_the_vocabulary(study: Any) -> None:
    named = HYPERTENSION._replace(name="raised pressure")
    unlisted = HYPERTENSION._replace(concept_id="D999999", name="rare disease")

    found = [drawn(study, Subject("male", 50, DAY, (case,)), "{problem}") for case in (named, unlisted)]

    assert found == [{"raised pressure", "hypertension", "HTN", "essential hypertension"}, {"rare disease"}]


def test_a_sentence_that_speaks_of_nobody_names_what_fits_nobody_in_particular(study: Any) -> None:
    filling = Filling(person("male", 50), study.lexis, Draws(1, "x"))
    template = parse("x", "{disease} {anatomy}")

    found = set()
    for _ in range(300):
        filling.begin(template, of_subject=False)
        found |= {filling.fill(slot).text for slot in template.slots}

    assert {"ovarian cancer", "uterus", "prostate cancer"} <= found


def test_a_sentence_may_go_on_from_the_one_before(study: Any) -> None:
    filling, template = Filling(WOMAN, study.lexis, Draws(1, "x")), parse("x", "{problem}")

    found = set()
    for number in range(2):
        filling.begin(template, anew=number == 0)
        found.add(filling.fill(template.slots[0]).concept_id)

    assert found == {"D006973", "D003924"}


def test_measurements_lie_in_their_range(study: Any) -> None:
    assert {len(text) for text in drawn(study, WOMAN, "{troponin}")} == {4}
    assert {float(text) for text in drawn(study, WOMAN, "{hr}")} <= set(range(54, 125))
