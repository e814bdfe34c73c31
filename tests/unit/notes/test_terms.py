"""Words by concept: how often each is drawn, and what cannot be denied together with it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from clinical_ner.core.io import Vocabulary
from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.terms import ACRONYM_SHARE, COMMON_DRUG_SHARE, Concepts, Lexis, Term, lexis


def test_words_are_drawn_by_concept_the_common_and_the_usual_more_often() -> None:
    forms = {"D1": ["usual name", "rare form"], **{f"D{i}": [f"form {i}"] for i in range(2, 100)}}
    concepts = Concepts(forms, ["D1", "unknown"], {"D1": "usual name", "D2": "not a form"})
    draws = Draws(1, "x")

    found = [concepts.draw(draws) for _ in range(2000)]

    assert {term.text for term in found if term.concept_id == "D1"} == {"usual name", "rare form"}
    assert sum(term.concept_id == "D1" for term in found) / 2000 == pytest.approx(0.4, abs=0.05)
    usual = sum(concepts.form(draws, "D1").text == "usual name" for _ in range(2000)) / 2000
    assert usual == pytest.approx(0.75, abs=0.04)
    assert len({term.concept_id for term in found}) == 99


def test_the_share_of_the_common_concepts_can_be_set() -> None:
    forms = {f"D{i}": [f"form {i}"] for i in range(1000)}
    draws = Draws(1, "x")

    for share in (0.0, 0.3, 1.0):
        concepts = Concepts(forms, ["D1"], {}, share)
        common = sum(concepts.draw(draws).concept_id == "D1" for _ in range(1000)) / 1000
        assert common == pytest.approx(share, abs=0.05)


def lexis_with_drugs(rows: list[tuple[str, str, str, bool]], diseases: pd.DataFrame | None = None) -> Lexis:
    drugs = pd.DataFrame(rows, columns=["term", "concept_id", "name", "common"])
    gout = [("gout", "D1", "Gout", False, None)]
    if diseases is None:
        diseases = pd.DataFrame(gout, columns=["term", "concept_id", "name", "symptom", "icd10cm"])
    procedures = pd.DataFrame([("rest", "OWN:rest", "therapy", True)], columns=["term", "concept_id", "kind", "common"])
    substances = pd.DataFrame([("PSA", "OWN:psa", True)], columns=["term", "concept_id", "common"])
    return lexis(Vocabulary(diseases, drugs, procedures, substances), ())


def test_the_long_tail_of_the_drugs_is_written_by_its_generic_name_if_that_is_one_longer_word() -> None:
    common = [("aspirin", "C0", "aspirin", True), ("ASA", "C0", "aspirin", True), ("Rx-1", "C1", "Rx-1", True)]
    tail = [("Rareomycin", "T0", "rareomycin", False), ("melasprib", "T1", "melasprib", False)]
    other = [("Rarex", "T0", "rareomycin", False), ("ketal", "U1", "ketal", False), ("dm5-ht", "U2", "dm5-ht", False)]
    other += [("gold salt", "U3", "gold salt", False), ("abcdef7", "U4", "abcdef7", False)]
    drugs = lexis_with_drugs([*common, *tail, *other]).drugs
    draws = Draws(1, "x")

    found = [drugs.draw(draws) for _ in range(3000)]

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


def test_a_common_concept_is_often_written_as_its_acronym() -> None:
    forms = {"D1": ["COPD", "lung disease one", "lung disease two", "lung disease three"], "D2": ["XYZ", "rare thing"]}
    concepts = Concepts(forms, common={"D1"}, names={})
    draws = Draws(1, "acronyms")

    drawn = [[concepts.form(draws, key).text.isupper() for _ in range(2000)] for key in ("D1", "D2")]

    assert sum(drawn[0]) / 2000 == pytest.approx(ACRONYM_SHARE + (1 - ACRONYM_SHARE) / 4, abs=0.04)
    assert sum(drawn[1]) / 2000 == pytest.approx(0.5, abs=0.04)


def test_a_concept_to_avoid_is_not_drawn(draws: Draws) -> None:
    concepts = Concepts({"D1": ["COPD"], "D2": ["asthma"], "D3": ["gout"]}, ["D1"], {})

    assert {concepts.draw(draws, ({"D1"}, {"D3"})).concept_id for _ in range(50)} == {"D2"}
    assert {concepts.draw(draws).concept_id for _ in range(50)} == {"D1", "D2", "D3"}


def test_kin_are_the_namesakes_of_a_concept_and_what_its_terms_contain() -> None:
    forms = {
        "D1": ["type 2 diabetes mellitus", "T2DM"],
        "D2": ["diabetes", "diabetes mellitus"],
        "D3": ["t2dm", "other"],
        "D4": ["type 2 diabetes mellitus with gout"],
        "D5": ["Diabete"],
        "D6": ["mellitus type 2"],
    }

    concepts = Concepts(forms, [], {})

    assert concepts.kin("D1") == {"D1", "D2", "D3", "D5"}
    assert concepts.kin("D2") == {"D2", "D5"}
    assert concepts.kin("D9") == {"D9"}


def test_what_is_coded_alike_cannot_be_denied() -> None:
    rows = [("gout", "D1", "M10.9"), ("podagra", "D2", "M10.0"), ("lupus", "D3", "M32.9"), ("uncoded", "D4", None)]
    rows += [("infarction", "D5", "I21.9"), ("coronary artery disease", "D6", "I25.10")]
    diseases = pd.DataFrame(
        [(term, key, term, False, code) for term, key, code in rows],
        columns=["term", "concept_id", "name", "symptom", "icd10cm"],
    )
    words = lexis_with_drugs([("aspirin", "C0", "aspirin", True)], diseases)

    assert words.undeniable(["D1"]) == {"D1", "D2"}
    assert words.undeniable(["D3", "D4"]) == {"D3", "D4"}
    assert words.undeniable(["D5"]) == {"D5", "D6"}
    assert words.undeniable([]) == frozenset()


@pytest.mark.parametrize(
    ("written", "of_one"),
    [
        ("hyperlipidemias", "hyperlipidemia"),
        ("Gouts", "Gout"),
        ("sinusitides", "sinusitis"),
        ("psoriases", "psoriasis"),
        ("deficiencies", "deficiency"),
        ("strokes", "stroke"),
        ("gallstones", "gallstones"),  # one has several
        ("diabetes", "diabetes"),
        ("arrhythmias", "arrhythmias"),  # there is no other form
        ("measles", "measles"),
    ],
)
def test_a_disease_of_a_person_is_named_in_the_singular_if_there_is_one(written: str, of_one: str) -> None:
    singular = ["hyperlipidemia", "Gout", "sinusitis", "psoriasis", "deficiency", "stroke", "gallstone", "diabete"]
    concepts = Concepts({"D1": [*singular, written]}, [], {})

    assert concepts.of_one(Term(written, "D1")) == Term(of_one, "D1")


def test_words_name_a_concept_of_the_vocabulary_or_one_of_their_own(study: Any) -> None:
    assert study.lexis.concept_of(DISEASE, "Bronchial\n asthma") == "D001249"
    assert study.lexis.concept_of(TREATMENT, "aspirin") == "NAME:aspirin"
    assert study.lexis.concept_of(DISEASE, "Aspirin") == "TEXT:aspirin"
