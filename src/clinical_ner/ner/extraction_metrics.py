"""How well a text is understood beside its spans: assertions, sections, concepts, and what each treatment is for.

What is said of an entity is scored where its span is right, so that these figures do not repeat those of the spans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from clinical_ner.core.span import ASSERTIONS, Span
from clinical_ner.ner.concepts import Concepts
from clinical_ner.ner.dataset import rows_by_note
from clinical_ner.ner.extraction import Mention, Reading, interpret_spans
from clinical_ner.ner.metrics import Counts, score_table
from clinical_ner.ner.relations import NEVER_TREATED

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 6
NO_CONCEPT = "TEXT:"  # how the gold of a note says that the vocabulary has none


class Annotation(NamedTuple):
    """What is said of a span; None: no section, no concept."""

    span: Span
    assertion: str
    section: str | None
    concept_id: str | None


class Annotated(NamedTuple):
    """A text's annotations and the (treatment start, disease start) pairs."""

    annotations: tuple[Annotation, ...]
    pairs: frozenset[tuple[int, int]]


Matched = tuple[Annotation, Annotation]  # the gold one and the one found, of the same span


def found_in(read: Reading) -> Annotated:
    """A reading, to be compared with gold."""
    pairs = frozenset((treatment.start, disease.start) for treatment, disease in read.pairs)
    return Annotated(tuple(map(_annotation, read.mentions)), pairs)


def _annotation(mention: Mention) -> Annotation:
    return Annotation(mention.span, mention.assertion, mention.section, mention.concept and mention.concept.id)


def gold_of(entities: pd.DataFrame, relations: pd.DataFrame) -> dict[str, Annotated]:
    """The gold of each note, from the tables ENTITIES and RELATIONS; without a column `section` none has one."""
    pairs = rows_by_note(relations)
    return {
        note: Annotated(
            tuple(_gold_annotation(row) for row in sorted(rows, key=lambda row: int(row.start))),
            frozenset((int(row.treatment_start), int(row.disease_start)) for row in pairs.get(note, ())),
        )
        for note, rows in rows_by_note(entities).items()
    }


def _gold_annotation(row: Any) -> Annotation:
    section = getattr(row, "section", None)
    span = Span(int(row.start), int(row.end), row.label)
    concept_id = None if str(row.concept_id).startswith(NO_CONCEPT) else row.concept_id
    return Annotation(span, row.assertion, section if isinstance(section, str) else None, concept_id)


class Outputs(NamedTuple):
    """The gold of a text, what was found in it, and what the same rules say of the gold spans."""

    gold: Annotated
    end_to_end: Annotated
    gold_spans: Annotated


def outputs_of(text: str, gold: Annotated, found: Reading, concepts: Concepts | None) -> Outputs:
    """All that is scored of a text; of the mentions of one disease of the patient, all pairs have the first."""
    spans = [annotation.span for annotation in gold.annotations]
    first = _first_mentions(gold)
    sides = (gold, found_in(found), found_in(interpret_spans(text, spans, concepts)))
    return Outputs(*(_with_first(side, first) for side in sides))


def _first_mentions(gold: Annotated) -> dict[int, int]:
    """Where each disease is first mentioned, by where it is mentioned; the patient's and others' are not one."""
    firsts: dict[tuple[str, bool], int] = {}
    of_patient = [(row.span.start, row.concept_id, row.assertion not in NEVER_TREATED) for row in gold.annotations]
    return {start: firsts.setdefault((name, own), start) for start, name, own in of_patient if name}


def _with_first(said: Annotated, first: Mapping[int, int]) -> Annotated:
    pairs = frozenset((treatment, first.get(disease, disease)) for treatment, disease in said.pairs)
    return said._replace(pairs=pairs)


def within(outputs: Outputs, keep: Callable[[Span], bool]) -> Outputs:
    """What is said of some spans alone: of the links those of the treatments that start where a kept gold one does."""
    starts = {annotation.span.start for annotation in outputs.gold.annotations if keep(annotation.span)}
    return Outputs(
        *(
            Annotated(
                tuple(annotation for annotation in side.annotations if keep(annotation.span)),
                frozenset(pair for pair in side.pairs if pair[0] in starts),
            )
            for side in outputs
        )
    )


def output_scores(texts: Iterable[Outputs]) -> dict[str, Any]:
    """The `extraction_scores` from raw text, and those from gold spans: of the rules without the model."""
    texts = list(texts)
    return {
        "end_to_end": extraction_scores((text.gold, text.end_to_end) for text in texts),
        "gold_spans": extraction_scores((text.gold, text.gold_spans) for text in texts),
    }


def extraction_scores(texts: Iterable[tuple[Annotated, Annotated]]) -> dict[str, Any]:
    """The scores of (gold, found) texts; every share is of the spans found exactly, whose number is `matched`.

    `assertion` has the accuracy and the scores of each class; `section` and `concept` the accuracy, where two times
    nothing is right too, and `concept` also the share that has a gold concept and got it. `relations` scores all
    pairs, `relations_of_linked` those of the treatments that have a gold pair.
    """
    texts = list(texts)
    matched = [pair for gold, found in texts for pair in _matched(gold, found)]
    return {
        "matched": len(matched),
        "assertion": {"accuracy": _accuracy(matched, "assertion"), "per_class": _per_class(matched)},
        "section": {"accuracy": _accuracy(matched, "section")},
        "concept": {"accuracy": _accuracy(matched, "concept_id"), **_coverage(matched)},
        "relations": _pair_scores(texts),
        "relations_of_linked": _pair_scores((gold, _of_linked(gold, found)) for gold, found in texts),
    }


def _matched(gold: Annotated, found: Annotated) -> Iterator[Matched]:
    said = {annotation.span: annotation for annotation in found.annotations}
    return ((row, said[row.span]) for row in gold.annotations if row.span in said)


def _accuracy(matched: Sequence[Matched], field: str) -> float:
    right = sum(getattr(gold, field) == getattr(found, field) for gold, found in matched)
    return _share(right, len(matched))


def _per_class(matched: Sequence[Matched]) -> Mapping[str, Any]:
    gold, found = (Counter(pair[side].assertion for pair in matched) for side in (0, 1))
    right = Counter(wanted.assertion for wanted, got in matched if wanted.assertion == got.assertion)
    counts = {name: Counts(right[name], found[name], gold[name]) for name in ASSERTIONS if gold[name] or found[name]}
    return score_table(counts)["per_label"]


def _coverage(matched: Sequence[Matched]) -> dict[str, float]:
    """The share of named gold concepts that are right, and of the concepts given."""
    named = [(gold, found) for gold, found in matched if gold.concept_id is not None]
    given = [(gold, found) for gold, found in matched if found.concept_id is not None]
    right = sum(gold.concept_id == found.concept_id for gold, found in named)
    return {"recall": _share(right, len(named)), "precision": _share(right, len(given))}


def _pair_scores(texts: Iterable[tuple[Annotated, Annotated]]) -> Mapping[str, Any]:
    counts = [Counts(len(gold.pairs & found.pairs), len(found.pairs), len(gold.pairs)) for gold, found in texts]
    return score_table({"pairs": sum(counts, Counts())})["micro"]


def _of_linked(gold: Annotated, found: Annotated) -> Annotated:
    linked = {treatment for treatment, _ in gold.pairs}
    return found._replace(pairs=frozenset(pair for pair in found.pairs if pair[0] in linked))


def _share(part: int, whole: int) -> float:
    return round(part / whole, DIGITS) if whole else 0.0
