"""What the hand-written notes say of their entities: from the gold spans, so that it does not depend on the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core import io
from clinical_ner.core.schema import DISEASES, DRUGS, PROCEDURES
from clinical_ner.core.span import ASSERTIONS, DISEASE, SECTIONS, TREATMENT
from clinical_ner.ner.concepts import Concepts, forms
from clinical_ner.ner.extraction import Reading
from clinical_ner.ner.extraction_metrics import Annotation, output_scores, outputs_of
from clinical_ner.ner.golden import GoldenNote, read_golden

FOLDER = Path(__file__).parent
VOCABULARY = FOLDER.parents[1] / "data" / "vocabulary"
# A little below what the rules reach; the notes were seen while the rules were written.
FLOORS = {"assertion": 0.93, "section": 0.95, "concept": 0.85}
RELATIONS_FLOOR = 0.62


@pytest.fixture(scope="module")
def notes() -> list[GoldenNote]:
    """The notes with what is said of their entities."""
    return read_golden(FOLDER)


@pytest.fixture(scope="module")
def concepts() -> Concepts:
    tables = (io.read(table, VOCABULARY) for table in (DISEASES, DRUGS, PROCEDURES))
    return Concepts.build(forms(*tables))


@pytest.fixture(scope="module")
def figures(notes: list[GoldenNote], concepts: Concepts) -> dict[str, Any]:
    texts = [outputs_of(document.text, gold, Reading([], []), concepts) for document, gold in notes]
    return output_scores(texts)["gold_spans"]


def said(notes: list[GoldenNote]) -> list[tuple[str, Annotation]]:
    """The words of every entity, in small letters, and what is said of it."""
    rows = ((note.document.text, annotation) for note in notes for annotation in note.gold.annotations)
    return [(text[row.span.start : row.span.end].lower(), row) for text, row in rows]


def test_every_entity_has_an_assertion_a_section_or_none_and_a_concept_or_none(notes: list[GoldenNote]) -> None:
    rows = [row for _, row in said(notes)]

    assert {row.assertion for row in rows} == set(ASSERTIONS)
    assert {row.section for row in rows} <= {None, *SECTIONS}
    assert all(row.concept_id is None or row.concept_id.strip() for row in rows)


def test_a_name_means_the_same_concept_in_every_note(notes: list[GoldenNote]) -> None:
    meant = {(name, row.concept_id) for name, row in said(notes)}

    assert len({name for name, _ in meant}) == len(meant)


def test_a_pair_is_of_a_treatment_and_a_disease_of_the_note_that_is_not_denied(notes: list[GoldenNote]) -> None:
    for note in notes:
        by_start = {row.span.start: row for row in note.gold.annotations}
        for treatment, disease in note.gold.pairs:
            assert by_start[treatment].span.label == TREATMENT
            assert by_start[disease].span.label == DISEASE
            assert by_start[disease].assertion != "absent"


def test_every_gold_span_is_read(figures: dict[str, Any], notes: list[GoldenNote]) -> None:
    assert figures["matched"] == sum(len(note.document.spans) for note in notes)


@pytest.mark.parametrize("name", FLOORS)
def test_accuracy_does_not_fall_below_the_floor(figures: dict[str, Any], name: str) -> None:
    assert figures[name]["accuracy"] >= FLOORS[name], figures


def test_the_links_do_not_fall_below_the_floor(figures: dict[str, Any]) -> None:
    assert figures["relations"]["f1"] >= RELATIONS_FLOOR, figures["relations"]
