"""The hand-written notes: a test set that no template wrote, with what is said of every entity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import Span
from clinical_ner.ner.corpora import Document, Format, read_corpus
from clinical_ner.ner.extraction_metrics import Annotated, Annotation

NOTES, MEANINGS = "notes.jsonl", "meanings.jsonl"
UNKNOWN = Span(-1, -1, "")  # stands for an entity that the note does not have


class GoldenNote(NamedTuple):
    """A text with its gold spans, and all that is said of them."""

    document: Document
    gold: Annotated


def read_golden(folder: Path) -> list[GoldenNote]:
    """The notes of `notes.jsonl` with the meanings of `meanings.jsonl`, which has a line a note.

    Raises:
        UserError: a file is missing or malformed, or the two do not name the same notes and entities.
    """
    documents = read_corpus(folder / NOTES, Format.JSONL).documents
    try:
        lines = (folder / MEANINGS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{folder / MEANINGS} cannot be read: {error.strerror}", "take it from git again") from None
    if len(lines) != len(documents):
        raise UserError(f"{folder / MEANINGS} has {len(lines)} lines, {NOTES} {len(documents)}", "write one a note")
    return [
        _note(document, line, f"{folder / MEANINGS}:{number}")
        for number, (document, line) in enumerate(zip(documents, lines, strict=True), 1)
    ]


def _note(document: Document, line: str, where: str) -> GoldenNote:
    try:
        name, gold = _meanings(document, json.loads(line))
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{where}: not the meanings of the entities of a note", "see tests/golden/README.md") from None
    starts = [annotation.span.start for annotation in gold.annotations]
    if name != document.id or starts != [span.start for span in document.spans]:
        raise UserError(f"{where}: not the entities of note '{document.id}'", f"name them as {NOTES} does, in order")
    return GoldenNote(document, gold)


def _meanings(document: Document, content: Mapping[str, Any]) -> tuple[str, Annotated]:
    """The id of the note and what is said of the entities, by where they start."""
    spans = {span.start: span for span in document.spans}
    annotations = tuple(
        Annotation(spans.get(row["start"], UNKNOWN), row["assertion"], row["section"], row["concept_id"])
        for row in content["entities"]
    )
    pairs = frozenset((row["treatment_start"], row["disease_start"]) for row in content["relations"])
    return content["id"], Annotated(annotations, pairs)
