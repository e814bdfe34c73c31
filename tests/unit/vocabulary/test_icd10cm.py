"""A disease has the code that says what its name says, and no more."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from clinical_ner.core.io import Vocabulary
from clinical_ner.vocabulary import icd10cm
from clinical_ner.vocabulary.sources import Diagnosis


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterable[dict[str, dict[str, str]]]:
    """A small tabular list, and what the maps hold, by the name of the file: nothing yet."""
    maps: dict[str, dict[str, str]] = {}
    diagnoses = [
        Diagnosis("I10", "High blood pressure", ()),
        Diagnosis("I15", "High blood-pressure, unspecified", ()),
        Diagnosis("J45", "Asthma", ("Wheezy lungs",)),
        Diagnosis("J45.0", "Asthma of the young", ()),
        Diagnosis("J45.9", "Asthma, unspecified", ()),
        Diagnosis("K25", "Gastric ulcer", ()),
        Diagnosis("K25.4", "Chronic or unspecified gastric ulcer with hemorrhage", ()),
        Diagnosis("K25.9", "Gastric ulcer, unspecified as acute or chronic, without hemorrhage", ()),
        Diagnosis("L20", "Itch", ()),
        Diagnosis("L20.8", "Other itch", ()),
        Diagnosis("W74", "Drowning", ()),
    ]
    caches = (icd10cm._titles, icd10cm._children, icd10cm._by_title, icd10cm._by_inclusion_term)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(icd10cm.sources, "icd10cm", lambda: diagnoses)
    monkeypatch.setattr(icd10cm.sources, "csv_map", lambda name: maps.get(name, {}))
    yield maps
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("name", "terms", "code"),
    [
        ("Blood Pressure, High", [], "I10"),  # the first of two
        ("Asthma", ["high blood pressure"], "J45.9"),  # its own name before another term
        ("Wheezy Lungs", [], "J45.9"),
        ("Lungs That Wheeze", ["wheezy lungs"], "J45.9"),
        ("Lungs That Wheeze", ["wheezy lungs", "high blood pressure"], "I10"),  # a title before an inclusion term
        ("Gastric Ulcer", [], "K25.9"),
        ("Itch", [], "L20"),  # no code leaves open what the category divides
        ("Drowning", [], None),  # how, not what
        ("Gout", [], None),
    ],
)
def test_a_disease_has_the_code_that_its_name_says(name: str, terms: list[str], code: str | None) -> None:
    assert icd10cm.icd10cm("D1", name, terms) == code


def test_our_own_choice_goes_before_the_name_and_that_before_the_ontology(listed: dict[str, dict[str, str]]) -> None:
    listed["mesh_icd10cm.csv"] = {"D1": "L20", "D2": "K25"}
    assert icd10cm.icd10cm("D1", "Asthma", []) == "J45.9"
    assert icd10cm.icd10cm("D2", "Ulcer", ["asthma"]) == "K25.9"

    listed["icd10cm_common.csv"] = {"D1": "L20"}
    assert icd10cm.icd10cm("D1", "Asthma", []) == "L20"


@pytest.mark.parametrize(
    ("code", "unspecified"),
    [
        ("A41", "A41.9"),  # other sepsis
        ("C16", "C16.9"),
        ("G43.0", "G43.009"),
        ("K40.9", "K40.90"),
        ("K80.2", "K80.20"),
        ("S52.509A", "S52.509A"),
        ("C91.1", "C91.10"),
        ("H81.0", "H81.09"),
        ("I50.2", "I50.20"),
        ("K25", "K25.9"),
        ("K72.9", "K72.90"),
        ("K74.6", "K74.60"),
        ("M17", "M17.9"),
        ("N30.9", "N30.90"),
    ],
)
def test_of_a_category_the_code_is_taken_that_tells_no_more(code: str, unspecified: str) -> None:
    assert icd10cm.unspecified(code) == unspecified


@pytest.mark.parametrize(
    ("term", "code"),
    [
        ("aortic stenosis", "I35.0"),
        ("mitral regurgitation", "I34.0"),
        ("septic shock", "R65.21"),
        ("pancreatic cancer", "C25.9"),
        ("syncope", "R55"),
        ("shock", "R57.9"),
        ("abdominal aortic aneurysm", "I71.40"),
        ("hyponatremia", "E87.1"),
        ("NSTEMI", "I21.4"),
        ("hypertrophic cardiomyopathy", "I42.2"),
        ("diabetes", "E11.9"),
        ("pericarditis", "I31.9"),
        ("glomerulonephritis", "N05.9"),
        ("tinnitus", "H93.19"),
        ("dementia", "F03.90"),
        ("respiratory failure", "J96.90"),
    ],
)
def test_what_clinicians_name_has_its_usual_code(vocabulary: Vocabulary, term: str, code: str) -> None:
    diseases = vocabulary.diseases
    found = diseases[(diseases["term"].str.lower() == term.lower()) & diseases["icd10cm"].notna()]

    assert set(found.loc[found["common"], "icd10cm"]) == {code} or set(found["icd10cm"]) == {code}


def test_no_disease_is_coded_as_an_external_cause(vocabulary: Vocabulary) -> None:
    assert not vocabulary.diseases["icd10cm"].dropna().str.startswith(icd10cm.EXTERNAL_CAUSES).any()
