"""The evaluation as a whole: the tagger on all that it was not trained on, its baselines, and the plots of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clinical_ner.core.files import write_csv
from clinical_ner.core.params import EvaluateParams
from clinical_ner.core.span import LABELS, Span
from clinical_ner.ner.bio import OUTSIDE
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.diagnosis import diagnosis
from clinical_ner.ner.evaluation import (
    Reader,
    Reading,
    SliceTable,
    Understood,
    confusion,
    confusion_by_slice,
    detected_section,
    f1_by_slice,
    read_all,
    scores,
    scores_by_slice,
    span_reader,
    spans_of,
    understand_all,
)
from clinical_ner.ner.exchange import exchanged_scores
from clinical_ner.ner.extraction_metrics import Annotated, Outputs, output_scores, outputs_of, within
from clinical_ner.ner.golden import GoldenNote
from clinical_ner.ner.held_out import SEEN, WITHHELD, WITHHELD_LISTED, WITHHELD_UNLISTED, HeldOut, Slices
from clinical_ner.ner.robustness import perturbations, robustness
from clinical_ner.ner.tagger import Tagger

CRF, DICTIONARY, TOKEN_CLASSIFIER = SYSTEMS = ("crf", "dictionary", "token_classifier")
HELD_OUT, UNSEEN_TEMPLATES, GOLDEN = TEXTS = ("held_out", "unseen_templates", "golden")
SLICED_BY = ("patients", "templates", "terms", "repeats", "kinds", "sections", "new_templates", "withheld")
TERMS_TO_WATCH = (SEEN, WITHHELD, WITHHELD_LISTED, WITHHELD_UNLISTED)  # of those in unseen templates
ABLATED_ON = {"all": "f1", "unseen templates": "f1_unseen_templates", "unlisted terms": "f1_withheld_unlisted_terms"}
BIN_COLUMNS = ("confidence", "right", "entities")
Figures = dict[str, Any]


def evaluate(tagger: Tagger, unread: HeldOut, golden: Sequence[GoldenNote], slices: Slices) -> Figures:
    """All figures of the tagger: on the held-out texts, in their unseen templates alone, and on the golden notes."""
    found = _held_out_figures(tagger, unread, slices)
    for part, figures in _golden_figures(tagger, golden).items():
        found[part] = {**found.get(part, {}), **figures}
    return found


def _held_out_figures(tagger: Tagger, unread: HeldOut, slices: Slices) -> Figures:
    def is_new(document: Document, span: Span) -> bool:
        return slices.is_new(document.id, span)

    def is_judged(document: Document, span: Span) -> bool:
        return not slices.calibrates(document.id, span)

    read = understand_all(tagger, unread.documents)
    readings = spans_of(read, LABELS)
    outputs = _outputs(tagger, read, {name: origin.gold for name, origin in unread.origins.items()})
    new = [
        within(output, lambda span, name=document.id: slices.is_new(name, span))  # type: ignore[misc]
        for (document, _), output in zip(read, outputs, strict=True)
    ]
    return {
        CRF: system_scores(readings, slices),
        "repeated_sentences": slices.repeated_sentences(),
        "confusion": _errors_only(confusion(readings)),
        "section_confusion": {
            name: _errors_only(pairs) for name, pairs in confusion_by_slice(readings, slices.sections).items()
        },
        "outputs": {HELD_OUT: output_scores(outputs), UNSEEN_TEMPLATES: output_scores(new)},
        "diagnosis": {
            HELD_OUT: diagnosis(read, LABELS, tagger.gazetteer, is_judged=is_judged),
            UNSEEN_TEMPLATES: diagnosis(read, LABELS, tagger.gazetteer, is_new, is_judged),
        },
    }


def _golden_figures(tagger: Tagger, golden: Sequence[GoldenNote]) -> Figures:
    read = understand_all(tagger, [note.document for note in golden])
    readings = spans_of(read, LABELS)
    outputs = _outputs(tagger, read, {note.document.id: note.gold for note in golden})
    return {
        GOLDEN: {"all": scores(readings), "sections": scores_by_slice(readings, detected_section)},
        "outputs": {GOLDEN: output_scores(outputs)},
        "diagnosis": {GOLDEN: diagnosis(read, LABELS, tagger.gazetteer)},
    }


def _outputs(tagger: Tagger, read: Iterable[Understood], gold: Mapping[str, Annotated]) -> list[Outputs]:
    return [outputs_of(document.text, gold[document.id], found, tagger.concepts) for document, found in read]


def _errors_only(pairs: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """The tokens that are read wrongly, by how."""
    return {
        f"{'nothing' if gold == OUTSIDE else gold} read as {'nothing' if found == OUTSIDE else found}": count
        for (gold, found), count in sorted(pairs.items())
        if gold != found
    }


def system_scores(readings: list[Reading], slices: Slices) -> Figures:
    """The entity scores of a system on the held-out texts, as a whole and by every slice."""
    return {"all": scores(readings), **{by: scores_by_slice(readings, getattr(slices, by)) for by in SLICED_BY}}


def baseline_scores(baselines: Mapping[str, Reader], documents: Sequence[Document]) -> Figures:
    """The entity scores of the systems that the CRF is compared with."""
    return {name: {"all": scores(read_all(reader, documents, LABELS))} for name, reader in baselines.items()}


def term_scores(tagger: Tagger, unread: HeldOut, slices: Slices, params: EvaluateParams) -> dict[str, SliceTable]:
    """The strict scores of terms that were trained on, and of others, in the same sentences of unseen templates."""
    return exchanged_scores(span_reader(tagger), unread, slices, LABELS, params.seed)


def robustness_scores(
    tagger: Tagger, held_out: Sequence[Document], golden: Sequence[GoldenNote], params: EvaluateParams
) -> dict[str, Figures]:
    """The strict scores of the same texts written in other ways."""
    ways = perturbations(params.seed, params.typo_rate)
    texts = {HELD_OUT: held_out, GOLDEN: [note.document for note in golden]}
    return {name: robustness(span_reader(tagger), documents, LABELS, ways) for name, documents in texts.items()}


# --- the figures to watch ------------------------------------------------------------------------
def main_figures(figures: Figures) -> Figures:
    """The figures to watch from commit to commit; all of them are in the report."""
    crf, outputs = figures[CRF], figures["outputs"]
    return {
        "crf": {**_headline(crf), "f1_by_label": {k: v["f1"] for k, v in crf["all"]["per_label"].items()}},
        "crf_f1": {
            **{by: f1_by_slice(crf[by]) for by in SLICED_BY[:3]},
            "terms_in_unseen_templates": _terms_in_unseen_templates(crf),
            "terms_in_the_same_sentences": f1_by_slice(figures["exchanged"]),
        },
        **{f"{name}_f1": figures[name]["all"]["micro"]["f1"] for name in (*SYSTEMS[1:], GOLDEN)},
        "ablation_f1": {name: found["f1"] for name, found in figures["ablation"].items()},
        "calibration_error": {
            name: found["calibration"]["expected_calibration_error"] for name, found in figures["diagnosis"].items()
        },
        "outputs": {name: output_headline(found["end_to_end"]) for name, found in outputs.items()},
        "repeated_sentences": figures["repeated_sentences"],
        "robustness_f1": {way: found["f1"] for way, found in figures["robustness"][HELD_OUT].items()},
        "treatment_links": _shares(outputs[HELD_OUT]["end_to_end"]["relations_of_linked"]),
    }


def _terms_in_unseen_templates(crf: Figures) -> dict[str, float]:
    """How well terms never trained on are read in sentences never trained on, beside terms that were trained on."""
    found = {**f1_by_slice(crf["new_templates"]), **f1_by_slice(crf["withheld"])}
    return {name: found[name] for name in TERMS_TO_WATCH if name in found}


def output_headline(found: Mapping[str, Any]) -> dict[str, float]:
    """A figure for each thing that is said of an entity."""
    return {
        **{f"{name}_accuracy": found[name]["accuracy"] for name in ("assertion", "section", "concept")},
        "links_f1": found["relations"]["f1"],
        "links_of_linked_f1": found["relations_of_linked"]["f1"],
    }


def _headline(system: Figures) -> dict[str, float]:
    return {**_shares(system["all"]["micro"]), "token_weighted_f1": system["all"]["token_weighted_f1"]}


def _shares(scored: Mapping[str, float]) -> dict[str, float]:
    return {name: scored[name] for name in ("precision", "recall", "f1")}


# --- plots ---------------------------------------------------------------------------------------
def write_plots(folder: Path, figures: Figures) -> None:
    """Write NAME.csv for every plot to the folder, for `dvc plots show`."""
    for name, (columns, rows) in _plots(figures).items():
        write_csv(folder / f"{name}.csv", columns, rows)


def _plots(figures: Figures) -> dict[str, tuple[tuple[str, ...], Iterable[Sequence[Any]]]]:
    return {
        "systems": (("system", "f1"), [(name, figures[name]["all"]["micro"]["f1"]) for name in SYSTEMS]),
        "slices": (("slice", "f1"), _slice_rows(figures)),
        "ablation": (("features", "f1"), _ablation_rows(figures)),
        "errors": (("error", "tokens"), figures["confusion"].items()),
        "causes": (("cause", "errors", "false_positives", "false_negatives"), _cause_rows(figures)),
        "sections": (("section", "tokens"), _section_rows(figures)),
        "outputs": (("output", "score"), _output_rows(figures)),
        "robustness": (("writing", "f1"), _robustness_rows(figures)),
        **{
            f"calibration_{name}": (BIN_COLUMNS, [[row[column] for column in BIN_COLUMNS] for row in bins])
            for name, bins in ((name, found["calibration"]["bins"]) for name, found in figures["diagnosis"].items())
        },
    }


def _slice_rows(figures: Figures) -> Iterator[tuple[str, float]]:
    for by in SLICED_BY:
        yield from ((f"{by}: {name}", f1) for name, f1 in f1_by_slice(figures[CRF][by]).items())
    yield from ((f"same sentences: {name}", f1) for name, f1 in f1_by_slice(figures["exchanged"]).items())


def _ablation_rows(figures: Figures) -> Iterator[tuple[str, float]]:
    for name, found in figures["ablation"].items():
        yield from ((f"{shown}: {name}", found[key]) for shown, key in ABLATED_ON.items() if key in found)


def _cause_rows(figures: Figures) -> Iterator[tuple[str, int, int, int]]:
    for name, found in figures["diagnosis"].items():
        for cause, counts in found["causes"].items():
            yield f"{name}: {cause}", sum(counts.values()), counts["false_positives"], counts["false_negatives"]


def _section_rows(figures: Figures) -> Iterator[tuple[str, int]]:
    for section, wrong in figures["section_confusion"].items():
        yield from ((f"{section}: {error}", count) for error, count in wrong.items())


def _output_rows(figures: Figures) -> Iterator[tuple[str, float]]:
    for name, found in figures["outputs"].items():
        yield from ((f"{name}: {output}", score) for output, score in output_headline(found["end_to_end"]).items())


def _robustness_rows(figures: Figures) -> Iterator[tuple[str, float]]:
    for name, ways in figures["robustness"].items():
        yield from ((f"{name}: {way}", found["f1"]) for way, found in ways.items())
