"""A reader's figures on a small example, worked out by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner import extraction
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.evaluation import (
    Reading,
    Understood,
    calibration,
    confusion,
    confusion_by_slice,
    detected_section,
    everything,
    f1_by_slice,
    read_all,
    scores,
    scores_by_slice,
    span_reader,
    spans_of,
    understand_all,
)
from clinical_ner.ner.extraction import Mention
from clinical_ner.ner.metrics import count_spans
from clinical_ner.ner.tagger import Tagger

# 0 asthma 6, 11 gout 15, 17 aspirin 24, 28 insulin 35
FIRST = Document(
    "a",
    "asthma and gout; aspirin or insulin",
    (Span(0, 6, DISEASE), Span(11, 15, DISEASE), Span(17, 24, TREATMENT)),
    None,
)
SECOND = Document("b", "heart failure", (Span(0, 13, DISEASE),), None)
FOUND = {
    FIRST.text: [Span(0, 6, DISEASE), Span(11, 15, TREATMENT), Span(17, 24, TREATMENT), Span(28, 35, TREATMENT)],
    SECOND.text: [Span(6, 13, DISEASE)],
}
spans = st.lists(
    st.builds(
        lambda s, n, label: Span(s, s + n, label), st.integers(0, 30), st.integers(1, 5), st.sampled_from(LABELS)
    ),
    max_size=6,
)
readings = st.lists(
    st.builds(lambda gold, found: Reading(Document("d", "x " * 20, tuple(gold), None), found), spans, spans), max_size=4
)


def read(labels: tuple[str, ...] = LABELS) -> list[Reading]:
    return read_all(FOUND.__getitem__, [FIRST, SECOND], labels)


def test_the_scores_of_a_small_example_are_those_worked_out_by_hand() -> None:
    table = scores(read())

    # Four gold spans, five found, of which asthma and aspirin are right.
    assert table["micro"] == {"precision": 0.4, "recall": 0.5, "f1": 0.444444, "support": 4}
    assert table["per_label"] == {
        DISEASE: {"precision": 0.5, "recall": 0.333333, "f1": 0.4, "support": 3},
        TREATMENT: {"precision": 0.333333, "recall": 1.0, "f1": 0.5, "support": 1},
    }


def test_the_token_weighted_f1_counts_the_tokens_outside_too() -> None:
    table = scores(read())

    assert table["tokens"] == 9
    assert confusion(read()) == Counter(
        {("O", "O"): 3, (DISEASE, DISEASE): 2, (DISEASE, TREATMENT): 1, (DISEASE, "O"): 1, (TREATMENT, TREATMENT): 1}
        | {("O", TREATMENT): 1}
    )
    # F1 of DISEASE 4/6 with 4 gold tokens, of TREATMENT 2/4 with 1, of O 6/8 with 4.
    assert table["token_weighted_f1"] == pytest.approx((4 * 4 / 6 + 1 * 2 / 4 + 4 * 6 / 8) / 9, abs=1e-6)


def test_a_label_that_the_corpus_does_not_annotate_counts_neither_as_gold_nor_as_found() -> None:
    table = scores(read((DISEASE,)))

    assert table["micro"] == {"precision": 0.5, "recall": 0.333333, "f1": 0.4, "support": 3}
    assert set(table["per_label"]) == {DISEASE}
    assert all(span.label == DISEASE for r in read((DISEASE,)) for span in (*r.document.spans, *r.predicted))


def test_the_corpus_own_tokens_are_counted_where_it_has_them() -> None:
    document = Document("c", "T2DM/HTN", (Span(0, 4, DISEASE),), ((0, 8),))

    table = scores([Reading(document, [Span(0, 4, DISEASE)])])

    assert (table["tokens"], table["token_weighted_f1"]) == (1, 1.0)


def test_without_documents_every_figure_is_nought() -> None:
    assert scores([])["micro"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert scores_by_slice([], lambda _, __: "x") == {}


def test_a_slice_holds_the_gold_and_the_found_that_its_rule_sorts_into_it() -> None:
    by_document = scores_by_slice(read(), lambda document, _: document.id)

    assert {name: table["micro"]["support"] for name, table in by_document.items()} == {"a": 3, "b": 1}
    assert by_document["a"]["micro"]["f1"] == pytest.approx(4 / 7, abs=1e-6)
    assert by_document["b"]["micro"]["f1"] == 0.0
    assert {name: table["predicted"] for name, table in by_document.items()} == {"a": 4, "b": 1}


def test_a_slice_without_gold_tells_how_much_was_predicted() -> None:
    found = scores_by_slice(read(), lambda _, span: "gold" if span.start < 12 else "other")

    assert (found["other"]["micro"]["support"], found["other"]["predicted"]) == (1, 2)
    assert sum(table["predicted"] for table in found.values()) == 5


SLICERS: list[Callable[[Document, Span], str]] = [
    lambda _, span: span.label,
    lambda _, span: str(span.start % 3),
    lambda document, span: f"{len(document.spans)}{span.end}",
    lambda document, span: "gold" if span in document.spans else "spurious",
    lambda _, __: "all",
]


@given(readings, st.sampled_from(SLICERS))
def test_slices_partition_the_counts(read: list[Reading], slicer: Callable[[Document, Span], str]) -> None:
    tables = scores_by_slice(read, slicer).values()

    assert sum(table["micro"]["support"] for table in tables) == scores(read)["micro"]["support"]
    assert sum(table["predicted"] for table in tables) == sum(len(set(r.predicted)) for r in read)
    right = sum(len(set(r.document.spans) & set(r.predicted)) for r in read)
    assert sum(table["micro"]["recall"] * table["micro"]["support"] for table in tables) == pytest.approx(
        right, abs=1e-3
    )


@given(readings)
def test_one_slice_of_everything_has_the_scores_of_the_whole(read: list[Reading]) -> None:
    if any(count_spans(r.document.spans, r.predicted) for r in read):
        assert scores_by_slice(read, lambda _, __: "all")["all"]["micro"] == scores(read)["micro"]


@given(readings)
def test_the_confusion_counts_every_token_once(read: list[Reading]) -> None:
    assert confusion(read).total() == 20 * len(read) == scores(read)["tokens"]


def test_the_tagger_reads_as_it_tags(tiny: Tagger) -> None:
    text = "She has asthma and takes aspirin."

    assert span_reader(tiny)(text) == [entity.span for entity in tiny.tag(text)] != []


def test_what_is_understood_holds_the_same_spans(tiny: Tagger) -> None:
    documents = [Document("a", "She has asthma and takes aspirin.", (Span(8, 14, DISEASE),), None)]

    both = spans_of(understand_all(tiny, documents), LABELS)
    one = spans_of(understand_all(tiny, documents), (TREATMENT,))

    assert both == read_all(span_reader(tiny), documents, LABELS)
    assert one == read_all(span_reader(tiny), documents, (TREATMENT,))
    assert one != both


def understood(*confidences: float) -> list[Understood]:
    """FIRST, in which asthma, gout and the aspirin were found with these confidences, gout with a wrong label."""
    spans = [FIRST.spans[0], FIRST.spans[1]._replace(label=TREATMENT), FIRST.spans[2]]
    mentions = [Mention(span, p, "present", None, None) for span, p in zip(spans, confidences, strict=True)]
    return [Understood(FIRST, extraction.Reading(mentions, []))]


def test_confidence_is_held_against_how_often_an_entity_is_exactly_right() -> None:
    found = calibration(understood(0.95, 0.55, 0.97), LABELS, everything)

    assert found["entities"] == 3
    assert [(row["low"], row["entities"], row["right"]) for row in found["bins"]] == [(0.5, 1, 0.0), (0.9, 2, 1.0)]
    assert found["expected_calibration_error"] == pytest.approx((0.55 + 0.05 + 0.03) / 3, abs=1e-6)


def test_calibration_leaves_out_other_labels_and_what_is_not_kept() -> None:
    assert calibration(understood(0.5, 0.5, 0.5), (DISEASE,), everything)["entities"] == 1
    assert calibration(understood(0.5, 0.5, 0.5), LABELS, lambda _, span: span.start > 0)["entities"] == 2
    assert calibration([], LABELS, everything)["bins"] == []


def test_a_section_is_that_of_the_heading_above() -> None:
    document = Document("a", "PMH: gout. FH: lupus.", (), None)

    sections = [detected_section(document, Span(start, start + 1, DISEASE)) for start in (5, 15)]

    assert sections == ["past_medical_history", "family_history"]
    assert detected_section(FIRST, FIRST.spans[0]) == "none"


def test_tokens_are_confused_in_the_slice_that_they_lie_in() -> None:
    halves = confusion_by_slice(read(), lambda _, span: "first" if span.start < 15 else "second")

    assert halves == {
        "first": {(DISEASE, DISEASE): 2, (DISEASE, TREATMENT): 1, (DISEASE, "O"): 1},
        "second": {(TREATMENT, TREATMENT): 1, ("O", TREATMENT): 1},
    }


def test_a_slice_without_gold_has_no_f1() -> None:
    tables = scores_by_slice(read(), lambda _, span: "late" if span.start > 24 else "early")

    assert list(f1_by_slice(tables)) == ["early"]
