"""Clusters of words that occur alike in general text, so that what is learnt of one word helps with its likes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from clinical_ner.ner.abbreviations import is_abbreviation

RESOURCE = Path(__file__).with_name("resources") / "word_clusters.txt"
UNKNOWN = ("?", "?", "?")
ABBREVIATION = ("A", "A", "A")  # ALL and AIDS have nothing to do with all and aids


def cluster(word: str) -> tuple[str, str, str]:
    """The clusters of the word, the coarsest first, each within the one before; `UNKNOWN` of a word without any.

    A word that has the form of an abbreviation is of the cluster `ABBREVIATION`.

    >>> cluster("Metformin") == cluster("metformin"), cluster("1,200")
    (True, ('?', '?', '?'))
    """
    return ABBREVIATION if is_abbreviation(word) else clusters().get(word.lower(), UNKNOWN)


@cache
def clusters() -> dict[str, tuple[str, str, str]]:
    """The clusters of every word that has any."""
    found: dict[str, tuple[str, str, str]] = {}
    for number, line in enumerate(RESOURCE.read_text(encoding="utf-8").splitlines()):
        coarsest, coarse, *words = line.split()
        found.update(dict.fromkeys(words, (coarsest, coarse, str(number))))
    return found
