"""The reader of the hand-written notes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.extraction_metrics import Annotated, Annotation
from clinical_ner.ner.golden import GoldenNote, read_golden

GOUT, GOLD = Span(0, 4, DISEASE), Span(9, 13, TREATMENT)
NOTE = {"id": "a", "text": "Gout, on gold.", "entities": [GOUT._asdict(), GOLD._asdict()]}
MEANING: dict[str, Any] = {
    "id": "a",
    "entities": [
        {"start": 0, "assertion": "present", "section": "plan", "concept_id": "D1"},
        {"start": 9, "assertion": "historical", "section": None, "concept_id": None},
    ],
    "relations": [{"treatment_start": 9, "disease_start": 0}],
}


def written(folder: Path, *meanings: object) -> Path:
    (folder / "notes.jsonl").write_text(json.dumps(NOTE), "utf-8")
    lines = (line if isinstance(line, str) else json.dumps(line) for line in meanings)
    (folder / "meanings.jsonl").write_text("\n".join(lines), "utf-8")
    return folder


def test_a_note_comes_with_what_is_said_of_each_entity(tmp_path: Path) -> None:
    assert read_golden(written(tmp_path, MEANING)) == [
        GoldenNote(
            Document("a", "Gout, on gold.", (GOUT, GOLD), None),
            Annotated(
                (Annotation(GOUT, "present", "plan", "D1"), Annotation(GOLD, "historical", None, None)),
                frozenset({(9, 0)}),
            ),
        )
    ]


@pytest.mark.parametrize(
    ("meanings", "message"),
    [
        ((), "has 0 lines, notes.jsonl 1"),
        (({**MEANING, "id": "b"},), "meanings.jsonl:1: not the entities of note 'a'"),
        (({**MEANING, "entities": MEANING["entities"][:1]},), "meanings.jsonl:1: not the entities of note 'a'"),
        (({**MEANING, "entities": [{"start": 1}]},), "meanings.jsonl:1: not the meanings"),
        (({"id": "a"},), "meanings.jsonl:1: not the meanings"),
        (("{",), "meanings.jsonl:1: not the meanings"),
    ],
)
def test_meanings_of_other_entities_are_refused(tmp_path: Path, meanings: tuple[object, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_golden(written(tmp_path, *meanings))


def test_notes_without_meanings_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "meanings.jsonl").unlink()

    with pytest.raises(UserError, match=r"meanings\.jsonl cannot be read"):
        read_golden(tmp_path)
