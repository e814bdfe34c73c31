"""What every route takes and gives; no message about any of it ever holds a piece of a note.

The limits on bodies, notes and lists are settings of the service (`settings.py`); those here are of the contract, and
those that every note has, wherever it comes in, are in `core/note.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from clinical_ner.core import note
from clinical_ner.core.span import AssertionName, SectionName

MAX_SPANS = 10_000  # of one note; a note of the longest length has fewer
MAX_OFFSET = 10_000_000
MOST_STARS = 5  # of a rating

LabelName = Literal["DISEASE", "TREATMENT"]
NoteId = Annotated[note.NoteId, Field(description="repeated in the response")]


class Message(BaseModel):
    """Unknown fields are refused, and a validation error does not repeat its input."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


# --- POST /extract --------------------------------------------------------------------------------
class Note(Message):
    """One note."""

    text: str = Field(description="the note, in plain text")
    id: NoteId | None = None


class NoteForFhir(Note):
    """One note, whose answer is a FHIR R4 Bundle."""

    subject: str | None = Field(
        default=None,
        pattern=r"^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}$",
        description="the patient that the resources refer to, such as Patient/7; null: the subject of the note",
    )


class Notes(Message):
    """Several notes in one request, answered in their order."""

    # The first that is wrong ends it: a body of two megabytes holds a million, at a kilobyte an error.
    notes: list[Note] = Field(min_length=1, fail_fast=True)


class Trigger(Message):
    """The words of the note that say how an entity is meant: `text[start:end]`."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    text: str


class Concept(Message):
    """What an entity names, in a vocabulary."""

    id: str = Field(description="MeSH descriptor (D006973), or PREFIX:code of MESH, DRUGBANK, NAME, PCS or OWN")
    name: str = Field(description="the preferred name; of a drug its generic name, also if a brand is written")
    kind: Literal["disease", "symptom", "drug", "procedure", "therapy", "drug_class"]
    icd10cm: str | None = Field(description="the ICD-10-CM code or category of a disease")
    score: float = Field(ge=0, le=1, description="1: the words are a term of the concept; less: a guess from them")


class Entity(Message):
    """`text[start:end]` has this label; offsets count Unicode code points of the note."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    label: LabelName
    text: str
    confidence: float = Field(ge=0, le=1, description="that boundaries and label are right")
    assertion: AssertionName = Field(
        description="whether the patient has or gets it; family: a relative; hypothetical: a risk, or under a condition"
    )
    trigger: Trigger | None = Field(description="the words that say so; null if it is present by default")
    section: SectionName | None = Field(description="the section that it stands in, null if no heading says")
    concept: Concept | None = Field(description="null if no term of the vocabulary is close enough")


class Answer(Message):
    """What every answer carries; the headers X-Request-ID and X-Model-Version say the same."""

    request_id: str
    model_version: str


class Extraction(Message):
    """What one note holds: what `ner.extraction.extract` returns, after the note's id if it had one."""

    id: NoteId | None = None
    prediction_id: UUID = Field(description="to name it by in feedback")
    entities: list[Entity]
    treatments: dict[str, list[str]] = Field(
        description="the treatments of each disease that the patient has, had or may have, as they are written"
    )


class NoteAnswer(Extraction, Answer):
    """The answer to one note."""


class NotesAnswer(Answer):
    """The answer to several notes, in their order."""

    notes: list[Extraction]


# --- POST /feedback -------------------------------------------------------------------------------
class CorrectSpan(Message):
    """An entity as it should have been found; offsets count Unicode code points of the note."""

    start: int = Field(ge=0, le=MAX_OFFSET)
    end: int = Field(ge=1, le=MAX_OFFSET)
    label: LabelName
    assertion: AssertionName | None = Field(default=None, description="null: not judged")

    @model_validator(mode="after")
    def is_not_empty(self) -> Self:
        if self.start >= self.end:
            raise ValueError("start must be less than end")
        return self


class Feedback(Message):
    """What a reader makes of a prediction: corrected spans, a rating, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["rating"], "properties": {"rating": {"type": "integer"}}},
                {"required": ["spans"], "properties": {"spans": {"type": "array"}}},
            ]
        }
    )

    prediction_id: UUID
    feedback_id: UUID | None = Field(
        default=None, description="made by the client, so that sending it again after a failure stores it once"
    )
    rating: int | None = Field(default=None, ge=1, le=MOST_STARS, description="from 1, useless, to 5, all right")
    spans: list[CorrectSpan] | None = Field(
        default=None, max_length=MAX_SPANS, description="all entities of the note; []: there is none; null: not judged"
    )
    text: Annotated[str, AfterValidator(note.storable)] | None = Field(
        default=None, description="the note; stored if it is sent, so only with the right to keep it"
    )

    @model_validator(mode="after")
    def says_something(self) -> Self:
        if self.rating is None and self.spans is None:
            raise ValueError("send a rating, spans, or both")
        return self

    @model_validator(mode="after")
    def spans_are_of_the_text(self) -> Self:
        ends = [0, *(span.end for span in self.spans or ())]
        if self.text is not None and max(ends) > len(self.text):
            raise ValueError("a span ends after the text")
        return self


class FeedbackAnswer(Answer):
    """The feedback is stored."""

    feedback_id: UUID
    prediction_id: UUID
    repeated: bool = Field(description="it had been stored before, as it was sent then")


# --- GET /model -----------------------------------------------------------------------------------
class ModelAnswer(Answer):
    """The model that answers."""

    labels: list[LabelName]
    assertions: list[AssertionName]
    sections: list[SectionName]
    release: str | None = Field(description="its version in the registry, such as v1.2.0; null: it was not released")
    manifest: dict[str, Any] = Field(description="the hashes of its files, how and on what it was trained")
    metrics: dict[str, Any] | None = Field(description="its scores when it was built; null if they are not at hand")


# --- every error ----------------------------------------------------------------------------------
class Detail(Message):
    """One thing that is wrong: where, in the request's own names, and what; never what was sent."""

    place: str = Field(description="such as notes.3.text; empty: the whole body")
    problem: str


class Fault(Message):
    """What went wrong, and what to do about it."""

    status: int
    code: str = Field(description="for programs; stays the same when a message is reworded")
    message: str
    remedy: str
    details: list[Detail] = Field(default=[])


class ErrorAnswer(Message):
    """The one shape of every error."""

    error: Fault
    request_id: str
    model_version: str | None = Field(description="null as long as no model is loaded")
