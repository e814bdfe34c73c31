"""Which treatment is for which disease: the nearest disease of the sentence, else the last one before."""

from __future__ import annotations

from collections.abc import Sequence

from clinical_ner.core.span import DISEASE, TREATMENT, Span


def link(sentences: Sequence[Sequence[Span]]) -> list[tuple[Span, Span]]:
    """(treatment, disease) pairs; each treatment has at most one disease.

    A treatment belongs to the nearest disease of its own sentence; in a sentence without a disease, to
    the last disease of the sentence before it. A text with treatments alone has no pair.

    >>> link([[Span(0, 6, "DISEASE"), Span(20, 29, "TREATMENT")]])
    [(Span(start=20, end=29, label='TREATMENT'), Span(start=0, end=6, label='DISEASE'))]
    """
    pairs, before = [], None
    for sentence in sentences:
        diseases = [span for span in sentence if span.label == DISEASE]
        for treatment in (span for span in sentence if span.label == TREATMENT):
            disease = _nearest(treatment, diseases) if diseases else before
            if disease:
                pairs.append((treatment, disease))
        before = diseases[-1] if diseases else None
    return pairs


def _nearest(treatment: Span, diseases: Sequence[Span]) -> Span:
    """The disease with the fewest characters between; the one before on a tie."""
    return min(diseases, key=lambda disease: max(disease.start - treatment.end, treatment.start - disease.end))
