"""How well annotated reports are read after training on few or many of them, with and without the synthetic notes."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from clinical_ner.core.params import TrainParams
from clinical_ner.core.seeds import stream
from clinical_ner.ner.adaptation import held_out_f1, parts, without
from clinical_ner.ner.corpora import Corpus, Document
from clinical_ner.ner.evaluation import Reading, read_all, scores, span_reader
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import (
    Entry,
    Example,
    adapted,
    example_features,
    fitted,
    partial_gazetteer,
    prepare,
    rehearsal,
    train,
)

SYNTHETIC, ALONE, PLAIN = SYSTEMS = ("with_synthetic", "alone", "alone_plain")
ALONE_C2: Final = (1.0, 0.1, 0.01)  # tried on the reports alone
PLAIN_GROUPS: Final = frozenset({"word", "affix", "shape", "context"})  # what a CRF has without any word list
Report = tuple[Document, ...]


class Fold(NamedTuple):
    """The reports to learn from, in the order in which they are annotated, and those that are held out."""

    trained: list[Report]
    held_out: list[Report]


class Synthetic(NamedTuple):
    """A tagger of the synthetic notes, the gazetteer that is known while training, how, and what is rehearsed later."""

    tagger: Tagger
    hidden: Gazetteer
    params: TrainParams
    rehearsed: list[Example]


def train_synthetic(examples: Sequence[Example], lexicon: Sequence[Entry], params: TrainParams) -> Synthetic:
    """Train on the synthetic sentences once, for every point of the curve."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "synthetic.crfsuite"
        train(examples, lexicon, params, path, {})
        return Synthetic(Tagger.load(path), partial_gazetteer(lexicon, params), params, rehearsal(examples, params))


# --- reports and folds --------------------------------------------------------------------------
def reports_of(corpus: Corpus, sentences: int) -> list[Report]:
    """The reports of a corpus: its documents, or so many neighbours where a document is a sentence."""
    if has_reports(corpus):
        return [(document,) for document in corpus.documents]
    starts = range(0, len(corpus.documents), sentences)
    return [corpus.documents[start : start + sentences] for start in starts]


def has_reports(corpus: Corpus) -> bool:
    """Whether the documents of a corpus are reports, and not sentences."""
    return all(document.tokens is None for document in corpus.documents)


def folds(reports: Sequence[Report], count: int, seed: int) -> Iterator[Fold]:
    """Each report is held out in one of `count` folds; the order of the others is the same in all of them."""
    order = stream(seed, "folds").permutation(len(reports)).tolist()
    for fold in range(count):
        held_out = set(order[fold::count])
        yield Fold([reports[n] for n in order if n not in held_out], [reports[n] for n in sorted(held_out)])


def sizes_of(wanted: Iterable[int], available: int) -> list[int]:
    """The numbers of reports to learn from: those wanted that are there, and at the end all that are there.

    >>> sizes_of([0, 5, 10, 100], 80)
    [0, 5, 10, 80]
    """
    return [*sorted({size for size in wanted if size < available}), available]


# --- the curve ----------------------------------------------------------------------------------
def learning_curve(
    chosen: Sequence[Fold],
    labels: tuple[str, ...],
    wanted: Iterable[int],
    synthetic: Synthetic,
    systems: Collection[str] = SYSTEMS,
) -> list[dict[str, Any]]:
    """The scores of the systems at every number of reports, over the held-out reports of all folds together."""
    sizes = sizes_of(wanted, min(len(fold.trained) for fold in chosen))
    return [{"reports": size, **_point(size, chosen, labels, synthetic, systems)} for size in sizes]


def _point(
    size: int, chosen: Sequence[Fold], labels: tuple[str, ...], synthetic: Synthetic, systems: Collection[str]
) -> dict[str, Any]:
    readings: dict[str, list[Reading]] = {}
    for trained, held_out in chosen:
        documents = [document for report in held_out for document in report]
        known = [document for report in trained[:size] for document in report]
        for name, tagger in _taggers(prepare(known, labels).examples, synthetic, systems):
            readings.setdefault(name, []).extend(read_all(span_reader(tagger), documents, labels))
    return {name: _figures(found) for name, found in readings.items()}


