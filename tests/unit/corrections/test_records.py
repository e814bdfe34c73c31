"""Feedback becomes one line a note and annotator, and comes back from its file as it went."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import Span
from clinical_ner.corrections.records import as_record, exported, lines, read_corrections

SPAN = {"start": 0, "end": 4, "label": "DISEASE", "assertion": None}


def row(number: int, **changed: Any) -> dict[str, Any]:
    known = {"feedback_id": number, "created_at": datetime(2026, 3, number, tzinfo=UTC), "key_id": "key-1"}
    return known | {"rating": 4, "spans": [SPAN], "text": "Gout", "model_version": None} | changed


def test_the_last_word_of_each_annotator_on_each_note_counts() -> None:
    found = exported([row(1), row(2, spans=[]), row(3, key_id="key-2"), row(4, text="Gout."), row(5, key_id=None)])

    assert [(one.annotator, one.text, len(one.spans)) for one in found.corrections if one.text == "Gout"] == [
        ("key-1", "Gout", 0),
        ("key-2", "Gout", 1),
        ("local", "Gout", 1),
    ]
    assert (len(found.corrections), found.superseded) == (4, 1)


def test_feedback_without_text_and_without_spans_is_counted_and_no_correction() -> None:
    found = exported([row(1, text=None), row(2, text=None, spans=None), row(3, spans=None)])

    assert (found.corrections, found.without_text, found.without_spans) == ([], 2, 1)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    found = exported([row(1, text="Gout\u2028 — 💊"), row(2, key_id="key-2", spans=[])]).corrections
    path = tmp_path / "feedback.jsonl"
    path.write_text(lines(map(as_record, found)), encoding="utf-8")

    assert read_corrections(path) == found
    assert found[0].spans in {(Span(0, 4, "DISEASE"),), ()}


@pytest.mark.parametrize(
    "broken", ["Quokka", "[]", "{}", json.dumps(as_record(exported([row(1)]).corrections[0]) | {"text": "Quo"})]
)
def test_a_line_that_is_no_correction_is_named_and_not_repeated(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "feedback.jsonl"
    path.write_text(f"\n{broken}\n")

    with pytest.raises(UserError, match=r"feedback\.jsonl:2") as raised:
        read_corrections(path)

    assert "Quo" not in str(raised.value)
