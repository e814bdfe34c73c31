"""The one object that reads text: tokenise, features, tag, decode. Everybody calls it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import marisa_trie
import pycrfsuite

from clinical_ner.core.span import Span
from clinical_ner.ner import bio, model
from clinical_ner.ner.features import sentence_features
from clinical_ner.ner.gazetteer import Gazetteer, fold
from clinical_ner.ner.tokenize import Token, sentences


class Entity(NamedTuple):
    """An entity found: `text[start:end]`, its label, and how sure the CRF is of its least sure token."""

    start: int
    end: int
    label: str
    confidence: float

    @property
    def span(self) -> Span:
        """The entity as a span."""
        return Span(self.start, self.end, self.label)


class Sentence(NamedTuple):
    """A sentence as the tagger saw it: the marginal is the probability of the tag given."""

    tokens: list[Token]
    tags: list[str]
    marginals: list[float]

    @property
    def entities(self) -> list[Entity]:
        """The entities of the sentence, in order."""
        return [
            Entity(
                self.tokens[first].start,
                self.tokens[past - 1].end,
                label,
                round(min(self.marginals[first:past]), 4),
            )
            for first, past, label in bio.runs(self.tags)
        ]


class Tagger:
    """Finds DISEASE and TREATMENT in clinical text."""

    def __init__(
        self, manifest: model.Manifest, crf: pycrfsuite.Tagger, gazetteer: Gazetteer, words: marisa_trie.Trie
    ) -> None:
        self.manifest = manifest
        self.gazetteer = gazetteer
        self._crf = crf
        self._words = words
        self._turn = threading.Lock()  # CRFsuite keeps the sentence between calls

    @classmethod
    def load(cls, path: Path) -> Tagger:
        """Open MODEL.crfsuite and the files beside it.

        Raises:
            UserError: a file is missing, altered or truncated.
        """
        return cls(*model.read(path))

    def read(self, text: str) -> list[Sentence]:
        """Every sentence of the text with its tags; offsets count code points of the original text."""
        return [self._tag(sentence) for sentence in sentences(text)]

    def tag(self, text: str) -> list[Entity]:
        """The entities of the text, in order, never overlapping."""
        return [entity for sentence in self.read(text) for entity in sentence.entities]

    def knows(self, word: str) -> bool:
        """Whether the word, in any case or number, was in the training text."""
        return fold(word) in self._words

    def _tag(self, tokens: Sequence[Token]) -> Sentence:
        words = [token.text for token in tokens]
        features = sentence_features(words, self.gazetteer, self.manifest.params.feature_groups)
        with self._turn:
            self._crf.set(features)
            tags = self._crf.tag()
            marginals = [self._crf.marginal(tag, position) for position, tag in enumerate(tags)]
        return Sentence(list(tokens), tags, marginals)