def _figures(readings: Sequence[Reading]) -> dict[str, Any]:
    found = scores(readings)
    return {**found["micro"], "token_weighted_f1": found["token_weighted_f1"]}


def _taggers(
    examples: Sequence[Example], synthetic: Synthetic, systems: Collection[str]
) -> Iterator[tuple[str, Tagger]]:
    """The systems that learn from these sentences; without any there is the synthetic model alone."""
    params = synthetic.params
    if not examples:
        yield SYNTHETIC, synthetic.tagger
        return
    after = adapted(synthetic.tagger.weights, examples, synthetic.hidden, params, rehearsed=synthetic.rehearsed)[0]
    yield SYNTHETIC, synthetic.tagger.reweighted(after, params)
    plain = tuple(group for group in params.feature_groups if group in PLAIN_GROUPS)
    alone = ((ALONE, params), (PLAIN, params.model_copy(update={"feature_groups": plain})))
    for name, own in (system for system in alone if system[0] in systems):
        chosen = tuned(examples, synthetic.hidden, own)
        yield name, synthetic.tagger.reweighted(fitted(examples, synthetic.hidden, chosen), chosen)


def tuned(examples: Sequence[Example], gazetteer: Gazetteer, params: TrainParams) -> TrainParams:
    """The parameters with the regularisation that suits the examples, which cross-validation on them chooses.

    The one that was chosen for many synthetic notes would make few reports look worth less than they are.
    """
    examples = [example for example in examples if example.words]
    rows = [example_features(example, gazetteer, params.feature_groups) for example in examples]
    tags = [example.tags for example in examples]
    tried = [params.model_copy(update={"c2": c2}) for c2 in ALONE_C2]
    unseen = parts(len(examples))
    learnt = ([fitted(without(examples, part), gazetteer, own) for own in tried] for part in unseen)
    f1 = held_out_f1(rows, tags, [example.annotates for example in examples], unseen, learnt)
    return tried[f1.index(max(f1))]


def worth(points: Sequence[dict[str, Any]], system: str) -> float | None:
    """How many annotated reports it takes without the synthetic notes to read as well as with them and no report.

    Between two points the curve is taken as straight; None if it never gets there.
    """
    goal: float = points[0][SYNTHETIC]["f1"]
    curve = [(0, 0.0), *((int(point["reports"]), float(point[system]["f1"])) for point in points if system in point)]
    for (few, low), (many, high) in pairwise(curve):
        if high >= goal:
            return round(few + (many - few) * (goal - low) / (high - low), 1)
    return None


# --- how it is shown ------------------------------------------------------------------------------
NAMES: Final = {
    SYNTHETIC: "synthetic notes and annotated reports",
    ALONE: "annotated reports alone",
    PLAIN: "annotated reports alone, no word lists",
}


def table(points: Sequence[dict[str, Any]]) -> str:
    """The F1 of every system at every number of reports, as a Markdown table."""
    lines = [f"| annotated reports | {' | '.join(NAMES.values())} |", "|---|" + "---|" * len(NAMES)]
    for point in points:
        shares = (f"{point[system]['f1']:.3f}" if system in point else "-" for system in SYSTEMS)
        lines.append(f"| {point['reports']} | {' | '.join(shares)} |")
    return "\n".join(lines)


def plot(points: Sequence[dict[str, Any]], title: str) -> dict[str, Any]:
    """The curves as a Vega-Lite specification."""
    rows = [
        {"reports": point["reports"], "f1": point[system]["f1"], "trained on": NAMES[system]}
        for point in points
        for system in SYSTEMS
        if system in point
    ]
    return {
        "title": title,
        "width": 480,
        "height": 300,
        "data": {"values": rows},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": _axis("reports", "annotated reports", scale={"type": "symlog"}),
            "y": _axis("f1", "strict F1 on held-out reports"),
            "color": {
                "field": "trained on",
                "legend": {"orient": "bottom", "direction": "vertical", "labelLimit": 300},
            },
        },
    }


def _axis(field: str, title: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, **more}
