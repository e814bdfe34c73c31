"""Clusters of words that occur alike in general text, so that what is learnt of one word helps with its likes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import marisa_trie
import numpy as np
from numpy.typing import NDArray

from clinical_ner.ner.abbreviations import is_abbreviation

RESOURCE = Path(__file__).with_name("resources") / "word_clusters.txt"
Clusters = tuple[str, str, str]  # the coarsest first, each within the one before

UNKNOWN = ("?", "?", "?")
ABBREVIATION = ("A", "A", "A")  # ALL and AIDS have nothing to do with all and aids


class WordClusters(NamedTuple):
    """Which clusters a word is of; a trie of the words takes a tenth of the memory of a dictionary."""

    words: marisa_trie.Trie
    finest: NDArray[np.uint16]  # of each word of the trie
    clusters: list[Clusters]  # by the finest

    def get(self, word: str) -> Clusters:
        """The clusters of the word as it is written; `UNKNOWN` of a word without any."""
        number = self.words.get(word.encode("utf-8", "replace"))
        return UNKNOWN if number is None else self.clusters[self.finest[number]]


def cluster(word: str) -> Clusters:
    """The clusters of the word; `UNKNOWN` of a word without any.

    A word that has the form of an abbreviation is of the cluster `ABBREVIATION`.

    >>> cluster("Metformin") == cluster("metformin"), cluster("1,200")
    (True, ('?', '?', '?'))
    """
    return ABBREVIATION if is_abbreviation(word) else word_clusters().get(word.lower())


@cache
def word_clusters() -> WordClusters:
    """The clusters of every word that has any."""
    lines = [line.split() for line in RESOURCE.read_text(encoding="utf-8").splitlines()]
    words = marisa_trie.Trie(word for _, _, *words in lines for word in words)
    finest = np.empty(len(words), np.uint16)
    for number, (_, _, *members) in enumerate(lines):
        finest[[words[word] for word in members]] = number
    clusters = [(coarsest, coarse, str(number)) for number, (coarsest, coarse, *_) in enumerate(lines)]
    return WordClusters(words, finest, clusters)
