"""The concept an entity names, and how surely."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.ner.concepts import LEAST_SCORE, Concept, Concepts, Form, forms


def disease(term: str, concept_id: str, name: str, rank: int = 0) -> Form:
    return Form(term, DISEASE, concept_id, name, "disease", "X00", rank)


def drug(term: str, concept_id: str, name: str, rank: int = 0) -> Form:
    return Form(term, TREATMENT, concept_id, name, "drug", None, rank)


FORMS = [
    disease("chronic kidney disease", "D1", "Renal Insufficiency, Chronic"),
    disease("kidney disease", "D2", "Kidney Diseases"),
    disease("lung cancer", "D3", "Lung Neoplasms"),
    disease("small cell lung cancer", "D4", "Small Cell Lung Carcinoma"),
    disease("diabetes mellitus", "D5", "Diabetes Mellitus"),
    disease("type 2 diabetes", "D6", "Diabetes Mellitus, Type 2"),
    disease("tuberculosis", "D7", "Tuberculosis"),
    disease("CF", "D8", "Cystic Fibrosis", rank=0),
    disease("CF", "D9", "Cardiac Failure", rank=4),
    drug("azithromycin", "MESH:D10", "azithromycin"),
    drug("Zithromax", "MESH:D10", "azithromycin", rank=2),
    drug("acyclovir", "MESH:D11", "acyclovir", rank=4),
    drug("insulin glargine", "MESH:D12", "insulin glargine"),
    drug("insulin", "MESH:D13", "insulin"),
]


@pytest.fixture(scope="module")
def concepts() -> Concepts:
    return Concepts.build(FORMS)


@pytest.mark.parametrize(
    ("mention", "concept_id"),
    [
        ("Chronic Kidney Diseases", "D1"),
        ("disease of the kidney, chronic", "D1"),
        ("renal disease", "D2"),
        ("severe kidney disease", "D2"),
        ("secondary type 2 diabetes mellitus", "D6"),
        ("pulmonary neoplasm", "D3"),
        ("Cancer of lung", "D3"),
        ("tuberculous", "D7"),
        ("tuberclosis", "D7"),
        ("diabetes mellitus type II", "D6"),
        ("CF", "D8"),
        ("gout", None),
        ("", None),
        ("disease", None),
    ],
)
def test_a_mention_names_the_disease_of_its_words(concepts: Concepts, mention: str, concept_id: str | None) -> None:
    found = concepts.lookup(mention, DISEASE)

    assert (found and found.id) == concept_id


@pytest.mark.parametrize(
    ("mention", "concept_id"),
    [
        ("zithromax", "MESH:D10"),
        ("azithro", "MESH:D10"),
        ("insulin glargine pen", "MESH:D12"),
        ("acyclovr cream", "MESH:D11"),
        ("acyclovr mist", None),
        ("azi mist", None),
    ],
)
def test_a_mention_names_the_drug_also_by_brand_or_its_first_letters(
    concepts: Concepts, mention: str, concept_id: str | None
) -> None:
    found = concepts.lookup(mention, TREATMENT)

    assert (found and found.id) == concept_id


def test_the_score_is_one_for_a_term_and_less_the_more_is_guessed(concepts: Concepts) -> None:
    mentions = ("type 2 diabetes", "diabetes, type 2", "secondary type 2 diabetes")

    scores = [found.score for mention in mentions if (found := concepts.lookup(mention, DISEASE))]

    assert scores[0] == 1.0
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(mentions)


@pytest.mark.parametrize(
    ("mention", "label", "concept_id"),
    [
        ("left lower lobe lung cancer", DISEASE, "D3"),
        ("metastatic lung cancer", DISEASE, "D3"),
        ("chronic kidney disease stage 3", DISEASE, "D1"),
        ("tuberculosis with lupus", DISEASE, None),  # lupus is no word of place
        ("insulin drip", TREATMENT, "MESH:D13"),
        ("azithromycin 250 mg x5", TREATMENT, "MESH:D10"),
        ("insulin pump", TREATMENT, None),
    ],
)
def test_words_of_place_degree_and_form_take_little_from_a_name(
    concepts: Concepts, mention: str, label: str, concept_id: str | None
) -> None:
    found = concepts.lookup(mention, label)

    assert (found and found.id) == concept_id


def test_words_that_tell_nothing_name_nothing(concepts: Concepts) -> None:
    assert Concepts.build([drug("XR", "MESH:D1", "XR")]).lookup("ER", TREATMENT) is None
    assert concepts.lookup("left", DISEASE) is None


def test_a_concept_has_its_preferred_name_and_code(concepts: Concepts) -> None:
    assert concepts.lookup("lung cancer", DISEASE) == Concept("D3", "Lung Neoplasms", "disease", "X00", 1.0)
    assert concepts.lookup("Zithromax", TREATMENT) == Concept("MESH:D10", "azithromycin", "drug", None, 1.0)


def test_a_name_that_says_non_is_not_the_one_without_it(concepts: Concepts) -> None:
    assert concepts.lookup("non-small cell lung cancer", DISEASE) is None


def test_a_term_of_the_other_label_is_not_found(concepts: Concepts) -> None:
    assert concepts.lookup("insulin", DISEASE) is None


@given(st.text(max_size=200), st.sampled_from([DISEASE, TREATMENT]))
def test_any_text_names_one_concept_or_none(mention: str, label: str) -> None:
    found = Concepts.build(FORMS).lookup(mention, label)

    assert found is None or LEAST_SCORE <= found.score <= 1


def test_hostile_text_names_nothing_or_takes_no_time(concepts: Concepts, hostile_text: str) -> None:
    assert concepts.lookup(hostile_text, DISEASE) is None
    concepts.lookup(hostile_text[:120], DISEASE)


@given(st.permutations(FORMS))
def test_the_same_terms_give_the_same_bytes_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[Form]
) -> None:
    folder = tmp_path_factory.mktemp("concepts")

    Concepts.build(FORMS).save(folder / "a")
    Concepts.build(order).save(folder / "b")

    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_what_is_saved_is_what_is_loaded(concepts: Concepts, tmp_path: Path) -> None:
    concepts.save(tmp_path / "concepts.marisa")

    loaded = Concepts.load(tmp_path / "concepts.marisa")

    assert all(loaded.lookup(f.term, f.label) == concepts.lookup(f.term, f.label) for f in FORMS)


def test_the_tables_of_the_vocabulary_become_forms() -> None:
    diseases = pd.DataFrame(
        [["Gout", "D1", "Gout", False, None, True], ["ache", "D2", "Pain", True, "R52", False]],
        columns=["term", "concept_id", "name", "symptom", "icd10cm", "common"],
    )
    drugs = pd.DataFrame(
        [["Zyloprim", "MESH:D3", "allopurinol", True, True]], columns=["term", "concept_id", "name", "brand", "common"]
    )
    procedures = pd.DataFrame(
        [
            ["excision of skin", "PCS:1", "procedure", False],
            ["skin excision", "PCS:1", "procedure", False],
            ["ECT", "OWN:electroconvulsive-therapy", "therapy", True],
            ["electroconvulsive therapy", "OWN:electroconvulsive-therapy", "therapy", True],
        ],
        columns=["term", "concept_id", "kind", "common"],
    )

    electroconvulsive = ("OWN:electroconvulsive-therapy", "electroconvulsive therapy", "therapy", None, 1)

    assert forms(diseases, drugs, procedures) == [
        Form("Gout", DISEASE, "D1", "Gout", "disease", None, 0),
        Form("ache", DISEASE, "D2", "Pain", "symptom", "R52", 6),
        Form("Zyloprim", TREATMENT, "MESH:D3", "allopurinol", "drug", None, 2),
        Form("ECT", TREATMENT, *electroconvulsive),
        Form("electroconvulsive therapy", TREATMENT, *electroconvulsive),
        Form("excision of skin", TREATMENT, "PCS:1", "skin excision", "procedure", None, 5),
        Form("skin excision", TREATMENT, "PCS:1", "skin excision", "procedure", None, 5),
    ]
