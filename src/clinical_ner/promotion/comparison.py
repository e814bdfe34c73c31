"""Two models read the same frozen texts: the F1 of both, whole and by slice, and how sure the difference is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical_ner.core.params import PromoteParams
from clinical_ner.core.span import Span
from clinical_ner.ner.bootstrap import COUNTS, Interval, f1, interval, resampled_sums
from clinical_ner.ner.corpora import Corpus, Document, digest
from clinical_ner.ner.evaluation import Keep, Reader, Slicer, everything
from clinical_ner.ner.gazetteer import folded
from clinical_ner.ner.metrics import count_spans
from clinical_ner.ner.tokenize import tokens

WHOLE = "all"  # the slice that holds everything
Slices = dict[str, NDArray[np.int64]]  # by slice: a row a document of true positives, predicted and gold


@dataclass(frozen=True)
class Benchmark:
    """Texts that no model under comparison was trained on, and what of them counts."""

    name: str
    documents: Sequence[Document]
    labels: Sequence[str]
    slicers: Mapping[str, Slicer] = field(default_factory=dict)
    keep: Keep = everything

    @property
    def digest(self) -> str:
        """The SHA-256 of its texts and of the gold spans that count: the same digest is the same test."""
        counted = (replace(each, spans=tuple(sorted(_kept(self, each, each.spans)))) for each in self.documents)
        return digest(Corpus(tuple(counted), Counter(), 0))


class Row(NamedTuple):
    """The F1 of both models on a slice; without a champion there is nothing to compare."""

    name: str  # `all`, or SLICER:SLICE
    support: int  # gold spans
    challenger: float
    champion: float | None
    difference: Interval | None


class Comparison(NamedTuple):
    """A benchmark read by both: the whole first, then the slices that have enough gold spans to be judged."""

    name: str
    digest: str
    documents: int
    rows: tuple[Row, ...]
    new_terms: int | None  # written forms of gold spans that the challenger finds and the champion never does

    @property
    def whole(self) -> Row:
        """The row of all that counts."""
        return self.rows[0]


def compare(
    benchmark: Benchmark, challenger: Reader, champion: Reader | None, params: PromoteParams, among: int = 1
) -> Comparison:
    """The F1 of both models on the benchmark, one of `among`.

    The interval of the whole is widened for them (Bonferroni): to be better on one of many is easier than on one.
    """
    new = [_kept(benchmark, document, challenger(document.text)) for document in benchmark.documents]
    old = (
        None
        if champion is None
        else [_kept(benchmark, document, champion(document.text)) for document in benchmark.documents]
    )
    rows = _rows(benchmark, counts(benchmark, new), None if old is None else counts(benchmark, old), params, among)
    documents = benchmark.documents
    learnt = None if old is None else len(_right_terms(documents, new) - _right_terms(documents, old))
    return Comparison(benchmark.name, benchmark.digest, len(documents), tuple(rows), learnt)


def _kept(benchmark: Benchmark, document: Document, spans: Iterable[Span]) -> set[Span]:
    return {span for span in spans if span.label in benchmark.labels and benchmark.keep(document, span)}


def counts(benchmark: Benchmark, readings: Sequence[set[Span]]) -> Slices:
    """The strict counts of every slice, a row a document; those of all slices of a slicer add up to the whole."""
    found: Slices = {WHOLE: np.zeros((len(readings), COUNTS), dtype=np.int64)}
    for number, (document, predicted) in enumerate(zip(benchmark.documents, readings, strict=True)):
        gold = _kept(benchmark, document, document.spans)
        for name, (wanted, got) in _sliced(benchmark, document, gold, predicted).items():
            of_labels = count_spans(wanted, got).values()
            slice_counts = found.setdefault(name, np.zeros_like(found[WHOLE]))
            slice_counts[number] = [
                sum(each.true_positives for each in of_labels),
                sum(each.predicted for each in of_labels),
                sum(each.gold for each in of_labels),
            ]
    return found


def _sliced(
    benchmark: Benchmark, document: Document, gold: set[Span], predicted: set[Span]
) -> dict[str, tuple[set[Span], set[Span]]]:
    """The gold and the predicted spans of every slice of a document."""
    found = {WHOLE: (gold, predicted)}
    for slicer, slice_of in benchmark.slicers.items():
        for side, spans in enumerate((gold, predicted)):
            for span in spans:
                found.setdefault(f"{slicer}:{slice_of(document, span)}", (set(), set()))[side].add(span)
    return found


def _rows(benchmark: Benchmark, new: Slices, old: Slices | None, params: PromoteParams, among: int) -> list[Row]:
    support = {name: int(found[:, 2].sum()) for name, found in new.items()}
    judged = [WHOLE, *sorted(name for name, gold in support.items() if gold >= params.least_support and name != WHOLE)]
    challenger = {name: _f1_of_all(new[name]) for name in judged}
    if old is None:
        return [Row(name, support[name], challenger[name], None, None) for name in judged]
    champion = {name: _f1_of_all(old.get(name)) for name in judged}
    differences = _differences(benchmark.name, [(new[name], old.get(name)) for name in judged], params, among)
    return [
        Row(name, support[name], challenger[name], champion[name], difference)
        for name, difference in zip(judged, differences, strict=True)
    ]


def _f1_of_all(found: NDArray[np.int64] | None) -> float:
    return 0.0 if found is None else round(float(f1(found.sum(axis=0))), 6)


def _differences(
    name: str,
    pairs: Sequence[tuple[NDArray[np.int64], NDArray[np.int64] | None]],
    params: PromoteParams,
    among: int,
) -> list[Interval]:
    """Challenger minus champion of each pair of counts; the first is the whole, which is one of `among` sets.

    By Bonferroni the wholes share the error that `confidence` leaves, and so do the slices of this set.
    """
    columns = [part if part is not None else np.zeros_like(new) for new, old in pairs for part in (new, old)]
    table = np.hstack(columns)
    sums = resampled_sums(table, params.seed, name, params.resamples)
    points, resampled = (_paired_differences(part) for part in (table.sum(axis=0)[None], sums))
    of_whole, of_slices = (1 - (1 - params.confidence) / number for number in (among, max(1, len(pairs) - 1)))
    return [
        interval(float(points[0, pair]), resampled[:, pair], of_slices if pair else of_whole)
        for pair in range(len(pairs))
    ]


def _paired_differences(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of the first less that of the second of each pair; columns come in sixes."""
    both = f1(sums.reshape(len(sums), -1, 2, COUNTS))
    difference: NDArray[np.float64] = both[:, :, 0] - both[:, :, 1]
    return difference


def terms_learnt(documents: Sequence[Document], challenger: Reader, champion: Reader) -> set[str]:
    """The written forms, in any case or number, of gold spans that the challenger finds and the champion never does."""
    new, old = ([set(read(document.text)) for document in documents] for read in (challenger, champion))
    return _right_terms(documents, new) - _right_terms(documents, old)


def _right_terms(documents: Sequence[Document], readings: Sequence[set[Span]]) -> set[str]:
    return {
        folded(token.text for token in tokens(document.text[span.start : span.end]))
        for document, spans in zip(documents, readings, strict=True)
        for span in spans & set(document.spans)
    }
