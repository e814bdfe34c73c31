"""Abbreviations that a text defines itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.ner.abbreviations import definitions, kinds
from clinical_ner.ner.gazetteer import Gazetteer


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("He has chronic obstructive pulmonary disease (COPD).", "chronic obstructive pulmonary disease"),
        ("treated with beta-blockers (BB)", "beta-blockers"),
        ("stage 3 chronic kidney\ndisease (CKD)", "chronic kidney\ndisease"),
        ("mitral valve regurgitation due to a cleft (MR)", None),
        ("pain (mild)", None),
        ("pain (PAIN)", None),
        ("Seen. (CKD)", None),
        ("No asthma. Disease of the kidney (CKD)", None),
    ],
)
def test_a_bracket_defines_the_words_before_it_that_have_its_letters(text: str, long: str | None) -> None:
    assert list(definitions(text).values()) == ([long] if long else [])


def test_the_first_definition_counts() -> None:
    assert definitions("mitral stenosis (MS); later multiple sclerosis (MS)") == {"MS": "mitral stenosis"}


@given(st.text("abAB ().-\n", max_size=60))
def test_a_long_form_is_a_piece_of_the_text_and_starts_with_the_same_letter(text: str) -> None:
    for short, long in definitions(text).items():
        assert long in text
        assert len(long) > len(short)
        assert long[0].lower() == next(letter for letter in short.lower() if letter.isalnum())


def test_hostile_text_takes_no_time(hostile_text: str) -> None:
    assert definitions(hostile_text) == {}


def test_many_brackets_take_no_time() -> None:
    assert definitions("c (AB)" * 50_000) == {}


def test_a_text_without_capitals_defines_what_is_the_initials_of_the_words_before() -> None:
    assert definitions("non small cell lung cancer ( nsclc ) and asthma ( mild )") == {
        "nsclc": "non small cell lung cancer"
    }


def test_an_abbreviation_stands_for_the_known_term_that_ends_its_long_form() -> None:
    gazetteer = Gazetteer.build([("heart failure", "disease"), ("failure", "symptom"), ("aspirin", "drug")])

    found = kinds({"AHF": "acute heart failure", "AA": "aspirin allergy", "TEE": "echocardiography"}, gazetteer)

    assert found == {"AHF": "disease", "AA": "other", "TEE": "other"}
