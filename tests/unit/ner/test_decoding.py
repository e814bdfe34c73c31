"""Tags and probabilities are those of going through every path, and no sentence knows of another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise, product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.ner import bio, decoding
from clinical_ner.ner.adaptation import refined
from clinical_ner.ner.weights import Floats, Weights

TAGS = len(bio.TAGS)
BIO_OF_ONE = Weights(bio.TAGS[:3], {}, np.empty((0, 3)), np.zeros((3, 3)))
BIOES_OF_ONE = refined(BIO_OF_ONE)  # has as many tags as BIO has of two labels
LABEL = bio.TAGS[1].removeprefix(bio.BEGIN)
OF_LABEL = bio.entity_tags(bio.TAGS, LABEL)
lengths = st.lists(st.integers(1, 4), min_size=1, max_size=5)
seeds = st.integers(0, 10_000)
scales = st.sampled_from([0.1, 3.0, 100.0])


def chain(seed: int, tokens: int, scale: float, tags: int = TAGS) -> tuple[Floats, Floats]:
    draw = np.random.default_rng(seed)
    return draw.normal(scale=scale, size=(tokens, tags)), draw.normal(scale=scale, size=(tags, tags))


def every_path(emissions: Floats, transitions: Floats) -> dict[tuple[int, ...], float]:
    """The log weight of every path of one sentence."""
    return {
        path: sum(emissions[i, tag] for i, tag in enumerate(path)) + sum(transitions[a, b] for a, b in pairwise(path))
        for path in product(range(TAGS), repeat=len(emissions))
    }


def probabilities(emissions: Floats, transitions: Floats) -> dict[tuple[int, ...], float]:
    paths = every_path(emissions, transitions)
    weights = np.exp(np.array(list(paths.values())) - max(paths.values()))
    return dict(zip(paths, weights / weights.sum(), strict=True))


class Read(NamedTuple):
    """Sentences decoded together."""

    best: list[int]
    marginal: Floats
    sites: decoding.Sites


def read(emissions: Floats, transitions: Floats, sizes: list[int]) -> Read:
    chain = decoding.Chain(transitions)
    found = decoding.messages(emissions, chain, decoding.plan(np.array(sizes)))
    marginal = decoding.marginals(found)
    best = decoding.certain_or_best_tags(emissions, found, marginal, chain, np.array(sizes))
    return Read(best.tolist(), marginal, decoding.Sites(found, marginal, chain.moves.tolist()))


def spans(sizes: list[int]) -> list[tuple[int, int]]:
    return list(pairwise([0, *accumulate(sizes)]))


@given(lengths)
def test_every_token_is_packed_once_in_the_step_of_its_place_in_the_sentence(sizes: list[int]) -> None:
    packed = decoding.plan(np.array(sizes))

    places = [(sentence, place) for sentence, size in enumerate(sizes) for place in range(size)]
    steps = [step for step, (first, past) in enumerate(packed.steps) for _ in range(first, past)]
    assert sorted(packed.forward.tolist()) == sorted(packed.backward.tolist()) == list(range(sum(sizes)))
    assert [places[token][1] for token in packed.forward.tolist()] == steps
    assert [sizes[places[token][0]] - 1 - places[token][1] for token in packed.backward.tolist()] == steps
    first = packed.steps[0][1]
    assert (packed.forward[packed.before] + 1).tolist() == packed.forward[first:].tolist()


@given(seeds, lengths, scales)
def test_the_best_tags_are_the_best_of_all_paths(seed: int, sizes: list[int], scale: float) -> None:
    emissions, transitions = chain(seed, sum(sizes), scale)

    best = decoding.best_tags(emissions, decoding.Chain(transitions), decoding.plan(np.array(sizes))).tolist()

    for first, past in spans(sizes):
        paths = every_path(emissions[first:past], transitions)
        assert tuple(best[first:past]) == max(paths, key=lambda path: paths[path])
    assert read(emissions, transitions, sizes).best == best


@given(seeds, lengths, scales)
def test_marginals_are_the_sums_over_all_paths(seed: int, sizes: list[int], scale: float) -> None:
    emissions, transitions = chain(seed, sum(sizes), scale)

    marginal = read(emissions, transitions, sizes).marginal

    for first, past in spans(sizes):
        expected = np.zeros((TAGS, past - first))
        for path, chance in probabilities(emissions[first:past], transitions).items():
            expected[path, range(past - first)] += chance
        assert marginal[:, first:past] == pytest.approx(expected, abs=1e-9)


@given(seeds, lengths, scales)
def test_the_probability_of_an_entity_is_the_sum_over_all_paths_that_hold_it(
    seed: int, sizes: list[int], scale: float
) -> None:
    emissions, transitions = chain(seed, sum(sizes), scale)

    sites = read(emissions, transitions, sizes).sites

    for first, past in spans(sizes):
        check_entities(sites, emissions[first:past], transitions, bio.TAGS, (first, past))


@given(seeds, lengths, st.sampled_from([0.1, 1.0]))  # far from what a contradiction costs
def test_so_is_that_of_bioes_tags(seed: int, sizes: list[int], scale: float) -> None:
    emissions, transitions = chain(seed, sum(sizes), scale)
    transitions += BIOES_OF_ONE.transitions
    emissions[np.cumsum(sizes) - 1] += BIOES_OF_ONE.endings

    sites = read(emissions, transitions, sizes).sites

    for first, past in spans(sizes):
        check_entities(sites, emissions[first:past], transitions, BIOES_OF_ONE.tags, (first, past))


def check_entities(
    sites: decoding.Sites, emissions: Floats, transitions: Floats, tags: Sequence[str], sentence: tuple[int, int]
) -> None:
    """Compare the probability of every entity of a sentence with that of the paths that hold it."""
    expected: dict[tuple[int, int, str], float] = {}
    for path, chance in probabilities(emissions, transitions).items():
        for run in bio.runs([bio.coarser(tags[tag]) for tag in path]):
            expected[run] = expected.get(run, 0.0) + chance
    for (opening, closing, label), chance in expected.items():
        entity = (sentence[0] + opening, sentence[0] + closing)
        found = sites.probability(bio.entity_tags(tags, label), entity, sentence)
        assert found == pytest.approx(chance, abs=1e-9)


@pytest.mark.parametrize("tags", [TAGS, 2 * TAGS - 1])  # BIO, BIOES
@given(seeds, st.lists(st.integers(1, 30), min_size=2, max_size=30))
def test_a_sentence_has_the_same_bits_alone_and_among_others(tags: int, seed: int, sizes: list[int]) -> None:
    emissions, transitions = chain(seed, sum(sizes), 3.0, tags)

    together = read(emissions, transitions, sizes)

    for first, past in spans(sizes):
        alone = read(emissions[first:past], transitions, [past - first])
        assert alone.best == together.best[first:past]
        assert alone.marginal.tolist() == together.marginal[:, first:past].tolist()
        middle = (past - first) // 2
        of_alone = alone.sites.probability(OF_LABEL, (middle, past - first), (0, past - first))
        assert of_alone == together.sites.probability(OF_LABEL, (first + middle, past), (first, past))


@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 50.0])
def test_long_sentences_neither_overflow_nor_vanish(scale: float) -> None:
    emissions, transitions = chain(1, 2_000, scale)

    found = read(emissions, transitions, [1_500, 500])

    assert np.isfinite(found.marginal).all()
    assert found.marginal.sum(axis=0) == pytest.approx(1)
    chances = [found.sites.probability(OF_LABEL, (first, first + 3), (0, 1_500)) for first in range(1_400)]
    assert all(0 <= chance <= 1 for chance in chances)
