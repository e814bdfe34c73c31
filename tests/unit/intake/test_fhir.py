"""A DocumentReference becomes a note if it holds one, and says why if not."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.documentreference import DocumentReference

from clinical_ner.intake import fhir
from clinical_ner.intake.admission import admit
from clinical_ner.intake.arrived import UnreadableError
from clinical_ner.intake.contract import Fault, Limits, Reason
from clinical_ner.intake.readers import Format, rows

LIMITS = Limits(characters=1_000, earliest=date(2000, 1, 1), latest=date(2026, 3, 2))
TEXT = "Fieber 41 °C, Gicht"


def encoded(text: str, charset: str = "utf-8") -> str:
    return base64.b64encode(text.encode(charset)).decode()


def attachment(**changed: Any) -> dict[str, Any]:
    return {"contentType": "text/plain; charset=utf-8", "data": encoded(TEXT), **changed}


def resource(*attachments: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": "doc-1",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11506-3"}]},
        "subject": {"reference": "Patient/p-7"},
        "date": "2026-03-01T09:00:00Z",
        "content": [{"attachment": one} for one in attachments or [attachment()]],
        **changed,
    }


def test_the_example_of_these_tests_is_valid_fhir() -> None:
    assert DocumentReference(**resource()).status == "current"


def test_a_note_has_the_fields_that_its_resource_states() -> None:
    found = fhir.fields(resource())

    assert found == {
        "id": "doc-1",
        "patient_id": "p-7",
        "note_type": "11506-3",
        "written_on": "2026-03-01T09:00:00Z",
        "text": TEXT,
    }


@pytest.mark.parametrize("charset", ["iso-8859-1", "UTF-16", "windows-1252", '"utf-8"'])
def test_the_charset_of_the_attachment_is_honoured(charset: str) -> None:
    data = encoded(TEXT, charset.strip('"'))

    found = fhir.fields(resource(attachment(contentType=f"text/plain;charset={charset}", data=data)))

    assert isinstance(found, dict)
    assert found["text"] == TEXT


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (resource(status="entered-in-error"), Reason.ENTERED_IN_ERROR),
        (resource(docStatus="entered-in-error"), Reason.ENTERED_IN_ERROR),
        (resource(status="superseded"), Reason.SUPERSEDED),
        (resource(content=[]), Reason.NO_PLAIN_TEXT),
        (resource(attachment(contentType="application/pdf")), Reason.NO_PLAIN_TEXT),
        (resource({"contentType": "text/plain", "url": "Binary/1"}), Reason.NO_PLAIN_TEXT),
        (resource(attachment(data="Gicht!")), Reason.NOT_BASE64),
        (resource(attachment(contentType="text/plain; charset=klingon")), Reason.UNKNOWN_CHARSET),
        (resource(attachment(contentType="text/plain; charset=rot13")), Reason.UNKNOWN_CHARSET),
        (resource(attachment(data=encoded(TEXT, "iso-8859-1"))), Reason.NOT_DECODABLE),
        (resource(attachment(hash="AAAA")), Reason.HASH_DIFFERS),
    ],
)
def test_a_resource_without_a_note_says_why(refused: dict[str, Any], reason: Reason) -> None:
    assert fhir.fields(refused) == Fault(reason)


def test_a_hash_that_is_right_is_no_obstacle() -> None:
    digest = base64.b64encode(hashlib.sha1(TEXT.encode(), usedforsecurity=False).digest()).decode()

    assert isinstance(fhir.fields(resource(attachment(hash=digest))), dict)


def test_the_plain_one_of_several_attachments_is_taken() -> None:
    found = fhir.fields(resource(attachment(contentType="text/html"), attachment()))

    assert isinstance(found, dict)


@pytest.mark.parametrize("form", ["bundle", "file", "ndjson"])
def test_a_bundle_a_file_a_resource_and_bulk_data_give_the_same_note(tmp_path: Path, form: str) -> None:
    entries = [{"resource": {"resourceType": "Patient", "id": "p-7"}}, {"resource": resource()}]
    content = {
        "bundle": json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}),
        "file": json.dumps(resource()),
        "ndjson": "\n".join(json.dumps(entry["resource"]) for entry in entries),
    }
    path = tmp_path / ("a.ndjson" if form == "ndjson" else "a.json")
    path.write_text(content[form])

    found = admit(rows(path, Format.AUTO), {}, LIMITS)

    assert [note.text for note in found.kept] == [TEXT]
    assert found.quarantined == []


def test_a_byte_that_is_no_utf8_costs_the_resource_that_it_stands_in_alone() -> None:
    entries = [{"resource": resource(id=name)} for name in ("doc-1", "doc-2")]
    content = json.dumps({"resourceType": "Bundle", "entry": entries}).encode().replace(b"doc-1", b"doc-\xb0")

    found = admit(fhir.resources(fhir.parsed(content)), {}, LIMITS)

    assert [note.note_id for note in found.kept] == ["doc-2"]
    assert found.reasons == {"not_utf8": 1}


@pytest.mark.parametrize("content", [[], "Gicht", None, {"id": "1"}, {"resourceType": 7}])
def test_what_is_no_resource_is_unreadable(content: object) -> None:
    with pytest.raises(UnreadableError):
        list(fhir.resources(content))


@pytest.mark.parametrize("entry", [None, {}, {"resource": "Gicht"}, {"resource": {"id": "1"}}])
def test_an_entry_of_a_bundle_that_is_no_resource_is_a_row_in_quarantine(entry: object) -> None:
    found = list(fhir.resources({"resourceType": "Bundle", "entry": [entry, {"resource": resource()}]}))

    assert [isinstance(row.fields, Fault) for row in found] == [True, False]


@pytest.mark.parametrize("name", ["content", "type", "subject", "identifier", "context", "date", "id"])
@pytest.mark.parametrize("value", [None, 7, "Gicht", [], {}, [7], [{"attachment": 7}], {"coding": "x"}])
def test_a_field_of_any_other_shape_never_stops_the_reader(name: str, value: object) -> None:
    found = admit(fhir.document("resource", resource(**{name: value})), {}, LIMITS)

    assert len(found.kept) + len(found.quarantined) == 1
