"""The one object that reads text: tokenise, features, tag, decode. Everybody calls it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical_ner.core.params import TrainParams
from clinical_ner.core.span import LABELS, Span
from clinical_ner.ner import bio, decoding, model
from clinical_ner.ner.abbreviations import definitions, kinds
from clinical_ner.ner.calibration import calibrated
from clinical_ner.ner.emissions import Emissions
from clinical_ner.ner.gazetteer import fold
from clinical_ner.ner.tokenize import Block, Token, blocks, joined
from clinical_ner.ner.weights import Floats, Weights

NOTHING = Block([], [], [0])  # in place of a text that is read alone
TOGETHER = 2_000  # tokens after which no other text is waited for; more are not faster


class Entity(NamedTuple):
    """An entity found: `text[start:end]`, its label, and the probability that exactly these are right.

    The confidence is the CRF's probability of the entity, calibrated on text that it has not seen.
    """

    start: int
    end: int
    label: str
    confidence: float

    @property
    def span(self) -> Span:
        """The entity as a span."""
        return Span(self.start, self.end, self.label)


class Sentence(NamedTuple):
    """A sentence as the tagger saw it, in BIO tags: the marginal is the probability of the tag given."""

    tokens: list[Token]
    tags: list[str]
    marginals: list[float]
    entities: list[Entity]


class _Tagged(NamedTuple):
    """The tags of a block and their numbers, the marginals of all, and the entities of each of its sentences."""

    tags: list[str]
    numbers: NDArray[np.intp]
    marginal: Floats  # (tags, tokens)
    entities: list[list[Entity]]


class Tagger:
    """Finds DISEASE and TREATMENT in clinical text; may be shared by threads."""

    def __init__(self, parts: model.Model) -> None:
        manifest, weights, gazetteer, words, concepts = self._parts = parts
        self.manifest = manifest
        self.gazetteer = gazetteer
        self.concepts = concepts
        complete = weights.with_tags(bio.TAGS)
        self._tags = [bio.coarser(tag) for tag in complete.tags]
        self._alike = np.array([[tag == other for other in self._tags] for tag in self._tags], np.float64)
        self._endings = complete.endings
        self._chain = decoding.Chain(complete.transitions)
        self._moves: list[list[float]] = self._chain.moves.tolist()
        self._entity_tags = {label: bio.entity_tags(complete.tags, label) for label in LABELS}
        self._emissions = Emissions(complete, gazetteer, manifest.params.feature_groups)
        self._words = words

    @classmethod
    def load(cls, path: Path) -> Tagger:
        """Open MODEL.crfsuite and the files beside it.

        Raises:
            UserError: a file is missing, altered or truncated.
        """
        return cls(model.read(path))

    @property
    def weights(self) -> Weights:
        """Those of the CRF, as they were trained."""
        return self._parts.weights

    def reweighted(self, weights: Weights, params: TrainParams) -> Tagger:
        """The tagger with the weights of another training on the same terms, as the ablations compare them."""
        manifest = self.manifest.model_copy(update={"params": params})
        return Tagger(self._parts._replace(manifest=manifest, weights=weights))

    def read(self, text: str) -> list[Sentence]:
        """Every sentence of the text with its tags; offsets count code points of the original text."""
        abbreviated = self._abbreviated(text)
        return [sentence for block in blocks(text) for sentence in self._sentences(block, abbreviated)]

    def read_all(self, texts: Iterable[str]) -> Iterator[list[Sentence]]:
        """`read` of each text, in order; those of one block are tagged together: the same figures in less time."""
        waiting: list[Block] = []
        alone: dict[int, list[Sentence]] = {}  # by place among those that wait
        size = 0
        for text in texts:
            own = [] if self._abbreviated(text) else list(islice(blocks(text), 2))
            if len(own) == 1:
                waiting.append(own[0])
                size += len(own[0].words)
            else:
                alone[len(waiting)] = read = self.read(text)
                waiting.append(NOTHING)
                size += 1 + sum(len(sentence.tokens) for sentence in read)
            if size > TOGETHER:
                yield from self._read_together(waiting, alone)
                waiting, alone, size = [], {}, 0
        yield from self._read_together(waiting, alone)

    def _read_together(self, parts: Sequence[Block], alone: Mapping[int, list[Sentence]]) -> Iterator[list[Sentence]]:
        """The sentences of each text: some were read alone, and the others define no abbreviations."""
        block = joined(parts)
        found = self._sentences(block, {}) if block.words else iter(())
        for place, part in enumerate(parts):
            yield alone[place] if place in alone else list(islice(found, len(part.spans())))

    def tag(self, text: str) -> list[Entity]:
        """The entities of the text, in order, never overlapping."""
        abbreviated = self._abbreviated(text)
        found = (self._tagged(block, abbreviated).entities for block in blocks(text))
        return [entity for sentences in found for entities in sentences for entity in entities]

    def knows(self, word: str) -> bool:
        """Whether the word, in any case or number, was in the training text."""
        return fold(word) in self._words

    def _abbreviated(self, text: str) -> dict[str, str]:
        return kinds(definitions(text), self.gazetteer)

    def _sentences(self, block: Block, abbreviated: Mapping[str, str]) -> Iterator[Sentence]:
        tags, numbers, marginal, entities = self._tagged(block, abbreviated)
        marginals = decoding.over_tags(self._alike.take(numbers, axis=1) * marginal).tolist()
        for (first, past), own in zip(block.spans(), entities, strict=True):
            yield Sentence(block.tokens(first, past), tags[first:past], marginals[first:past], own)

    def _tagged(self, block: Block, abbreviated: Mapping[str, str]) -> _Tagged:
        spans = block.spans()
        lengths = np.diff(block.bounds)
        emissions = self._emissions(block.words, block.bounds, abbreviated)
        emissions[lengths.cumsum() - 1] += self._endings
        found = decoding.messages(emissions, self._chain, decoding.plan(lengths))
        marginal = decoding.marginals(found)
        best = decoding.certain_or_best_tags(emissions, found, marginal, self._chain, lengths)
        tags = [self._tags[tag] for tag in best.tolist()]
        sites = decoding.Sites(found, marginal, self._moves)
        entities = [self._entities(block, tags[first:past], (first, past), sites) for first, past in spans]
        return _Tagged(tags, best, marginal, entities)

    def _entities(
        self, block: Block, tags: list[str], sentence: tuple[int, int], sites: decoding.Sites
    ) -> list[Entity]:
        """The entities of a sentence of the block."""
        entities = []
        for opening, closing, label in bio.runs(tags):
            first, past = sentence[0] + opening, sentence[0] + closing
            chance = sites.probability(self._entity_tags[label], (first, past), sentence)
            end = block.starts[past - 1] + len(block.words[past - 1])
            confidence = calibrated(self.manifest.calibration, label, chance)
            entities.append(Entity(block.starts[first], end, label, round(confidence, 4)))
        return entities
