"""The score of each tag at each token of a block: sums of parts that are computed once a word and remembered.

`features.py` says which strings a token has; here the same functions are turned into numbers. What a word, or a set
of marks, adds at each offset is a row of a table; the scores of a block are slices of these rows, added up in a fixed
order, so that they do not depend on what else is in the block.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise, repeat
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from clinical_ner.ner.abbreviations import is_abbreviation, singular
from clinical_ner.ner.features import (
    JOINT_CLUSTERS,
    MARK_OFFSETS,
    PADDING,
    WORD_OFFSETS,
    Marks,
    abbreviation_marks,
    joint_cluster,
    joint_prefix,
    mark_features,
    pair_prefix,
    recased,
    terms_of,
    token_marks,
    word_features,
    word_pairs,
)
from clinical_ner.ner.gazetteer import LONGEST_WORD, SEPARATOR, Gazetteer, Places, fold, readable
from clinical_ner.ner.weights import Floats, Weights

REMEMBERED: Final = 20_000  # words; beyond, everything is forgotten before the next block
MARGIN: Final = max(map(abs, WORD_OFFSETS))  # of padding before, between and after sentences
NO_CODE: Final = -(2**61)  # of an unknown key: with any other code the sum is negative, and two do not overflow
NO_WORD: Final = "\n"  # stands for padding among folded words: no term holds it

Integers = NDArray[np.intp]
Key = TypeVar("Key")
Scalar = TypeVar("Scalar", bound=np.generic)


class Emissions:
    """Scores the words of sentences; may be shared by threads."""

    def __init__(self, weights: Weights, gazetteer: Gazetteer, groups: Collection[str]) -> None:
        self._weights = weights
        self._gazetteer = gazetteer
        self._padded_states = np.vstack([weights.states, np.zeros(len(weights.tags))])  # the last: of no attribute
        self._groups = frozenset(groups)
        of_words = {pair_prefix(*offsets): offsets for offsets in word_pairs(groups)}
        of_marks = {joint_prefix(offset): (0, offset) for offset in JOINT_CLUSTERS if "joint" in groups}
        rows = _rows_by_prefix(weights.attributes, (*of_words, *of_marks))
        self._pairs, self._joint = (_tables(rows, self._padded_states, places) for places in (of_words, of_marks))
        self._turn = threading.Lock()
        self._forget()

    def __call__(self, words: Sequence[str], bounds: Sequence[int], abbreviated: Mapping[str, str]) -> Floats:
        """(tokens, tags): sentence `i` is the words `bounds[i]` to `bounds[i + 1]`.

        `abbreviated` is what kind of term the abbreviations stand for that the text defines.
        """
        padded = _padded([recased(words[first:past]) for first, past in pairwise(bounds)])
        with self._turn:  # the tables change only here, and what is taken from them is a copy
            if len(self._keys) > REMEMBERED:
                self._forget()
            types = self._types(padded)
            marks = self._mark_rows(padded, types, abbreviated)
            total = np.zeros((len(padded), self._padded_states.shape[1]))
            _add(total, self._words.scores.take(types, axis=0), WORD_OFFSETS)
            _add(total, self._marks.scores.take(marks, axis=0), MARK_OFFSETS)
            for pairs in self._pairs:
                pairs.add_to(total, types, types)
            for pairs in self._joint:
                pairs.add_to(total, marks, types)
        return total.compress(types != 0, axis=0)

    def _forget(self) -> None:
        """Empty the tables; row 0 of each is of padding, and row 1 of the marks of none."""
        self._words: _Table[str | None] = _Table(self._weights.attributes, self._padded_states, len(WORD_OFFSETS))
        self._marks: _Table[Marks | None] = _Table(self._weights.attributes, self._padded_states, len(MARK_OFFSETS))
        for pairs in (*self._pairs, *self._joint):
            pairs.forget()
        self._keys: list[str] = []
        self._places: NDArray[np.bool_] = np.zeros((1, len(Places._fields)), np.bool_)
        self._short: NDArray[np.bool_] = np.zeros(1, np.bool_)  # whether a word looks like an abbreviation
        self._learn([PADDING])
        self._learn_marks([PADDING, ()])

    def _types(self, padded: Sequence[str | None]) -> Integers:
        """The row of each word."""
        rows = self._words.rows(padded)
        if None in rows:
            padded = [word if word is None or len(word) <= LONGEST_WORD else readable(word) for word in padded]
            unknown = self._words.unknown(padded)
            if unknown:  # none are, if all that is new is long and reads like a word that is known
                self._learn(unknown)
            rows = self._words.rows(padded)
        return np.array(rows, np.intp)

    def _learn(self, words: Sequence[str | None]) -> None:
        self._words.learn(words, [word_features(word, self._groups) for word in words])
        folded = [NO_WORD if word is PADDING else fold(word) for word in words]
        first = len(self._keys)
        self._keys += [word + SEPARATOR for word in folded]
        self._places = _with_room(self._places, len(self._keys))
        self._places[first : len(self._keys)] = [self._gazetteer.places(key) for key in self._keys[first:]]
        self._short = _with_room(self._short, len(self._keys))
        self._short[first : len(self._keys)] = [word is not PADDING and is_abbreviation(word) for word in words]
        for pairs in self._pairs:
            pairs.learn(folded, folded)
        clusters = [joint_cluster(word) for word in words] if self._joint else []
        for pairs in self._joint:
            pairs.learn((), clusters)

    def _learn_marks(self, unknown: Sequence[Marks | None]) -> None:
        nothing: list[list[str]] = [[]] * len(MARK_OFFSETS)
        self._marks.learn(
            unknown, [nothing if marks is PADDING else mark_features(marks, self._groups) for marks in unknown]
        )
        for pairs in self._joint:
            pairs.learn([NO_WORD if marks is PADDING else terms_of(marks) for marks in unknown], ())

    def _mark_rows(self, padded: Sequence[str | None], types: Integers, abbreviated: Mapping[str, str]) -> Integers:
        """The row of the marks of each token."""
        matches = self._gazetteer.find([self._keys[word] for word in types.tolist()], self._may_start_term(types))
        candidates = self._short[types].nonzero()[0].tolist()
        if abbreviated:
            candidates += [place for place, word in enumerate(padded) if word and singular(word) in abbreviated]
        marks = token_marks(matches, abbreviation_marks(padded, candidates, abbreviated))
        self._learn_marks(self._marks.unknown(marks.values()))
        rows: Integers = (types != 0).astype(np.intp)
        rows[list(marks)] = np.array(self._marks.rows(marks.values()), np.intp)
        return rows

    def _may_start_term(self, types: Integers) -> list[int]:
        """The tokens that are a term, or start one that the next word may be part of."""
        starts, alone, later = self._places[types].T
        starts[:-1] &= later[1:]
        places: list[int] = (starts | alone).nonzero()[0].tolist()
        return places


def _padded(sentences: Sequence[Sequence[str]]) -> list[str | None]:
    """The words of the sentences with `MARGIN` of padding around each."""
    padded: list[str | None] = [PADDING] * MARGIN
    for words in sentences:
        padded += words
        padded += [PADDING] * MARGIN
    return padded


def _add(total: Floats, rows: Floats, offsets: Sequence[int]) -> None:
    """Add to each token within the margins what it gets from the rows (tokens, offsets, tags) of its neighbours."""
    for slot, offset in enumerate(offsets):
        total[MARGIN:-MARGIN] += rows[MARGIN + offset : len(rows) - MARGIN + offset, slot]


class _Table(Generic[Key]):
    """For each key what its features add to the score of each tag at each offset."""

    def __init__(self, attributes: Mapping[str, int], states: Floats, offsets: int) -> None:
        self._rows: dict[Key, int] = {}
        self._attributes = attributes
        self._states = states  # and a last row of zeros, for what is no attribute
        self._scores: Floats = np.zeros((1, offsets, states.shape[1]))

    @property
    def scores(self) -> Floats:
        """(keys, offsets, tags), and room for more keys."""
        return self._scores

    def rows(self, keys: Iterable[Key]) -> list[int | None]:
        """The row of each key, None for one that is unknown."""
        return list(map(self._rows.get, keys))

    def unknown(self, keys: Iterable[Key]) -> list[Key]:
        """The unknown keys, each once, in order."""
        return [key for key in dict.fromkeys(keys) if key not in self._rows]

    def learn(self, keys: Sequence[Key], features: Sequence[Sequence[Sequence[str]]]) -> None:
        """Add keys with their features by offset."""
        if not keys:
            return
        first, past = len(self._rows), len(self._rows) + len(keys)
        self._rows.update(zip(keys, range(first, past), strict=True))
        self._scores = _with_room(self._scores, past)
        self._scores[first:past] = self._sums([strings for slots in features for strings in slots]).reshape(
            len(keys), *self._scores.shape[1:]
        )

    def _sums(self, groups: Sequence[Sequence[str]]) -> Floats:
        """(groups, tags): the weights of the strings of each group, added up in their order."""
        sizes = np.array([len(strings) for strings in groups], np.intp)
        nothing = repeat(len(self._states) - 1)
        places = np.fromiter(map(self._attributes.get, chain.from_iterable(groups), nothing), np.intp, sizes.sum())
        sums = np.zeros((len(groups), self._states.shape[1]))
        some = sizes > 0
        if some.any():
            sums[some] = np.add.reduceat(self._states[places], (sizes.cumsum() - sizes)[some], axis=0)
        return sums


def _rows_by_prefix(attributes: Mapping[str, int], prefixes: tuple[str, ...]) -> dict[str, list[tuple[str, int]]]:
    """The attributes that start with each prefix, which ends in its first `=`: what follows it, and the row."""
    found: dict[str, list[tuple[str, int]]] = {prefix: [] for prefix in prefixes}
    for name, row in attributes.items():
        if name.startswith(prefixes):
            prefix, sign, rest = name.partition("=")
            found[prefix + sign].append((rest, row))
    return found


def _tables(
    rows: Mapping[str, Sequence[tuple[str, int]]], states: Floats, offsets: Mapping[str, tuple[int, int]]
) -> list[_Pairs]:
    """The pairs whose features start with these prefixes: a table for each distance of the two, if it has any."""
    by_distance: dict[int, list[tuple[int, Sequence[tuple[str, int]]]]] = {}
    for prefix, (left, right) in offsets.items():
        by_distance.setdefault(right - left, []).append((left, rows[prefix]))
    return [table for distance, seen in by_distance.items() if (table := _Pairs(states, distance, seen))]


class _Pairs:
    """What two things at a distance add together, for the few pairs that have weights: words, or marks and a word.

    A pair is looked up once, whatever the offsets are from which tokens see it.
    """

    def __init__(self, states: Floats, distance: int, seen: Sequence[tuple[int, Sequence[tuple[str, int]]]]) -> None:
        """`seen` is for each offset from which a token sees the left one: what the pairs are called, and their rows."""
        self._states = states  # and a last row of zeros
        self._distance = distance
        self._offsets = [left for left, _ in seen]
        pairs: dict[tuple[str, str], list[int]] = {}
        for slot, (_, names) in enumerate(seen):
            for name, row in names:
                for pair in _readings(name):
                    pairs.setdefault(pair, [-1] * len(seen))[slot] = row
        self._right = _Codes((right for _, right in pairs), 1)
        self._left = _Codes((left for left, _ in pairs), len(self._right))
        numbers = {self._left.code(left) + self._right.code(right): rows for (left, right), rows in pairs.items()}
        self._numbers = np.array([*sorted(numbers), np.iinfo(np.intp).max], np.intp)  # the last is of no pair
        rows = [*(numbers[number] for number in sorted(numbers)), [-1] * len(seen)]
        self._rows = np.ascontiguousarray(np.array(rows, np.intp).T)  # (offsets, pairs)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return len(self._numbers) > 1

    def forget(self) -> None:
        """Know no word of any text."""
        self._left.forget()
        self._right.forget()

    def learn(self, lefts: Sequence[str], rights: Sequence[str]) -> None:
        """Add what may stand on each side, in the order of the tables whose rows `add_to` is given."""
        self._left.learn(lefts)
        self._right.learn(rights)

    def add_to(self, total: Floats, lefts: Integers, rights: Integers) -> None:
        """Add the scores of the pairs to the tokens that see them."""
        first, past = MARGIN, len(lefts) - MARGIN
        numbers = self._left.of(lefts[first:past])
        numbers += self._right.of(rights[first + self._distance : past + self._distance])
        pairs = self._numbers.searchsorted(numbers)
        pairs[self._numbers.take(pairs) != numbers] = len(self._numbers) - 1
        for rows, offset in zip(self._rows, self._offsets, strict=True):
            total[first - offset : past - offset] += self._states.take(rows.take(pairs), axis=0)


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """The pairs that a name may be of: several where a word holds the separator, and it is the name of each."""
    for cut, character in enumerate(name):
        if character == "|":
            yield name[:cut], name[cut + 1 :]


class _Codes:
    """The one half of the numbers of pairs: multiples of `step`, and for an unknown key one that no pair has."""

    def __init__(self, keys: Iterable[str], step: int) -> None:
        self._numbers = {key: number * step for number, key in enumerate(dict.fromkeys(keys))}
        self.forget()

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._numbers)

    def forget(self) -> None:
        """Know no row of any table."""
        self._rows: Integers = np.zeros(1, np.intp)
        self._known = 0

    def code(self, key: str) -> int:
        """The number of a key."""
        return self._numbers.get(key, NO_CODE)

    def learn(self, keys: Sequence[str]) -> None:
        """Add rows with these keys."""
        past = self._known + len(keys)
        self._rows = _with_room(self._rows, past)
        self._rows[self._known : past] = list(map(self.code, keys))
        self._known = past

    def of(self, rows: Integers) -> Integers:
        """The number of each row."""
        return self._rows.take(rows)


def _with_room(array: NDArray[Scalar], rows: int) -> NDArray[Scalar]:
    """The array, or a copy of it at least twice as long, with room for so many rows."""
    if rows <= len(array):
        return array
    grown = np.zeros((max(rows, 2 * len(array)), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
