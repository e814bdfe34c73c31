"""Conflicts are found, settled by a majority or a reviewer, or left open."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.corrections.conftest import TEXT, Make, spans

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import Span
from clinical_ner.corrections.agreement import notes
from clinical_ner.corrections.page import page
from clinical_ner.corrections.records import Correction, entities, known_by, lines
from clinical_ner.corrections.review import (
    How,
    as_record,
    conflicts,
    for_review,
    majority,
    read_decisions,
    read_reviewed,
    resolve,
)


def test_a_span_that_not_all_have_is_a_conflict(correction: Make) -> None:
    (note,) = notes([correction("a", "Gout", "severe asthma"), correction("b", "Gout", "asthma")])

    found = [(TEXT[one.span.start : one.span.end], one.marked_by, one.annotators) for one in conflicts(note)]

    assert found == [("severe asthma", ("a",), 2), ("asthma", ("b",), 2)]


def test_notes_of_one_annotator_and_of_those_who_agree_are_settled(correction: Make) -> None:
    reviewed = notes([correction("a", "Gout"), correction("b", "Gout"), correction("a", text="No gout.")])

    settled, unsettled = resolve(reviewed, {}, by_majority=False)

    assert sorted(note.how for note in settled) == [How.AGREED, How.SINGLE]
    assert unsettled == []


def test_a_majority_settles_what_more_than_half_of_the_annotators_say(correction: Make) -> None:
    told = [correction("a", "Gout", "aspirin"), correction("b", "Gout"), correction("c", "Gout", "asthma")]

    settled, _ = resolve(notes(told), {}, by_majority=True)
    _, unsettled = resolve(notes(told), {}, by_majority=False)
    _, tied = resolve(notes(told[:2]), {}, by_majority=True)

    assert [(note.how, note.spans) for note in settled] == [(How.MAJORITY, spans("Gout"))]
    assert len(unsettled) == len(tied) == 1


def test_what_a_reviewer_filled_in_counts_before_anything_else(tmp_path: Path, correction: Make) -> None:
    reviewed = notes([correction("a", "Gout"), correction("b", "aspirin"), correction("a", "gout", text="No gout.")])
    asked = [for_review(note) for note in reviewed if conflicts(note)]
    path = tmp_path / "review.jsonl"
    path.write_text(lines([asked[0] | {"entities": entities(spans("asthma"))}]))

    settled, unsettled = resolve(reviewed, read_decisions(path), by_majority=False)

    assert {note.how: note.spans for note in settled}[How.DECIDED] == spans("asthma")
    assert unsettled == []


def test_a_note_that_the_reviewer_left_blank_stays_open(tmp_path: Path, correction: Make) -> None:
    reviewed = notes([correction("a", "Gout"), correction("b", "aspirin")])
    path = tmp_path / "review.jsonl"
    path.write_text(lines(map(for_review, reviewed)))

    settled, unsettled = resolve(reviewed, read_decisions(path), by_majority=False)

    assert (settled, unsettled) == ([], reviewed)


@pytest.mark.parametrize(
    "broken",
    [{"end": 99}, {"label": "Quokka"}, {"start": "0"}, {"text": "Quokka!"}, {"text": 7}, {"entities": ["Quokka"]}],
)
def test_a_decision_that_is_none_is_named_and_not_repeated(tmp_path: Path, broken: dict[str, object]) -> None:
    path = tmp_path / "review.jsonl"
    entity = {"start": 0, "end": 6, "label": "DISEASE"} | {
        key: broken[key] for key in broken.keys() & {"start", "end", "label"}
    }
    whole = {"note": known_by("Quokka"), "text": "Quokka", "entities": [entity]}
    path.write_text(json.dumps(whole | {key: broken[key] for key in broken.keys() & whole.keys()}))

    with pytest.raises(UserError, match=r"review\.jsonl:1") as raised:
        read_decisions(path)

    assert "Quokka" not in str(raised.value)


def test_what_is_settled_comes_back_from_its_file(tmp_path: Path, correction: Make) -> None:
    settled, _ = resolve(notes([correction("a", "Gout", "aspirin")]), {}, by_majority=False)
    (tmp_path / "reviewed.jsonl").write_text(lines(map(as_record, settled)))

    assert read_reviewed(tmp_path / "reviewed.jsonl") == settled


def test_the_page_shows_each_conflict_and_runs_nothing_that_a_note_holds(correction: Make) -> None:
    hostile = "<script>alert(1)</script> Gout & asthma"
    reviewed = notes([correction("<b>", "Gout", text=hostile), correction("b", text=hostile), correction("a", "Gout")])

    shown = page(reviewed)

    assert shown.count("<article>") == 1
    assert "<mark>Gout</mark> &amp; asthma" in shown
    assert "<script>" not in shown
    assert "<b>" not in shown


READINGS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 12), st.sampled_from(["DISEASE", "TREATMENT"])).map(
            lambda drawn: Span(drawn[0], min(len(TEXT), drawn[0] + drawn[1]), drawn[2])
        ),
        max_size=4,
    ),
    min_size=1,
    max_size=5,
)


@given(READINGS)
def test_the_spans_of_a_majority_never_overlap(readings: list[list[Span]]) -> None:
    told = [Correction(known_by(TEXT), str(n), "", "", None, TEXT, tuple(own)) for n, own in enumerate(readings)]

    found = majority(notes(told)[0]) or ()

    assert not any(one.overlaps(other) for one, other in combinations(found, 2))
