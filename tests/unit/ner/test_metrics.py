"""Scores of spans and tokens."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner.metrics import (
    Counts,
    add_counts,
    count_spans,
    score_table,
    token_labels,
    token_pairs,
    weighted_f1,
)


def weighted_f1_of(gold: list[str], predicted: list[str]) -> float:
    return weighted_f1(token_pairs(gold, predicted))


ASTHMA = Span(0, 6, DISEASE)
ASPIRIN = Span(10, 17, TREATMENT)


def span_of(start: int, length: int, label: str) -> Span:
    return Span(start, start + length, label)


spans = st.builds(span_of, st.integers(0, 20), st.integers(1, 8), st.sampled_from(LABELS))
span_lists = st.lists(spans, max_size=8)
token_tags = st.lists(st.tuples(st.sampled_from(("O", *LABELS)), st.sampled_from(("O", *LABELS))), min_size=1)


def test_a_span_counts_only_with_both_boundaries_and_the_label() -> None:
    predicted = [Span(0, 5, DISEASE), Span(10, 17, DISEASE), ASPIRIN]

    assert count_spans([ASTHMA, ASPIRIN], predicted) == {DISEASE: Counts(0, 2, 1), TREATMENT: Counts(1, 1, 1)}


def test_a_span_given_twice_is_counted_once_on_either_side() -> None:
    assert count_spans([ASTHMA, ASTHMA], [ASTHMA, ASTHMA]) == {DISEASE: Counts(1, 1, 1)}


def test_nested_gold_spans_each_count() -> None:
    assert count_spans([ASTHMA, Span(0, 17, DISEASE)], [ASTHMA]) == {DISEASE: Counts(1, 1, 2)}


def test_labels_that_occur_on_one_side_only_are_counted_and_others_are_no_keys() -> None:
    assert count_spans([], [ASPIRIN]) == {TREATMENT: Counts(0, 1, 0)}
    assert count_spans([ASTHMA], []) == {DISEASE: Counts(0, 0, 1)}
    assert count_spans([], []) == {}


def test_the_same_offsets_in_two_documents_are_not_the_same_span() -> None:
    first, second = count_spans([ASTHMA], []), count_spans([], [ASTHMA])

    assert add_counts([first, second]) == {DISEASE: Counts(0, 1, 1)}


def test_micro_adds_the_counts_of_two_labels_even_when_they_are_equal() -> None:
    table = score_table({DISEASE: Counts(1, 2, 3), TREATMENT: Counts(1, 2, 3)})

    assert table["micro"] == {"precision": 0.5, "recall": 0.333333, "f1": 0.4, "support": 6}
    assert table["per_label"][DISEASE] == {"precision": 0.5, "recall": 0.333333, "f1": 0.4, "support": 3}


def test_micro_is_the_ratio_of_sums_and_not_the_mean_of_ratios() -> None:
    table = score_table({DISEASE: Counts(1, 1, 1), TREATMENT: Counts(0, 9, 9)})

    assert table["micro"]["f1"] == 0.1


def test_the_tables_labels_are_in_alphabetical_order() -> None:
    table = score_table({TREATMENT: Counts(), DISEASE: Counts()})

    assert list(table["per_label"]) == [DISEASE, TREATMENT]


@pytest.mark.parametrize("counts", [Counts(), Counts(0, 1, 0), Counts(0, 0, 1)])
def test_nothing_divided_by_nothing_is_zero(counts: Counts) -> None:
    assert (counts.precision, counts.recall, counts.f1) == (0.0, 0.0, 0.0)


def test_the_table_of_no_counts_is_zeros() -> None:
    table = score_table({})

    assert table["micro"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert table["per_label"] == {}


@given(span_lists, span_lists)
def test_exchanging_gold_and_predicted_exchanges_precision_and_recall(gold: list[Span], predicted: list[Span]) -> None:
    there = sum(count_spans(gold, predicted).values(), Counts())
    back = sum(count_spans(predicted, gold).values(), Counts())

    assert (there.precision, there.recall, there.f1) == (back.recall, back.precision, back.f1)


@given(st.lists(st.tuples(span_lists, span_lists), max_size=4))
def test_adding_documents_is_scoring_their_concatenation(documents: list[tuple[list[Span], list[Span]]]) -> None:
    def moved(some: list[Span], by: int) -> list[Span]:
        return [Span(span.start + by, span.end + by, span.label) for span in some]

    gold = [span for n, (some, _) in enumerate(documents) for span in moved(some, 100 * n)]
    predicted = [span for n, (_, some) in enumerate(documents) for span in moved(some, 100 * n)]

    assert add_counts(count_spans(*document) for document in documents) == count_spans(gold, predicted)


@settings(deadline=None)  # the first call of scikit-learn is slow
@given(token_tags)
def test_the_token_weighted_f1_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    gold, predicted = [wanted for wanted, _ in pairs], [got for _, got in pairs]

    expected = f1_score(gold, predicted, average="weighted", zero_division=0)
    assert weighted_f1_of(gold, predicted) == pytest.approx(expected, abs=1e-12)


@given(token_tags, token_tags)
def test_pairs_of_two_texts_add_up(first: list[tuple[str, str]], second: list[tuple[str, str]]) -> None:
    added = Counter(first) + Counter(second)

    assert weighted_f1(added) == weighted_f1_of(*zip(*first, *second, strict=True))


def test_the_token_weighted_f1_counts_the_class_outside() -> None:
    gold, predicted = ["O"] * 9 + [DISEASE], ["O"] * 10

    assert weighted_f1_of(gold, predicted) == pytest.approx(0.9 * 18 / 19)


def test_no_token_at_all_scores_zero() -> None:
    assert weighted_f1_of([], []) == 0.0


def test_label_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        token_pairs(["O", "O"], ["O"])


@pytest.mark.parametrize(
    ("span", "label"),
    [
        (Span(5, 9, DISEASE), DISEASE),
        (Span(8, 20, DISEASE), DISEASE),
        (Span(0, 6, DISEASE), DISEASE),
        (Span(9, 12, DISEASE), "O"),
        (Span(0, 5, DISEASE), "O"),
    ],
)
def test_a_token_has_the_label_of_a_span_that_shares_a_character(span: Span, label: str) -> None:
    assert token_labels([(5, 9)], [span]) == [label]


def test_the_span_that_covers_most_of_a_token_decides() -> None:
    assert token_labels([(0, 9)], [Span(0, 3, DISEASE), Span(3, 9, TREATMENT)]) == [TREATMENT]


def test_at_a_tie_the_span_that_starts_first_decides_and_then_the_longer() -> None:
    tokens = [(4, 8)]

    assert token_labels(tokens, [Span(4, 9, DISEASE), Span(0, 8, TREATMENT)]) == [TREATMENT]
    assert token_labels(tokens, [Span(4, 8, DISEASE), Span(4, 9, TREATMENT)]) == [TREATMENT]


@given(st.permutations([Span(0, 4, DISEASE), Span(2, 8, TREATMENT), Span(2, 8, DISEASE), Span(6, 9, TREATMENT)]))
def test_token_labels_do_not_depend_on_the_order_of_the_spans(shuffled: list[Span]) -> None:
    tokens = [(0, 3), (3, 5), (5, 9), (9, 12)]

    assert token_labels(tokens, shuffled) == [DISEASE, DISEASE, DISEASE, "O"]
