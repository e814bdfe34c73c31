"""Look-up of known terms: a compact trie of normalised token sequences, marked with the kind of term."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import marisa_trie

from clinical_ner.core.span import TERM_KINDS
from clinical_ner.ner.tokenize import tokens

LONGEST_TERM = 8  # tokens
LONGEST_WORD = 64  # characters; an even number
CACHED: Final = 10_000  # words and the like whose reading is remembered; more cost memory and save little
GREEK_PLURALS = ("stases", "iases", "oses", "yses", "eses")  # metastases, psoriases, diagnoses, paralyses, pareses
SEPARATOR = " "


class Match(NamedTuple):
    """Tokens `first` to `past` (exclusive) are a known term of this kind."""

    first: int
    past: int
    kind: str


TYPEWRITTEN: Final = str.maketrans(
    dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("‘’‚′", "'") | dict.fromkeys("“”„″", '"')
)


def readable(word: str) -> str:
    """The word as features and terms see it: composed characters, no ligatures or soft hyphens, of bounded length.

    Dashes and quotation marks are those of a typewriter.

    What trie and CRFsuite cannot store, NUL bytes and lone surrogates, becomes question marks. Of a word of more than
    `LONGEST_WORD` characters the first and the last remain, so that hostile text cannot fill the caches.

    >>> readable("ﬁbrosis"), readable("auto\u00adimmune"), len(readable("a" * 1_000_000))
    ('fibrosis', 'autoimmune', 64)
    """
    if len(word) > LONGEST_WORD:
        word = word[: LONGEST_WORD // 2] + word[-LONGEST_WORD // 2 :]
    if word.isascii():
        return word.replace("\0", "?")
    storable = word.encode("utf-8", "replace").decode("utf-8").replace("\u00ad", "")
    joined = "".join(unicodedata.normalize("NFKC", storable).split())  # a space may stand between letter and accent
    composed = unicodedata.normalize("NFC", joined).translate(TYPEWRITTEN)
    return composed.replace("\0", "?")[:LONGEST_WORD] or "?"


def fold(token: str) -> str:
    """The token as the gazetteer keys it: lower case, singular, one apostrophe.

    >>> fold("Metastases"), fold("Diseases"), fold("diabetes")
    ('metastasis', 'disease', 'diabetes')
    """
    return _fold(token if len(token) <= LONGEST_WORD else readable(token))


@lru_cache(CACHED)
def _fold(token: str) -> str:
    word = readable(token).lower()
    if len(word) < 5 or not word.endswith("s") or word.endswith(("ss", "us", "is", "betes")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    is_greek = word.endswith(GREEK_PLURALS) and len(word) > len("doses")
    return word[:-2] + "is" if is_greek else word[:-1]


def key(token: str) -> str:
    """The folded token and a separator: a term is the keys of its words in a row."""
    return fold(token) + SEPARATOR


def folded(words: Iterable[str]) -> str:
    """The folded words with single spaces: two terms are the same term if these are equal."""
    return SEPARATOR.join(map(fold, words))


class Places(NamedTuple):
    """Whether terms start with a word, whether it is a term by itself, and whether it stands later in a term."""

    starts: bool
    alone: bool
    later: bool


class Gazetteer:
    """Known terms with their kinds; a term may have several. Safe to share between threads."""

    def __init__(self, trie: marisa_trie.BytesTrie) -> None:
        self._trie = trie
        self._kinds = lru_cache(CACHED)(self._look_up)  # the trie takes microseconds
        self._later = marisa_trie.Trie({key for term in trie.iterkeys() for key in _keys(term)[1:]})

    @classmethod
    def build(cls, terms: Iterable[tuple[str, str]]) -> Gazetteer:
        """From (term, kind) pairs; the same terms give the same trie in any order."""
        kinds_of: dict[str, set[str]] = defaultdict(set)
        for term, kind in terms:
            keys = [key(token.text) for token in tokens(term)]
            if 0 < len(keys) <= LONGEST_TERM:
                kinds_of["".join(keys)].add(kind)
        pairs = [
            (term, bytes([TERM_KINDS.index(kind)])) for term in sorted(kinds_of) for kind in sorted(kinds_of[term])
        ]
        return cls(marisa_trie.BytesTrie(pairs))

    @classmethod
    def load(cls, path: Path) -> Gazetteer:
        """From a file of `save`, which the caller has checked against its sha256."""
        trie = marisa_trie.BytesTrie()
        trie.mmap(str(path))
        return cls(trie)

    def save(self, path: Path) -> None:
        """Write the trie."""
        self._trie.save(str(path))

    def __len__(self) -> int:
        return len(self._trie)

    def matches(self, words: Sequence[str]) -> list[Match]:
        """For every kind the leftmost-longest known terms among the words, ordered by position."""
        return self.find([key(word) for word in words], range(len(words)))

    def find(self, keys: Sequence[str], positions: Iterable[int]) -> list[Match]:
        """`matches` among words by their keys, if terms start nowhere but at `positions`, which are in order."""
        free = dict.fromkeys(TERM_KINDS, 0)
        found = []
        for first in self._starts(keys, positions):
            for kind, past in self._longest(keys, first).items():
                if first >= free[kind]:
                    found.append(Match(first, past, kind))
                    free[kind] = past
        return found

    def places(self, key: str) -> Places:
        """Where in terms the word with this key stands."""
        kinds = self._kinds(key)
        return Places(kinds is not None, bool(kinds), key in self._later)

    def _starts(self, keys: Sequence[str], positions: Iterable[int]) -> list[int]:
        """The positions at which one word is a term, or two words are the beginning of one."""
        kinds, following = self._kinds, [*keys[1:], ""]
        return [first for first in positions if kinds(keys[first]) or kinds(keys[first] + following[first]) is not None]

    def _longest(self, keys: Sequence[str], first: int) -> dict[str, int]:
        """Where the longest term of each kind ends that starts at `first`."""
        longest: dict[str, int] = {}
        beginning, past = keys[first], first + 1
        kinds = self._kinds(beginning)
        while kinds is not None:
            for kind in kinds:
                longest[kind] = past
            if past == len(keys):
                break
            beginning += keys[past]
            past += 1
            kinds = self._kinds(beginning)
        return longest

    def _look_up(self, beginning: str) -> tuple[str, ...] | None:
        """The kinds of the term that these keys are; none, if they are but its beginning; None, if not even that."""
        if next(self._trie.iterkeys(beginning), None) is None:  # asked first, as most are not
            return None
        return tuple(TERM_KINDS[kind[0]] for kind in self._trie.get(beginning, ()))


def _keys(term: str) -> list[str]:
    """The keys that the term is made of."""
    return [word + SEPARATOR for word in term.split(SEPARATOR)[:-1]]
