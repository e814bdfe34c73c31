"""The section each part of a note stands in."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import SECTIONS
from clinical_ner.ner import sections
from clinical_ner.ner.sections import heading_at, headings, loinc

NOTE = """VISIT SUMMARY
CC: cough.
72 y/o man, two days of cough.
PMH: gout, asthma. FH: mother with lupus.
Meds:
- aspirin
Assessment and Plan
1. gout: rest"""


def section_of(text: str, word: str) -> str | None:
    heading = heading_at(headings(text), text.index(word))
    return heading and heading.section


@pytest.mark.parametrize(
    ("word", "section"),
    [
        ("SUMMARY", None),
        ("cough.", "chief_complaint"),
        ("72", None),
        ("asthma", "past_medical_history"),
        ("lupus", "family_history"),
        ("aspirin", "medications"),
        ("rest", "assessment"),
    ],
)
def test_a_part_of_a_note_stands_under_the_heading_before_it(word: str, section: str | None) -> None:
    assert section_of(NOTE, word) == section


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("PAST MEDICAL HISTORY:\nx", "past_medical_history"),
        ("Past Medical History\r\nx", "past_medical_history"),
        ("  - Allergies:  x", "allergies"),
        ("Stable. PMHx x", "past_medical_history"),
        ("P: x", "plan"),
        ("P\nx", None),
        ("a\nx", None),
        ("He took his medications:\nx", None),
        ("PLAN:\nrest\n\nMISCELLANEOUS\nx", None),
        ("Plan:\nBNP: 300\nx", "plan"),
        ("Plan:\nThings to tell:\nx", None),
        ("Findings\nBones: x", "results"),
    ],
)
def test_headings_are_told_from_other_words(text: str, section: str | None) -> None:
    assert section_of(text, "x") == section


@pytest.mark.parametrize(
    ("heading", "in_abstract", "in_note"),
    [("RESULTS", "findings", "results"), ("OBJECTIVE", "background", "physical_examination")],
)
def test_some_headings_say_something_else_in_an_abstract(heading: str, in_abstract: str, in_note: str) -> None:
    assert section_of(f"AIM: a. METHODS: b. {heading}: x", "x") == in_abstract
    assert section_of(f"CC: a. LABS: b. {heading}: x", "x") == in_note


@pytest.mark.parametrize("heading", ["Birth History", "Immunizations", "CONSULTS", "Code status"])
def test_a_heading_of_no_section_of_ours_ends_the_one_before_also_with_text_on_its_line(heading: str) -> None:
    assert section_of(f"Family History:\nFather with gout.\n{heading}: asthma", "asthma") is None
    assert section_of(f"FH: father with gout. {heading}: asthma", "asthma") is None
    assert section_of(f"Family History:\nFather with gout, {heading.lower()} asthma", "asthma") == "family_history"


def test_a_brief_section_ends_with_its_line_and_one_on_lines_of_its_own_does_not() -> None:
    assert section_of("Family history: lupus.\nX", "X") is None
    assert section_of("Family history: lupus\nand x", "x") == "family_history"
    assert section_of("Family history:\nLupus.\nX", "X") == "family_history"
    assert section_of("Plan: rest.\nX", "X") == "plan"


@given(st.text("ABab:.\n\r -PMH/", max_size=80))
def test_headings_are_in_order_and_known_ones_slice_to_their_words(text: str) -> None:
    found = headings(text)

    assert [mark.start for mark in found] == sorted(mark.start for mark in found)
    for mark in found:
        assert 0 <= mark.start <= mark.end <= len(text)
        assert mark.section is None or re.match("[A-Za-z]", text[mark.start : mark.end])


def test_a_megabyte_without_headings_is_read_in_no_time(hostile_text: str) -> None:
    assert all(mark.end <= len(hostile_text) for mark in headings(hostile_text))


def test_every_section_has_headings_and_no_heading_has_two_meanings() -> None:
    content = yaml.safe_load(sections.RESOURCE.read_text(encoding="utf-8"))
    phrases = [phrase for name in content["sections"] for phrase in content["sections"][name]["headings"]]
    twice = {phrase for phrase in phrases if phrases.count(phrase) > 1}

    assert set(content["sections"]) == set(SECTIONS)
    assert twice <= content["note_meaning"].keys()
    assert not {*phrases, *content["without_colon"]} & {*content["closing"]}
    assert {*content["note_meaning"].values(), *content["abstract_meaning"].values()} <= set(SECTIONS)
    assert all(phrase == " ".join(phrase.lower().split()) for phrase in phrases)


def test_codes_are_those_of_sections_of_documents() -> None:
    assert loinc("family_history") == "10157-6"
    assert loinc("methods") is None
    assert all(re.fullmatch(r"\d{4,5}-\d", code) for code in map(loinc, SECTIONS) if code)
