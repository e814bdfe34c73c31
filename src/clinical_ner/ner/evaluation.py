"""Score a reader of raw text on annotated documents: the same figures for synthetic and for real text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from clinical_ner.core.span import Span
from clinical_ner.ner import extraction
from clinical_ner.ner.bio import OUTSIDE
from clinical_ner.ner.calibration import reliability
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.metrics import (
    Counts,
    ScoreTable,
    add_counts,
    count_spans,
    score_table,
    token_labels,
    token_pairs,
    weighted_f1,
)
from clinical_ner.ner.sections import heading_at, headings
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.tokenize import tokens

Reader = Callable[[str], Sequence[Span]]  # from a text to its entities
Slicer = Callable[[Document, Span], str]  # from a span, gold or predicted, to the slice it counts in
Keep = Callable[[Document, Span], bool]  # whether a span, gold or predicted, counts
BINS = 10  # of the tables of confidence
NO_SECTION = "none"


class SliceTable(ScoreTable):
    """The scores of a slice, and how many predicted spans count in it: of a slice without gold all that there is."""

    predicted: int


class Reading(NamedTuple):
    """A document and what a reader found in it."""

    document: Document
    predicted: list[Span]


class Understood(NamedTuple):
    """A document and all that is made of it: spans, confidences, assertions, sections, concepts, links."""

    document: Document
    found: extraction.Reading


def span_reader(tagger: Tagger) -> Reader:
    """The tagger as a reader: from a text to its spans."""

    def read(text: str) -> list[Span]:
        return [entity.span for entity in tagger.tag(text)]

    return read


def read_all(reader: Reader, documents: Iterable[Document], labels: Collection[str]) -> list[Reading]:
    """What the reader finds in every document; other labels than these count neither as gold nor as found."""
    return [_reading(document, reader(document.text), labels) for document in documents]


def _reading(document: Document, found: Iterable[Span], labels: Collection[str]) -> Reading:
    gold = tuple(span for span in document.spans if span.label in labels)
    predicted = [span for span in found if span.label in labels]
    return Reading(Document(document.id, document.text, gold, document.tokens), predicted)


def understand_all(tagger: Tagger, documents: Iterable[Document]) -> list[Understood]:
    """What a user gets out of every document."""
    return [Understood(document, extraction.understand(tagger, document.text)) for document in documents]


def spans_of(understood: Iterable[Understood], labels: Collection[str]) -> list[Reading]:
    """The spans alone; other labels than these count neither as gold nor as found."""
    return [_reading(document, (mention.span for mention in found.mentions), labels) for document, found in understood]


def scores(readings: Iterable[Reading]) -> dict[str, Any]:
    """Strict entity scores, micro and per label, and beside them the token-weighted F1 with `O`.

    The token-weighted F1 is the figure that public notebooks quote; it counts the many `O` tokens and
    is no measure of entities. It counts the corpus's own tokens where it has them.
    """
    readings = list(readings)
    table = score_table(add_counts(count_spans(r.document.spans, r.predicted) for r in readings))
    pairs = confusion(readings)
    return {**table, "token_weighted_f1": round(weighted_f1(pairs), 6), "tokens": pairs.total()}


def scores_by_slice(readings: Iterable[Reading], slicer: Slicer) -> dict[str, SliceTable]:
    """Strict scores of every slice: each span, gold or predicted, counts in the one slice that the rule names.

    The slices' supports and predictions add up to those of the whole.
    """
    counts: dict[str, list[dict[str, Counts]]] = {}
    for document, predicted in readings:
        gold, found = _by_slice(document, document.spans, slicer), _by_slice(document, predicted, slicer)
        for name in sorted({*gold, *found}):
            counts.setdefault(name, []).append(count_spans(gold.get(name, []), found.get(name, [])))
    return {name: _slice_table(add_counts(counts[name])) for name in sorted(counts)}


def f1_by_slice(tables: Mapping[str, SliceTable]) -> dict[str, float]:
    """The F1 of each slice that has gold spans; of the others it says nothing."""
    return {name: table["micro"]["f1"] for name, table in tables.items() if table["micro"]["support"]}


def detected_section(document: Document, span: Span) -> str:
    """The section that a span stands in, by the headings of its text."""
    heading = heading_at(_headings(document.text), span.start)
    return heading.section if heading and heading.section else NO_SECTION


_headings = lru_cache(maxsize=1)(headings)  # the spans of a text come together


def calibration(understood: Iterable[Understood], labels: Collection[str], keep: Keep) -> dict[str, Any]:
    """How often entities of a confidence are exactly right: the expected error, the Brier score, and the bins."""
    outcomes = [
        (mention.confidence, mention.span in document.spans)
        for document, found in understood
        for mention in found.mentions
        if mention.span.label in labels and keep(document, mention.span)
    ]
    bins, error, brier = reliability(outcomes, BINS)
    rows = [row._asdict() for row in bins]
    return {"entities": len(outcomes), "expected_calibration_error": error, "brier": brier, "bins": rows}


def everything(_: Document, __: Span) -> bool:
    """Keep every span."""
    return True


def _slice_table(counts: dict[str, Counts]) -> SliceTable:
    return {**score_table(counts), "predicted": sum(found.predicted for found in counts.values())}


def confusion_by_slice(readings: Iterable[Reading], slicer: Slicer) -> dict[str, Counter[tuple[str, str]]]:
    """How many tokens of each slice have each (gold, predicted) label, of the tokens that have one."""
    found: dict[str, Counter[tuple[str, str]]] = {}
    for document, predicted in readings:
        offsets = _token_offsets(document)
        labels = zip(token_labels(offsets, document.spans), token_labels(offsets, predicted), strict=True)
        for (start, end), pair in zip(offsets, labels, strict=True):
            if pair != (OUTSIDE, OUTSIDE):
                found.setdefault(slicer(document, Span(start, end, pair[1])), Counter())[pair] += 1
    return dict(sorted(found.items()))


def confusion(readings: Iterable[Reading]) -> Counter[tuple[str, str]]:
    """How many tokens have each (gold, predicted) label."""
    pairs: Counter[tuple[str, str]] = Counter()
    for document, predicted in readings:
        offsets = _token_offsets(document)
        pairs.update(token_pairs(token_labels(offsets, document.spans), token_labels(offsets, predicted)))
    return pairs


def _token_offsets(document: Document) -> Sequence[tuple[int, int]]:
    return document.tokens or [(token.start, token.end) for token in tokens(document.text)]


def _by_slice(document: Document, spans: Iterable[Span], slicer: Slicer) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for span in spans:
        found.setdefault(slicer(document, span), []).append(span)
    return found
