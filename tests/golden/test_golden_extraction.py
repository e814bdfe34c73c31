"""What the hand-written notes say of their entities: from the gold spans, so that it does not depend on the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core import io
from clinical_ner.core.schema import DISEASES, DRUGS, PROCEDURES
from clinical_ner.core.span import ASSERTIONS, DISEASE, SECTIONS, TREATMENT, Span
from clinical_ner.ner.concepts import Concepts, forms
from clinical_ner.ner.extraction import interpret_spans
from clinical_ner.ner.extraction_metrics import Annotated, Annotation, extraction_scores, found_in

NOTES = Path(__file__).with_name("notes.jsonl")
MEANINGS = Path(__file__).with_name("meanings.jsonl")  # of the entities of the notes, by where they start
VOCABULARY = Path(__file__).parents[2] / "data" / "vocabulary"
# A little below what the rules reach; the notes were seen while the rules were written.
FLOORS = {"assertion": 0.93, "section": 0.95, "concept": 0.85}
RELATIONS_FLOOR = 0.62


@pytest.fixture(scope="module")
def notes() -> list[dict[str, Any]]:
    """The notes with what is said of their entities."""
    return [joined(*row) for row in zip(lines(NOTES), lines(MEANINGS), strict=True)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def joined(note: dict[str, Any], meaning: dict[str, Any]) -> dict[str, Any]:
    assert note["id"] == meaning["id"]
    assert [entity["start"] for entity in note["entities"]] == [entity["start"] for entity in meaning["entities"]]
    entities = [{**a, **b} for a, b in zip(note["entities"], meaning["entities"], strict=True)]
    return {**note, "entities": entities, "relations": meaning["relations"]}


@pytest.fixture(scope="module")
def concepts() -> Concepts:
    tables = (io.read(table, VOCABULARY) for table in (DISEASES, DRUGS, PROCEDURES))
    return Concepts.build(forms(*tables))


@pytest.fixture(scope="module")
def figures(notes: list[dict[str, Any]], concepts: Concepts) -> dict[str, Any]:
    pairs = []
    for note in notes:
        gold = annotated(note)
        read = interpret_spans(note["text"], [row.span for row in gold.annotations], concepts)
        pairs.append((gold, found_in(read)))
    return extraction_scores(pairs)


def annotated(note: dict[str, Any]) -> Annotated:
    rows = [
        Annotation(Span(e["start"], e["end"], e["label"]), e["assertion"], e["section"], e["concept_id"])
        for e in note["entities"]
    ]
    return Annotated(tuple(rows), frozenset((r["treatment_start"], r["disease_start"]) for r in note["relations"]))


def test_every_entity_has_an_assertion_a_section_or_none_and_a_concept_or_none(notes: list[dict[str, Any]]) -> None:
    entities = [entity for note in notes for entity in note["entities"]]

    assert {entity["assertion"] for entity in entities} == set(ASSERTIONS)
    assert {entity["section"] for entity in entities} <= {None, *SECTIONS}
    assert all(entity["concept_id"] is None or entity["concept_id"].strip() for entity in entities)


def test_a_name_means_the_same_concept_in_every_note(notes: list[dict[str, Any]]) -> None:
    meant = {
        (note["text"][entity["start"] : entity["end"]].lower(), entity["concept_id"])
        for note in notes
        for entity in note["entities"]
    }

    assert len({name for name, _ in meant}) == len(meant)


def test_a_pair_is_of_a_treatment_and_a_disease_of_the_note_that_is_not_denied(notes: list[dict[str, Any]]) -> None:
    for note in notes:
        by_start = {entity["start"]: entity for entity in note["entities"]}
        for pair in note["relations"]:
            assert by_start[pair["treatment_start"]]["label"] == TREATMENT
            assert by_start[pair["disease_start"]]["label"] == DISEASE
            assert by_start[pair["disease_start"]]["assertion"] != "absent"


def test_every_gold_span_is_read(figures: dict[str, Any], notes: list[dict[str, Any]]) -> None:
    assert figures["matched"] == sum(len(note["entities"]) for note in notes)


@pytest.mark.parametrize("name", FLOORS)
def test_accuracy_does_not_fall_below_the_floor(figures: dict[str, Any], name: str) -> None:
    assert figures[name]["accuracy"] >= FLOORS[name], figures


def test_the_links_do_not_fall_below_the_floor(figures: dict[str, Any]) -> None:
    assert figures["relations"]["f1"] >= RELATIONS_FLOOR, figures["relations"]
