"""Spans become tags and tags become spans, and what cannot is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner import bio
from clinical_ner.ner.bio import OUTSIDE, TAGS, decode, encode, runs
from clinical_ner.ner.tokenize import tokens

TEXT = "acute heart failure, gout and asthma"  # 0 acute 6 heart 12 failure 19 , 21 gout 26 and 30 asthma 36
TOKENS = tokens(TEXT)
labels = st.sampled_from(LABELS)


@st.composite
def aligned(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """A text of one-letter words and spans that begin and end with them, without overlap."""
    pieces = draw(st.lists(st.tuples(st.integers(1, 4), st.none() | labels), max_size=12))
    text, spans = "", []
    for length, label in pieces:
        if label:
            spans.append(Span(len(text), len(text) + 2 * length - 1, label))
        text += "a " * length
    return text, spans


any_spans = st.lists(
    st.builds(
        lambda start, length, label: Span(start, start + length, label), st.integers(0, 36), st.integers(1, 9), labels
    )
)


@given(aligned())
def test_aligned_spans_come_back_as_they_were(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    found = tokens(text)

    encoded = encode(found, spans)

    assert decode(found, encoded.tags) == spans
    assert (encoded.widened, encoded.dropped) == (0, 0)


@given(any_spans)
def test_every_span_is_kept_or_counted_as_dropped(spans: list[Span]) -> None:
    encoded = encode(TOKENS, spans)

    kept = decode(TOKENS, encoded.tags)
    assert len(kept) + encoded.dropped == len(set(spans))
    assert all(any(k.label == s.label and k.start <= s.start + 1 and s.overlaps(k) for s in spans) for k in kept)
    assert encoded.widened >= sum(not any(k == s for s in spans) for k in kept)


@given(any_spans)
def test_tags_do_not_depend_on_the_order_of_the_spans(spans: list[Span]) -> None:
    assert encode(TOKENS, reversed(spans)) == encode(TOKENS, spans)


@given(st.lists(st.sampled_from(TAGS), min_size=len(TOKENS), max_size=len(TOKENS)))
def test_no_tag_is_lost_and_no_two_entities_overlap(tags: list[str]) -> None:
    found = runs(tags)

    covered = [position for first, past, _ in found for position in range(first, past)]
    assert covered == [position for position, tag in enumerate(tags) if tag != OUTSIDE]
    assert all(tags[p].endswith(label) for first, past, label in found for p in range(first, past))


def test_two_entities_that_touch_stay_two() -> None:
    spans = [Span(0, 5, DISEASE), Span(6, 19, DISEASE)]

    encoded = encode(TOKENS, spans)

    assert encoded.tags[:3] == ["B-DISEASE", "B-DISEASE", "I-DISEASE"]
    assert decode(TOKENS, encoded.tags) == spans


def test_a_span_that_cuts_a_token_is_widened_and_counted() -> None:
    encoded = encode(TOKENS, [Span(8, 15, DISEASE), Span(21, 25, DISEASE)])

    assert decode(TOKENS, encoded.tags) == [Span(6, 19, DISEASE), Span(21, 25, DISEASE)]
    assert (encoded.widened, encoded.dropped) == (1, 0)


def test_space_around_a_span_counts_as_widened_too() -> None:
    encoded = encode(TOKENS, [Span(20, 26, DISEASE)])

    assert decode(TOKENS, encoded.tags) == [Span(21, 25, DISEASE)]
    assert encoded.widened == 1


def test_of_overlapping_spans_the_longest_is_kept_then_the_first() -> None:
    long, inside, crossing = Span(0, 19, DISEASE), Span(6, 11, TREATMENT), Span(12, 25, TREATMENT)

    encoded = encode(TOKENS, [inside, crossing, long])

    assert decode(TOKENS, encoded.tags) == [long]
    assert encoded.dropped == 2
    assert decode(TOKENS, encode(TOKENS, [Span(6, 19, DISEASE), Span(21, 34, DISEASE)]).tags)[0].start == 6


def test_a_span_given_twice_is_one_and_with_two_labels_the_first_in_the_alphabet() -> None:
    gout = Span(21, 25, DISEASE)

    assert encode(TOKENS, [gout, gout]).dropped == 0
    assert decode(TOKENS, encode(TOKENS, [gout._replace(label=TREATMENT), gout]).tags) == [gout]


def test_a_span_without_a_token_is_dropped() -> None:
    assert encode(TOKENS, [Span(5, 6, DISEASE), Span(99, 100, DISEASE)]).dropped == 2
    assert encode([], [Span(0, 1, DISEASE)]) == ([], 0, 1)


def test_an_inside_tag_that_continues_nothing_opens_an_entity() -> None:
    assert runs(["I-DISEASE", "I-TREATMENT", "I-TREATMENT", "O", "I-DISEASE"]) == [
        (0, 1, DISEASE),
        (1, 3, TREATMENT),
        (4, 5, DISEASE),
    ]


# --- BIOES --------------------------------------------------------------------------------------------
@given(st.lists(st.sampled_from(bio.TAGS)))
def test_bioes_tags_say_the_same_and_where_entities_end(tags: list[str]) -> None:
    fine = bio.to_bioes(tags)

    assert [bio.coarser(tag) for tag in fine] == tags
    ends = [past - 1 for _, past, _ in bio.runs(tags)]
    assert [place for place, tag in enumerate(fine) if tag[:2] in (bio.END, bio.SINGLE)] == ends
