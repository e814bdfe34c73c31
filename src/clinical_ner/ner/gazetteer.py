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


@lru_cache(maxsize=50_000)
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
    """Known terms with their kinds; a term may have several."""

    def __init__(self, trie: marisa_trie.BytesTrie) -> None:
        self._trie = trie
        self._kinds = _kinds_of_beginnings(trie)
        self._later = {word + SEPARATOR for term in self._kinds for word in term.split(SEPARATOR)[1:-1]}

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
        trie.load(str(path))
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
        kinds = self._kinds.get(key)
        return Places(kinds is not None, bool(kinds), key in self._later)

    def _starts(self, keys: Sequence[str], positions: Iterable[int]) -> list[int]:
        """The positions at which one word is a term, or two words are the beginning of one."""
        kinds, following = self._kinds, [*keys[1:], ""]
        return [first for first in positions if kinds.get(keys[first]) or keys[first] + following[first] in kinds]

    def _longest(self, keys: Sequence[str], first: int) -> dict[str, int]:
        """Where the longest term of each kind ends that starts at `first`."""
        longest: dict[str, int] = {}
        beginning, past = keys[first], first + 1
        kinds = self._kinds.get(beginning)
        while kinds is not None:
            for kind in kinds:
                longest[kind] = past
            if past == len(keys):
                break
            beginning += keys[past]
            past += 1
            kinds = self._kinds.get(beginning)
        return longest


def _kinds_of_beginnings(trie: marisa_trie.BytesTrie) -> dict[str, tuple[str, ...]]:
    """Every beginning of a term, and the kinds of the term that it is, if it is a whole one.

    The trie is compact on disk, but asking it takes microseconds.
    """
    kinds: dict[str, tuple[str, ...]] = {}
    for term, value in trie.iteritems():
        past = term.find(SEPARATOR) + 1
        while past < len(term):
            kinds.setdefault(term[:past], ())
            past = term.find(SEPARATOR, past) + 1
        kinds[term] = (*kinds.get(term, ()), TERM_KINDS[value[0]])
    return kinds
