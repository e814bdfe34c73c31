"""What treatments are usually given for."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.ner.concepts import LONGEST_NAME
from clinical_ner.ner.indications import NOTHING_KNOWN, RESOURCE, is_for, uses

CONTENT: list[dict[str, Any]] = yaml.safe_load(RESOURCE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("treatment", "code", "found"),
    [
        ("lisinopril", "I10", True),
        ("Zestril; lisinopril", "I50.9", True),
        ("lisinopril", "M10.9", False),
        ("piperacillin-tazobactam", "K81.0", True),
        ("cefazolin", "L03.90", True),
        ("cefazolin", "I10", False),
        ("R-CHOP", "C83.3", True),
        ("six cycles of FOLFOX", "C18.9", True),
        ("insulin glargine", "E11.9", True),
        ("ACE inhibitor", "I10", True),
        ("proton pump inhibitor", "K21.9", True),
        ("omeprazole", "K21.9", True),
        ("imatinib", "C92.1", True),
        ("tofacitinib", "M06.9", True),
        ("colchicine", "M1A.0", True),
        ("losartan potassium", "I10", True),
        ("gold", "M06.9", None),
        ("statins", None, None),
        ("", "I10", None),
    ],
)
def test_a_name_its_parts_and_its_stem_say_what_a_treatment_is_for(
    treatment: str, code: str | None, found: bool | None
) -> None:
    assert is_for(uses(treatment), "something", code) is found


@pytest.mark.parametrize(
    ("treatment", "code"),
    [
        ("aripiprazole", "K21.9"),  # no proton pump inhibitor, though its name ends so
        ("azacitidine", "K21.9"),
        ("tofacitinib", "C92.1"),
        ("abrocitinib", "C92.1"),
        ("emtricitabine", "C25.9"),
        ("domperidone", "F20.9"),
        ("iloprost", "H40.9"),
        ("cholesterol", "J45.909"),
        ("gastric bypass", "I25.10"),
        ("calcium channel blocker", "M81.0"),
        ("losartan potassium", "E87.6"),
        ("lidocaine", "I48.91"),
        ("external cephalic version", "J18.9"),
    ],
)
def test_a_name_that_only_looks_like_another_is_not_taken_for_it(treatment: str, code: str) -> None:
    assert not is_for(uses(treatment), "something", code)


@pytest.mark.parametrize(
    ("treatment", "disease", "found"),
    [
        ("laparoscopic appendectomy", "perforated appendicitis", True),
        ("Cholecystectomy", "acute cholecystitis", True),
        ("hernia repair", "incarcerated inguinal hernia", True),
        ("abscess drainage", "perianal abscess", True),
        ("appendectomy", "gout", None),
        ("appendectomy", "disappendance", None),  # only where a word begins
        ("chronic drainage", "chronic kidney disease", None),
        ("hepatectomy", "hepatitis", None),
        ("ectomy", "gout", None),
        ("repair", "hernia", None),
    ],
)
def test_an_operation_is_for_what_it_is_named_after(treatment: str, disease: str, found: bool | None) -> None:
    assert is_for(uses(treatment), disease, None) is found


def test_of_the_words_of_a_long_mention_nothing_is_known_or_kept() -> None:
    assert uses("lisinopril " * 10).categories
    assert uses("lisinopril " * LONGEST_NAME) == NOTHING_KNOWN


@given(st.text(max_size=40), st.text(max_size=40), st.none() | st.from_regex(r"[A-Z]\d\w(\.\w+)?", fullmatch=True))
def test_any_words_have_an_answer(treatment: str, disease: str, code: str | None) -> None:
    assert is_for(uses(treatment), disease, code) in {True, False, None}


@pytest.mark.parametrize("row", CONTENT, ids=lambda row: str(row["names"][0]))
def test_every_rule_names_categories_and_each_of_its_names_finds_all_of_them(row: dict[str, Any]) -> None:
    codes = row["codes"].split()
    assert all(re.fullmatch(r"[A-Z]|[A-Z]\d[\dA-Z]|([A-Z])\d\d-\1\d\d", code) for code in codes)
    assert row.keys() <= {"codes", "names", "but"}
    for name in row["names"]:
        treatment = f"toxo{name[1:]}" if name[0] == "-" else f"{name[:-1]}toxo" if name[-1] == "-" else name
        known = uses(treatment)
        assert all(is_for(known, "something", end.ljust(3, "0")) for code in codes for end in code.split("-")), name


def test_no_rule_names_a_treatment_twice_and_what_a_rule_excepts_ends_as_one_of_its_stems() -> None:
    for row in CONTENT:
        assert len({name.lower() for name in row["names"]}) == len(row["names"])
        ends = tuple(name[1:] for name in row["names"] if name.startswith("-"))
        assert all(word.endswith(ends) for word in row.get("but", ()))
