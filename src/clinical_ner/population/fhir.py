"""Rows of the population's tables as FHIR R4 resources.

| table | resource |
|---|---|
| patients | Patient with the US Core race, ethnicity and birth sex; Observation of the smoking status |
| providers | Practitioner, Organization |
| encounters | Encounter |
| conditions | Condition, confirmed; one that nobody has diagnosed is not in the record |
| treatments | MedicationRequest (drug), Procedure (anything else) |
| observations | Observation; systolic and diastolic pressure of a day are the components of one |
| immunizations, allergies, family_history | Immunization, AllergyIntolerance, FamilyMemberHistory (one a relative) |
| pregnancies | Observation of the pregnancy status over its period |

What FHIR has no element for is told by extensions: `urn:clinical-ner:response`, `urn:clinical-ner:adverse-effect`.
Severities, routes and reactions are words only: their usual codes are those of SNOMED CT, which may not be shipped.
Ids are those of the rows, so that the same population is the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from itertools import groupby
from typing import Any, NamedTuple

from clinical_ner.core.fhir import CVX, HL7, ICD10CM, LOINC, UCUM, Json, coded, coding, concept_coding
from clinical_ner.core.schema import (
    ALLERGIES,
    CONDITIONS,
    ENCOUNTERS,
    FAMILY_HISTORY,
    IMMUNIZATIONS,
    OBSERVATIONS,
    PATIENTS,
    PREGNANCIES,
    PROVIDERS,
    TREATMENTS,
    Table,
)

Row = Mapping[str, Any]  # dates are ISO strings, what is missing is None

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:clinical-ner:population")
RESPONSE = "urn:clinical-ner:response"
ADVERSE_EFFECT = "urn:clinical-ner:adverse-effect"
DUE_TO = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
RACE_CODES = "urn:oid:2.16.840.1.113883.6.238"  # CDC Race and Ethnicity
SSN = "http://hl7.org/fhir/sid/us-ssn"

# The category of the Office of Management and Budget, and the words; a Hispanic person's race is not recorded.
RACE: dict[str, tuple[str | None, str]] = {
    "nh_white": ("2106-3", "White"),
    "nh_black": ("2054-5", "Black or African American"),
    "nh_asian": ("2028-9", "Asian"),
    "nh_aian": ("1002-5", "American Indian or Alaska Native"),
    "nh_multiracial": (None, "Multiracial"),
    "nh_other": (None, "Other"),
}
HISPANIC, NOT_HISPANIC = ("2135-2", "Hispanic or Latino"), ("2186-5", "Not Hispanic or Latino")
SMOKING_ANSWER = {
    "never": ("LA18978-9", "Never smoker"),
    "former": ("LA15920-4", "Former smoker"),
    "current": ("LA18976-3", "Current every day smoker"),
}
ENCOUNTER_CLASS = {
    **dict.fromkeys(("wellness", "ambulatory", "prenatal"), "AMB"),
    **dict.fromkeys(("inpatient", "delivery"), "IMP"),
    "emergency": "EMER",
    "telehealth": "VR",
}
RELATIVE = {
    "mother": "MTH",
    "father": "FTH",
    "sister": "SIS",
    "brother": "BRO",
    "grandmother": "GRMTH",
    "grandfather": "GRFTH",
    "daughter": "DAU",
    "son": "SON",
}
ALLERGY_CATEGORY = {"drug": "medication", "food": "food", "environment": "environment"}
FINISHED = {"completed", "resolved"}  # of the reasons to stop: the course went as it was meant to

SYSTOLIC, DIASTOLIC, BLOOD_PRESSURE = "8480-6", "8462-4", "85354-9"
VITAL_SIGNS = {
    *(SYSTOLIC, DIASTOLIC, BLOOD_PRESSURE),
    *("8302-2", "29463-7", "39156-5", "8280-0", "9843-4"),  # height, weight, BMI, waist, head
    *("8867-4", "9279-1", "8310-5", "2708-6", "59408-5"),  # heart and breathing rate, temperature, oxygen
}
SURVEYS = {"44249-1", "44261-6"}  # PHQ-9


class Known(NamedTuple):
    """What a row does not say itself: the conditions that are in no record, and where each provider works."""

    undiagnosed: Set[str]
    organisation: Mapping[str, str]


Make = Callable[[Iterable[Row], Known], Iterator[Json]]


# --- people -------------------------------------------------------------------------------------
def patients(rows: Iterable[Row], known: Known) -> Iterator[Json]:
    """Patient: who it is, and who looks after them."""
    for row in rows:
        yield {
            **_head("Patient", row["patient_id"]),
            "extension": list(_us_core(row)),
            "identifier": [{"type": coded(f"{HL7}/v2-0203", "SS"), "system": SSN, "value": row["ssn"]}],
            "name": [{"use": "official", "family": row["family_name"], "given": [row["given_name"]]}],
            "telecom": [{"system": "phone", "value": row["phone"]}],
            "gender": row["sex"],
            "birthDate": row["birth_date"],
            **({"deceasedDateTime": row["death_date"]} if row["death_date"] else {}),
            "address": [_address(row) | {"line": [row["address"]], "postalCode": row["postal_code"]}],
            "generalPractitioner": [_reference("Practitioner", row["provider_id"])],
            "managingOrganization": _reference("Organization", known.organisation[row["provider_id"]]),
        }


def _us_core(row: Row) -> Iterator[Json]:
    """The extensions of US Core; each says in words what it has no category for."""
    hispanic = row["race_ethnicity"] == "hispanic"
    if not hispanic:
        yield _category("us-core-race", *RACE[row["race_ethnicity"]])
    yield _category("us-core-ethnicity", *(HISPANIC if hispanic else NOT_HISPANIC))
    yield {"url": f"{US_CORE}/us-core-birthsex", "valueCode": row["sex"][0].upper()}


def _category(name: str, code: str | None, words: str) -> Json:
    category = [{"url": "ombCategory", "valueCoding": coding(RACE_CODES, code, words)}] if code else []
    return {"url": f"{US_CORE}/{name}", "extension": [*category, {"url": "text", "valueString": words}]}


def smoking(rows: Iterable[Row], _: Known) -> Iterator[Json]:
    """Observation: whether each patient smokes, as of the end of the record."""
    for row in rows:
        answer = coding(LOINC, *SMOKING_ANSWER[row["smoking"]])
        yield {
            **_observation(f"{row['patient_id']}-72166-2", "social-history", row["patient_id"]),
            "code": {"coding": [coding(LOINC, "72166-2")], "text": "Tobacco smoking status"},
            "valueCodeableConcept": {"coding": [answer]},
        }


def practitioners(rows: Iterable[Row], _: Known) -> Iterator[Json]:
    """Practitioner: the providers."""
    for row in rows:
        yield {
            **_head("Practitioner", row["provider_id"]),
            "name": [{"text": row["name"]}],
            "address": [_address(row)],
            "qualification": [{"code": {"text": row["specialty"]}}],
        }


def organisations(rows: Iterable[Row], _: Known) -> Iterator[Json]:
    """Organization: where the providers work, each once."""
    for name in sorted({row["organisation"] for row in rows}):
        yield {**_head("Organization", organisation_id(name)), "name": name}


def organisation_id(name: str) -> str:
    """The id of an organisation, which the tables know by its name alone."""
    return str(uuid.uuid5(NAMESPACE, f"organisation/{name}"))


def _address(row: Row) -> Json:
    return {"city": row["city"], "state": row["state"], "country": "US"}


# --- what happened ------------------------------------------------------------------------------
def encounters(rows: Iterable[Row], known: Known) -> Iterator[Json]:
    """Encounter: finished, with its reason if that is in the record."""
    for row in rows:
        yield {
            **_head("Encounter", row["encounter_id"]),
            "status": "finished",
            "class": coding(f"{HL7}/v3-ActCode", ENCOUNTER_CLASS[row["kind"]]),
            "type": [{"text": row["kind"]}],
            "subject": _reference("Patient", row["patient_id"]),
            "participant": [{"individual": _reference("Practitioner", row["provider_id"])}],
            "period": _period(row["start_date"], row["end_date"]),
            **_reasons(row["condition_id"], known),
            "serviceProvider": _reference("Organization", known.organisation[row["provider_id"]]),
        }


def conditions(rows: Iterable[Row], known: Known) -> Iterator[Json]:
    """Condition: those that somebody has diagnosed, and what each is a complication of."""
    for row in rows:
        if not row["diagnosed_date"]:
            continue
        category = "encounter-diagnosis" if row["encounter_id"] else "problem-list-item"
        cause = None if row["complicates"] in known.undiagnosed else row["complicates"]
        yield {
            **_head("Condition", row["condition_id"]),
            **({"extension": [_due_to(cause)]} if cause else {}),
            "clinicalStatus": coded(f"{HL7}/condition-clinical", "resolved" if row["resolved_date"] else "active"),
            "verificationStatus": coded(f"{HL7}/condition-ver-status", "confirmed"),
            "category": [coded(f"{HL7}/condition-category", category)],
            "severity": {"text": row["severity"]},
            "code": {
                "coding": [coding(ICD10CM, row["icd10cm"]), concept_coding(row["concept_id"], row["name"])],
                "text": row["name"],
            },
            "subject": _reference("Patient", row["patient_id"]),
            **_encounter(row),
            "onsetDateTime": row["onset_date"],
            **({"abatementDateTime": row["resolved_date"]} if row["resolved_date"] else {}),
            "recordedDate": row["diagnosed_date"],
        }


def _due_to(condition_id: str) -> Json:
    return {"url": DUE_TO, "valueReference": _reference("Condition", condition_id)}


def medication_requests(rows: Iterable[Row], known: Known) -> Iterator[Json]:
    """MedicationRequest: the drugs, with their dose and why they were stopped."""
    for row in (row for row in rows if row["kind"] == "drug"):
        effects = list(_effects(row))
        yield {
            **_head("MedicationRequest", row["treatment_id"]),
            **({"extension": effects} if effects else {}),
            "status": _status(row, "active"),
            **({"statusReason": {"text": row["stop_reason"]}} if row["stop_reason"] else {}),
            "intent": "order",
            "medicationCodeableConcept": _treatment_code(row),
            "subject": _reference("Patient", row["patient_id"]),
            **_encounter(row),
            "authoredOn": row["start_date"],
            **_reasons(row["condition_id"], known),
            **_dosage(row),
            "dispenseRequest": {"validityPeriod": _period(row["start_date"], row["stop_date"])},
        }


def _effects(row: Row) -> Iterator[Json]:
    if row["response"]:
        yield {"url": RESPONSE, "valueCode": row["response"]}
    if row["adverse_effect"]:
        yield {"url": ADVERSE_EFFECT, "valueString": row["adverse_effect"]}


def _dosage(row: Row) -> Json:
    dosage = {
        **({"text": row["dose"]} if row["dose"] else {}),
        **({"route": {"text": row["route"]}} if row["route"] else {}),
    }
    return {"dosageInstruction": [dosage]} if dosage else {}


def procedures(rows: Iterable[Row], known: Known) -> Iterator[Json]:
    """Procedure: operations on their day, therapies over their time."""
    for row in (row for row in rows if row["kind"] != "drug"):
        over_time = row["kind"] == "therapy"
        yield {
            **_head("Procedure", row["treatment_id"]),
            "status": _status(row, "in-progress") if over_time else "completed",
            **({"statusReason": {"text": row["stop_reason"]}} if row["stop_reason"] else {}),
            "code": _treatment_code(row),
            "subject": _reference("Patient", row["patient_id"]),
            **_encounter(row),
            **(
                {"performedPeriod": _period(row["start_date"], row["stop_date"])}
                if over_time
                else {"performedDateTime": row["start_date"]}
            ),
            **_reasons(row["condition_id"], known),
            **({"outcome": {"text": f"{row['response']} response"}} if row["response"] else {}),
            **({"complication": [{"text": row["adverse_effect"]}]} if row["adverse_effect"] else {}),
        }


def _status(row: Row, ongoing: str) -> str:
    if not row["stop_date"]:
        return ongoing
    return "completed" if row["stop_reason"] in FINISHED else "stopped"


def _treatment_code(row: Row) -> Json:
    codings = [
        *([concept_coding(row["concept_id"], row["name"])] if row["concept_id"] else []),
    ]
    return {**({"coding": codings} if codings else {}), "text": row["name"]}


# --- what was found -----------------------------------------------------------------------------
def observations(rows: Iterable[Row], _: Known) -> Iterator[Json]:
    """Observation: every measurement with its unit in UCUM; the two blood pressures of a day are one."""
    for _day, measured in groupby(rows, key=lambda row: (row["patient_id"], row["date"])):
        of_day = {row["loinc"]: row for row in measured}
        if SYSTOLIC in of_day and DIASTOLIC in of_day:
            yield _blood_pressure(of_day.pop(SYSTOLIC), of_day.pop(DIASTOLIC))
        for row in of_day.values():
            yield {**_measured(row, row["loinc"]), "code": _loinc(row), "valueQuantity": _quantity(row)}


def _blood_pressure(*pressures: Row) -> Json:
    return {
        **_measured(pressures[0], BLOOD_PRESSURE),
        "code": {"coding": [coding(LOINC, BLOOD_PRESSURE)], "text": "Blood pressure"},
        "component": [{"code": _loinc(row), "valueQuantity": _quantity(row)} for row in pressures],
    }


def _measured(row: Row, loinc: str) -> Json:
    category = "vital-signs" if loinc in VITAL_SIGNS else "survey" if loinc in SURVEYS else "laboratory"
    return {
        **_observation(f"{row['patient_id']}-{row['date']}-{loinc}", category, row["patient_id"]),
        **_encounter(row),
        "effectiveDateTime": row["date"],
    }


def _observation(identifier: str, category: str, patient_id: str) -> Json:
    return {
        **_head("Observation", identifier),
        "status": "final",
        "category": [coded(f"{HL7}/observation-category", category)],
        "subject": _reference("Patient", patient_id),
    }


def _loinc(row: Row) -> Json:
    return {"coding": [coding(LOINC, row["loinc"])], "text": row["name"]}


def _quantity(row: Row) -> Json:
    return {"value": row["value"], "unit": row["unit"], "system": UCUM, "code": row["unit"]}


def pregnancies(rows: Iterable[Row], _: Known) -> Iterator[Json]:
    """Observation: pregnant, from when to when, and how it ended."""
    for row in rows:
        yield {
            **_observation(row["pregnancy_id"], "social-history", row["patient_id"]),
            "code": {"coding": [coding(LOINC, "82810-3")], "text": "Pregnancy status"},
            "effectivePeriod": _period(row["start_date"], row["end_date"]),
            "valueCodeableConcept": {"coding": [coding(LOINC, "LA15173-0", "Pregnant")]},
            "component": [{"code": {"text": "outcome"}, "valueString": row["outcome"].replace("_", " ")}],
        }


def immunizations(rows: Iterable[Row], _: Known) -> Iterator[Json]:
    """Immunization: completed, with the number of the dose."""
    for row in rows:
        yield {
            **_head("Immunization", f"{row['patient_id']}-{row['date']}-{row['cvx']}"),
            "status": "completed",
            "vaccineCode": {"coding": [coding(CVX, row["cvx"])], "text": row["name"]},
            "patient": _reference("Patient", row["patient_id"]),
            "occurrenceDateTime": row["date"],
            "protocolApplied": [{"doseNumberPositiveInt": row["dose_number"]}],
        }


def allergies(rows: Iterable[Row], _: Known) -> Iterator[Json]:
    """AllergyIntolerance: active and confirmed, with the worst reaction."""
    for row in rows:
        substance = row["substance"]
        code = {"coding": [concept_coding(row["concept_id"], substance)]} if row["concept_id"] else {}
        yield {
            **_head("AllergyIntolerance", str(uuid.uuid5(NAMESPACE, f"allergy/{row['patient_id']}/{substance}"))),
            "clinicalStatus": coded(f"{HL7}/allergyintolerance-clinical", "active"),
            "verificationStatus": coded(f"{HL7}/allergyintolerance-verification", "confirmed"),
            "category": [ALLERGY_CATEGORY[row["category"]]],
            "code": {**code, "text": substance},
            "patient": _reference("Patient", row["patient_id"]),
            "onsetDateTime": row["onset_date"],
            "reaction": [{"manifestation": [{"text": row["reaction"]}], "severity": row["severity"]}],
        }


def family_history(rows: Iterable[Row], _: Known) -> Iterator[Json]:
    """FamilyMemberHistory: a relative and all that they had."""
    for (patient_id, relative), had in groupby(rows, key=lambda row: (row["patient_id"], row["relative"])):
        yield {
            **_head("FamilyMemberHistory", f"{patient_id}-{relative}"),
            "status": "completed",
            "patient": _reference("Patient", patient_id),
            "relationship": {**coded(f"{HL7}/v3-RoleCode", RELATIVE[relative]), "text": relative},
            "condition": [_familial(row) for row in had],
        }


def _familial(row: Row) -> Json:
    age = {"value": row["onset_age"], "unit": "years", "system": UCUM, "code": "a"}
    return {
        "code": {"coding": [concept_coding(row["concept_id"], row["name"])], "text": row["name"]},
        **({"onsetAge": age} if row["onset_age"] is not None else {}),
    }


# --- what all have ------------------------------------------------------------------------------
def _head(kind: str, identifier: str) -> Json:
    return {"resourceType": kind, "id": identifier}


def _reference(kind: str, identifier: str) -> Json:
    return {"reference": f"{kind}/{identifier}"}


def _encounter(row: Row) -> Json:
    return {"encounter": _reference("Encounter", row["encounter_id"])} if row["encounter_id"] else {}


def _reasons(condition_id: str | None, known: Known) -> Json:
    if not condition_id or condition_id in known.undiagnosed:
        return {}
    return {"reasonReference": [_reference("Condition", condition_id)]}


def _period(start: str, end: str | None) -> Json:
    return {"start": start, **({"end": end} if end else {})}


# What a bulk export holds: of each type of resource the tables it is made from, those referred to first.
RESOURCES: tuple[tuple[str, Table, Make], ...] = (
    ("Organization", PROVIDERS, organisations),
    ("Practitioner", PROVIDERS, practitioners),
    ("Patient", PATIENTS, patients),
    ("Encounter", ENCOUNTERS, encounters),
    ("Condition", CONDITIONS, conditions),
    ("MedicationRequest", TREATMENTS, medication_requests),
    ("Procedure", TREATMENTS, procedures),
    ("Observation", OBSERVATIONS, observations),
    ("Observation", PREGNANCIES, pregnancies),
    ("Observation", PATIENTS, smoking),
    ("AllergyIntolerance", ALLERGIES, allergies),
    ("Immunization", IMMUNIZATIONS, immunizations),
    ("FamilyMemberHistory", FAMILY_HISTORY, family_history),
)
