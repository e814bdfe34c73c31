"""The term tables hold what a clinician would expect, written as in running text, the same at every build."""

from __future__ import annotations

import hashlib
import subprocess

import pandas as pd
import pytest

from clinical_ner.core.io import VOCABULARY, Vocabulary
from clinical_ner.core.params import VocabularyParams
from clinical_ner.vocabulary import terms


def digests(vocabulary: Vocabulary) -> list[str]:
    return [hashlib.sha256(table.to_csv(index=False).encode()).hexdigest() for table in vocabulary]


def concept(frame: pd.DataFrame, concept_id: str) -> pd.DataFrame:
    return frame[frame["concept_id"] == concept_id]


def named(frame: pd.DataFrame, term: str) -> list[str]:
    return frame.loc[frame["term"].str.lower() == term.lower(), "concept_id"].tolist()


def test_the_tables_hold_what_their_schemas_state(vocabulary: Vocabulary) -> None:
    for table, frame in zip(VOCABULARY, vocabulary, strict=True):
        table.schema.validate(frame, lazy=True)
        assert len(frame) > 5_000, table.name


def test_a_build_in_another_process_gives_the_same_tables(
    vocabulary: Vocabulary, second_build: subprocess.Popen[str]
) -> None:
    printed, _ = second_build.communicate(timeout=120)

    assert printed.strip() == str(digests(vocabulary))


@pytest.mark.parametrize(
    ("concept_id", "code", "forms"),
    [
        ("D006973", "I10", {"hypertension", "HTN", "high blood pressure"}),
        ("D003924", "E11.9", {"type 2 diabetes", "T2DM", "type 2 diabetes mellitus"}),
        ("D029424", "J44.9", {"COPD", "chronic obstructive pulmonary disease"}),
    ],
)
def test_a_known_disease_has_its_id_its_code_and_its_forms(
    vocabulary: Vocabulary, concept_id: str, code: str, forms: set[str]
) -> None:
    found = concept(vocabulary.diseases, concept_id)

    assert set(found["icd10cm"]) == {code}
    assert not found["symptom"].any()
    assert forms <= set(found["term"])


@pytest.mark.parametrize("term", ["fever", "headache", "vomiting", "nausea"])
def test_a_symptom_is_flagged(vocabulary: Vocabulary, term: str) -> None:
    found = vocabulary.diseases[vocabulary.diseases["term"] == term]

    assert found["symptom"].tolist() == [True]


@pytest.mark.parametrize("term", ["asthma", "hypertension", "psoriasis", "dyspnea"])  # dyspnea is a lung disease too
def test_a_disease_is_no_symptom(vocabulary: Vocabulary, term: str) -> None:
    assert vocabulary.diseases.loc[vocabulary.diseases["term"] == term, "symptom"].tolist() == [False]


def test_a_concept_has_one_name_one_code_and_one_flag(vocabulary: Vocabulary) -> None:
    for name in ("name", "icd10cm", "symptom"):
        assert vocabulary.diseases.groupby("concept_id")[name].nunique().max() == 1
    assert vocabulary.drugs.groupby("concept_id")["name"].nunique().max() == 1


def test_diseases_of_animals_alone_are_left_out() -> None:
    assert not terms._is_human_disease(["C22.131", "F01.2"])
    assert terms._is_human_disease(["C22.131", "C01.925"])
    assert terms._is_human_disease(["F03.6"])


def test_mental_disorders_are_diseases(vocabulary: Vocabulary) -> None:
    assert named(vocabulary.diseases, "schizophrenia") == ["D012559"]


def test_aspirin_is_a_common_generic(vocabulary: Vocabulary) -> None:
    found = vocabulary.drugs[vocabulary.drugs["term"] == "aspirin"]

    assert found[["concept_id", "name", "brand", "common"]].values.tolist() == [
        ["MESH:D001241", "aspirin", False, True]
    ]


def test_a_brand_is_capitalised_and_leads_to_its_generic(vocabulary: Vocabulary) -> None:
    found = vocabulary.drugs[vocabulary.drugs["term"] == "Glucophage"]

    assert found[["concept_id", "name", "brand"]].values.tolist() == [["MESH:D008687", "metformin", True]]
    assert named(vocabulary.drugs, "metformin") == ["MESH:D008687"]
    assert not vocabulary.drugs.loc[vocabulary.drugs["brand"], "term"].str.islower().any()


def test_a_name_unlike_its_generic_is_a_brand_unless_marked_otherwise() -> None:
    assert terms._is_brand("zestril", "lisinopril", {})
    assert not terms._is_brand("lisinoprilum", "lisinopril", {})
    assert not terms._is_brand("asa", "aspirin", {})
    assert not terms._is_brand("acetylsalicylic acid", "aspirin", {})
    assert not terms._is_brand("acetaminophen", "paracetamol", {"acetaminophen": {"is_brand": False}})


@pytest.mark.parametrize(
    ("term", "kind"),
    [("cholecystectomy", "procedure"), ("chemotherapy", "therapy"), ("vasopressors", "drug_class")],
)
def test_a_treatment_of_our_own_list_is_common_and_of_its_kind(vocabulary: Vocabulary, term: str, kind: str) -> None:
    found = vocabulary.procedures[vocabulary.procedures["term"] == term]

    assert found[["concept_id", "kind", "common"]].values.tolist() == [[f"OWN:{term}", kind, True]]


