"""The frozen test sets: synthetic texts that are held out, hand-written notes, and annotated corpora."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import LABELS, Span
from clinical_ner.core.text import on_one_line
from clinical_ner.ner.corpora import Corpus, Document
from clinical_ner.ner.golden import GoldenNote
from clinical_ner.ner.held_out import HeldOut, Slices
from clinical_ner.ner.report import GOLDEN, HELD_OUT, UNSEEN_TEMPLATES
from clinical_ner.promotion.comparison import Benchmark


def synthetic(unread: HeldOut, slices: Slices) -> list[Benchmark]:
    """The held-out texts, and of them what stands in sentences of templates that were never trained on."""

    def is_new(document: Document, span: Span) -> bool:
        return slices.is_new(document.id, span)

    slicers = {"label": label_of, "kind": slices.kinds, "patient": slices.patients}
    return [
        Benchmark(HELD_OUT, unread.documents, LABELS, {**slicers, "terms": slices.terms, "template": slices.templates}),
        Benchmark(UNSEEN_TEMPLATES, unread.documents, LABELS, {**slicers, "terms": slices.withheld}, is_new),
    ]


def golden(notes: Sequence[GoldenNote]) -> Benchmark:
    """The notes that were written by hand."""
    return Benchmark(GOLDEN, [note.document for note in notes], LABELS, {"label": label_of})


def annotated(name: str, corpus: Corpus) -> Benchmark:
    """An annotated corpus; labels that it does not annotate do not count."""
    return Benchmark(name, corpus.documents, corpus.labels, {"label": label_of})


def label_of(_: Document, span: Span) -> str:
    """The label itself."""
    return span.label


def require_untrained(corpora: Iterable[Benchmark], trained_on: Iterable[Document]) -> None:
    """Refuse to judge by texts that the challenger was trained on.

    Raises:
        UserError: a test set holds some of them.
    """
    texts = {on_one_line(document.text) for document in trained_on}
    for benchmark in corpora:
        known = sum(on_one_line(document.text) in texts for document in benchmark.documents)
        if known:
            raise UserError(
                f"{benchmark.name}: {known} of its {len(benchmark.documents)} texts are trained on too",
                "judge by texts that are not in the folder of annotated notes",
            )
