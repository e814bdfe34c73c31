"""Notes in, entities out: a pure function from frames to frames, which every engine can hand out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.schema import EXTRACTED_ENTITIES, EXTRACTED_NOTES, Table
from clinical_ner.core.span import Span
from clinical_ner.ner.extraction import Mention, Reading, understand_all
from clinical_ner.ner.fhir import bundle
from clinical_ner.ner.tagger import Tagger

ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
ROWS_AT_A_TIME = 2_000  # of a thousand and less the checks weigh more than a tenth
NOTE_COLUMNS = ("note_id", "text", "subject")  # of the frames that go in; the subject may be null


class Extraction(NamedTuple):
    """What a frame of notes became: EXTRACTED_NOTES, EXTRACTED_ENTITIES, and a FHIR Bundle a note if asked for."""

    notes: pd.DataFrame
    entities: pd.DataFrame
    bundles: list[str]  # JSON, without a line feed


def framed(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The rows as frames of these columns, so many at a time."""
    left = iter(rows)
    while some := list(islice(left, ROWS_AT_A_TIME)):
        yield pd.DataFrame(some, columns=list(columns), dtype=object)


def entity_frames(tagger: Tagger, frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """EXTRACTED_ENTITIES of each frame with `note_id` and `text`, in the order of the notes."""
    return (extraction(tagger, frame).entities for frame in frames)


def extraction(tagger: Tagger, frame: pd.DataFrame, *, fhir: bool = False) -> Extraction:
    """What the tagger finds in a frame of `NOTE_COLUMNS`, and what the notes say of it."""
    ids, texts = frame["note_id"].tolist(), frame["text"].tolist()
    subjects = frame["subject"].tolist() if "subject" in frame else [None] * len(frame)
    read = list(understand_all(tagger, texts))
    version = tagger.manifest.version
    notes = [(i, len(t), len(found.mentions), version) for i, t, found in zip(ids, texts, read, strict=True)]
    rows = [
        (note_id, *row, version)
        for note_id, text, found in zip(ids, texts, read, strict=True)
        for row in _entity_rows(text, found)
    ]
    written = zip(ids, texts, read, subjects, strict=True) if fhir else ()
    return Extraction(
        checked(EXTRACTED_NOTES, notes), checked(EXTRACTED_ENTITIES, rows), [ENCODE(bundle(*note)) for note in written]
    )


def checked(table: Table, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """The rows as the table, after checking them."""
    columns = table.schema.columns
    frame = pd.DataFrame(rows, columns=list(columns), dtype=object)
    kinds = {name: str(column.dtype) for name, column in columns.items() if str(column.dtype) != "str"}
    found: pd.DataFrame = table.schema.validate(frame.astype(kinds))
    return found


def _entity_rows(text: str, read: Reading) -> Iterator[tuple[Any, ...]]:
    of_treatment = dict(read.pairs)
    return (_entity_row(text, mention, of_treatment.get(mention.span)) for mention in read.mentions)


def _entity_row(text: str, mention: Mention, disease: Span | None) -> tuple[Any, ...]:
    span, trigger, concept = mention.span, mention.trigger, mention.concept
    return (
        *(span.start, span.end, span.label, text[span.start : span.end], mention.confidence),
        *(mention.assertion, mention.section, *((trigger.start, trigger.end) if trigger else (None, None))),
        *((concept.id, concept.name, concept.kind, concept.icd10cm, concept.score) if concept else (None,) * 5),
        disease and disease.start,
    )
