"""What a row of a batch has to hold to be read; what is true of every note's id and text, `core/note.py` says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from clinical_ner.core.note import MAX_ID_CHARACTERS, is_unicode

LONGEST_TEXT = 200_000  # characters; some fifty times the longest ordinary note


class Columns(NamedTuple):
    """What the columns of the input are called; without `subject` nobody is named in FHIR."""

    note_id: str
    text: str
    subject: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that a row must have."""
        return tuple(name for name in self if name is not None)


class Row(NamedTuple):
    """A row as it was found: its fields, or what is the matter; `position` is its number or first byte."""

    position: int
    fields: dict[str, Any] | None
    problem: str = ""
    content: Any = None  # what goes into quarantine where there are no fields
    rows: int = 1  # how many rows could not be read together


class Note(NamedTuple):
    """A row that can be read."""

    note_id: str
    text: str
    subject: str | None


class Rejected(NamedTuple):
    """A row that cannot: the reason names no text, which is in `content` alone; `written` makes JSON of that."""

    position: int
    reason: str
    content: Any
    rows: int = 1


def judgements(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[Row, Note | Rejected]]:
    """Each row with its note, or why there is none; of those with the same id the first."""
    seen: set[str] = set()
    for row in rows:
        found = judged(row, columns)
        if isinstance(found, Note):
            if found.note_id in seen:
                found = Rejected(row.position, "the id is that of an earlier row of the shard", row.fields)
            else:
                seen.add(found.note_id)
        yield row, found


def judged(row: Row, columns: Columns) -> Note | Rejected:
    """The note of a row, or why there is none."""
    if row.fields is None:
        return Rejected(row.position, row.problem, row.content, row.rows)
    values = [row.fields.get(name) if name else None for name in columns]
    note_id, text, subject = map(_text, values)
    reason = _id_problem(note_id) or _text_problem(text) or _subject_problem(columns.subject, subject)
    if reason:
        return Rejected(row.position, reason, row.fields)
    return Note(str(note_id), str(text), None if subject is None else str(subject))


def id_of(row: Row, columns: Columns) -> str | None:
    """The id of a row, whatever else is the matter with it; None if it is no id."""
    note_id = _text((row.fields or {}).get(columns.note_id))
    return None if _id_problem(note_id) else str(note_id)


def _text(value: Any) -> Any:
    """Bytes as the UTF-8 that they should be, and whole numbers, which identifiers may be, as text."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _id_problem(note_id: Any) -> str:
    if not isinstance(note_id, str) or not note_id.strip():
        return "the id is missing or not text"
    if len(note_id) > MAX_ID_CHARACTERS:
        return f"the id has more than {MAX_ID_CHARACTERS} characters"
    return "" if is_unicode(note_id) else "the id is not Unicode"


def _text_problem(text: Any) -> str:
    if isinstance(text, bytes):
        return "the text is not UTF-8"
    if not isinstance(text, str) or not text.strip():
        return "the text is missing or not text"
    if len(text) > LONGEST_TEXT:
        return f"the text has more than {LONGEST_TEXT} characters"
    return "" if is_unicode(text) else "the text is not Unicode"


def _subject_problem(name: str | None, subject: Any) -> str:
    if name is None or (isinstance(subject, str) and subject.strip() and is_unicode(subject)):
        return ""
    return "the subject is missing or not text"


def written(value: Any) -> str:
    """What JSON does not know: bytes with escapes for what is not UTF-8, everything else as Python shows it."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else repr(value)
