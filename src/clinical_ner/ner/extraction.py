"""What a user gets out of a text: the same answer from the command, the service and every batch."""

from __future__ import annotations

from typing import Any

from clinical_ner.core.span import TREATMENT, Span
from clinical_ner.ner.relations import link
from clinical_ner.ner.tagger import Entity, Tagger


def extract(tagger: Tagger, text: str) -> dict[str, Any]:
    """The entities of the text and which treatment is for which disease, ready for JSON.

    `entities` holds start, end (half-open code points of `text`), label, text and confidence: the probability under
    the CRF of an entity of exactly these boundaries and this label. `treatments` maps each disease, as first
    written, to the treatments that go with it, in order; diseases that differ by case alone are one.
    """
    read = tagger.read(text)
    entities = [entity for sentence in read for entity in sentence.entities]
    pairs = link([[entity.span for entity in sentence.entities] for sentence in read])
    return {
        "entities": [{**entity._asdict(), "text": text[entity.start : entity.end]} for entity in entities],
        "treatments": _by_disease(text, entities, pairs),
    }


def _by_disease(text: str, entities: list[Entity], pairs: list[tuple[Span, Span]]) -> dict[str, list[str]]:
    names: dict[str, str] = {}
    table: dict[str, list[str]] = {}
    for entity in entities:
        if entity.label != TREATMENT:
            written = text[entity.start : entity.end]
            table.setdefault(names.setdefault(written.casefold(), written), [])
    for treatment, disease in pairs:
        row = table[names[text[disease.start : disease.end].casefold()]]
        written = text[treatment.start : treatment.end]
        if written.casefold() not in map(str.casefold, row):
            row.append(written)
    return table
