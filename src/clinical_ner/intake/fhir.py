"""FHIR R4 DocumentReference: the plain text of its attachment, and what the resource says of it."""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from typing import Any

from clinical_ner.core.text import on_one_line
from clinical_ner.intake.arrived import Arrived, UnreadableError
from clinical_ner.intake.contract import Fault, Reason

Json = Mapping[str, Any]
PLAIN = "text/plain"
DEFAULT_CHARSET = "utf-8"
REFUSED = {"entered-in-error": Reason.ENTERED_IN_ERROR, "superseded": Reason.SUPERSEDED}


def resources(content: object) -> Iterator[Arrived]:
    """The DocumentReferences of a resource or a Bundle; those of other types are no notes, and left out.

    Raises:
        UnreadableError: it is no FHIR resource.
    """
    if not isinstance(content, dict) or not isinstance(content.get("resourceType"), str):
        raise UnreadableError("no FHIR resource")
    if content["resourceType"] != "Bundle":
        yield from document("resource", content)
        return
    for number, entry in enumerate(_list(content.get("entry")), 1):
        yield from document(f"entry {number}", _dict(entry).get("resource"))


def document(place: str, resource: object) -> Iterator[Arrived]:
    """The note of a DocumentReference; none of a resource of another type."""
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        yield Arrived(place, resource, Fault(Reason.MALFORMED))
    elif resource["resourceType"] == "DocumentReference":
        yield Arrived(place, resource, fields(resource))


def fields(resource: Json) -> dict[str, Any] | Fault:
    """The fields of the contract, or why the resource holds no note."""
    for name in ("status", "docStatus"):
        refused = REFUSED.get(str(resource.get(name)))
        if refused:
            return Fault(refused)
    attachment = _plain_attachment(resource)
    text = _text(attachment) if attachment else Fault(Reason.NO_PLAIN_TEXT)
    if isinstance(text, Fault):
        return text
    stated = {
        "id": _identifier(resource),
        "patient_id": _patient(resource),
        "note_type": _type(resource),
        "written_on": _written(resource, attachment or {}),
        "text": text,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _identifier(resource: Json) -> Any:
    own = [resource.get("masterIdentifier"), *_list(resource.get("identifier"))]
    return resource.get("id") or next((value for one in own if (value := _dict(one).get("value"))), None)


def _patient(resource: Json) -> str | None:
    reference = _dict(resource.get("subject")).get("reference")
    return reference.rpartition("/")[2] if isinstance(reference, str) else None


def _type(resource: Json) -> Any:
    kind = _dict(resource.get("type"))
    codes = (_dict(coding).get("code") for coding in _list(kind.get("coding")))
    return next((code for code in codes if code), kind.get("text"))


def _written(resource: Json, attachment: Json) -> Any:
    period = _dict(_dict(resource.get("context")).get("period"))
    return attachment.get("creation") or resource.get("date") or period.get("start")


# --- the attachment ---------------------------------------------------------------------------
def _plain_attachment(resource: Json) -> Json | None:
    """The first in plain text: several are the same document in several forms."""
    attachments = (_dict(_dict(content).get("attachment")) for content in _list(resource.get("content")))
    return next((one for one in attachments if "data" in one and _media_type(one).get_content_type() == PLAIN), None)


def _media_type(attachment: Json) -> Message:
    parsed = Message()
    parsed["content-type"] = on_one_line(str(attachment.get("contentType") or "application/octet-stream"))
    return parsed


def _text(attachment: Json) -> str | Fault:
    try:
        content = base64.b64decode("".join(str(attachment["data"]).split()), validate=True)
    except (binascii.Error, ValueError):
        return Fault(Reason.NOT_BASE64)
    stated = attachment.get("hash")
    if stated and stated != base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode():
        return Fault(Reason.HASH_DIFFERS)
    return _decoded(content, str(_media_type(attachment).get_param("charset", DEFAULT_CHARSET)))


def _decoded(content: bytes, charset: str) -> str | Fault:
    try:
        return codecs.lookup(charset).decode(content)[0].removeprefix("\ufeff")
    except (LookupError, TypeError, AttributeError):
        return Fault(Reason.UNKNOWN_CHARSET)
    except ValueError:
        return Fault(Reason.NOT_DECODABLE)


def parsed(content: bytes) -> object:
    """The JSON of a file; bytes that are no UTF-8 stay recognisable, and cost the resource that they stand in.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return json.loads(content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        raise UnreadableError("no JSON") from None


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []
