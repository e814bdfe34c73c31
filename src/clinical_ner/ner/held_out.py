"""The synthetic test set: documents that were not trained on, and the slices in which they are new."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core import io
from clinical_ner.core.params import DatasetParams
from clinical_ner.core.schema import SECTIONS, SPLITS, TEMPLATE_SPLITS
from clinical_ner.core.span import Span
from clinical_ner.ner import bio
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.dataset import NoteTables, is_trained_on, read_notes, rows_by_note
from clinical_ner.ner.evaluation import NO_SECTION
from clinical_ner.ner.extraction_metrics import Annotated, gold_of
from clinical_ner.ner.gazetteer import Gazetteer, folded
from clinical_ner.ner.tokenize import sentences, tokens
from clinical_ner.ner.training import Example

SPURIOUS = "spurious"  # the slice of predicted spans that meet no gold one
SEEN_TEMPLATE = "seen_template"
SEEN = "seen"  # of terms: trained on
WITHHELD = "withheld"  # how the slices of concepts that were kept from training begin
WITHHELD_LISTED, WITHHELD_UNLISTED = f"{WITHHELD}_listed", f"{WITHHELD}_unlisted"
Stretch = tuple[int, int]  # start and end
NOTHING = Annotated((), frozenset())


class Origin(NamedTuple):
    """What is known of a held-out document besides its text."""

    patient: str  # seen, unseen, or nobody (literature)
    kind: str
    unseen: tuple[Stretch, ...]  # stretches that templates wrote which were never trained on
    calibrating: tuple[Stretch, ...]  # those of them that say how sure the model may be
    sections: tuple[tuple[Stretch, str], ...]
    concepts: dict[Span, str]  # of every gold span
    gold: Annotated  # all that is said of the gold spans


class HeldOut(NamedTuple):
    """Held-out documents, the origin of each by its id, and what the other notes name."""

    documents: list[Document]
    origins: dict[str, Origin]
    named: frozenset[tuple[str, str]]  # concept and folded words of every mention in the training notes


def read_held_out(notes: Path, dataset: Path) -> HeldOut:
    """The notes of one folder that the splits in the other hold out; raises as `io.read` does."""
    splits, templates = (io.read(table, dataset) for table in (SPLITS, TEMPLATE_SPLITS))
    return held_out(read_notes(notes), io.read(SECTIONS, notes), splits, templates)


def held_out(corpus: NoteTables, sections: pd.DataFrame, splits: pd.DataFrame, templates: pd.DataFrame) -> HeldOut:
    """The notes that are in no training split, with their gold spans and what is said of them."""
    notes = corpus.notes.merge(splits, on="note_id").sort_values("note_id")
    spans = rows_by_note(corpus.entities)
    new, calibrating = (
        rows_by_note(corpus.segments[corpus.segments["template_id"].isin(templates.loc[chosen, "template_id"])])
        for chosen in (~templates["seen"], templates["calibrates"])
    )
    unread = set(notes.loc[~notes["train"], "note_id"])
    gold = gold_of(*(table[table["note_id"].isin(unread)] for table in (corpus.entities, corpus.relations)))
    opened = rows_by_note(sections)
    documents, origins = [], {}
    for row in notes[~notes["train"]].to_dict("records"):
        note_id = row["note_id"]
        concepts = {Span(e.start, e.end, e.label): str(e.concept_id) for e in spans[note_id]}
        documents.append(Document(note_id, row["text"], tuple(concepts), None))
        origins[note_id] = Origin(
            "nobody" if pd.isna(row["patient_id"]) else "seen" if row["patient_seen"] else "unseen",
            row["kind"],
            tuple((s.start, s.end) for s in new[note_id]),
            tuple((s.start, s.end) for s in calibrating[note_id]),
            tuple(((s.start, s.end), str(s.section)) for s in opened[note_id]),
            concepts,
            gold.get(note_id, NOTHING),
        )
    return HeldOut(documents, origins, _named(notes[notes["train"]], spans))


def _named(notes: pd.DataFrame, spans: Mapping[str, Sequence[Any]]) -> frozenset[tuple[str, str]]:
    """The concept and the folded words of every mention in the notes."""
    return frozenset(
        (str(span.concept_id), folded(_words(text[span.start : span.end])))
        for note_id, text in zip(notes["note_id"], notes["text"], strict=True)
        for span in spans[note_id]
    )


class Slices:
    """The rules that sort a span, gold or predicted, into what was seen in training and what was not."""

    def __init__(
        self,
        held_out: HeldOut,
        examples: Sequence[Example],
        gazetteer: Gazetteer,
        params: DatasetParams,
        common: Collection[str] = (),
    ) -> None:
        self._origins = held_out.origins
        self._params = params
        self._common = common  # concepts that are never held out
        self._sentences = _sentences(held_out.documents, examples)
        self._trained = {
            folded(example.words[first:past]) for example in examples for first, past, _ in bio.runs(example.tags)
        }
        self._concepts = {concept_id for concept_id, words in held_out.named if words in self._trained}
        self._gazetteer = gazetteer
        self._terms: dict[tuple[str, Span], str] = {}  # of the spans asked for so far

    def patients(self, document: Document, _: Span) -> str:
        """Notes of patients of whom others were trained on, of new patients, and texts about nobody."""
        return self._origins[document.id].patient

    def kinds(self, document: Document, _: Span) -> str:
        """The kind of text."""
        return self._origins[document.id].kind

    def templates(self, document: Document, span: Span) -> str:
        """Whether the span lies in a sentence whose template was trained on."""
        return "unseen" if self.is_new(document.id, span) else "seen"

    def is_new(self, document_id: str, span: Span) -> bool:
        """Whether the span lies in a sentence whose template was never trained on."""
        return any(_shared(span, stretch) > 0 for stretch in self._origins[document_id].unseen)

    def calibrates(self, document_id: str, span: Span) -> bool:
        """Whether the span lies in a sentence of a template that the curves of confidence were fitted on."""
        return any(_shared(span, stretch) > 0 for stretch in self._origins[document_id].calibrating)

    def sections(self, document: Document, span: Span) -> str:
        """The section that the note was given where the span starts."""
        sections = self._origins[document.id].sections
        return next((name for (start, end), name in sections if start <= span.start < end), NO_SECTION)

    def repeats(self, document: Document, span: Span) -> str:
        """Whether the span lies in a sentence that was trained on word for word."""
        lines = self._sentences[document.id]
        first = bisect_right(lines, span.start, key=lambda line: line[0][1])  # the first that ends after the start
        met = takewhile(lambda line: line[0][0] < span.end, islice(lines, first, None))
        return "verbatim" if any(repeated for _, repeated in met) else "new"

    def repeated_sentences(self) -> float:
        """The share of the held-out sentences that were trained on word for word."""
        flags = [repeated for lines in self._sentences.values() for _, repeated in lines]
        return round(sum(flags) / len(flags), 6) if flags else 0.0

    def terms(self, document: Document, span: Span) -> str:
        """What was known of the gold term, or of the one that a predicted span is an attempt at.

        That is the gold span that it equals, else the one that it overlaps most; a predicted span that
        meets none is `spurious`, so the precision of the other slices leaves such spans out.
        """
        key = (document.id, span)
        if key not in self._terms:
            gold = counterpart(span, document.spans)
            self._terms[key] = self._term(document, gold) if gold else SPURIOUS
        return self._terms[key]

    def new_templates(self, document: Document, span: Span) -> str:
        """What was known of the terms in sentences of unseen templates; those of the others are one slice."""
        return self.terms(document, span) if self.is_new(document.id, span) else SEEN_TEMPLATE

    def withheld(self, document: Document, span: Span) -> str:
        """The same with one slice for all concepts that were kept from training, listed or not."""
        name = self.new_templates(document, span)
        return WITHHELD if name.startswith(WITHHELD) else name

    def _term(self, document: Document, gold: Span) -> str:
        """The slice of a gold span.

        `seen`: its words were trained on. `new_form`: other words for its concept were (synonyms, abbreviations).
        `rare_concept`: none were, but only by chance. `withheld_listed` and `withheld_unlisted`: the concept
        was kept from training, and the term is or is not in the gazetteer.
        """
        words = _words(document.text[gold.start : gold.end])
        concept_id = self._origins[document.id].concepts[gold]
        if folded(words) in self._trained:
            return SEEN
        if is_trained_on(concept_id, self._params, self._common):
            return "new_form" if concept_id in self._concepts else "rare_concept"
        whole = any(match.first == 0 and match.past == len(words) for match in self._gazetteer.matches(words))
        return WITHHELD_LISTED if whole else WITHHELD_UNLISTED


def _words(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def _shared(span: Span, stretch: Stretch) -> int:
    """How many characters the two share; 0 or less if none."""
    return min(span.end, stretch[1]) - max(span.start, stretch[0])


def counterpart(span: Span, golds: Iterable[Span]) -> Span | None:
    """The gold span that equals it, else the first of those that it shares most characters with, if any."""
    met = [gold for gold in golds if gold.overlaps(span)]
    return max(met, key=lambda gold: (gold == span, _shared(span, (gold.start, gold.end))), default=None)


def _sentences(documents: Iterable[Document], examples: Iterable[Example]) -> dict[str, list[tuple[Stretch, bool]]]:
    """The sentences of every document, and whether each was trained on word for word."""
    trained = {tuple(example.words) for example in examples}
    return {
        document.id: [
            ((line[0].start, line[-1].end), tuple(token.text for token in line) in trained)
            for line in sentences(document.text)
        ]
        for document in documents
    }
