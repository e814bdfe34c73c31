"""What a user gets out of a text: the same answer from the command, the service and every batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from clinical_ner.core.span import DISEASE, Span
from clinical_ner.ner.abbreviations import definitions, singular
from clinical_ner.ner.assertion import Section, Trigger, assertions
from clinical_ner.ner.concepts import Concept, Concepts
from clinical_ner.ner.relations import link
from clinical_ner.ner.sections import Heading, heading_at, headings
from clinical_ner.ner.tagger import Entity, Tagger
from clinical_ner.ner.tagger import Sentence as TaggedSentence
from clinical_ner.ner.tokenize import Token, sentences

NOT_THE_PATIENTS = frozenset({"absent", "family"})  # a disease that the patient has not, and so no treatment of it


Sentence = tuple[Sequence[Token], Sequence[Entity]]  # its tokens and entities


class Mention(NamedTuple):
    """An entity with what the text says of it: one of `ASSERTIONS`, by which words, in which of `SECTIONS`."""

    span: Span
    confidence: float
    assertion: str
    trigger: Trigger | None
    section: str | None
    concept: Concept | None = None


class Reading(NamedTuple):
    """The mentions of a text in order, and the (treatment, disease) pairs."""

    mentions: list[Mention]
    pairs: list[tuple[Span, Span]]


def extract(tagger: Tagger, text: str) -> dict[str, Any]:
    """The entities of the text and which treatment is for which disease, ready for JSON.

    `entities` holds start, end (half-open code points of `text`), label, text, confidence (the calibrated probability
    of an entity of exactly these boundaries and this label), assertion (one of `ASSERTIONS`), trigger (the words that
    say so, or None), section (one of `SECTIONS`, or None) and concept (id, name, kind, icd10cm, score, or None).
    `treatments` maps each disease that is neither denied nor a relative's, as first written, to the treatments that go
    with it, in order; diseases that differ by case alone are one.
    """
    return record(text, understand(tagger, text))


def understand(tagger: Tagger, text: str) -> Reading:
    """What the tagger finds in the text and the text says of it."""
    return _understood(tagger, text, tagger.read(text))


def understand_all(tagger: Tagger, texts: Sequence[str]) -> Iterator[Reading]:
    """`understand` of each text, in order; of many short ones much faster."""
    return (_understood(tagger, text, read) for text, read in zip(texts, tagger.read_all(texts), strict=True))


def _understood(tagger: Tagger, text: str, read: Iterable[TaggedSentence]) -> Reading:
    return interpret(text, [(sentence.tokens, sentence.entities) for sentence in read], tagger.concepts)


def record(text: str, read: Reading) -> dict[str, Any]:
    """A reading of the text, ready for JSON; the fields are those of `extract`."""
    return {
        "entities": [_record(text, mention) for mention in read.mentions],
        "treatments": _by_disease(text, read),
    }


def interpret_spans(text: str, spans: Iterable[Span], concepts: Concepts | None = None) -> Reading:
    """What the text says of spans that are known, each within a sentence; one that cuts a token counts as all of it."""
    ordered = sorted(spans)
    lines = [(line, [s for s in ordered if line[0].start <= s.start < line[-1].end]) for line in sentences(text)]
    certain = [(line, [Entity(*span, 1.0) for span in inside]) for line, inside in lines]
    return interpret(text, certain, concepts)


def interpret(text: str, read: Sequence[Sentence], concepts: Concepts | None = None) -> Reading:
    """What the text says of the entities of its sentences; without `concepts` they name none."""
    if not any(entities for _, entities in read):
        return Reading([], [])
    opened = headings(text)
    found = [_in_sentence(words, entities, opened) for words, entities in read]
    if concepts is not None:
        name = Namer(concepts, text)
        found = [[mention._replace(concept=name(mention.span)) for mention in sentence] for sentence in found]
    return Reading([mention for sentence in found for mention in sentence], link(found, text))


class Namer:
    """Finds the concepts of a text's entities; an abbreviation means what the text says it does."""

    def __init__(self, concepts: Concepts, text: str) -> None:
        self._concepts = concepts
        self._text = text
        self._definitions = definitions(text)

    def __call__(self, entity: Span) -> Concept | None:
        """The concept of what the entity abbreviates here, else of its own words."""
        written = self._text[entity.start : entity.end]
        long = self._definitions.get(written) or self._definitions.get(singular(written))
        found = self._concepts.lookup(long, entity.label) if long else None
        return found or self._concepts.lookup(written, entity.label)


def _in_sentence(words: Sequence[Token], entities: Sequence[Entity], opened: Sequence[Heading]) -> list[Mention]:
    if not entities:
        return []
    sections = [_section(opened, entity.start) for entity in entities]
    said = assertions(words, entities, sections)
    return [
        Mention(Span(*entity[:3]), entity.confidence, assertion.name, assertion.trigger, section.name)
        for entity, assertion, section in zip(entities, said, sections, strict=True)
    ]


def _section(opened: Sequence[Heading], position: int) -> Section:
    heading = heading_at(opened, position)
    return Section(heading.section, Trigger(heading.start, heading.end)) if heading else Section(None, None)


def _record(text: str, mention: Mention) -> dict[str, Any]:
    trigger = mention.trigger
    return {
        **mention.span._asdict(),
        "text": text[mention.span.start : mention.span.end],
        "confidence": mention.confidence,
        "assertion": mention.assertion,
        "trigger": trigger and {**trigger._asdict(), "text": text[trigger.start : trigger.end]},
        "section": mention.section,
        "concept": mention.concept and mention.concept._asdict(),
    }


def _by_disease(text: str, read: Reading) -> dict[str, list[str]]:
    names: dict[str, str] = {}
    table: dict[str, list[str]] = {}
    for mention in read.mentions:
        if mention.span.label == DISEASE and mention.assertion not in NOT_THE_PATIENTS:
            written = text[mention.span.start : mention.span.end]
            table.setdefault(names.setdefault(written.casefold(), written), [])
    for treatment, disease in read.pairs:
        row = table.get(names.get(text[disease.start : disease.end].casefold(), ""), [])
        written = text[treatment.start : treatment.end]
        if written.casefold() not in map(str.casefold, row):
            row.append(written)
    return table
