"""A reading as a FHIR R4 Bundle: Condition, FamilyMemberHistory, MedicationStatement, Procedure and what else it takes.

| said of a disease | resource |
|---|---|
| present, uncertain, absent | Condition, verificationStatus confirmed, provisional or differential, refuted |
| historical | Condition, confirmed, clinicalStatus inactive (remission, resolved: if the words say so) |
| family | FamilyMemberHistory, the relationship if the words name the relative |
| hypothetical | none: the patient has no such condition; a treatment for it keeps it as reasonCode |

| said of a treatment | a drug: MedicationStatement | anything else: Procedure |
|---|---|---|
| present | active | completed |
| historical | stopped (held: on-hold) | completed |
| absent | not-taken | not-done |
| uncertain | unknown | unknown |
| hypothetical | intended | ServiceRequest, draft, proposal |
| of an allergy | AllergyIntolerance, unconfirmed | AllergyIntolerance, unconfirmed |
| of an allergy denied | AllergyIntolerance, inactive, refuted | AllergyIntolerance, inactive, refuted |
| family | none | none |

The mentions of one concept in one status are one resource. Where they stand is told by extensions with the URL
`urn:clinical-ner:mention`, each with start, end (half-open code points of the note), text, confidence, and if there are
any trigger and section (coded in LOINC where it has a code). Ids are UUIDs of version 5: the same note gives the same.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from clinical_ner.core.fhir import HL7, ICD10CM, LOINC, coded, coding, concept_coding
from clinical_ner.core.span import DISEASE, Span
from clinical_ner.core.text import on_one_line
from clinical_ner.ner.concepts import Concept
from clinical_ner.ner.extraction import Mention, Reading
from clinical_ner.ner.relations import ALLERGY
from clinical_ner.ner.sections import loinc

MENTION = "urn:clinical-ner:mention"
NOTE = "urn:clinical-ner:note"  # the system of a bundle's identifier
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:clinical-ner")

AN_ALLERGY = re.compile(r"\s+(?:allerg|intoleran|anaphyla|hypersens)", re.IGNORECASE)  # of the word before
HELD = re.compile(r"h[eo]ld|holding", re.IGNORECASE)
ONE_OF = re.compile(r"differential|ddx|\bv(?:ersu)?s\b", re.IGNORECASE)
ABATED = {"remission": re.compile(r"remission", re.IGNORECASE), "resolved": re.compile(r"resol|heal|cured|settled")}
# Of a treatment whose concept is unknown.
OPERATION = re.compile(
    r"(?:ectomy|otomy|ostomy|plasty|pexy|desis|scopy|surgery|operation|repair|replacement|transplant\w*|therapy|bypass|graft"
    r"|ablation|resection|stent\w*|dialysis|CPAP|BiPAP|ventilation|transfusion|training|sleeve|diet|restriction|block)$",
    re.IGNORECASE,
)
VERIFIED = {"present": "confirmed", "uncertain": "provisional", "absent": "refuted", "historical": "confirmed"}
TAKEN = {"present": "active", "historical": "stopped", "absent": "not-taken", "hypothetical": "intended"}
DONE = {"present": "completed", "historical": "completed", "absent": "not-done"}
RELATIVES = {
    "MTH": r"mother|mom\b",
    "FTH": r"father|dad\b",
    "BRO": r"brother",
    "SIS": r"sister",
    "SON": r"\bsons?\b",
    "DAU": r"daughter",
    "AUNT": r"aunt",
    "UNCLE": r"uncle",
    "COUSN": r"cousin",
}
GRANDPARENTS = {"GRMTH": r"grandmother|[mp]gm", "GRFTH": r"grandfather|[mp]gf"}
RELATIVE = {code: re.compile(words, re.IGNORECASE) for code, words in {**GRANDPARENTS, **RELATIVES}.items()}
ANY_RELATIVE = "FAMMEMB"


class _Draft(NamedTuple):
    """A resource without its mentions and reasons; equal drafts are one resource."""

    kind: str
    name: str  # what is coded, so that mentions of the same are together
    status: str


def bundle(note_id: str, text: str, read: Reading, subject: str | None = None) -> dict[str, Any]:
    """The reading of a note as a Bundle of type collection; `subject` is a reference such as `Patient/7`.

    Without a subject the resources refer to one by words only, as FHIR allows.
    """
    root = f"{note_id}\x1f{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
    patient = {"reference": subject} if subject else {"display": f"the subject of note {note_id}"}
    groups: dict[_Draft, list[Mention]] = {}
    for mention in read.mentions:
        draft = _draft(text, mention)
        if draft:
            groups.setdefault(draft, []).append(mention)
    ids = {draft: str(uuid.uuid5(NAMESPACE, "\x1f".join((root, *draft)))) for draft in groups}
    reasons = _reasons(text, read, ids)
    resources = [
        _resource(draft, ids[draft], found, patient, text) | _reason(draft, found, reasons)
        for draft, found in groups.items()
    ]
    entries = [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in resources]
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid5(NAMESPACE, root)),
        "identifier": {"system": NOTE, "value": note_id or "-"},
        "type": "collection",
        **({"entry": entries} if entries else {}),  # JSON of FHIR has no empty arrays
    }


def _draft(text: str, mention: Mention) -> _Draft | None:
    """What a mention becomes, None if there is nothing to state about the patient."""
    says = _trigger(text, mention)
    name = mention.concept.id if mention.concept else _text(text, mention.span).casefold()
    if mention.span.label == DISEASE:
        return _disease(mention, name, says)
    if mention.assertion == "family":
        return None
    if ALLERGY.search(says):
        return _Draft("AllergyIntolerance", name, "unconfirmed")
    if _is_denied_allergy(text, mention):
        return _Draft("AllergyIntolerance", name, "refuted")
    if _is_drug(text, mention):
        held = mention.assertion == "historical" and HELD.fullmatch(says.split()[-1] if says else "")
        return _Draft("MedicationStatement", name, "on-hold" if held else TAKEN.get(mention.assertion, "unknown"))
    if mention.assertion == "hypothetical":
        return _Draft("ServiceRequest", name, "draft")
    return _Draft("Procedure", name, DONE.get(mention.assertion, "unknown"))


def _is_denied_allergy(text: str, mention: Mention) -> bool:
    """Whether it is the allergy that is denied: "no known allergy to", "denies penicillin allergy"."""
    if mention.assertion != "absent" or not mention.trigger:
        return False
    before = text[mention.trigger.start : mention.span.start]
    return ALLERGY.search(before) is not None or AN_ALLERGY.match(text, mention.span.end) is not None


def _disease(mention: Mention, name: str, says: str) -> _Draft | None:
    if mention.assertion == "family":
        relative = next((code for code, words in RELATIVE.items() if words.search(says)), ANY_RELATIVE)
        return _Draft("FamilyMemberHistory", name, relative)
    if mention.assertion == "hypothetical":
        return None
    if mention.assertion == "historical":
        return _Draft(
            "Condition", name, next((code for code, words in ABATED.items() if words.search(says)), "inactive")
        )
    one_of = mention.assertion == "uncertain" and ONE_OF.search(says)
    return _Draft("Condition", name, "differential" if one_of else VERIFIED[mention.assertion])


def _is_drug(text: str, mention: Mention) -> bool:
    if mention.concept:
        return mention.concept.kind in {"drug", "drug_class"}
    return OPERATION.search(_text(text, mention.span)) is None


def _resource(
    draft: _Draft, identifier: str, mentions: list[Mention], patient: dict[str, str], text: str
) -> dict[str, Any]:
    """A resource with all that R4 requires of it, but for its reasons."""
    head = {
        "resourceType": draft.kind,
        "id": identifier,
        "extension": [_extension(text, mention) for mention in mentions],
    }
    code = _code(text, mentions)
    if draft.kind == "Condition":
        return {**head, **_condition_status(draft.status), "code": code, "subject": patient}
    if draft.kind == "FamilyMemberHistory":
        relationship = coded(f"{HL7}/v3-RoleCode", draft.status)
        return {
            **head,
            "status": "partial",
            "patient": patient,
            "relationship": relationship,
            "condition": [{"code": code}],
        }
    if draft.kind == "AllergyIntolerance":
        verified = coded(f"{HL7}/allergyintolerance-verification", draft.status)
        clinical = "inactive" if draft.status == "refuted" else "active"  # R4 wants one of both (ait-1)
        risk = coded(f"{HL7}/allergyintolerance-clinical", clinical)
        return {**head, "clinicalStatus": risk, "verificationStatus": verified, "code": code, "patient": patient}
    if draft.kind == "MedicationStatement":
        return {**head, "status": draft.status, "medicationCodeableConcept": code, "subject": patient}
    intent = {"intent": "proposal"} if draft.kind == "ServiceRequest" else {}
    return {**head, "status": draft.status, **intent, "code": code, "subject": patient}


def _condition_status(status: str) -> dict[str, Any]:
    """A condition that is refuted has no clinical status; one that is over is confirmed."""
    over = status not in {"confirmed", "provisional", "differential", "refuted"}
    clinical = {"refuted": None}.get(status, status if over else "active")
    verified = coded(f"{HL7}/condition-ver-status", "confirmed" if over else status)
    return {
        **({"clinicalStatus": coded(f"{HL7}/condition-clinical", clinical)} if clinical else {}),
        "verificationStatus": verified,
    }


def _reasons(text: str, read: Reading, ids: dict[_Draft, str]) -> dict[Span, dict[str, Any]]:
    """What each treatment is for: a reference to the condition, or its code where the patient has no such condition."""
    by_span = {mention.span: mention for mention in read.mentions}
    found = {}
    for treatment, disease in read.pairs:
        draft = _draft(text, by_span[disease])
        if draft and draft.kind == "Condition":
            found[treatment] = {"reasonReference": {"reference": f"urn:uuid:{ids[draft]}"}}
        else:
            found[treatment] = {"reasonCode": _code(text, [by_span[disease]])}
    return found


def _reason(draft: _Draft, mentions: list[Mention], reasons: dict[Span, dict[str, Any]]) -> dict[str, Any]:
    """The reasons of all mentions, each once; allergies have none."""
    found: dict[str, list[Any]] = {}
    for mention in mentions:
        for field, reason in reasons.get(mention.span, {}).items():
            if draft.kind != "AllergyIntolerance" and reason not in found.setdefault(field, []):
                found[field].append(reason)
    return {field: values for field, values in found.items() if values}


def _code(text: str, mentions: list[Mention]) -> dict[str, Any]:
    """The concept's codes, and the words as they are first written."""
    written = {"text": _text(text, mentions[0].span)}
    concept = next((mention.concept for mention in mentions if mention.concept), None)
    return {"coding": list(_codings(concept)), **written} if concept else written


