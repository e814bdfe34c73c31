"""The best tags of every sentence of a block and their exact probabilities, for all sentences in step.

Tokens are packed step by step: first the first token of every sentence, longest sentence first, then the second
tokens, and so on. A step is then one operation on a slice without padding, and what it computes for a sentence does
not depend on the others: each figure is the same sums in the same order, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical_ner.ner.weights import Floats

Integers = NDArray[np.intp]
SAFE_EXPONENT = 300.0  # of e: products that stay within lose no precision in double precision


class Plan(NamedTuple):
    """How the tokens of a block are packed."""

    forward: Integers  # packed place -> token, sentences from their first token on
    backward: Integers  # packed place -> token, sentences from their last token on
    before: Integers  # packed place -> packed place one step earlier, from the second step on
    steps: list[tuple[int, int]]  # the packed places of each step, half-open


def plan(lengths: Sequence[int]) -> Plan:
    """The packing of consecutive sentences of these lengths, none of them 0."""
    sizes = np.asarray(lengths, np.intp)
    order = np.argsort(-sizes, kind="stable")
    starts, sizes = (np.cumsum(sizes) - sizes)[order], sizes[order]
    step = np.arange(sizes[0])[:, None]
    inside = step < sizes
    counts = inside.sum(axis=1)
    past = np.cumsum(counts)
    before = np.arange(counts[0], past[-1]) - np.repeat(counts[:-1], counts[1:])
    ends = past.tolist()
    return Plan(
        forward=(starts + step)[inside],
        backward=(starts + sizes - 1 - step)[inside],
        before=before,
        steps=list(pairwise([0, *ends])),
    )


# --- the best tags ----------------------------------------------------------------------------
def best_tags(emissions: Floats, transitions: Floats, packed: Plan) -> Integers:
    """The tag of each token on the best path of its sentence (Viterbi); of equals, the first.

    Args:
        emissions: (tokens, tags).
        transitions: (tags, tags), from the row's tag to the column's.
    """
    scores = np.ascontiguousarray(emissions[packed.forward].T)
    moves = transitions[:, :, None]
    for (last, _), (first, past) in pairwise(packed.steps):
        reached = scores[:, None, last : last + past - first] + moves
        scores[:, first:past] += np.maximum.reduce(reached, axis=0)
    came_from = (scores[:, None, packed.before] + moves).argmax(axis=0)
    tags = _traced(scores.argmax(axis=0).tolist(), came_from.tolist(), packed.before.tolist())
    found = np.empty(len(tags), np.intp)
    found[packed.forward] = tags
    return found


def _traced(tags: list[int], came_from: list[list[int]], before: list[int]) -> list[int]:
    """Follow the best paths back: `tags` is right at the last token of each sentence and is put right elsewhere."""
    first = len(tags) - len(before)
    for place in range(len(before) - 1, -1, -1):
        tags[before[place]] = came_from[tags[first + place]][place]
    return tags


# --- probabilities ----------------------------------------------------------------------------
class Messages(NamedTuple):
    """What forward-backward knows of each token, (tags, tokens); every column up to a factor of its own."""

    forward: Floats  # weight of all beginnings that end here with this tag
    arriving: Floats  # the same without the token's own score
    backward: Floats  # weight of all endings that start here with this tag
    leaving: Floats  # the same without the token's own score


def messages(emissions: Floats, transitions: Floats, packed: Plan) -> Messages:
    """Both directions at once: backward is forward along the reversed sentence with the transitions turned round.

    Exact as long as no two transitions differ by more than 700: e to that power is all that double precision holds.
    """
    own = np.exp(emissions - emissions.max(axis=1, keepdims=True)).T
    weights = np.ascontiguousarray(np.stack([own[:, packed.forward], own[:, packed.backward]], axis=1))
    moves = np.exp(transitions - transitions.max())
    both = np.stack([moves, moves.T], axis=2)[:, :, :, None]
    incoming = np.ones_like(weights)
    pause = _steps_without_rescaling(transitions)
    for step, ((last, _), (first, past)) in enumerate(pairwise(packed.steps), 1):
        # In C order the sum runs over whole rows, one tag after the other, however many sentences there are.
        reached = np.multiply(weights[:, None, :, last : last + past - first], both, order="C")
        arrived = np.add.reduce(reached, axis=0)
        incoming[:, :, first:past] = arrived
        weights[:, :, first:past] *= arrived
        if step % pause == 0:
            weights[:, :, first:past] /= weights[:, :, first:past].max(axis=0)
    return Messages(
        *_unpacked(weights[:, 0], incoming[:, 0], packed.forward),
        *_unpacked(weights[:, 1], incoming[:, 1], packed.backward),
    )


def _steps_without_rescaling(transitions: Floats) -> int:
    """A step multiplies the largest weight by at least the least transition and at most the number of tags."""
    return max(1, int(SAFE_EXPONENT / (np.ptp(transitions) + np.log(len(transitions)))))


def _unpacked(weights: Floats, incoming: Floats, places: Integers) -> tuple[Floats, Floats]:
    found = np.empty((2, *weights.shape))
    found[0][:, places] = weights
    found[1][:, places] = incoming
    return found[0], found[1]


def marginals(found: Messages) -> Floats:
    """The probability of each tag at each token, (tags, tokens)."""
    weights = found.forward * found.leaving
    return weights / weights.sum(axis=0)  # type: ignore[no-any-return]


class Segments(NamedTuple):
    """How probable it is, of each label and token, that an entity starts there, and that it goes on after it."""

    starts: list[list[float]]  # with a B tag
    opens: list[list[float]]  # with an I tag that continues no entity of this label
    on_from_begin: list[list[float]]  # given the B tag here, that the next tag is I
    on_from_inside: list[list[float]]

    def probability(self, label: int, first: int, past: int) -> float:
        """That the tokens `first` to `past` (exclusive) are exactly one entity of this label."""
        on_from_begin, on_from_inside = self.on_from_begin[label], self.on_from_inside[label]
        last = past - 1
        begin, inside = self.starts[label][first], self.opens[label][first]
        for position in range(first, last):
            inside = begin * on_from_begin[position] + inside * on_from_inside[position]
            begin = 0.0
        chance = begin * (1 - on_from_begin[last]) + inside * (1 - on_from_inside[last])
        return min(1.0, max(0.0, chance))


def segments(
    found: Messages, marginal: Floats, transitions: Floats, packed: Plan, begin: Sequence[int], inside: Sequence[int]
) -> Segments:
    """The chances of the labels whose tags are `begin[i]` and `inside[i]`."""
    moves = np.exp(transitions - transitions.max())
    from_begin, from_inside = moves[begin, inside][:, None], moves[inside, inside][:, None]
    sentences = packed.steps[0][1]
    continued, onward = np.zeros((2, len(begin), marginal.shape[1]))
    continued[:, 1:] = found.forward[begin, :-1] * from_begin + found.forward[inside, :-1] * from_inside
    continued[:, packed.forward[:sentences]] = 0.0  # nothing comes before a first token
    onward[:, :-1] = found.backward[inside, 1:]
    onward[:, packed.backward[:sentences]] = 0.0
    return Segments(
        marginal[begin].tolist(),
        (marginal[inside] * (1 - continued / found.arriving[inside])).tolist(),
        (from_begin * onward / found.leaving[begin]).tolist(),
        (from_inside * onward / found.leaving[inside]).tolist(),
    )
