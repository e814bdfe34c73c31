"""Adapting moves a CRF as far as the sentences insist, along the right slope, and no further."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise, product
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT
from clinical_ner.ner import adaptation, bio
from clinical_ner.ner.adaptation import (
    PARTS,
    Settings,
    adapt,
    adapt_pool,
    best_bias,
    best_tags,
    held_out_f1,
    lines,
    parts,
    pooled,
    refined,
    with_attributes,
    with_bias,
    without,
)
from clinical_ner.ner.weights import Floats, Weights

TAGS = ("O", "B-DISEASE", "I-DISEASE")
BEFORE = Weights(TAGS, {"bias": 0, "w=gout": 1}, np.array([[1.0, 0.0, -1.0], [-1.0, 2.0, 0.5]]), np.eye(3))
SILENT = Weights(TAGS, {"bias": 0}, np.array([[9.0, 0.0, 0.0]]), np.zeros((3, 3)))
DOUBTFUL = Weights(
    TAGS, {"bias": 0, "w=gout": 1, "w=flare": 2}, np.array([[0, 0, 0], [0.2, 0, -9], [-2, 0, -9]]), np.zeros((3, 3))
)
IN_DOUBT, SURE = [["bias", "w=gout"]], [["bias", "w=flare"]]
ROWS = [[["bias", "w=gout"], ["bias", "w=again", "w=again"]], [["bias"]], [["bias"], ["w=gout"], ["bias", "w=flare"]]]
GOLD = [["B-DISEASE", "I-DISEASE"], ["O"], ["O", "B-DISEASE", "I-DISEASE"]]
numbers = st.floats(-3, 3, allow_nan=False).map(lambda value: round(value, 3))


def adapted(weight: float, c2: float) -> Weights:
    return adapt(BEFORE, ROWS, GOLD, settled(weight, c2))[0]


def settled(weight: float = 1.0, c2: float = 1.0, min_frequency: int = 0) -> Settings:
    return Settings(weight, c2, min_frequency, 50)


def distance(weights: Weights) -> float:
    known = np.abs(weights.states[: len(BEFORE.states)] - BEFORE.states).sum()
    return float(known + np.abs(weights.transitions - BEFORE.transitions).sum())


# --- BIOES ------------------------------------------------------------------------------------------
@given(st.integers(0, 10_000))
def test_a_refined_crf_reads_as_the_one_it_was_made_of(seed: int) -> None:
    draw = np.random.default_rng(seed)
    names = [f"w={number}" for number in range(12)]
    crf = Weights(
        TAGS, {name: row for row, name in enumerate(names)}, draw.normal(size=(12, 3)), draw.normal(size=(3, 3))
    )
    rows = [[[names[word]] for word in draw.integers(0, 12, size)] for size in (1, 2, 5, 9)]

    assert best_tags(refined(crf), rows) == best_tags(crf, rows)


def test_no_sentence_ends_within_an_entity() -> None:
    tags = ("O", "B-DISEASE", "S-DISEASE", "I-DISEASE", "E-DISEASE")
    prefers_to_go_on = Weights(tags, {"w=gout": 0}, np.array([[1.0, 3.0, 0.0, 0.0, 0.0]]), np.zeros((5, 5)))

    assert best_tags(prefers_to_go_on, [[["w=gout"]]]) == [["O"]]


def test_sentences_are_as_likely_to_a_refined_crf_as_to_the_one_it_was_made_of() -> None:
    held = settled(c2=1e9)

    losses = [
        adapt(crf, ROWS, tags, held)[1][0].loss
        for crf, tags in ((BEFORE, GOLD), (refined(BEFORE), [bio.to_bioes(sentence) for sentence in GOLD]))
    ]

    assert losses[0] == pytest.approx(losses[1])


def test_a_refined_crf_learns_which_words_end_an_entity() -> None:
    rows = [[["w=acute"], ["w=gout"], ["w=gout"]], [["w=gout"], ["w=gout"]]] * 5
    gold = [bio.to_bioes(["B-DISEASE", "I-DISEASE", "B-DISEASE"]), bio.to_bioes(["B-DISEASE", "B-DISEASE"])] * 5

    after = adapt(refined(BEFORE), rows, gold, settled(10.0, 0.01))[0]

    assert after.tags == ("O", "B-DISEASE", "S-DISEASE", "I-DISEASE", "E-DISEASE")
    assert best_tags(after, [[["w=acute"], ["w=gout"]], [["w=gout"], ["w=gout"]]]) == [
        ["B-DISEASE", "I-DISEASE"],
        ["B-DISEASE", "B-DISEASE"],
    ]


# --- how far --------------------------------------------------------------------------------------
def test_sentences_that_insist_are_learnt() -> None:
    assert best_tags(BEFORE, ROWS) != GOLD
    assert best_tags(adapted(100.0, 0.01), ROWS) == GOLD


def test_what_was_learnt_before_stays_where_the_sentences_hardly_count() -> None:
    after = adapted(1e-9, 1.0)

    assert np.allclose(after.states[:2], BEFORE.states)
    assert np.allclose(after.transitions, BEFORE.transitions)


def test_the_more_the_sentences_count_the_further_the_weights_move() -> None:
    moved = [distance(adapted(weight, 1.0)) for weight in (0.01, 0.1, 1.0, 10.0)]

    assert moved == sorted(moved)
    assert moved[0] > 0


def test_only_the_ratio_of_weight_and_regularisation_matters() -> None:
    assert np.allclose(adapted(1.0, 0.5).states, adapted(2.0, 1.0).states, atol=1e-3)


def test_attributes_that_are_new_are_learnt_and_no_old_one_is_lost() -> None:
    after = adapted(1.0, 0.1)

    assert list(after.attributes) == ["bias", "w=gout", "w=again", "w=flare"]
    assert after.tags == TAGS
    assert after.states[after.attributes["w=again"], TAGS.index("I-DISEASE")] > 0


def test_an_attribute_of_too_few_sentences_is_no_part_of_the_model() -> None:
    rows = [[["w=zzyx", "w=zzyx"]], [["w=tophi"]], [["w=tophi"]]]

    after, _ = adapt(BEFORE, rows, [["B-DISEASE"]] * 3, settled(min_frequency=2))

    assert list(after.attributes) == ["bias", "w=gout", "w=tophi"]


def test_adapting_leaves_the_crf_it_starts_from_as_it_was() -> None:
    states = BEFORE.states.copy()

    adapted(100.0, 0.01)

    assert np.array_equal(BEFORE.states, states)


# --- held-out parts -------------------------------------------------------------------------------
def test_every_part_is_read_by_what_was_learnt_without_it() -> None:
    rows, tags, annotates = [[["w=gout"]]] * 6, [["B-DISEASE"]] * 3 + [["O"]] * 3, [LABELS] * 6
    ready = (BEFORE, SILENT)  # of which the one finds gout, and the other nothing

    assert parts(6) == [[0, 1], [2, 3], [4, 5]]
    assert held_out_f1(rows, tags, annotates, parts(6), [ready] * 3) == [2 * 3 / (3 + 6), 0]
    assert held_out_f1(rows, tags, annotates, parts(6), [[BEFORE], [SILENT], [SILENT]]) == [2 * 2 / (3 + 2)]


def test_what_a_sentence_is_not_annotated_with_is_not_judged() -> None:
    rows, tags = [[["w=gout"]]] * 6, [["B-DISEASE"]] * 3 + [["O"]] * 3
    annotates = [LABELS] * 3 + [(TREATMENT,)] * 3

    assert held_out_f1(rows, tags, annotates, parts(6), [[BEFORE]] * 3) == [1.0]


def test_a_crf_with_a_bias_starts_an_entity_where_the_odds_were_almost_even() -> None:
    assert best_tags(DOUBTFUL, [IN_DOUBT, SURE]) == [["O"], ["B-DISEASE"]]
    assert best_tags(with_bias(DOUBTFUL, 0.3, LABELS), [IN_DOUBT, SURE]) == [["B-DISEASE"], ["B-DISEASE"]]
    assert best_tags(with_bias(refined(DOUBTFUL), 0.3, LABELS), [IN_DOUBT, SURE]) == [["B-DISEASE"], ["B-DISEASE"]]
    assert best_tags(with_bias(DOUBTFUL, -3.0, LABELS), [IN_DOUBT, SURE]) == [["O"], ["O"]]
    assert best_tags(with_bias(DOUBTFUL, 0.3, [TREATMENT]), [IN_DOUBT, SURE]) == [["O"], ["B-DISEASE"]]


@pytest.mark.parametrize(
    ("gold", "annotates", "bias"),
    [("B-DISEASE", LABELS, 0.3), ("O", LABELS, 0.0), ("B-DISEASE", (DISEASE,), 0.3), ("B-DISEASE", (TREATMENT,), 0.0)],
)
def test_the_bias_is_what_suits_the_sentences_that_a_crf_has_not_seen(
    gold: str, annotates: tuple[str, ...], bias: float
) -> None:
    rows, tags = [IN_DOUBT, SURE] * 6, [[gold], ["B-DISEASE"]] * 6

    assert best_bias(rows, tags, [annotates] * 12, lines(12), [DOUBTFUL] * 12) == bias


def pool_of(rows: list[list[list[str]]], tags: list[list[str]], enough: int) -> Weights:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptation, "ENOUGH", enough)
        return adapt_pool(BEFORE, rows, tags, [(DISEASE,)] * len(rows), settled(c2=0.5))[0]


def test_a_pool_is_made_of_experts_that_learn_without_a_part_each_and_is_biased_as_suits_the_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adaptation, "best_bias", lambda *_: 0.6)
    rows, tags = ROWS * 4, GOLD * 4
    grown = with_attributes(BEFORE, rows, 0)
    experts = [adapt(grown, without(rows, part), without(tags, part), settled(c2=0.5))[0] for part in lines(12)]
    expected = with_bias(pooled(experts), 0.6, [DISEASE])

    pool = pool_of(rows, tags, enough=8)

    assert pool.attributes == expected.attributes
    assert np.array_equal(pool.states, expected.states)
    assert np.array_equal(pool.transitions, expected.transitions)


@pytest.mark.parametrize(("rows", "tags", "enough"), [(ROWS * 4, GOLD * 4, 9), ([ROWS[0]], [GOLD[0]], 0)])
def test_few_entities_or_sentences_make_one_expert(
    rows: list[list[list[str]]], tags: list[list[str]], enough: int
) -> None:
    alone = adapt(BEFORE, rows, tags, settled(c2=0.5))[0]

    pool = pool_of(rows, tags, enough)

    assert pool.attributes == alone.attributes
    assert np.array_equal(pool.states, alone.states)


def test_a_pool_gives_every_reading_the_mean_of_the_experts_scores() -> None:
    other = adapted(10.0, 0.1)
    experts = [with_attributes(BEFORE, ROWS, 0), other, other]

    pool = pooled(experts)

    assert pool.attributes == other.attributes
    assert np.allclose(pool.states, np.mean([expert.states for expert in experts], axis=0))
    assert np.allclose(pool.transitions, np.mean([expert.transitions for expert in experts], axis=0))


@given(st.integers(9, 500))
def test_every_sentence_is_in_one_part_of_each_way_to_deal_and_no_part_is_empty(count: int) -> None:
    cut = [*parts(count), *lines(count)]

    for first in range(0, len(cut), PARTS):
        assert sorted(number for part in cut[first : first + PARTS] for number in part) == list(range(count))
    assert all(cut)
    assert all(abs(len(part) - count / 3) <= 3 + count / 75 for part in cut)
    assert all(sorted([*part, *without(range(count), part)]) == list(range(count)) for part in cut)


@pytest.mark.parametrize("count", [9, 17, 225, 226, 2079])
def test_of_each_nine_blocks_any_two_are_left_out_together_once(count: int) -> None:
    blocks = 9 * ceil(count / 225)
    first_of = [ceil(count * block / blocks) for block in range(blocks)]

    for start in range(0, blocks, 9):
        nine = first_of[start : start + 9]
        together = Counter(pair for part in lines(count) for pair in combinations(sorted({*part} & {*nine}), 2))

        assert together == Counter(combinations(nine, 2))


def test_every_part_lacks_some_of_every_corpus_of_several_notes() -> None:
    corpora = ["public"] * 400 + ["march"] * 60 + ["april"] * 200

    assert all(set(without(corpora, part)) == set(corpora) for part in parts(len(corpora)))


@given(st.integers(0, 600))
def test_of_twelve_experts_eleven_at_least_see_a_corpus_of_several_notes(first: int) -> None:
    corpora = ["public"] * first + ["march"] * 60 + ["public"] * (600 - first)

    assert sum("march" in without(corpora, part) for part in lines(len(corpora))) >= 11


def test_the_loss_falls_and_the_log_says_so() -> None:
    _, log = adapt(BEFORE, ROWS, GOLD, settled(c2=0.1)._replace(max_iterations=7))

    losses = [step.loss for step in log]
    assert 1 < len(log) <= 7
    assert losses == sorted(losses, reverse=True)
    assert log[-1].moved > 0


def test_adapting_twice_gives_the_same_weights_to_the_last_bit() -> None:
    assert adapted(1.0, 0.1).states.tobytes() == adapted(1.0, 0.1).states.tobytes()


# --- in which direction -------------------------------------------------------------------------
def path_score(emissions: Floats, transitions: Floats, path: tuple[int, ...]) -> float:
    own = sum(emissions[token, tag] for token, tag in enumerate(path))
    return float(own + sum(transitions[pair] for pair in pairwise(path)))


@settings(deadline=None, max_examples=25)
@given(st.lists(numbers, min_size=18, max_size=18), st.lists(numbers, min_size=9, max_size=9))
def test_the_loss_is_that_of_every_path_written_out(scores: list[float], moves: list[float]) -> None:
    emissions, transitions = np.array(scores).reshape(6, 3), np.array(moves).reshape(3, 3)
    given_sentences, _ = adaptation._sentences(BEFORE, ROWS, GOLD)
    expected, start = 0.0, 0
    for sentence in GOLD:
        own = emissions[start : start + len(sentence)]
        gold = tuple(TAGS.index(tag) for tag in sentence)
        every = [path_score(own, transitions, path) for path in product(range(3), repeat=len(sentence))]
        expected += float(np.log(np.exp(every).sum())) - path_score(own, transitions, gold)
        start += len(sentence)

    loss, _, _ = adaptation._fit(given_sentences, emissions, transitions)

    assert loss == pytest.approx(expected)


@settings(deadline=None, max_examples=10)
@given(st.lists(numbers, min_size=27, max_size=27))
def test_the_slopes_are_those_of_the_loss(values: list[float]) -> None:
    given_sentences, _ = adaptation._sentences(BEFORE, ROWS, GOLD)

    def loss(flat: Floats) -> float:
        return adaptation._fit(given_sentences, flat[:18].reshape(6, 3), flat[18:].reshape(3, 3))[0]

    def slope(flat: Floats) -> Floats:
        slopes = adaptation._fit(given_sentences, flat[:18].reshape(6, 3), flat[18:].reshape(3, 3))[1:]
        return np.concatenate([part.ravel() for part in slopes])

    assert check_grad(loss, slope, np.array(values)) < 1e-4


def test_no_sentence_has_no_tags() -> None:
    assert best_tags(BEFORE, []) == []


def test_what_is_rehearsed_is_forgotten_less_and_brings_in_no_attribute() -> None:
    known = [[["bias"], ["bias", "w=own"]]]
    rehearsed = (known, best_tags(BEFORE, known))
    rows, gold = [[["bias"]]] * 20, [["B-DISEASE"]] * 20

    without, _ = adapt(BEFORE, rows, gold, settled(c2=0.1))
    with_them, _ = adapt(BEFORE, rows, gold, settled(c2=0.1), (known * 60, [*rehearsed[1]] * 60))

    assert best_tags(without, known) != rehearsed[1]
    assert best_tags(with_them, known) == rehearsed[1]
    assert with_them.attributes == BEFORE.attributes
