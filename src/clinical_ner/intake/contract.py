"""The contract of a new note, and the named reasons for which a row is not taken in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from clinical_ner.core import note


class Reason(StrEnum):
    """Why a row is in quarantine."""

    MALFORMED = "malformed"  # no row of its format
    NOT_UTF8 = "not_utf8"
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    WRONG_TYPE = "wrong_type"
    BLANK = "blank"  # an id or a text of spaces, or of nothing
    NUL = "nul"
    ID_TOO_LONG = "id_too_long"
    TEXT_TOO_LONG = "text_too_long"
    NO_DATE = "no_date"  # what stands there is none
    IMPLAUSIBLE_DATE = "implausible_date"
    CONFLICT = "conflict"  # another note has this id
    ENTERED_IN_ERROR = "entered_in_error"
    SUPERSEDED = "superseded"
    NO_PLAIN_TEXT = "no_plain_text"  # an attachment of another kind, or not there
    NOT_BASE64 = "not_base64"
    UNKNOWN_CHARSET = "unknown_charset"
    NOT_DECODABLE = "not_decodable"  # the bytes are not of the charset that they claim
    HASH_DIFFERS = "hash_differs"


class Limits(NamedTuple):
    """What is plausible for a note."""

    characters: int
    earliest: date
    latest: date


class Fault(NamedTuple):
    """Why a row is not taken in, and which of its fields says so."""

    reason: Reason
    field: str | None = None


def fault(reason: Reason) -> PydanticCustomError:
    """What a validator raises, so that the error has the reason's name."""
    return PydanticCustomError(reason.value, "{reason}", {"reason": reason.value})


def _present(text: str) -> str:
    if not text.strip():
        raise fault(Reason.BLANK)
    return text


def _in_words(value: object) -> object:
    """A number as an id is the same in words; everywhere else it is a wrong type."""
    return str(value) if type(value) is int else value


def _nothing_if_blank(value: object) -> object:
    """CSV has no other way to say that there is none."""
    return None if isinstance(value, str) and not value.strip() else value


def _short_enough(text: str, info: ValidationInfo[Limits]) -> str:
    if len(text) > info.context.characters:
        raise fault(Reason.TEXT_TOO_LONG)
    return text


def _day(value: object) -> date:
    """The day of a date, a time or ISO 8601's writing of either."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(str(value).strip()).date()
    except ValueError:
        raise fault(Reason.NO_DATE) from None


def _plausible(day: date, info: ValidationInfo[Limits]) -> date:
    if not info.context.earliest <= day <= info.context.latest:
        raise fault(Reason.IMPLAUSIBLE_DATE)
    return day


Word = Annotated[note.NoteId, AfterValidator(note.storable), BeforeValidator(_in_words)]
OptionalWord = Annotated[Word | None, BeforeValidator(_nothing_if_blank)]


class NewNote(BaseModel):
    """A note as it is taken in; limits come as the context of the validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    note_id: Annotated[Word, AfterValidator(_present)] = Field(validation_alias=AliasChoices("id", "note_id"))
    patient_id: OptionalWord = None
    note_type: OptionalWord = Field(default=None, validation_alias=AliasChoices("note_type", "kind"))
    written_on: Annotated[date, AfterValidator(_plausible), BeforeValidator(_day)]
    text: Annotated[str, AfterValidator(_short_enough), AfterValidator(_present), AfterValidator(note.storable)]

    @property
    def content_sha256(self) -> str:
        """The same for the same note, whatever file it came in."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


NAMES = frozenset({"id", "note_id", "patient_id", "note_type", "kind", "written_on", "text"})
_REASONS: Mapping[str, Reason] = {
    "missing": Reason.MISSING_FIELD,
    "extra_forbidden": Reason.UNKNOWN_FIELD,
    "string_type": Reason.WRONG_TYPE,
    "string_too_long": Reason.ID_TOO_LONG,
    "string_unicode": Reason.NOT_UTF8,
}


def judged(fields: Mapping[str, Any], limits: Limits) -> NewNote | Fault:
    """The note that these fields are, or the first thing that is wrong with them."""
    if not all(map(note.is_unicode, fields)):
        return Fault(Reason.NOT_UTF8)
    try:
        return NewNote.model_validate(dict(fields), context=limits)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        kind, place = first["type"], str(first["loc"][0])
        return Fault(_REASONS.get(kind) or Reason(kind), place if place in NAMES else None)
