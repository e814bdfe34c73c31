"""The vocabulary of FHIR R4 that every export shares: the URIs of code systems, codings and codeable concepts."""

from __future__ import annotations

import re
from typing import Any

OWN_CODES = "urn:clinical-ner:concept"  # of concepts that are in no registered system
MESH = "https://www.nlm.nih.gov/mesh"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"

MESH_ID = re.compile(r"(?:MESH:)?([DC]\d+)")

Json = dict[str, Any]


def coding(system: str, code: str, display: str | None = None) -> Json:
    """A Coding; no display where the name at hand is not that of the code.

    >>> coding(LOINC, "4548-4")
    {'system': 'http://loinc.org', 'code': '4548-4'}
    """
    return {"system": system, "code": code, **({"display": display} if display else {})}


def coded(system: str, code: str) -> Json:
    """A CodeableConcept of one code."""
    return {"coding": [coding(system, code)]}


def concept_coding(concept_id: str, name: str) -> Json:
    """The Coding of a concept of our vocabularies: in MeSH, or in a system of our own.

    >>> concept_coding("MESH:D008687", "metformin")["code"]
    'D008687'
    """
    mesh = MESH_ID.fullmatch(concept_id)
    system, code = (MESH, mesh[1]) if mesh else (OWN_CODES, re.sub(r"\s+", " ", concept_id))
    return coding(system, code, name)
