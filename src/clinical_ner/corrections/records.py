"""Corrections as files: a line a note and annotator, and how feedback becomes one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import LABELS, Span

FEEDBACK = "feedback.jsonl"
LOCAL = "local"  # who gave feedback without a key
Json = dict[str, Any]


class Correction(NamedTuple):
    """All entities of a note as one annotator has them."""

    note: str  # what the text is known by: see `known_by`
    annotator: str
    created_at: str
    feedback_id: str
    model_version: str | None  # of the prediction that was corrected
    text: str
    spans: tuple[Span, ...]


class Exported(NamedTuple):
    """The last word of each annotator on each note, and what of the feedback is none."""

    corrections: list[Correction]
    without_text: int
    without_spans: int
    superseded: int  # by later feedback of the same annotator


def known_by(text: str) -> str:
    """The SHA-256 of a text: the same note has the same, however often it is sent."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def exported(rows: Iterable[Mapping[str, Any]]) -> Exported:
    """The corrections in rows of feedback, which are in order of time; sorted by note and annotator."""
    rows = list(rows)
    with_text = [row for row in rows if row["text"] is not None]
    judged = [row for row in with_text if row["spans"] is not None]
    last = {(one.note, one.annotator): one for one in map(_correction, judged)}
    return Exported(
        [last[key] for key in sorted(last)],
        without_text=len(rows) - len(with_text),
        without_spans=len(with_text) - len(judged),
        superseded=len(judged) - len(last),
    )


def _correction(row: Mapping[str, Any]) -> Correction:
    spans = tuple(sorted({Span(span["start"], span["end"], span["label"]) for span in row["spans"]}))
    when = row["created_at"].isoformat()
    annotator, feedback_id = row["key_id"] or LOCAL, str(row["feedback_id"])
    return Correction(known_by(row["text"]), annotator, when, feedback_id, row["model_version"], row["text"], spans)


# --- lines ------------------------------------------------------------------------------------
def lines(records: Iterable[Mapping[str, Any]]) -> str:
    """Each record as JSON on a line of its own."""
    return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)


def as_record(correction: Correction) -> Json:
    """The correction as an object of JSON."""
    return {**correction._asdict(), "spans": entities(correction.spans)}


def entities(spans: Iterable[Span]) -> list[Json]:
    """Spans as the annotated corpora have them."""
    return [span._asdict() for span in sorted(spans)]


def read_corrections(path: Path) -> list[Correction]:
    """The corrections of an export.

    Raises:
        UserError: the file is missing, or a line is no correction; the message holds nothing of it.
    """
    found = []
    for where, record in read_records(path, "export them with 'clinical-ner feedback export'"):
        try:
            values = {name: record[name] for name in Correction._fields} | {"spans": spans_of(record["spans"], record)}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError(f"{where} is no correction", "export them again") from None
        found.append(Correction(**values))
    return found


def spans_of(written: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> tuple[Span, ...]:
    """The spans of a record.

    Raises:
        KeyError, TypeError, ValueError: they are none, or not of its text, or somebody changed the text.
    """
    if known_by(record["text"]) != record["note"]:
        raise ValueError
    spans = tuple(sorted({Span(one["start"], one["end"], one["label"]) for one in written}))
    if not all(0 <= span.start < span.end <= len(record["text"]) and span.label in LABELS for span in spans):
        raise ValueError
    return spans


def read_records(path: Path, remedy: str) -> Iterator[tuple[str, Json]]:
    """The objects of a file of JSON lines, each with its place.

    Raises:
        UserError: the file cannot be read, or a line is no object; the message holds nothing of it.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read", remedy) from None
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            yield f"{path}:{number}", _object(line, f"{path}:{number}", remedy)


def _object(line: str, where: str, remedy: str) -> Json:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{where} is no JSON object", remedy)
    return found
