"""Conflicts between the annotators of a note, and what is made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import Span
from clinical_ner.corrections.agreement import Note
from clinical_ner.corrections.records import Json, entities, read_records, spans_of
from clinical_ner.ner.bio import encode_text

REVIEWED = "reviewed.jsonl"
Decisions = Mapping[str, tuple[Span, ...]]


class Conflict(NamedTuple):
    """A span that some annotators of a note have, and others have not."""

    note: str
    span: Span
    marked_by: tuple[str, ...]
    annotators: int


class How(StrEnum):
    """Why a note has the spans that it has."""

    SINGLE = "single"  # one annotator
    AGREED = "agreed"
    MAJORITY = "majority"
    DECIDED = "decided"  # by a reviewer


class Resolved(NamedTuple):
    """A note with the spans that it is learnt from with."""

    id: str
    text: str
    spans: tuple[Span, ...]
    how: How


def conflicts(note: Note) -> list[Conflict]:
    """The spans that not every annotator of the note has, in their order."""
    marked = {span for reading in note.readings.values() for span in reading.spans}
    by = {span: tuple(name for name, own in note.readings.items() if span in own.spans) for span in sorted(marked)}
    return [
        Conflict(note.id, span, own, len(note.readings)) for span, own in by.items() if len(own) < len(note.readings)
    ]


def resolve(notes: Iterable[Note], decisions: Decisions, *, by_majority: bool) -> tuple[list[Resolved], list[Note]]:
    """The notes that are settled, and those that are not.

    A decision counts first. A majority has more than half of the annotators: a span that just half of them have leaves
    its note unsettled.
    """
    settled, open_notes = [], []
    for note in notes:
        found = _resolved(note, decisions, by_majority)
        if found:
            settled.append(found)
        else:
            open_notes.append(note)
    return settled, open_notes


def _resolved(note: Note, decisions: Decisions, by_majority: bool) -> Resolved | None:
    first = next(iter(note.readings.values()))
    if note.id in decisions:
        return Resolved(note.id, note.text, tuple(encode_text(note.text, decisions[note.id]).spans()), How.DECIDED)
    if not conflicts(note):
        how = How.AGREED if len(note.readings) > 1 else How.SINGLE
        return Resolved(note.id, note.text, tuple(sorted(first.spans)), how)
    spans = majority(note) if by_majority else None
    return None if spans is None else Resolved(note.id, note.text, spans, How.MAJORITY)


def majority(note: Note) -> tuple[Span, ...] | None:
    """The spans that more than half of the annotators have; none at all if just half of them have one.

    They never overlap: two that do would need one annotator who has both.
    """
    votes = Counter(span for reading in note.readings.values() for span in reading.spans)
    if any(2 * count == len(note.readings) for count in votes.values()):
        return None
    return tuple(sorted(span for span, count in votes.items() if 2 * count > len(note.readings)))


# --- files ------------------------------------------------------------------------------------
def for_review(note: Note) -> Json:
    """The note for a person to decide: who fills in `entities` has decided, and may take a reading over."""
    return {
        "note": note.id,
        "text": note.text,
        "readings": {name: entities(reading.spans) for name, reading in note.readings.items()},
        "conflicts": [{**one.span._asdict(), "marked_by": list(one.marked_by)} for one in conflicts(note)],
        "entities": None,
    }


def read_decisions(path: Path) -> dict[str, tuple[Span, ...]]:
    """What a reviewer decided in a file that `for_review` began; notes with `entities: null` are not decided.

    Raises:
        UserError: a line is no decision; the message holds nothing of it.
    """
    found = {}
    for where, record in read_records(path, "name 'majority', or a file of JSON lines that review --out wrote"):
        try:
            if record["entities"] is not None:
                found[str(record["note"])] = spans_of(record["entities"], record)
        except (KeyError, TypeError, ValueError, AttributeError):
            remedy = 'fill in "entities": [{"start", "end", "label"}], offsets inside the text, which stays as it is'
            raise UserError(f"{where} is no decision", remedy) from None
    return found


def as_record(note: Resolved) -> Json:
    """The settled note as an object of JSON."""
    return {"note": note.id, "text": note.text, "entities": entities(note.spans), "how": note.how.value}


def read_reviewed(path: Path) -> list[Resolved]:
    """The settled notes.

    Raises:
        UserError: the file is missing, or a line is none.
    """
    return [
        _reviewed(where, record) for where, record in read_records(path, "run 'clinical-ner feedback review' first")
    ]


def _reviewed(where: str, record: Json) -> Resolved:
    try:
        return Resolved(record["note"], record["text"], spans_of(record["entities"], record), How(record["how"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(f"{where} is no reviewed note", "run 'clinical-ner feedback review' again") from None


def summary(notes: list[Note], settled: list[Resolved], unsettled: list[Note]) -> dict[str, Any]:
    """The review in counts; no word of a note."""
    how = Counter(note.how.value for note in settled)
    return {
        "notes": len(notes),
        "annotators": len({name for note in notes for name in note.readings}),
        "conflicts": sum(len(conflicts(note)) for note in notes),
        "unresolved": len(unsettled),
        "settled": {one.value: how[one.value] for one in How},
        "widened": sum(note.widened for note in notes),
        "dropped": sum(note.dropped for note in notes),
    }


def all_conflicts(notes: Iterable[Note]) -> Iterator[Conflict]:
    """The conflicts of all notes, in their order."""
    return (conflict for note in notes for conflict in conflicts(note))