@pytest.mark.parametrize("term", ["statin", "statins"])
def test_a_treatment_of_our_own_list_is_one_concept_in_singular_and_plural(vocabulary: Vocabulary, term: str) -> None:
    found = vocabulary.procedures[vocabulary.procedures["term"] == term]

    assert found["concept_id"].tolist() == ["OWN:statin"]


@pytest.mark.parametrize(
    ("term", "concept_id"),
    [
        ("CABG", "OWN:coronary-artery-bypass-grafting"),
        ("coronary artery bypass", "OWN:coronary-artery-bypass-grafting"),
        ("radiotherapy", "OWN:radiation-therapy"),
        ("PPIs", "OWN:proton-pump-inhibitor"),
    ],
)
def test_a_treatment_of_our_own_list_is_one_concept_however_it_is_called(
    vocabulary: Vocabulary, term: str, concept_id: str
) -> None:
    assert named(vocabulary.procedures, term) == [concept_id]


@pytest.mark.parametrize(("term", "generic"), [("ASA", "aspirin"), ("MTX", "methotrexate"), ("LT4", "levothyroxine")])
def test_a_drug_has_the_short_names_that_clinicians_write(vocabulary: Vocabulary, term: str, generic: str) -> None:
    assert named(vocabulary.drugs, term) == named(vocabulary.drugs, generic)


@pytest.mark.parametrize(("term", "code"), [("heart attack", "I21.9"), ("liver steatosis", "K76.0")])
def test_a_disease_has_the_code_of_its_usual_meaning(vocabulary: Vocabulary, term: str, code: str) -> None:
    found = vocabulary.diseases[vocabulary.diseases["term"] == term]

    assert found["icd10cm"].tolist() == [code]


def test_a_title_of_icd10pcs_becomes_two_forms_of_one_concept(vocabulary: Vocabulary) -> None:
    procedures = vocabulary.procedures

    assert (
        named(procedures, "gallbladder resection") == named(procedures, "resection of the gallbladder") == ["PCS:0FT4"]
    )
    assert not procedures.loc[procedures["concept_id"].str.startswith("PCS:"), "common"].any()


@pytest.mark.parametrize("term", ["hemoglobin", "creatinine", "PSA", "C-reactive protein"])
def test_what_a_laboratory_measures_is_a_substance_and_no_drug(vocabulary: Vocabulary, term: str) -> None:
    assert named(vocabulary.drugs, term) == []
    assert vocabulary.substances.loc[vocabulary.substances["term"] == term, "common"].tolist() == [True]


def test_no_common_drug_is_a_disease_or_a_substance(vocabulary: Vocabulary) -> None:
    drugs = set(vocabulary.drugs.loc[vocabulary.drugs["common"], "term"].str.lower())

    assert drugs & set(vocabulary.diseases["term"].str.lower()) == set()
    assert drugs & set(vocabulary.substances["term"].str.lower()) == set()


def test_an_acronym_is_in_capitals_and_an_eponym_capitalised(vocabulary: Vocabulary) -> None:
    written = set(vocabulary.diseases["term"])

    for form in ("COPD", "SLE", "AIDS", "Crohn disease", "Hodgkin lymphoma", "idiopathic Parkinson disease"):
        assert form in written
        assert form.lower() not in written


def test_acronyms_are_initials_of_a_sibling_or_have_no_vowel() -> None:
    siblings = ["acquired immune deficiency syndrome", "aids", "gout", "htn", "hivs-1", "crohn disease", "ms2"]

    assert terms._written(siblings) == [
        "acquired immune deficiency syndrome",
        "AIDS",
        "gout",
        "HTN",
        "hivs-1",
        "Crohn disease",
        "MS2",
    ]


def test_no_term_is_inverted_too_long_or_too_short(vocabulary: Vocabulary) -> None:
    for frame in (vocabulary.diseases, vocabulary.drugs, vocabulary.procedures):
        assert not frame["term"].str.contains(",").any()
        assert frame["term"].str.split().str.len().max() == 6
        assert frame.loc[~frame["term"].str.isupper(), "term"].str.len().min() >= 3


def test_no_term_is_markup(vocabulary: Vocabulary) -> None:
    for frame in vocabulary:
        assert frame.loc[frame["term"].str.contains(r"[<>]|&[a-z]+;", regex=True), "term"].tolist() == []


def test_the_length_of_the_terms_kept_is_a_parameter() -> None:
    kept = terms._kept(
        ["gout", "a b c", "a b", "ms", "MS", "diabetes, type 2"], VocabularyParams(max_words=2, min_characters=3)
    )

    assert kept == ["gout", "a b", "MS"]


def test_the_metrics_count_terms_concepts_and_codes() -> None:
    diseases = pd.DataFrame(
        [("fever", "D1", True, "R50"), ("high fever", "D1", True, "R50"), ("gout", "D2", False, None)],
        columns=["term", "concept_id", "symptom", "icd10cm"],
    )
    drugs = pd.DataFrame(
        [("Glucophage", "M1", True), ("metformin", "M1", False)], columns=["term", "concept_id", "brand"]
    )
    others = pd.DataFrame([("surgery", "O1")], columns=["term", "concept_id"])

    assert terms.vocabulary_metrics(Vocabulary(diseases, drugs, others, others)) == {
        "terms": {"diseases": 3, "drugs": 2, "procedures": 1, "substances": 1},
        "concepts": {"diseases": 2, "drugs": 1, "procedures": 1, "substances": 1},
        "diseases_with_icd10cm": 0.5,
    }
