"""The parts a note is made of: words drawn by concept, a subject as known on a day, a page with its typos."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.io import Vocabulary
from clinical_ner.core.seeds import stream
from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.compose import Blank, Filling, compose, initials
from clinical_ner.notes.subjects import Problem, Subject, age_on, invented, of_record, problem_term
from clinical_ner.notes.syntax import Mention, Slot, parse
from clinical_ner.notes.terms import ACRONYM_SHARE, COMMON_DRUG_SHARE, Concepts, Lexis, lexis
from clinical_ner.notes.writing import Page, Segment

DATES = st.dates(date(1900, 1, 1), date(2030, 1, 1))
HYPERTENSION = Problem("D006973", "hypertension", 2011, ("lisinopril", "amlodipine"))
DIABETES = Problem("D003924", "type 2 diabetes", 2015, ("metformin",))
WOMAN = Subject("female", 50, 2024, (HYPERTENSION, DIABETES), frozenset({"D006973", "D003924"}))


def fill(study: Any, subject: Subject, text: str, seed: int = 1) -> list[Blank]:
    filling = Filling(subject, study.lexis, stream(seed, "filling"))
    return [filling.fill(piece) for piece in parse("x", text).pieces if isinstance(piece, Slot | Mention)]


def drawn(study: Any, subject: Subject, text: str) -> set[str]:
    return {blank.text for seed in range(300) for blank in fill(study, subject, text, seed)}


@given(DATES, DATES)
def test_an_age_is_the_number_of_birthdays_past(one: date, other: date) -> None:
    born, day = sorted((one, other))
    birthdays = [f"{year}-{born:%m-%d}" for year in range(born.year + 1, day.year + 1)]

    assert age_on(pd.Timestamp(day), pd.Timestamp(born)) == sum(birthday <= f"{day:%Y-%m-%d}" for birthday in birthdays)


def test_a_subject_is_what_the_record_knows_on_that_day(study: Any) -> None:
    record = study.record
    patient = record.patients.to_dict("records")[0]
    mine = [frame[frame["patient_id"] == "P0000001"].to_dict("records") for frame in record[1:]]

    known = {day: of_record(patient, *mine, pd.Timestamp(day)) for day in ("2022-01-10", "2022-02-10", "2023-09-01")}

    assert [(p.name, p.regimens) for p in known["2022-01-10"].problems] == [
        ("hypertension", ("lisinopril",)),
        ("type 2 diabetes", ("metformin",)),
        ("pneumonia", ("amoxicillin",)),
    ]
    assert [p.name for p in known["2022-02-10"].problems] == ["hypertension", "type 2 diabetes"]
    assert [p.regimens for p in known["2023-09-01"].problems] == [("lisinopril",), ("metformin",), ()]
    assert {subject.record for subject in known.values()} == {frozenset({"D006973", "D003924", "D011014", "D006073"})}
    assert known["2022-01-10"].problems[0].onset_year == 2011


def test_the_record_is_quoted_literally(study: Any) -> None:
    patient = study.record.patients.to_dict("records")[0]

    subject = of_record(patient, [], [], pd.Timestamp("2024-05-16"))

    assert dict(subject.details) == {
        "patient_name": "Ann Lee",
        "birth_date": "1960-05-17",
        "note_date": "05/16/2024",
        "provider": "Dr. Smith",
        "smoking": "current smoker",
        "weight": "61",
        "bmi": "23.9",
    }
    assert (subject.age, subject.year, subject.sex) == (63, 2024, "female")


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

    assert (treatment.text in HYPERTENSION.regimens) == (disease.concept_id == "D006973")
    assert (treatment.label, disease.label) == (TREATMENT, DISEASE)
    assert one.concept_id != other.concept_id
    assert {blank.text for blank in given_} == {"lisinopril", "amlodipine", "metformin"}
    assert treatment.concept_id == f"NAME:{treatment.text}"


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
        problem, year = fill(study, WOMAN, "{problem} since {onset_year}", seed)
        assert year.text == {"D006973": "2011", "D003924": "2015"}[problem.concept_id]


def test_years_of_a_sentence_ascend_and_are_past(study: Any) -> None:
    for seed in range(50):
        years = [int(blank.text) for blank in fill(study, WOMAN, "{year} {year} {year}", seed)]
        assert years == sorted(years)
        assert 1984 <= years[0] <= years[-1] < 2024


def test_no_word_is_unfit_for_the_subject(study: Any) -> None:
    man, girl = Subject("male", 50, 2024), Subject("female", 9, 2024)
    slots = "{anatomy} {symptom} {lab} {disease:absent} {procedure:hypothetical}"

    for_man, for_woman = drawn(study, man, slots), drawn(study, WOMAN, slots)

    assert for_woman - for_man >= {"uterus", "ovary", "vaginal bleeding", "CA 125", "hysterectomy", "ovarian cancer"}
    assert for_man - for_woman >= {"prostate", "testis", "PSA", "prostatectomy", "prostate cancer"}
    assert drawn(study, WOMAN, "{relative}") - drawn(study, girl, "{relative}") == {"son", "daughter"}
    assert "ovarian cancer" in drawn(study, man, "{disease:family}")


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
    assert drawn(study, Subject(sex, age, 2024), "{sex}") == words
    assert drawn(study, Subject(sex, age, 2024), "{he} {his}") == ({"she", "her"} if sex == "female" else {"he", "his"})


def test_words_are_drawn_by_concept_the_common_and_the_usual_more_often() -> None:
    forms = {"D1": ["usual name", "rare form"], **{f"D{i}": [f"form {i}"] for i in range(2, 100)}}
    concepts = Concepts(forms, ["D1", "unknown"], {"D1": "usual name", "D2": "not a form"})
    rng = stream(1, "x")

    found = [concepts.draw(rng) for _ in range(2000)]

    assert {term.text for term in found if term.concept_id == "D1"} == {"usual name", "rare form"}
    assert sum(term.concept_id == "D1" for term in found) / 2000 == pytest.approx(0.4, abs=0.05)
    usual = sum(concepts.form(rng, "D1").text == "usual name" for _ in range(2000)) / 2000
    assert usual == pytest.approx(0.75, abs=0.04)
    assert len({term.concept_id for term in found}) == 99


def test_neither_a_concept_to_avoid_nor_its_namesake_is_drawn() -> None:
    concepts = Concepts({"D1": ["COPD"], "D2": ["copd", "lung disease"], "D3": ["gout"]}, ["D1"], {})
    rng = stream(1, "x")

    assert {concepts.draw(rng, {"D1"}).concept_id for _ in range(50)} == {"D3"}
    assert {concepts.draw(rng, {"D3"}).concept_id for _ in range(50)} == {"D1", "D2"}
    assert {concepts.draw(rng).concept_id for _ in range(50)} == {"D1", "D2", "D3"}


def test_the_share_of_the_common_concepts_can_be_set() -> None:
    forms = {f"D{i}": [f"form {i}"] for i in range(1000)}
    rng = stream(1, "x")

    for share in (0.0, 0.3, 1.0):
        concepts = Concepts(forms, ["D1"], {}, share)
        common = sum(concepts.draw(rng).concept_id == "D1" for _ in range(1000)) / 1000
        assert common == pytest.approx(share, abs=0.05)


def lexis_with_drugs(rows: list[tuple[str, str, str, bool]]) -> Lexis:
    drugs = pd.DataFrame(rows, columns=["term", "concept_id", "name", "common"])
    diseases = pd.DataFrame([("gout", "D1", "Gout", False)], columns=["term", "concept_id", "name", "symptom"])
    procedures = pd.DataFrame([("rest", "OWN:rest", "therapy", True)], columns=["term", "concept_id", "kind", "common"])
    substances = pd.DataFrame([("PSA", "OWN:psa", True)], columns=["term", "concept_id", "common"])
    return lexis(Vocabulary(diseases, drugs, procedures, substances), ())


def test_the_long_tail_of_the_drugs_is_written_by_its_generic_name_if_that_is_one_longer_word() -> None:
    common = [("aspirin", "C0", "aspirin", True), ("ASA", "C0", "aspirin", True), ("Rx-1", "C1", "Rx-1", True)]
    tail = [("Rareomycin", "T0", "rareomycin", False), ("melasprib", "T1", "melasprib", False)]
    other = [("Rarex", "T0", "rareomycin", False), ("ketal", "U1", "ketal", False), ("dm5-ht", "U2", "dm5-ht", False)]
    other += [("gold salt", "U3", "gold salt", False), ("abcdef7", "U4", "abcdef7", False)]
    drugs = lexis_with_drugs([*common, *tail, *other]).drugs
    rng = stream(1, "x")

    found = [drugs.draw(rng) for _ in range(3000)]

    assert {term.text for term in found} - {"rareomycin", "Rareomycin"} == {"aspirin", "ASA", "Rx-1", "melasprib"}
    rest = 1 - COMMON_DRUG_SHARE  # drawn from all four, of which two are of the tail
    assert sum(term.concept_id[0] == "T" for term in found) / 3000 == pytest.approx(rest / 2, abs=0.02)


def test_a_lexis_has_no_symptom_among_the_diseases_but_every_treatment_by_name(study: Any) -> None:
    assert "D005334" not in study.lexis.diseases
    assert "D001249" in study.lexis.diseases
    assert "NAME:rareomycin" in study.lexis.drugs
    assert study.lexis.treatment_ids["rareomycin"] == "NAME:rareomycin"
    assert "OWN:dialysis" in study.lexis.therapies
    assert "OWN:dialysis" not in study.lexis.procedures


@given(st.integers(0, 10_000), st.from_regex(r"[a-z]{5,9}", fullmatch=True))
def test_a_typo_swaps_or_drops_one_letter_but_never_the_first(seed: int, word: str) -> None:
    page = Page(stream(seed, "typo"), 1)

    page.literal(word)

    swaps = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(1, len(word) - 1)}
    drops = {word[:i] + word[i + 1 :] for i in range(1, len(word) - 1)}
    assert page.text in swaps | drops


def test_only_long_lower_case_words_outside_entities_are_misspelt() -> None:
    page = Page(stream(1, "typo"), 1)

    page.literal("Seen with FEVER 12345 for ")
    page.mention("diabetes mellitus", DISEASE, "D1", "present", "")
    page.literal(" yesterday")

    assert page.text.startswith("Seen with FEVER 12345 for diabetes mellitus ")
    assert not page.text.endswith("yesterday")
    assert [page.text[m.start : m.end] for m in page.mentions] == ["diabetes mellitus"]


def test_a_typo_rate_is_the_share_of_the_words_misspelt() -> None:
    page = Page(stream(1, "typo"), 0.25)

    page.literal("abcdefgh " * 2000)

    assert sum(word != "abcdefgh" for word in page.text.split()) / 2000 == pytest.approx(0.25, abs=0.04)


def test_a_sentence_relates_every_treatment_to_every_disease_of_its_link() -> None:
    page = Page(stream(1, "x"), 0)
    for words, label, link in (("a", TREATMENT, "1"), ("b", DISEASE, "1"), ("c", TREATMENT, "1"), ("d", DISEASE, "2")):
        page.mention(words, label, "D1", "present", link)
    page.mention("e", TREATMENT, "D1", "present", "")
    page.close(0, "x/0")
    page.mention("f", TREATMENT, "D1", "present", "2")
    page.close(5, "x/1")

    assert page.relations == [(0, 1), (2, 1)]
    assert page.segments == [Segment(0, 5, "x/0"), Segment(5, 6, "x/1")]


def test_a_capital_slot_capitalises_what_fills_it(study: Any) -> None:
    assert parse("x", "{He}").slots == [Slot("he", True, "present", "")]
    sentences = re.split(r"[.\n] ?", " ".join(study.write(1, typo_rate=0).notes["text"]))

    assert not [sentence for sentence in sentences if re.match(r"(he|she|his|her) ", sentence)]


def test_half_of_the_typos_swap_letters_and_half_drop_one() -> None:
    page = Page(stream(1, "typo"), 1)

    page.literal("abcdefgh " * 2000)

    assert sum(len(word) == 8 for word in page.text.split()) / 2000 == pytest.approx(0.5, abs=0.05)


def test_a_case_is_a_man_or_a_woman_of_any_age() -> None:
    rng = stream(1, "x")

    cases = [invented(rng, pd.Timestamp("2024-05-01")) for _ in range(1000)]

    assert sum(case.sex == "female" for case in cases) / 1000 == pytest.approx(0.5, abs=0.06)
    assert {case.age for case in cases} == set(range(1, 92))
    assert {(case.year, case.problems) for case in cases} == {(2024, ())}


def test_a_problem_is_called_as_in_the_record_or_as_in_the_vocabulary(study: Any) -> None:
    rng = stream(1, "x")
    unlisted = Problem("D999999", "rare disease", 2011, ())

    terms = {problem_term(rng, HYPERTENSION._replace(name="raised pressure"), study.lexis).text for _ in range(100)}

    assert terms == {"raised pressure", "hypertension", "HTN", "essential hypertension"}
    assert {problem_term(rng, unlisted, study.lexis).text for _ in range(20)} == {"rare disease"}


def test_no_sentence_names_more_problems_than_the_record_has(study: Any) -> None:
    names = ("patient_name", "birth_date", "note_date", "provider", "smoking", "weight", "bmi")
    subject = Subject("female", 50, 2024, (DIABETES,), details=tuple((name, name) for name in names))

    for seed in range(40):
        page = compose("discharge", subject, study.lexis, stream(seed, "x"), 0)
        for segment in page.segments:
            found = [m.concept_id for m in page.mentions if segment.start <= m.start < segment.end]
            assert len(found) == len(set(found))


def test_a_common_concept_is_often_written_as_its_acronym() -> None:
    forms = {"D1": ["COPD", "lung disease one", "lung disease two", "lung disease three"], "D2": ["XYZ", "rare thing"]}
    concepts = Concepts(forms, common={"D1"}, names={})
    rng = stream(1, "acronyms")

    drawn = [[concepts.form(rng, key).text.isupper() for _ in range(2000)] for key in ("D1", "D2")]

    assert sum(drawn[0]) / 2000 == pytest.approx(ACRONYM_SHARE + (1 - ACRONYM_SHARE) / 4, abs=0.04)
    assert sum(drawn[1]) / 2000 == pytest.approx(0.5, abs=0.04)
