"""What `POST /extract` takes and gives; no message about either ever holds a piece of a note."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from clinical_ner.core.span import AssertionName, SectionName

MAX_CHARACTERS = 100_000  # some forty printed pages, tagged in about a second; more than that is a batch
MAX_ID_CHARACTERS = 200

NoteId = Annotated[str, Field(max_length=MAX_ID_CHARACTERS, description="repeated in the response")]


class Message(BaseModel):
    """Unknown fields are refused, and a validation error does not repeat its input."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Note(Message):
    """The request: one note. A text sent by mistake as the *name* of a field is not repeated either."""

    text: str = Field(max_length=MAX_CHARACTERS, description="the note, in plain text")
    id: NoteId | None = None

    @model_validator(mode="before")
    @classmethod
    def names_are_known(cls, body: Any) -> Any:
        """Refuse unknown fields before pydantic does: its error would name them."""
        if isinstance(body, dict) and not body.keys() <= cls.model_fields.keys():
            raise ValueError(f"unknown field; known: {', '.join(cls.model_fields)}")
        return body


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
    label: Literal["DISEASE", "TREATMENT"]
    text: str
    confidence: float = Field(ge=0, le=1, description="that boundaries and label are right")
    assertion: AssertionName = Field(
        description="whether the patient has or gets it; family: a relative; hypothetical: a risk, or under a condition"
    )
    trigger: Trigger | None = Field(description="the words that say so; null if it is present by default")
    section: SectionName | None = Field(description="the section that it stands in, null if no heading says")
    concept: Concept | None = Field(description="null if no term of the vocabulary is close enough")


class Extraction(Message):
    """The response: what `ner.extraction.extract` returns, after the id if the request had one."""

    id: NoteId | None = None
    entities: list[Entity]
    treatments: dict[str, list[str]] = Field(
        description="the treatments of each disease that the patient has, had or may have, as they are written"
    )

    @model_serializer(mode="wrap")
    def without_absent_id(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        if self.id is None:
            del fields["id"]
        return fields
