"""Adapt a CRF to a few annotated sentences without forgetting what it has learnt elsewhere.

The weights that it has are the mean of a Gaussian prior (Chelba and Acero, "Adaptation of Maximum Entropy Capitalizer:
Little Data Can Help a Lot", 2006): with no sentences they stay as they are, and the more the sentences insist, the
further they move. Mixing the two kinds of sentences instead drowns the few in the many. A few of the earlier sentences
are rehearsed beside the new ones (Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", 1995): a ward's new
words must not make unknown words of other texts look like its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from clinical_ner.ner import bio, decoding
from clinical_ner.ner.features import EVERYWHERE, holds_word
from clinical_ner.ner.weights import CONTRADICTION, Floats, Weights

Integers = NDArray[np.intp]
T = TypeVar("T")
Rows = Sequence[Sequence[str]]  # the feature strings of each word of a sentence


PARTS: Final = 3  # that sentences are dealt to; what is learnt without one is tried on it
BLOCK: Final = 25  # neighbours at most that stay in one part, as they may be of one note
BIASES: Final = (0.0, 0.3, -0.3, 0.6, -0.6, 0.9)  # tried; of the logarithm of the odds that an entity starts
ENOUGH: Final = 60  # entities, for parts to say anything


class Settings(NamedTuple):
    """How far sentences move a CRF, and for how long."""

    weight: float  # of a sentence against what the CRF has learnt before
    c2: float  # of the Gaussian prior
    min_frequency: int  # of a new attribute in which a word can be read: sentences that have it
    max_iterations: int


class Step(NamedTuple):
    """One iteration of the optimiser: the objective, and how many weights differ from those before."""

    loss: float
    moved: int


class _Sentences(NamedTuple):
    """Sentences one after the other, token by token."""

    features: Any  # (tokens, attributes used), sparse: how often a token has an attribute
    prior: Floats  # (tokens, tags): the scores that the CRF gives as it is
    gold: Integers  # the tag of each token
    starts: Integers  # the first token of each sentence
    follows: Integers  # every other token
    packed: decoding.Plan


def adapt(
    before: Weights,
    rows: Sequence[Rows],
    tags: Sequence[Sequence[str]],
    settings: Settings,
    rehearsed: tuple[Sequence[Rows], Sequence[Sequence[str]]] = ((), ()),
) -> tuple[Weights, list[Step]]:
    """The CRF that minimises `c2 |weights - before|^2 - weight * log p(tags)`, and the way there.

    Args:
        before: the CRF so far; it knows every tag of `tags`, be they BIO or BIOES.
        rows: the features of the sentences to adapt to, none of which is empty.
        tags: their tags.
        rehearsed: features and tags of sentences that the CRF has learnt from; they bring in no attribute of their own.
    """
    weight, c2 = settings.weight, settings.c2
    grown = with_attributes(before, rows, settings.min_frequency)
    given, used = _sentences(grown, [*rows, *rehearsed[0]], [*tags, *rehearsed[1]])
    turned = given.features.T.tocsr()
    shape = (len(used), len(grown.tags))
    log: list[Step] = []

    def split(flat: Floats) -> tuple[Floats, Floats]:
        return flat[: shape[0] * shape[1]].reshape(shape), flat[shape[0] * shape[1] :].reshape(shape[1], shape[1])

    def objective(flat: Floats) -> tuple[float, Floats]:
        states, transitions = split(flat)
        loss, *slopes = _fit(given, given.prior + given.features @ states, grown.transitions + transitions)
        slope = np.concatenate([(turned @ slopes[0]).ravel(), slopes[1].ravel()])
        return weight * loss + c2 * float((flat * flat).sum()), weight * slope + 2 * c2 * flat

    def note(intermediate_result: Any) -> None:
        log.append(Step(float(intermediate_result.fun), int(np.count_nonzero(intermediate_result.x))))

    start = np.zeros((shape[0] + shape[1]) * shape[1])
    options: Any = {"maxiter": settings.max_iterations}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", callback=note, options=options)
    states, transitions = split(found.x)
    grown.states[used] += states
    return Weights(grown.tags, grown.attributes, grown.states, grown.transitions + transitions), log


def adapt_pool(
    before: Weights,
    rows: Sequence[Rows],
    tags: Sequence[Sequence[str]],
    annotates: Sequence[Collection[str]],
    settings: Settings,
    rehearsed: tuple[Sequence[Rows], Sequence[Sequence[str]]] = ((), ()),
) -> tuple[Weights, list[Step]]:
    """The pool of experts that `adapt` to all but a part of the sentences each, and the steps of one after the other.

    The parts are those of `lines`. The pool starts entities as readily as suits the parts that the experts have not
    seen. Of fewer than ENOUGH entities there is one expert, which adapts to all sentences.

    Args:
        annotates: the labels that each sentence is annotated with; its tags of others are guesses, by which nothing is
            judged, and no bias is given to a label that no sentence is annotated with.
    """
    gold = [[bio.coarser(tag) for tag in sentence] for sentence in tags]
    if len(rows) < PARTS**2 or sum(map(len, map(_judged, gold, annotates))) < ENOUGH:
        return adapt(before, rows, tags, settings, rehearsed)
    grown = with_attributes(before, rows, settings.min_frequency)  # so that all experts have the same attributes
    unseen = lines(len(rows))
    fits = [adapt(grown, without(rows, part), without(tags, part), settings, rehearsed) for part in unseen]
    experts = [expert for expert, _ in fits]
    bias, labels = best_bias(rows, gold, annotates, unseen, experts), set().union(*annotates)
    return with_bias(pooled(experts), bias, labels), [step for _, own in fits for step in own]


def refined(weights: Weights) -> Weights:
    """The same CRF with BIOES tags in place of its BIO tags; one that has them stays as it is.

    With `Weights.endings` all probabilities are the same, as long as no scores of a token are nearly as far apart as
    `CONTRADICTION`.
    """
    if bio.are_bioes(weights.tags):
        return weights
    tags = [(tag, fine) for tag in weights.tags for fine in bio.finer(tag)]
    columns = [weights.tags.index(tag) for tag, _ in tags]
    transitions = weights.transitions[np.ix_(columns, columns)]
    for row, (before, fine) in enumerate(tags):
        for column, (after, _) in enumerate(tags):
            if before != bio.OUTSIDE and bio.goes_on(before, after) != (fine == before):
                transitions[row, column] = CONTRADICTION
    states = weights.states.take(columns, axis=1)  # row by row in memory, as rows are read
    return Weights(tuple(fine for _, fine in tags), weights.attributes, states, transitions)


def with_bias(weights: Weights, bias: float, labels: Collection[str]) -> Weights:
    """The same CRF, more ready to start an entity of these labels: by so much in the logarithm of the odds.

    It is fitted to be likely, and F1 may be higher where less certain entities are kept too (Minkov, Wang, Tomasic and
    Cohen, "NER Systems that Suit User's Preferences", 2006).
    """
    states = weights.states.copy()
    starts = {f"{how}{label}" for how in (bio.BEGIN, bio.SINGLE) for label in labels}
    states[weights.attributes[EVERYWHERE], [place for place, tag in enumerate(weights.tags) if tag in starts]] += bias
    return Weights(weights.tags, weights.attributes, states, weights.transitions)


def pooled(experts: Sequence[Weights]) -> Weights:
    """The logarithmic opinion pool of CRFs with the same tags and attributes: the mean of their weights.

    Each may follow its own sentences closely, for where they are led astray they seldom agree (Smith, Cohn and Osborne,
    "Logarithmic Opinion Pools for Conditional Random Fields", 2005).
    """
    first = experts[0]
    states = sum((expert.states for expert in experts[1:]), first.states) / len(experts)
    transitions = sum((expert.transitions for expert in experts[1:]), first.transitions) / len(experts)
    return Weights(first.tags, first.attributes, states, transitions)


def best_bias(
    rows: Sequence[Rows],
    tags: Sequence[Sequence[str]],
    annotates: Sequence[Collection[str]],
    unseen: Sequence[Sequence[int]],
    experts: Sequence[Weights],
) -> float:
    """The bias with which experts read best the part, numbers of sentences, that each has not seen."""
    labels = set().union(*annotates)
    learnt = ((with_bias(expert, bias, labels) for bias in BIASES) for expert in experts)
    f1 = held_out_f1(rows, tags, annotates, unseen, learnt)
    return BIASES[f1.index(max(f1))]


# --- held-out parts ---------------------------------------------------------------------------
def parts(count: int) -> list[list[int]]:
    """The numbers of so many sentences in PARTS, to which blocks of neighbours are dealt: each has some of all corpora.

    >>> parts(8)
    [[0, 1, 2], [3, 4, 5], [6, 7]]
    """
    return _dealt(count, PARTS, [lambda place: place])


def lines(count: int) -> list[list[int]]:
    """The parts that the experts of a pool do without, of nine sentences or more: each a third, and no two alike.

    Blocks of neighbours are the points of the affine plane of order PARTS, again and again, and a part is a line: of
    each nine blocks any two lie together on one line, in one of the four directions. So each expert lacks others, and
    the pool depends little on who lacks what.

    >>> [len(lines(9)), *lines(9)[3:6]]
    [12, [0, 5, 7], [1, 3, 8], [2, 4, 6]]
    """
    slanting = [lambda place, slope=slope: place + slope * (place // PARTS) for slope in range(PARTS)]
    return _dealt(count, PARTS**2, [*slanting, lambda place: place // PARTS])


def _dealt(count: int, round_of: int, ways: Sequence[Callable[[int], int]]) -> list[list[int]]:
    """The numbers of so many sentences in PARTS for each way, which says by the place of a block in which it is.

    There are as many blocks as make full rounds, of almost the same size, which is BLOCK at most.
    """
    blocks = round_of * -(-count // (round_of * BLOCK))
    places = [number * blocks // count for number in range(count)]
    return [
        [number for number, place in enumerate(places) if way(place) % PARTS == part]
        for way in ways
        for part in range(PARTS)
    ]


def without(items: Sequence[T], part: Collection[int]) -> list[T]:
    """All items but those of a part."""
    left_out = set(part)
    return [item for number, item in enumerate(items) if number not in left_out]


def held_out_f1(
    rows: Sequence[Rows],
    tags: Sequence[Sequence[str]],
    annotates: Sequence[Collection[str]],
    unseen: Sequence[Sequence[int]],
    learnt: Iterable[Iterable[Weights]],
) -> list[float]:
    """Strict entity F1 over all parts together, a figure a candidate.

    Args:
        rows: the features of the sentences, none of which is empty.
        tags: their BIO tags.
        annotates: the labels of each sentence that count.
        unseen: the parts, numbers of sentences.
        learnt: for each part the candidates that were learnt without it, in the same order.
    """
    counts = []
    for part, candidates in zip(unseen, learnt, strict=True):
        own = [rows[number] for number in part]
        wanted = [_judged(tags[number], annotates[number]) for number in part]
        known = [annotates[number] for number in part]
        found = (map(_judged, best_tags(candidate, own), known) for candidate in candidates)
        counts.append([_counted(wanted, guessed) for guessed in found])
    right, sizes = np.sum(counts, axis=0).T
    return [float(value) for value in 2 * right / np.maximum(sizes, 1)]


def _judged(tags: Sequence[str], labels: Collection[str]) -> set[tuple[int, int, str]]:
    """The entities of these labels."""
    return {run for run in bio.runs(tags) if run[2] in labels}


def _counted(gold: Iterable[Set[T]], guessed: Iterable[Set[T]]) -> tuple[int, int]:
    """The entities that are right, and all that are there plus all that were found."""
    pairs = list(zip(gold, guessed, strict=True))
    return sum(len(own & found) for own, found in pairs), sum(len(own) + len(found) for own, found in pairs)


def best_tags(weights: Weights, rows: Sequence[Rows]) -> list[list[str]]:
    """The BIO tags that a CRF gives to sentences, none of which is empty."""
    if not rows:
        return []
    lengths = np.array([len(sentence) for sentence in rows], np.intp)
    scores = _features(weights, rows) @ weights.states
    scores[lengths.cumsum() - 1] += weights.endings
    found = decoding.best_tags(scores, decoding.Chain(weights.transitions), decoding.plan(lengths))
    names = [bio.coarser(tag) for tag in weights.tags]
    return [[names[tag] for tag in sentence] for sentence in np.split(found, np.cumsum(lengths)[:-1])]


def with_attributes(weights: Weights, rows: Sequence[Rows], min_frequency: int) -> Weights:
    """A copy that also has the attributes of the sentences, with weights of 0.

    A word that one sentence alone has may be somebody's name: it does not get into the model. What it ends in may.
    """
    seen = Counter(chain.from_iterable(dict.fromkeys(chain.from_iterable(sentence)) for sentence in rows))
    kept = (name for name, count in seen.items() if count >= min_frequency or not holds_word(name))
    new = [name for name in kept if name not in weights.attributes]
    attributes = {**weights.attributes, **{name: row for row, name in enumerate(new, len(weights.attributes))}}
    states = np.vstack([weights.states, np.zeros((len(new), len(weights.tags)))])
    return Weights(weights.tags, attributes, states, weights.transitions)


def _sentences(weights: Weights, rows: Sequence[Rows], tags: Sequence[Sequence[str]]) -> tuple[_Sentences, Integers]:
    """The sentences with the attributes that occur in them alone, and which those are."""
    features = _features(weights, rows)
    used = np.unique(features.indices)
    lengths = np.array([len(sentence) for sentence in rows], np.intp)
    starts = np.cumsum(lengths) - lengths
    number = {tag: place for place, tag in enumerate(weights.tags)}
    gold = np.array([number[tag] for sentence in tags for tag in sentence], np.intp)
    prior = features @ weights.states
    prior[starts + lengths - 1] += weights.endings
    follows = np.setdiff1d(np.arange(len(gold)), starts)
    return _Sentences(features[:, used], prior, gold, starts, follows, decoding.plan(lengths)), used


def _features(weights: Weights, rows: Sequence[Rows]) -> Any:
    """(tokens, attributes), sparse."""
    find = weights.attributes.get
    tokens = [[place for name in row if (place := find(name)) is not None] for row in chain.from_iterable(rows)]
    bounds = np.cumsum([0, *map(len, tokens)])
    places = np.fromiter(chain.from_iterable(tokens), np.intp, bounds[-1])
    matrix = csr_matrix((np.ones(len(places)), places, bounds), (len(tokens), len(weights.attributes)))
    matrix.sum_duplicates()
    return matrix


def _fit(given: _Sentences, emissions: Floats, transitions: Floats) -> tuple[float, Floats, Floats]:
    """The negative log-likelihood of the gold tags, and its slopes by emissions and by transitions."""
    moves = decoding.Chain(transitions)
    found = decoding.messages(emissions, moves, given.packed)
    marginal = decoding.marginals(found)
    now, last = given.follows, given.follows - 1
    first, tag, tag_before = given.gold[given.starts], given.gold[now], given.gold[last]
    onward = decoding.onward(found, moves, tag_before, tag, last)
    loss = -float(np.log(marginal[first, given.starts]).sum() + np.log(onward).sum())
    before, here = found.forward[:, last], found.backward[:, now]
    by_transition = moves.moves * (before / ((moves.moves.T @ before) * here).sum(axis=0) @ here.T)
    np.subtract.at(by_transition, (tag_before, tag), 1)
    by_emission = marginal.T.copy()
    by_emission[np.arange(len(given.gold)), given.gold] -= 1
    return loss, by_emission, by_transition
