"""The best tags of every sentence of a block and their exact probabilities, for all sentences in step.

Tokens are packed step by step: first the first token of every sentence, longest sentence first, then the second
tokens, and so on. A step is then one operation on a slice without padding, and what it computes for a sentence does
not depend on the others: each figure is the same sums in the same order, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical_ner.ner.bio import EntityTags
from clinical_ner.ner.weights import Floats

Integers = NDArray[np.intp]
CERTAIN = 0.51  # above a half, with room for rounding
SAFE_EXPONENT = 300.0  # of e: products that stay within lose no precision in double precision


class Plan(NamedTuple):
    """How the tokens of a block are packed."""

    forward: Integers  # packed place -> token, sentences from their first token on
    backward: Integers  # packed place -> token, sentences from their last token on
    before: Integers  # packed place -> packed place one step earlier, from the second step on
    steps: list[tuple[int, int]]  # the packed places of each step, half-open


def plan(lengths: Integers) -> Plan:
    """The packing of consecutive sentences of these lengths, none of them 0."""
    order = (-lengths).argsort(kind="stable")
    starts, sizes = (lengths.cumsum() - lengths)[order], lengths[order]
    step = np.arange(sizes[0])[:, None]
    inside = step < sizes
    counts = inside.sum(axis=1)
    past = counts.cumsum()
    before = np.arange(counts[0], past[-1]) - counts[:-1].repeat(counts[1:])
    ends = past.tolist()
    return Plan(
        forward=(starts + step)[inside],
        backward=(starts + sizes - 1 - step)[inside],
        before=before,
        steps=list(pairwise([0, *ends])),
    )


@dataclass(frozen=True)
class Chain:
    """A CRF's transitions, from the row's tag to the column's, in the forms that decoding takes them in.

    Exact as long as no two transitions differ by more than 700: e to that power is all that double precision holds.
    """

    scores: Floats

    @cached_property
    def moves(self) -> Floats:
        """e to the power of the scores, of which the largest is 1."""
        return np.exp(self.scores - self.scores.max())  # type: ignore[no-any-return]

    @cached_property
    def both_ways(self) -> Floats:
        """Moves forward and backward along a sentence: (tags before, tags after, 2, 1)."""
        return np.stack([self.moves, self.moves.T], axis=2)[:, :, :, None]

    @cached_property
    def pause(self) -> int:
        """Steps without rescaling: one multiplies the largest weight by the least move at least, the tags at most."""
        return max(1, int(SAFE_EXPONENT / (np.ptp(self.scores) + np.log(len(self.scores)))))


# --- the best tags ----------------------------------------------------------------------------
def best_tags(emissions: Floats, chain: Chain, packed: Plan) -> Integers:
    """The tag of each token on the best path of its sentence (Viterbi); of equals, the first.

    Args:
        emissions: (tokens, tags).
    """
    scores = np.ascontiguousarray(emissions.take(packed.forward, axis=0).T)
    moves = chain.scores[:, :, None]
    for (last, _), (first, past) in pairwise(packed.steps):
        reached = scores[:, None, last : last + past - first] + moves
        scores[:, first:past] += np.maximum.reduce(reached, axis=0)
    came_from = (scores.take(packed.before, axis=1)[:, None] + moves).argmax(axis=0)
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


def messages(emissions: Floats, chain: Chain, packed: Plan) -> Messages:
    """Both directions at once: backward is forward along the reversed sentence with the transitions turned round."""
    own = np.exp(emissions - emissions.max(axis=1, keepdims=True)).T
    weights = np.empty((own.shape[0], 2, own.shape[1]))
    weights[:, 0] = own.take(packed.forward, axis=1)
    weights[:, 1] = own.take(packed.backward, axis=1)
    incoming = np.ones(weights.shape)
    both_ways, pause = chain.both_ways, chain.pause
    for step, ((last, _), (first, past)) in enumerate(pairwise(packed.steps), 1):
        # In C order the sum runs over whole rows, one tag after the other, however many sentences there are.
        reached = np.multiply(weights[:, None, :, last : last + past - first], both_ways, order="C")
        arrived = np.add.reduce(reached, axis=0)
        incoming[:, :, first:past] = arrived
        weights[:, :, first:past] *= arrived
        if step % pause == 0:
            weights[:, :, first:past] /= weights[:, :, first:past].max(axis=0)
    found = np.empty((4, *own.shape))
    found[0][:, packed.forward], found[1][:, packed.forward] = weights[:, 0], incoming[:, 0]
    found[2][:, packed.backward], found[3][:, packed.backward] = weights[:, 1], incoming[:, 1]
    return Messages(*found)


def marginals(found: Messages) -> Floats:
    """The probability of each tag at each token, (tags, tokens)."""
    weights = found.forward * found.leaving
    return weights / over_tags(weights)


def over_tags(rows: Floats) -> Floats:
    """The sum over the tags of (tags, tokens), one tag after the other: NumPy's order depends on how many tokens."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total