def _codings(concept: Concept) -> Iterable[dict[str, str]]:
    if concept.icd10cm:
        yield coding(ICD10CM, concept.icd10cm)  # no display: the name is not that of the code
    yield concept_coding(concept.id, concept.name)


def _extension(text: str, mention: Mention) -> dict[str, Any]:
    return {"url": MENTION, "extension": list(_mention_parts(text, mention))}


def _mention_parts(text: str, mention: Mention) -> Iterator[dict[str, Any]]:
    yield {"url": "start", "valueInteger": mention.span.start}
    yield {"url": "end", "valueInteger": mention.span.end}
    yield {"url": "text", "valueString": _text(text, mention.span)}
    yield {"url": "confidence", "valueDecimal": mention.confidence}
    if mention.trigger:
        yield {"url": "trigger", "valueString": _trigger(text, mention)}
    if mention.section:
        code = loinc(mention.section)
        known = coded(LOINC, code) if code else {}
        yield {"url": "section", "valueCodeableConcept": {**known, "text": mention.section.replace("_", " ")}}


def _trigger(text: str, mention: Mention) -> str:
    return on_one_line(text[mention.trigger.start : mention.trigger.end]) if mention.trigger else ""


def _text(text: str, span: Span) -> str:
    """The words of a span with single spaces: a FHIR string holds no control characters."""
    return on_one_line(text[span.start : span.end])
