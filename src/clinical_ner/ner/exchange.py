"""The same sentences with other terms: what it costs that a term was never trained on, and nothing else.

Terms that were trained on and terms that were not stand in different sentences of the held-out texts, so their figures
differ by more than the terms. Here terms of each kind are put in the same places, one after the other: those of
trained terms in sentences of templates that were never trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from numpy.random import Generator

from clinical_ner.core.seeds import stream
from clinical_ner.core.span import Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.evaluation import Reader, SliceTable, read_all, scores_by_slice
from clinical_ner.ner.extraction_metrics import NO_CONCEPT
from clinical_ner.ner.held_out import SEEN, WITHHELD_LISTED, WITHHELD_UNLISTED, HeldOut, Slices, counterpart
from clinical_ner.ner.robustness import Edit, edited

PUT_IN = (SEEN, WITHHELD_LISTED, WITHHELD_UNLISTED)
CHANGED, OTHERS = "changed", "others"
Pools = Mapping[tuple[str, str], Sequence[str]]  # what is known of terms, and their label -> the terms


class Exchanged(NamedTuple):
    """A document with other terms, and the spans of these."""

    document: Document
    changed: frozenset[Span]


def exchanged_scores(
    reader: Reader, unread: HeldOut, slices: Slices, labels: Collection[str], seed: int
) -> dict[str, SliceTable]:
    """The strict scores of the terms put in, by what is known of them; a kind of which no term is held out has none.

    A predicted span counts if it meets none of the other gold spans more than one that was put in.
    """
    pools = _pools(unread, slices)
    found: dict[str, SliceTable] = {}
    for known in PUT_IN:
        draws = stream(seed, f"exchange/{known}")
        texts = [exchanged(document, slices, pools, known, draws) for document in unread.documents]
        changed = {text.document.id: text.changed for text in texts if text.changed}

        def slicer(document: Document, span: Span, changed: Mapping[str, Collection[Span]] = changed) -> str:
            return CHANGED if counterpart(span, document.spans) in changed[document.id] else OTHERS

        readings = read_all(reader, (text.document for text in texts if text.changed), labels)
        if changed:
            found[known] = scores_by_slice(readings, slicer)[CHANGED]
    return found


def exchanged(document: Document, slices: Slices, pools: Pools, known: str, draws: Generator) -> Exchanged:
    """The document with terms of which this is known, drawn anew for each place."""
    places = {
        place: pool
        for place, span in enumerate(document.spans)
        if slices.new_templates(document, span) == SEEN and (pool := pools.get((known, span.label)))
    }
    edits = [
        Edit(document.spans[place].start, document.spans[place].end, pool[int(draws.integers(len(pool)))])
        for place, pool in places.items()
    ]
    text, spans = edited(document.text, document.spans, edits)
    return Exchanged(Document(document.id, text, spans, None), frozenset(spans[place] for place in places))


def _pools(unread: HeldOut, slices: Slices) -> Pools:
    """The terms of the held-out texts that name a concept of the vocabulary, each once."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for document in unread.documents:
        for span, concept_id in unread.origins[document.id].concepts.items():
            if not concept_id.startswith(NO_CONCEPT):
                found[slices.terms(document, span), span.label].add(document.text[span.start : span.end])
    return {key: sorted(terms) for key, terms in found.items()}
