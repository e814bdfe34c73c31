"""Two spans overlap when they share a character, whatever their labels and whichever comes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span

SPANS = st.tuples(st.integers(0, 12), st.integers(1, 5), st.sampled_from(LABELS)).map(
    lambda drawn: Span(drawn[0], drawn[0] + drawn[1], drawn[2])
)


@given(SPANS, SPANS)
def test_spans_overlap_exactly_when_they_share_a_character(one: Span, other: Span) -> None:
    shared = set(range(one.start, one.end)) & set(range(other.start, other.end))

    assert one.overlaps(other) == other.overlaps(one) == bool(shared)


def test_there_are_two_labels() -> None:
    assert LABELS == (DISEASE, TREATMENT) == ("DISEASE", "TREATMENT")
