"""What a user gets out of a text: the same answer from the command, the service and every batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from clinical_ner.core.span import TREATMENT, Span
from clinical_ner.ner.abbreviations import definitions
from clinical_ner.ner.assertion import Labelled, Section, Trigger, assertions
from clinical_ner.ner.concepts import Concept, Concepts
from clinical_ner.ner.relations import link
from clinical_ner.ner.sections import Heading, heading_at, headings
from clinical_ner.ner.tagger import Entity, Sentence, Tagger
from clinical_ner.ner.tokenize import Token

NOT_THE_PATIENTS = frozenset({"absent", "family"})  # a disease that the patient has not, and so no treatment of it


class Mention(NamedTuple):
    """An entity with what the text says of it: one of `ASSERTIONS`, by which words, in which of `SECTIONS`."""

    entity: Entity
    assertion: str
    trigger: Trigger | None
    section: str | None
    concept: Concept | None = None


def extract(tagger: Tagger, text: str, concepts: Concepts | None = None) -> dict[str, Any]:
    """The entities of the text and which treatment is for which disease, ready for JSON.

    `entities` holds start, end (half-open code points of `text`), label, text, confidence (the CRF's marginal of the
    least sure token), assertion (one of `ASSERTIONS`), trigger (the words that say so, or None), section (one of
    `SECTIONS`, or None) and concept (id, name, icd10cm and score, or None). `treatments` maps each disease that is
    neither denied nor a relative's, as first written, to the treatments that go with it, in order; diseases that differ
    by case alone are one.
    """
    read = mentions(tagger.read(text), text, concepts)
    pairs = link([[mention.entity.span for mention in sentence] for sentence in read])
    found = [mention for sentence in read for mention in sentence]
    return {
        "entities": [_record(text, mention) for mention in found],
        "treatments": _by_disease(text, found, pairs),
    }


def mentions(sentences: Sequence[Sentence], text: str, concepts: Concepts | None = None) -> list[list[Mention]]:
    """The entities of each sentence with what the text says of them; without `concepts` they name none."""
    read = [(sentence.tokens, sentence.entities) for sentence in sentences]
    if not any(entities for _, entities in read):
        return [[] for _ in read]
    opened = headings(text)
    found = [_in_sentence(words, entities, opened) for words, entities in read]
    if concepts is None:
        return found
    name = Namer(concepts, text)
    return [[mention._replace(concept=name(mention.entity)) for mention in sentence] for sentence in found]


class Namer:
    """Finds the concepts of a text's entities; an abbreviation means what the text says it does."""

    def __init__(self, concepts: Concepts, text: str) -> None:
        self._concepts = concepts
        self._text = text
        self._definitions = definitions(text)

    def __call__(self, entity: Labelled) -> Concept | None:
        """The concept of what the entity abbreviates here, else of its own words."""
        written = self._text[entity.start : entity.end]
        long = self._definitions.get(written)
        found = self._concepts.lookup(long, entity.label) if long else None
        return found or self._concepts.lookup(written, entity.label)


def _in_sentence(words: Sequence[Token], entities: Sequence[Entity], opened: Sequence[Heading]) -> list[Mention]:
    if not entities:
        return []
    sections = [_section(opened, entity.start) for entity in entities]
    said = assertions(words, entities, sections)
    return [
        Mention(entity, assertion.name, assertion.trigger, section.name)
        for entity, assertion, section in zip(entities, said, sections, strict=True)
    ]


def _section(opened: Sequence[Heading], position: int) -> Section:
    heading = heading_at(opened, position)
    return Section(heading.section, Trigger(heading.start, heading.end)) if heading else Section(None, None)


def _record(text: str, mention: Mention) -> dict[str, Any]:
    entity, trigger = mention.entity, mention.trigger
    return {
        "start": entity.start,
        "end": entity.end,
        "label": entity.label,
        "text": text[entity.start : entity.end],
        "confidence": entity.confidence,
        "assertion": mention.assertion,
        "trigger": trigger and {**trigger._asdict(), "text": text[trigger.start : trigger.end]},
        "section": mention.section,
        "concept": mention.concept and mention.concept._asdict(),
    }


def _by_disease(text: str, found: Iterable[Mention], pairs: Iterable[tuple[Span, Span]]) -> dict[str, list[str]]:
    names: dict[str, str] = {}
    table: dict[str, list[str]] = {}
    for mention in found:
        entity = mention.entity
        if entity.label != TREATMENT and mention.assertion not in NOT_THE_PATIENTS:
            written = text[entity.start : entity.end]
            table.setdefault(names.setdefault(written.casefold(), written), [])
    for treatment, disease in pairs:
        row = table.get(names.get(text[disease.start : disease.end].casefold(), ""), [])
        written = text[treatment.start : treatment.end]
        if written.casefold() not in map(str.casefold, row):
            row.append(written)
    return table
