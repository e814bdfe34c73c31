"""What the CRF sees of a token: its word, affixes, shape, neighbours and what the gazetteer knows.

A change here that changes a feature string must raise FEATURE_VERSION: a model is refused by
a tagger of another version, because its weights would silently apply to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from clinical_ner.ner.gazetteer import Gazetteer, Match, fold, printable

FEATURE_VERSION = 1
NEIGHBOURS = (-2, -1, 1, 2)
PADDING = "<>"


def sentence_features(words: Sequence[str], gazetteer: Gazetteer, groups: Collection[str]) -> list[list[str]]:
    """The feature strings of each word of a sentence, in a fixed order.

    Args:
        words: the tokens of one sentence.
        gazetteer: known terms; used by the group `gazetteer`.
        groups: of `word`, `affix`, `shape`, `context`, `gazetteer`.
    """
    rows: list[list[str]] = [["bias"] for _ in words]
    own = tuple(group for group in ("word", "affix", "shape") if group in groups)
    for row, word in zip(rows, words, strict=True):
        row.extend(word_features(word, own))
    if "context" in groups:
        _add_context(rows, words)
    if "gazetteer" in groups:
        _add_gazetteer(rows, words, gazetteer)
    return rows


@lru_cache(maxsize=200_000)
def word_features(word: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The features that depend on the word alone; cached, because words repeat."""
    clean = printable(word)
    lower = clean.lower()
    found: list[str] = []
    if "word" in groups:
        found += [f"w={lower}", f"l={fold(clean)}"]
    if "affix" in groups and lower.isalpha():
        found += [f"s{n}={lower[-n:]}" for n in (2, 3, 4, 5) if len(lower) > n]
        found += [f"p{n}={lower[:n]}" for n in (3, 4) if len(lower) > n]
    if "shape" in groups:
        found += [f"h={shape(clean)}", f"n={min(len(clean), 12)}"]
    return tuple(found)


@lru_cache(maxsize=200_000)
def shape(word: str) -> str:
    """Upper case as X, lower as x, digits as 9, runs longer than two shortened.

    >>> shape("T2DM"), shape("Metformin")
    ('X9XX', 'Xxx')
    """
    outline = "".join("X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c for c in word)
    return re.sub(r"(.)\1{2,}", r"\1\1", outline)


def _add_context(rows: list[list[str]], words: Sequence[str]) -> None:
    folded = [fold(word) for word in words]
    size = len(folded)
    for i, row in enumerate(rows):
        for offset in NEIGHBOURS:
            j = i + offset
            row.append(f"{offset}={folded[j] if 0 <= j < size else PADDING}")
        if i:
            row.append(f"-1s={folded[i - 1][-3:]}")
        if i + 1 < size:
            row.append(f"+1s={folded[i + 1][-3:]}")
            row.append(f"0|1={folded[i]}|{folded[i + 1]}")


def _add_gazetteer(rows: list[list[str]], words: Sequence[str], gazetteer: Gazetteer) -> None:
    marks: list[list[str]] = [[] for _ in words]
    for match in gazetteer.matches(words):
        for position in range(match.first, match.past):
            marks[position].append(f"{_part(match, position)}-{match.kind}")
    for i, row in enumerate(rows):
        row.extend(f"g={mark}" for mark in marks[i])
        row.append(f"g*={'+'.join(marks[i]) or 'none'}")
        if i:
            row.extend(f"g-1={mark}" for mark in marks[i - 1])
        if i + 1 < len(rows):
            row.extend(f"g+1={mark}" for mark in marks[i + 1])


def _part(match: Match, position: int) -> str:
    """Place in the match: U alone, B first, E last, I between."""
    if match.past - match.first == 1:
        return "U"
    return "B" if position == match.first else "E" if position == match.past - 1 else "I"
