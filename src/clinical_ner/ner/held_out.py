"""The synthetic test set: documents that were not trained on, and the slices in which they are new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.params import DatasetParams
from clinical_ner.core.span import Span
from clinical_ner.ner import bio
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.dataset import NoteTables, is_trained_on, rows_by_note
from clinical_ner.ner.evaluation import Reading
from clinical_ner.ner.extraction import interpret_spans
from clinical_ner.ner.gazetteer import Gazetteer, folded
from clinical_ner.ner.metrics import Counts, Scores, score_table
from clinical_ner.ner.tokenize import sentences, tokens
from clinical_ner.ner.training import Example

SPURIOUS = "spurious"  # the slice of predicted spans that meet no gold one
Pair = tuple[int, int]  # starts of a treatment and of its disease
Stretch = tuple[int, int]  # start and end


class Origin(NamedTuple):
    """What is known of a held-out document besides its text."""

    patient: str  # seen, unseen, or nobody (literature)
    kind: str
    unseen: tuple[Stretch, ...]  # stretches that templates wrote which were never trained on
    relations: frozenset[Pair]
    concepts: dict[Span, str]  # of every gold span


class HeldOut(NamedTuple):
    """Held-out documents, the origin of each by its id, and what the other notes name."""

    documents: list[Document]
    origins: dict[str, Origin]
    named: frozenset[tuple[str, str]]  # concept and folded words of every mention in the training notes


def held_out(corpus: NoteTables, splits: pd.DataFrame, templates: pd.DataFrame) -> HeldOut:
    """The notes that are in no training split, with their gold spans."""
    notes = corpus.notes.merge(splits, on="note_id").sort_values("note_id")
    new = set(templates.loc[~templates["seen"], "template_id"])
    segments = corpus.segments
    spans, stretches = rows_by_note(corpus.entities), rows_by_note(segments[segments["template_id"].isin(new)])
    pairs = rows_by_note(corpus.relations)
    documents, origins = [], {}
    for row in notes[~notes["train"]].to_dict("records"):
        note_id = row["note_id"]
        concepts = {Span(e.start, e.end, e.label): str(e.concept_id) for e in spans[note_id]}
        documents.append(Document(note_id, row["text"], tuple(concepts), None))
        patient = "nobody" if pd.isna(row["patient_id"]) else "seen" if row["patient_seen"] else "unseen"
        unseen = tuple((s.start, s.end) for s in stretches[note_id])
        known = frozenset((p.treatment_start, p.disease_start) for p in pairs[note_id])
        origins[note_id] = Origin(patient, row["kind"], unseen, known, concepts)
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
        self, held_out: HeldOut, examples: Sequence[Example], gazetteer: Gazetteer, params: DatasetParams
    ) -> None:
        self._origins = held_out.origins
        self._params = params
        self._sentences = _sentences(held_out.documents, examples)
        self._trained = {
            folded(example.words[first:past]) for example in examples for first, past, _ in bio.runs(example.tags)
        }
        self._concepts = {concept_id for concept_id, words in held_out.named if words in self._trained}
        self._gazetteer = gazetteer

    def patients(self, document: Document, _: Span) -> str:
        """Notes of patients of whom others were trained on, of new patients, and texts about nobody."""
        return self._origins[document.id].patient

    def kinds(self, document: Document, _: Span) -> str:
        """The kind of text."""
        return self._origins[document.id].kind

    def templates(self, document: Document, span: Span) -> str:
        """Whether the span lies in a sentence whose template was trained on."""
        stretches = self._origins[document.id].unseen
        return "unseen" if any(_shared(span, stretch) > 0 for stretch in stretches) else "seen"

    def repeats(self, document: Document, span: Span) -> str:
        """Whether the span lies in a sentence that was trained on word for word."""
        lines = self._sentences[document.id]
        return "verbatim" if any(repeated and _shared(span, line) > 0 for line, repeated in lines) else "new"

    def repeated_sentences(self) -> float:
        """The share of the held-out sentences that were trained on word for word."""
        flags = [repeated for lines in self._sentences.values() for _, repeated in lines]
        return round(sum(flags) / len(flags), 6) if flags else 0.0

    def terms(self, document: Document, span: Span) -> str:
        """What was known of the gold term, or of the one that a predicted span is an attempt at.

        That is the gold span that it equals, else the one that it overlaps most; a predicted span that
        meets none is `spurious`, so the precision of the other slices leaves such spans out.
        """
        gold = _counterpart(span, document.spans)
        return self._term(document, gold) if gold else SPURIOUS

    def _term(self, document: Document, gold: Span) -> str:
        """The slice of a gold span.

        `seen`: its words were trained on. `new_form`: other words for its concept were (synonyms, abbreviations).
        `rare_concept`: none were, but only by chance. `withheld_listed` and `withheld_unlisted`: the concept
        was kept from training, and the term is or is not in the gazetteer.
        """
        words = _words(document.text[gold.start : gold.end])
        concept_id = self._origins[document.id].concepts[gold]
        if folded(words) in self._trained:
            return "seen"
        if is_trained_on(concept_id, self._params):
            return "new_form" if concept_id in self._concepts else "rare_concept"
        whole = any(match.first == 0 and match.past == len(words) for match in self._gazetteer.matches(words))
        return "withheld_listed" if whole else "withheld_unlisted"


def _words(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def _shared(span: Span, stretch: Stretch) -> int:
    """How many characters the two share; 0 or less if none."""
    return min(span.end, stretch[1]) - max(span.start, stretch[0])


def _counterpart(span: Span, golds: Iterable[Span]) -> Span | None:
    """The gold span that equals it, else the first of those that it shares most characters with, if any."""
    met = [gold for gold in golds if _shared(span, (gold.start, gold.end)) > 0]
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


def link_scores(readings: Iterable[Reading], origins: dict[str, Origin]) -> dict[str, Scores]:
    """How well treatments are linked to the disease that they are for: from gold spans, and end to end.

    Recall is over the gold pairs. Only where a template says what a treatment is for is there one; precision is
    therefore over the predicted pairs of the treatments that have a gold pair, and leaves all others out: a
    link of a treatment that is for nothing, or of a span that does not start where such a treatment does, is no
    error here. A pair is right if both spans start where the gold ones do; their ends and labels are scored elsewhere.
    """
    counts = {"gold_spans": Counts(), "end_to_end": Counts()}
    for document, predicted in readings:
        gold = origins[document.id].relations
        for name, spans in (("gold_spans", document.spans), ("end_to_end", predicted)):
            counts[name] += _count_pairs(gold, _pairs(document.text, spans))
    return {name: score_table({"pairs": found})["micro"] for name, found in counts.items()}


def _count_pairs(gold: Set[Pair], found: Set[Pair]) -> Counts:
    annotated = {treatment for treatment, _ in gold}
    return Counts(len(gold & found), sum(treatment in annotated for treatment, _ in found), len(gold))


def _pairs(text: str, spans: Iterable[Span]) -> set[Pair]:
    return {(treatment.start, disease.start) for treatment, disease in interpret_spans(text, spans).pairs}
