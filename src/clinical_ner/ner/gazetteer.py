"""Look-up of known terms: a compact trie of normalised token sequences, marked with the kind of term."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import marisa_trie

from clinical_ner.core.span import TERM_KINDS
from clinical_ner.ner.tokenize import tokens

LONGEST_TERM = 8  # tokens
GREEK_PLURALS = ("stases", "iases", "oses", "yses", "eses")  # metastases, psoriases, diagnoses, paralyses, pareses
SEPARATOR = " "


class Match(NamedTuple):
    """Tokens `first` to `past` (exclusive) are a known term of this kind."""

    first: int
    past: int
    kind: str


@lru_cache(maxsize=200_000)
def printable(word: str) -> str:
    """The word without what trie and CRFsuite cannot store: NUL bytes and lone surrogates become question marks."""
    return word.replace("\0", "?").encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=100_000)
def fold(token: str) -> str:
    """The token as the gazetteer keys it: lower case, singular, one apostrophe.

    >>> fold("Metastases"), fold("Diseases"), fold("diabetes")
    ('metastasis', 'disease', 'diabetes')
    """
    word = printable(token).lower().replace("’", "'")
    if len(word) < 5 or not word.endswith("s") or word.endswith(("ss", "us", "is", "betes")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    is_greek = word.endswith(GREEK_PLURALS) and len(word) > len("doses")
    return word[:-2] + "is" if is_greek else word[:-1]


def folded(words: Iterable[str]) -> str:
    """The folded words with single spaces: two terms are the same term if these are equal."""
    return SEPARATOR.join(map(fold, words))


class Gazetteer:
    """Known terms with their kinds; a term may have several."""

    def __init__(self, trie: marisa_trie.BytesTrie) -> None:
        self._trie = trie

    @classmethod
    def build(cls, terms: Iterable[tuple[str, str]]) -> Gazetteer:
        """From (term, kind) pairs; the same terms give the same trie in any order."""
        kinds_of: dict[str, set[str]] = defaultdict(set)
        for term, kind in terms:
            words = [fold(token.text) for token in tokens(term)]
            if 0 < len(words) <= LONGEST_TERM:
                kinds_of[_key(words)].add(kind)
        pairs = [(key, bytes([TERM_KINDS.index(kind)])) for key in sorted(kinds_of) for kind in sorted(kinds_of[key])]
        return cls(marisa_trie.BytesTrie(pairs))

    @classmethod
    def load(cls, path: Path) -> Gazetteer:
        """From a file of `save`, which the caller has checked against its sha256."""
        trie = marisa_trie.BytesTrie()
        trie.load(str(path))
        return cls(trie)

    def save(self, path: Path) -> None:
        """Write the trie."""
        self._trie.save(str(path))

    def __len__(self) -> int:
        return len(self._trie)

    def matches(self, words: Sequence[str]) -> list[Match]:
        """For every kind the leftmost-longest known terms among the words, ordered by position."""
        terms = [fold(word) for word in words]
        free = dict.fromkeys(TERM_KINDS, 0)
        found = []
        for first in range(len(terms)):
            longest: dict[str, int] = {}
            for past in range(first + 1, min(first + LONGEST_TERM, len(terms)) + 1):
                for value in self._trie.get(_key(terms[first:past]), ()):
                    longest[TERM_KINDS[value[0]]] = past
            for kind, past in longest.items():
                if first >= free[kind]:
                    found.append(Match(first, past, kind))
                    free[kind] = past
        return found


def _key(words: Sequence[str]) -> str:
    return SEPARATOR.join(words) + SEPARATOR
