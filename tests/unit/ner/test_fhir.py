"""A reading as a FHIR R4 Bundle; the value sets are those of R4 (4.0.1)."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from clinical_ner.core.fhir import ICD10CM, MESH
from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.concepts import Concepts, Form
from clinical_ner.ner.extraction import interpret_spans
from clinical_ner.ner.fhir import MENTION, bundle

MARKED = re.compile(r"\[([^\]]*)\]|\{([^}]*)\}")  # [disease] and {treatment}
CONCEPTS = Concepts.build(
    [
        Form("gout", DISEASE, "D006073", "Gout", "disease", "M10.9", 0),
        Form("podagra", DISEASE, "D006073", "Gout", "disease", "M10.9", 0),
        Form("allopurinol", TREATMENT, "MESH:D000493", "allopurinol", "drug", None, 0),
        Form("fasciotomy", TREATMENT, "OWN:fasciotomy", "fasciotomy", "procedure", None, 0),
    ]
)
STATUS = {
    "MedicationStatement": {"active", "intended", "stopped", "on-hold", "unknown", "not-taken"},
    "Procedure": {"not-done", "completed", "unknown"},
    "ServiceRequest": {"draft"},
    "FamilyMemberHistory": {"partial"},
}
REQUIRED = {
    "Condition": {"subject", "code", "verificationStatus"},
    "MedicationStatement": {"status", "medicationCodeableConcept", "subject"},
    "Procedure": {"status", "code", "subject"},
    "ServiceRequest": {"status", "intent", "code", "subject"},
    "FamilyMemberHistory": {"status", "patient", "relationship", "condition"},
    "AllergyIntolerance": {"patient", "code", "verificationStatus", "clinicalStatus"},
}
NOTE = """FH: mother had [lupus].
Allergies: {penicillin}.
[Gout] since 2019, on {allopurinol}; [podagra] again. No [sepsis], possible [cellulitis]. History of [pneumonia].
{Colchicine} was stopped, hold {aspirin}, {fasciotomy} was done. {Heparin} for [DVT] prophylaxis.
Consider {appendectomy}. Declined {surgery}. Declined {zinc}. [CHF] vs [COPD]. [Stroke] has resolved."""


def made(marked: str, note_id: str = "n1", subject: str | None = None) -> dict[str, Any]:
    plain, spans, past = "", [], 0
    for found in MARKED.finditer(marked):
        plain += marked[past : found.start()]
        name = found[1] or found[2]
        spans.append(Span(len(plain), len(plain) + len(name), DISEASE if found[1] else TREATMENT))
        plain, past = plain + name, found.end()
    plain += marked[past:]
    return bundle(note_id, plain, interpret_spans(plain, spans, CONCEPTS), subject)


def resources(marked: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in made(marked)["entry"]]


def only(marked: str) -> dict[str, Any]:
    [resource] = resources(marked)
    return resource


def code(concept: dict[str, Any]) -> str:
    return str(concept["coding"][0]["code"])


@pytest.mark.parametrize(
    ("marked", "verification", "clinical"),
    [
        ("Has [gout].", "confirmed", "active"),
        ("No [gout].", "refuted", None),
        ("Possible [gout].", "provisional", "active"),
        ("Differential includes [gout].", "differential", "active"),
        ("History of [pneumonia].", "confirmed", "inactive"),
        ("[Pneumonia] has resolved.", "confirmed", "resolved"),
        ("[Cancer] in remission.", "confirmed", "remission"),
    ],
)
def test_a_disease_is_a_condition_with_its_verification(marked: str, verification: str, clinical: str | None) -> None:
    condition = only(marked)

    assert condition["resourceType"] == "Condition"
    assert code(condition["verificationStatus"]) == verification
    assert ("clinicalStatus" in condition and code(condition["clinicalStatus"])) == (clinical or False)


@pytest.mark.parametrize(
    ("marked", "kind", "status"),
    [
        ("On {allopurinol}.", "MedicationStatement", "active"),
        ("{Allopurinol} was stopped.", "MedicationStatement", "stopped"),
        ("Hold {allopurinol}.", "MedicationStatement", "on-hold"),
        ("Declined {allopurinol}.", "MedicationStatement", "not-taken"),
        ("Consider {allopurinol}.", "MedicationStatement", "intended"),
        ("Underwent {fasciotomy}.", "Procedure", "completed"),
        ("s/p {appendectomy}.", "Procedure", "completed"),
        ("Declined {fasciotomy}.", "Procedure", "not-done"),
        ("Consider {fasciotomy}.", "ServiceRequest", "draft"),
    ],
)
def test_a_treatment_is_a_medication_or_a_procedure_with_its_status(marked: str, kind: str, status: str) -> None:
    resource = only(marked)

    assert (resource["resourceType"], resource["status"]) == (kind, status)


@pytest.mark.parametrize(
    ("relative", "role"), [("mother", "MTH"), ("brother", "BRO"), ("cousin", "COUSN"), ("nephew", "FAMMEMB")]
)
def test_a_relatives_disease_is_family_history(relative: str, role: str) -> None:
    history = only(f"Her {relative} had [gout].")

    assert history["resourceType"] == "FamilyMemberHistory"
    assert code(history["relationship"]) == role
    assert history["condition"][0]["code"]["text"] == "gout"


def test_what_is_not_tolerated_is_an_allergy() -> None:
    assert only("Allergic to {allopurinol}.")["resourceType"] == "AllergyIntolerance"
    assert only("Allergies: {allopurinol} (rash)")["resourceType"] == "AllergyIntolerance"


@pytest.mark.parametrize(
    "marked",
    [
        "Allergies: No known allergy to {allopurinol}.",
        "No allergy to {allopurinol}.",
        "Denies {allopurinol} allergy.",
    ],
)
def test_an_allergy_that_is_denied_is_refuted(marked: str) -> None:
    allergy = only(marked)

    assert allergy["resourceType"] == "AllergyIntolerance"
    assert code(allergy["verificationStatus"]) == "refuted"
    assert code(allergy["clinicalStatus"]) == "inactive"


@pytest.mark.parametrize(
    ("marked", "status"),
    [
        ("Allergies: NKDA. Refused {allopurinol}.", "not-taken"),
        ("Allergies: NKDA. {Allopurinol} was held.", "on-hold"),
    ],
)
def test_a_drug_that_is_only_not_given_is_no_allergy(marked: str, status: str) -> None:
    drug = only(marked)

    assert (drug["resourceType"], drug["status"]) == ("MedicationStatement", status)


def test_the_reaction_of_an_allergy_is_no_active_condition() -> None:
    _, reaction = resources("Allergies: {allopurinol} ([anaphylaxis])")

    assert code(reaction["clinicalStatus"]) == "inactive"


def test_a_risk_is_no_condition_and_stays_the_reason_of_its_treatment() -> None:
    heparin = only("{Heparin} for [DVT] prophylaxis.")

    assert heparin["reasonCode"] == [{"text": "DVT"}]


def test_a_treatment_refers_to_its_condition() -> None:
    gout, drug = resources("[Gout], on {allopurinol}.")

    assert drug["reasonReference"] == [{"reference": f"urn:uuid:{gout['id']}"}]


def test_mentions_of_one_concept_in_one_status_are_one_resource() -> None:
    gout, absent = resources("Has [gout]. Known [podagra]. No [gout].")

    assert len(gout["extension"]) == 2
    assert code(absent["verificationStatus"]) == "refuted"


def test_codes_are_those_of_registered_systems_and_the_text_is_the_notes() -> None:
    assert only("Known [podagra].")["code"] == {
        "coding": [
            {"system": ICD10CM, "code": "M10.9"},
            {"system": MESH, "code": "D006073", "display": "Gout"},
        ],
        "text": "podagra",
    }


def test_a_mention_tells_where_it_stands_and_why() -> None:
    parts = {part["url"]: part for part in only("Plan: no [gout].")["extension"][0]["extension"]}

    assert only("Plan: no [gout].")["extension"][0]["url"] == MENTION
    assert (parts["start"]["valueInteger"], parts["end"]["valueInteger"]) == (9, 13)
    assert parts["trigger"]["valueString"] == "no"
    assert parts["section"]["valueCodeableConcept"]["coding"][0]["code"] == "18776-5"


def test_the_same_note_gives_the_same_bundle_and_another_other_ids() -> None:
    assert made(NOTE) == made(NOTE)
    assert not {entry["fullUrl"] for entry in made(NOTE)["entry"]} & {e["fullUrl"] for e in made(NOTE, "n2")["entry"]}


def test_a_subject_is_a_reference_and_without_one_words() -> None:
    [named] = made("Has [gout].", subject="Patient/7")["entry"]

    assert named["resource"]["subject"] == {"reference": "Patient/7"}
    assert only("Has [gout].")["subject"] == {"display": "the subject of note n1"}


def test_a_bundle_holds_what_the_standard_requires_and_its_references_lead_somewhere() -> None:
    found = made(NOTE)

    assert (found["resourceType"], found["type"]) == ("Bundle", "collection")
    for entry in found["entry"]:
        resource = entry["resource"]
        assert entry["fullUrl"] == f"urn:uuid:{uuid.UUID(resource['id'])}"
        assert REQUIRED[resource["resourceType"]] <= resource.keys()
        assert resource.get("status") in STATUS.get(resource["resourceType"], {None})
    urls = {entry["fullUrl"] for entry in found["entry"]}
    assert set(re.findall(r'"reference": "([^"]*)"', json.dumps(found))) <= urls
    assert {entry["resource"]["resourceType"] for entry in found["entry"]} == REQUIRED.keys()


@pytest.mark.parametrize("marked", ["Well.", "At risk of [stroke]."])
def test_a_note_without_anything_to_state_is_a_bundle_without_entries(marked: str) -> None:
    assert "entry" not in made(marked)


def test_the_models_of_the_standard_accept_a_bundle() -> None:
    standard = pytest.importorskip("fhir.resources.R4B.bundle")

    standard.Bundle.model_validate(made(NOTE))
