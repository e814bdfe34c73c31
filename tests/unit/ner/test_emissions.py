"""Scores are sums of the weights of the very strings that the model was trained on: CRFsuite is the judge."""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pycrfsuite
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ner.ner import bio, decoding, model
from clinical_ner.ner.emissions import Emissions
from clinical_ner.ner.features import sentence_features
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.weights import Weights

GROUPS = ("word", "affix", "shape", "context", "cluster", "gazetteer", "abbreviation", "joint")
ABBREVIATED = {"HF": "disease", "gout": "drug"}
KNOWN = (
    "She",
    "has",
    "heart",
    "failure",
    "FAILURE",
    "and",
    "takes",
    "aspirin",
    "type",
    "2",
    "diabetes",
    ".",
    "gout",
    "HF",
    "MRI",
    "|",
)
words = st.sampled_from(KNOWN) | st.text(st.characters(exclude_categories=()), min_size=1, max_size=70)
texts = st.lists(st.lists(words, min_size=1, max_size=9), min_size=1, max_size=6)


def flat(sentences: list[list[str]]) -> tuple[list[str], list[int]]:
    return [word for sentence in sentences for word in sentence], [0, *accumulate(map(len, sentences))]


def of_features(names: list[str]) -> Weights:
    """A weight for each feature and tag that no other has."""
    states = np.sqrt(np.arange(2, 5 * len(names) + 2, dtype=float)).reshape(len(names), 5)
    return Weights(bio.TAGS, {name: row for row, name in enumerate(names)}, states, np.zeros((5, 5)))


@pytest.fixture(scope="module")
def weights(trained: Path) -> Weights:
    return Weights.load(model.part(trained, model.WEIGHTS)).with_tags(bio.TAGS)


@pytest.fixture(scope="module")
def crfsuite(trained: Path) -> pycrfsuite.Tagger:
    tagger = pycrfsuite.Tagger()
    tagger.open(str(trained))
    return tagger


@settings(deadline=None)
@given(sentences=texts)
def test_tags_and_marginals_are_those_of_crfsuite(
    sentences: list[list[str]], tiny: Tagger, crfsuite: pycrfsuite.Tagger
) -> None:
    emissions = tiny._emissions(*flat(sentences), ABBREVIATED)
    packed = decoding.plan(np.array([len(sentence) for sentence in sentences]))
    best = decoding.best_tags(emissions, tiny._chain, packed)
    marginal = decoding.marginals(decoding.messages(emissions, tiny._chain, packed))

    for sentence, (first, past) in zip(sentences, pairwise(flat(sentences)[1]), strict=True):
        crfsuite.set(sentence_features(sentence, tiny.gazetteer, GROUPS, ABBREVIATED))
        assert [tiny._tags[tag] for tag in best[first:past]] == crfsuite.tag()
        for tag in crfsuite.labels():
            expected = [crfsuite.marginal(tag, place) for place in range(past - first)]
            assert marginal[tiny._tags.index(tag), first:past] == pytest.approx(expected, abs=1e-6)


@settings(deadline=None)
@given(sentences=texts, groups=st.sets(st.sampled_from(GROUPS)))
def test_scores_are_the_sums_of_the_weights_of_the_features_of_any_groups(
    sentences: list[list[str]], groups: set[str], tiny: Tagger
) -> None:
    rows = [row for sentence in sentences for row in sentence_features(sentence, tiny.gazetteer, groups, ABBREVIATED)]
    weights = of_features(sorted({name for row in rows for name in row}))

    scores = Emissions(weights, tiny.gazetteer, groups)(*flat(sentences), ABBREVIATED)

    expected = [sum((weights.states[weights.attributes[name]] for name in row), np.zeros(5)) for row in rows]
    assert scores == pytest.approx(np.array(expected), abs=1e-9)


def test_a_pair_of_words_that_hold_the_separator_has_the_weight_of_its_string() -> None:
    names = ["bias", "0|1=||x", "0|1=a|b", "0|1=|||"]
    weights = Weights(bio.TAGS, {name: row for row, name in enumerate(names)}, np.eye(4, 5) * 2, np.zeros((5, 5)))

    scores = Emissions(weights, Gazetteer.build([]), ("context",))(["|", "x", "a", "b", "|", "|"], [0, 6], {})

    assert scores[:, 1:].tolist() == [
        [2, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 2, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 2, 0],
        [0, 0, 0, 0],
    ]


@settings(deadline=None)
@given(sentences=texts)
def test_scores_are_the_same_bits_whatever_was_scored_before(
    sentences: list[list[str]], tiny: Tagger, weights: Weights
) -> None:
    fresh = Emissions(weights, tiny.gazetteer, GROUPS)

    assert tiny._emissions(*flat(sentences), ABBREVIATED).tolist() == fresh(*flat(sentences), ABBREVIATED).tolist()
    assert [row for sentence in sentences for row in fresh(sentence, [0, len(sentence)], ABBREVIATED).tolist()] == [
        *fresh(*flat(sentences), ABBREVIATED).tolist()
    ]


def test_a_word_too_long_to_be_one_is_scored_again_as_it_was_before(weights: Weights) -> None:
    emit = Emissions(weights, Gazetteer.build([]), GROUPS)
    words, bounds = flat([["takes", "1" * 70]])

    first = emit(words, bounds, {})

    assert np.array_equal(emit(words, bounds, {}), first)
