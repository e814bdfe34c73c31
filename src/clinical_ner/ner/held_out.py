"""The synthetic test set: documents that were not trained on, and the slices in which they are new."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.span import Span
from clinical_ner.ner import bio
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.dataset import Corpus
from clinical_ner.ner.evaluation import Reading
from clinical_ner.ner.gazetteer import Gazetteer, fold
from clinical_ner.ner.relations import link
from clinical_ner.ner.tokenize import sentences, tokens
from clinical_ner.ner.training import Example

Pair = tuple[int, int]  # starts of a treatment and of its disease


class Origin(NamedTuple):
    """What is known of a held-out document besides its text."""

    patient: str  # seen, unseen, or nobody (literature)
    kind: str
    unseen: tuple[tuple[int, int], ...]  # stretches that templates wrote which were never trained on
    relations: frozenset[Pair]


class HeldOut(NamedTuple):
    """Held-out documents, and the origin of each by its id."""

    documents: list[Document]
    origins: dict[str, Origin]


def held_out(corpus: Corpus, splits: pd.DataFrame, templates: pd.DataFrame) -> HeldOut:
    """The notes that are in no training split, with their gold spans."""
    texts = corpus.notes.merge(splits[~splits["train"]], on="note_id").sort_values("note_id")
    new = set(templates.loc[~templates["seen"], "template_id"])
    segments = corpus.segments
    spans, stretches = _rows(corpus.entities), _rows(segments[segments["template_id"].isin(new)])
    pairs = _rows(corpus.relations)
    documents, origins = [], {}
    for row in texts.to_dict("records"):
        note_id = row["note_id"]
        gold = tuple(Span(e.start, e.end, e.label) for e in spans[note_id])
        documents.append(Document(note_id, row["text"], gold, None))
        patient = "nobody" if pd.isna(row["patient_id"]) else "seen" if row["patient_seen"] else "unseen"
        unseen = tuple((s.start, s.end) for s in stretches[note_id])
        known = frozenset((p.treatment_start, p.disease_start) for p in pairs[note_id])
        origins[note_id] = Origin(patient, row["kind"], unseen, known)
    return HeldOut(documents, origins)


def _rows(frame: pd.DataFrame) -> defaultdict[str, list[Any]]:
    grouped: defaultdict[str, list[Any]] = defaultdict(list)
    for row in frame.itertuples(index=False):
        grouped[str(row.note_id)].append(row)
    return grouped


class Slices:
    """The rules that sort a span, gold or predicted, into what was seen in training and what was not."""

    def __init__(self, origins: dict[str, Origin], examples: Iterable[Example], gazetteer: Gazetteer) -> None:
        self._origins = origins
        self._trained = {
            _key(example.words[first:past]) for example in examples for first, past, _ in bio.runs(example.tags)
        }
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
        return "unseen" if any(start < span.end and span.start < end for start, end in stretches) else "seen"

    def terms(self, document: Document, span: Span) -> str:
        """Trained on; unseen but in the gazetteer; or unlisted: nowhere, neither trained on nor known."""
        words = [token.text for token in tokens(document.text[span.start : span.end])]
        if _key(words) in self._trained:
            return "seen"
        whole = any(match.first == 0 and match.past == len(words) for match in self._gazetteer.matches(words))
        return "unseen_listed" if whole else "unseen_unlisted"


def _key(words: Sequence[str]) -> str:
    return " ".join(map(fold, words))


def link_scores(readings: Iterable[Reading], origins: dict[str, Origin]) -> dict[str, Any]:
    """How many of the treatments that are for a known disease are linked to it: from gold spans, and end to end."""
    right: Counter[str] = Counter()
    for document, predicted in readings:
        gold = origins[document.id].relations
        for name, spans in (("gold_spans", document.spans), ("end_to_end", predicted)):
            right[name] += len(gold & _pairs(document.text, spans))
        right["support"] += len(gold)
    total = right["support"]
    shares = {name: round(right[name] / total, 6) if total else 0.0 for name in ("gold_spans", "end_to_end")}
    return {**shares, "support": total}


def _pairs(text: str, spans: Iterable[Span]) -> set[Pair]:
    ordered = sorted(spans)
    inside = [[s for s in ordered if line[0].start <= s.start < line[-1].end] for line in sentences(text)]
    return {(treatment.start, disease.start) for treatment, disease in link(inside)}