def certain_or_best_tags(
    emissions: Floats, found: Messages, marginal: Floats, chain: Chain, lengths: Integers
) -> Integers:
    """`best_tags`, without looking for them where they are plain.

    If the path of a sentence's likeliest tags has more than half of the probability, no other can be better.
    """
    tags: Integers = marginal.argmax(axis=0)
    open_sentences = _path_probabilities(tags, found, marginal, chain, lengths) < CERTAIN
    if open_sentences.any():
        tokens = open_sentences.repeat(lengths)
        tags[tokens] = best_tags(emissions[tokens], chain, plan(lengths[open_sentences]))
    return tags


def _path_probabilities(tags: Integers, found: Messages, marginal: Floats, chain: Chain, lengths: Integers) -> Floats:
    """Of each sentence, that its tokens have these tags, of which none may be impossible."""
    starts = lengths.cumsum() - lengths
    chances = np.empty(len(tags))
    chances[1:] = onward(found, chain, tags[:-1], tags[1:], np.arange(len(tags) - 1))
    chances[starts] = marginal[tags[starts], starts]
    return np.multiply.reduceat(chances, starts)


def onward(found: Messages, chain: Chain, tags: Integers, after: Integers, places: Integers) -> Floats:
    """The probability of each tag of `after`, given the one of `tags` at the token in the place before."""
    return chain.moves[tags, after] * found.backward[after, places + 1] / found.leaving[tags, places]


class Sites(NamedTuple):
    """What the probability of an entity is computed from."""

    found: Messages
    marginal: Floats
    moves: Sequence[Sequence[float]]

    def probability(self, tags: EntityTags, entity: tuple[int, int], sentence: tuple[int, int]) -> float:
        """That the tokens of `entity`, half-open, are exactly one entity of the label with these tags.

        Its first token has a tag that begins one, or one inside that continues no entity; tags inside follow up to its
        end, and no further.
        """
        (first, past), (start, end) = entity, sentence
        last = past - 1
        begin, inside = (tags.single, tags.last) if first == last else (tags.first, tags.inner)
        paths = {tag: self.marginal.item(tag, first) for tag in (begin, inside)}
        if first > start:
            paths[inside] *= 1 - self._continued(tags, inside, first)
        for place in range(first, last):
            tag = tags.last if place + 1 == last else tags.inner
            paths = {tag: sum(chance * self._on(before, tag, place) for before, chance in paths.items())}
        if past < end and not tags.tell_the_end:
            for tag in paths:
                paths[tag] *= 1 - self._on(tag, tags.inner, last)
        return min(1.0, max(0.0, sum(paths.values())))

    def _continued(self, tags: EntityTags, inside: int, place: int) -> float:
        """Given `inside` here, that a tag of its label which goes on is before it."""
        forward, moves = self.found.forward, self.moves
        before = sum(forward.item(tag, place - 1) * moves[tag][inside] for tag in (tags.first, tags.inner))
        return before / self.found.arriving.item(inside, place)

    def _on(self, tag: int, after: int, place: int) -> float:
        """`onward` of a single token."""
        weight = self.moves[tag][after] * self.found.backward.item(after, place + 1)
        return weight / self.found.leaving.item(tag, place)
