"""Which treatment goes with which disease."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner.relations import link


def disease(start: int, length: int = 4) -> Span:
    return Span(start, start + length, DISEASE)


def treatment(start: int, length: int = 4) -> Span:
    return Span(start, start + length, TREATMENT)


def laid_out(shape: list[list[tuple[int, str]]]) -> list[list[Span]]:
    """Sentences of spans one after the other, each after the given gap."""
    position, sentences = 0, []
    for row in shape:
        sentence = []
        for gap, label in row:
            sentence.append(Span(position + gap, position + gap + 3, label))
            position += gap + 3
        sentences.append(sentence)
    return sentences


texts = st.lists(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(LABELS)), max_size=5), max_size=5).map(laid_out)


@given(texts)
def test_each_treatment_has_at_most_one_disease_of_its_sentence_or_of_the_one_before(text: list[list[Span]]) -> None:
    pairs = link(text)

    assert len({pair[0] for pair in pairs}) == len(pairs)
    for drug, of in pairs:
        number = next(n for n, sentence in enumerate(text) if drug in sentence)
        own = [span for span in text[number] if span.label == DISEASE]
        assert (drug.label, of.label) == (TREATMENT, DISEASE)
        assert of in (own or text[number - 1])


@given(texts)
def test_a_treatment_beside_a_disease_is_never_left_alone(text: list[list[Span]]) -> None:
    linked = {drug for drug, _ in link(text)}

    for sentence in text:
        if any(span.label == DISEASE for span in sentence):
            assert {span for span in sentence if span.label == TREATMENT} <= linked


def test_the_nearest_disease_of_the_sentence_is_taken() -> None:
    assert link([[disease(0), treatment(20), disease(30)]]) == [(treatment(20), disease(30))]
    assert link([[disease(0), treatment(8), disease(30)]]) == [(treatment(8), disease(0))]


def test_distance_is_counted_between_the_names_and_not_between_their_starts() -> None:
    long = disease(0, 30)

    assert link([[long, treatment(32), disease(50)]]) == [(treatment(32), long)]


def test_at_equal_distance_the_disease_before_is_taken() -> None:
    assert link([[disease(0), treatment(10), disease(20)]]) == [(treatment(10), disease(0))]


def test_a_sentence_without_a_disease_takes_the_last_one_of_the_sentence_before() -> None:
    assert link([[disease(0), disease(10)], [treatment(20), treatment(30)]]) == [
        (treatment(20), disease(10)),
        (treatment(30), disease(10)),
    ]


def test_a_disease_two_sentences_back_is_too_far() -> None:
    assert link([[disease(0)], [], [treatment(20)]]) == []
    assert link([[disease(0)], [treatment(10)], [treatment(20)]]) == [(treatment(10), disease(0))]


def test_a_disease_of_the_next_sentence_is_not_taken() -> None:
    assert link([[treatment(0)], [disease(10)]]) == []


def test_a_text_with_treatments_alone_has_no_pair() -> None:
    assert link([[treatment(0), treatment(9)], [treatment(20)]]) == []
    assert link([]) == []
