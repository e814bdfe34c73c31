"""What is accepted, what is left out and why, and that nothing is accepted twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.test_architecture import ROOT
from tests.unit.corrections.conftest import TEXT, Make

from clinical_ner.core.errors import UserError
from clinical_ner.corrections.acceptance import (
    Corpus,
    Inputs,
    accept,
    folder_of,
    frozen_texts,
    parted,
    provenance,
    require_mentions,
    squeezed,
)
from clinical_ner.corrections.agreement import agreement, notes
from clinical_ner.corrections.records import Correction, known_by
from clinical_ner.corrections.review import How, Resolved, resolve

EMPTY = Corpus({}, [])
OTHER = "No gout."


def accepted(
    corrections: list[Correction],
    before: Corpus = EMPTY,
    frozen: set[str] = frozenset(),
    elsewhere: set[str] = frozenset(),  # type: ignore[assignment]
) -> Corpus:
    reviewed = notes(corrections)
    settled, unsettled = resolve(reviewed, {}, by_majority=False)
    marks = str(sorted(corrections))
    inputs = Inputs(known_by(marks), known_by(str(settled)), agreement(reviewed), len(unsettled), 0, 0)
    return accept(settled, corrections, inputs, before, frozen, elsewhere)


def test_a_note_is_accepted_with_where_it_comes_from(correction: Make) -> None:
    found = accepted([correction("a", "Gout", "aspirin"), correction("bb", "Gout", "aspirin")])

    (batch,) = found.batches
    assert [note["entities"][0] for note in found.notes.values()] == [{"start": 0, "end": 4, "label": "DISEASE"}]
    assert batch["annotators"] == ["a", "bb"]
    assert batch["period"] == {"first": "2026-03-01", "last": "2026-03-02"}
    assert (batch["notes"], batch["entities"], batch["model_versions"]) == (
        1,
        {"DISEASE": 1, "TREATMENT": 1},
        ["0123456789ab"],
    )
    assert TEXT not in str(provenance("x", found))


def test_the_same_again_changes_nothing(correction: Make) -> None:
    first = accepted([correction("a", "Gout")])

    assert accepted([correction("a", "Gout")], first) is first


def test_a_later_review_replaces_a_note_and_adds_a_batch(correction: Make) -> None:
    first = accepted([correction("a", "Gout")])

    second = accepted([correction("a", "Gout", "aspirin"), correction("a", "gout", text=OTHER)], first)

    assert sorted(len(note["entities"]) for note in second.notes.values()) == [1, 2]
    assert len(second.batches) == 2


def test_unresolved_notes_are_left_out_and_counted(correction: Make) -> None:
    found = accepted([correction("a", "Gout"), correction("b"), correction("a", "gout", text=OTHER)])

    assert [note["text"] for note in found.notes.values()] == [OTHER]
    assert found.batches[0]["left_out"]["unresolved"] == 1


@pytest.mark.parametrize("change", [str, lambda text: f" {text}\n", lambda text: text.replace("\n", "\r\n")])
def test_a_frozen_test_note_is_never_accepted_however_its_lines_end(
    correction: Make, change: Callable[[str], str]
) -> None:
    frozen = frozen_texts(ROOT / "tests/golden")
    golden = (ROOT / "tests/golden/notes.jsonl").read_text(encoding="utf-8").splitlines()
    text = change(json.loads(golden[0])["text"])

    found = accepted([correction("a", "heart failure", text=text), correction("a", "Gout")], frozen=frozen)

    assert [note["text"] for note in found.notes.values()] == [TEXT]
    assert found.batches[0]["left_out"]["frozen test note"] == 1
    with pytest.raises(UserError, match="frozen test note: 1"):
        require_mentions(accepted([correction("a", "heart failure", text=text)], frozen=frozen))


def test_a_note_of_another_corpus_is_left_out_and_counted(correction: Make) -> None:
    found = accepted([correction("a", "Gout"), correction("a", "gout", text=OTHER)], elsewhere={squeezed(TEXT)})

    assert [note["text"] for note in found.notes.values()] == [OTHER]
    assert found.batches[0]["left_out"]["in another corpus"] == 1


@given(st.sets(st.text("abc", min_size=1)), st.sets(st.text("abc", min_size=1)), st.floats(0, 0.9))
def test_a_note_is_held_back_or_not_whatever_comes_with_it(few: set[str], more: set[str], share: float) -> None:
    def held_back(texts: set[str]) -> set[str]:
        sides = parted((Resolved(text, text, (), How.SINGLE) for text in sorted(texts)), share)
        assert len(sides.learnt) + len(sides.held_back) == len(texts)
        return {note.text for note in sides.held_back}

    assert held_back(few) == held_back(few | more) & few


@pytest.mark.parametrize("name", ["", "../up", "a/b", "README", "readme", ".hidden", "license", "provenance", "a.dvc"])
def test_a_name_that_the_reader_would_leave_aside_or_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no name of a corpus"):
        folder_of(tmp_path, name)
