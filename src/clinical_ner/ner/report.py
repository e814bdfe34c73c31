"""The evaluation as a whole: the CRF, its baselines, its ablations, and the plots of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinical_ner.core.files import write_csv
from clinical_ner.core.params import EvaluateParams, TrainParams
from clinical_ner.core.seeds import stream
from clinical_ner.core.span import LABELS
from clinical_ner.ner.baselines import dictionary_reader, token_classifier_reader
from clinical_ner.ner.evaluation import (
    Reader,
    Reading,
    SliceTable,
    confusion,
    read_all,
    scores,
    scores_by_slice,
    span_reader,
)
from clinical_ner.ner.held_out import HeldOut, Slices, link_scores
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Entry, Example, partial_gazetteer, train

SYSTEMS = ("crf", "dictionary", "token_classifier")
SLICED_BY = ("patients", "templates", "terms", "repeats", "kinds")


def readers(
    tagger: Tagger, examples: Sequence[Example], lexicon: Sequence[Entry], params: TrainParams, seed: int
) -> dict[str, Reader]:
    """The three systems that are compared, by name."""
    gazetteers = (partial_gazetteer(lexicon, params), tagger.gazetteer)
    return {
        "crf": span_reader(tagger),
        "dictionary": dictionary_reader(tagger.gazetteer),
        "token_classifier": token_classifier_reader(examples, gazetteers, params.feature_groups, seed),
    }


def system_scores(readings: list[Reading], slices: Slices) -> dict[str, Any]:
    """All figures of one system on the held-out texts."""
    return {"all": scores(readings), **{by: scores_by_slice(readings, getattr(slices, by)) for by in SLICED_BY}}


def main_figures(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures to watch from commit to commit; all of them are in the report."""
    crf = figures["crf"]
    return {
        "crf": {**_headline(crf), "f1_by_label": {k: v["f1"] for k, v in crf["all"]["per_label"].items()}},
        "crf_f1": {by: _f1_by_slice(crf[by]) for by in SLICED_BY[:3]},
        **{f"{name}_f1": figures[name]["all"]["micro"]["f1"] for name in SYSTEMS[1:]},
        "ablation_f1": {name: found["f1"] for name, found in figures["ablation"].items()},
        "repeated_sentences": figures["repeated_sentences"],
        "treatment_links": _shares(figures["relations"]["end_to_end"]),
    }


def _headline(system: dict[str, Any]) -> dict[str, float]:
    return {**_shares(system["all"]["micro"]), "token_weighted_f1": system["all"]["token_weighted_f1"]}


def _shares(scored: Mapping[str, float]) -> dict[str, float]:
    return {name: scored[name] for name in ("precision", "recall", "f1")}


def _f1_by_slice(tables: Mapping[str, SliceTable]) -> dict[str, float]:
    """The F1 of each slice that has gold spans; of the others it says nothing."""
    return {name: table["micro"]["f1"] for name, table in tables.items() if table["micro"]["support"]}


def evaluate(systems: dict[str, Reader], held_out: HeldOut, slices: Slices) -> tuple[dict[str, Any], list[Reading]]:
    """The figures of every system, and what the CRF read."""
    found: dict[str, Any] = {"repeated_sentences": slices.repeated_sentences()}
    kept: list[Reading] = []
    for name, reader in systems.items():
        readings = read_all(reader, held_out.documents, LABELS)
        found[name] = system_scores(readings, slices)
        if name == "crf":
            kept = readings
            found["relations"] = link_scores(readings, held_out.origins)
    return found, kept


def ablations(
    examples: Sequence[Example],
    lexicon: Sequence[Entry],
    held_out: HeldOut,
    slices: Slices,
    params: EvaluateParams,
    train_params: TrainParams,
) -> dict[str, Any]:
    """Micro F1 with all feature groups and with each left out, of models trained alike on a sample of sentences."""
    chosen = stream(params.seed, "ablation").permutation(len(examples))[: params.ablation_sentences]
    sample = [examples[index] for index in sorted(chosen)]
    groups = train_params.feature_groups
    kept = {"all": groups, **{f"without_{name}": tuple(g for g in groups if g != name) for name in groups}}
    return {
        name: _ablation(sample, lexicon, held_out, slices, _lighter(train_params, params, rest))
        for name, rest in kept.items()
        if rest
    }


def _lighter(params: TrainParams, own: EvaluateParams, groups: tuple[Any, ...]) -> TrainParams:
    return params.model_copy(update={"max_iterations": own.ablation_iterations, "feature_groups": groups})


def _ablation(
    sample: Sequence[Example], lexicon: Sequence[Entry], held_out: HeldOut, slices: Slices, params: TrainParams
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ablated.crfsuite"
        train(sample, lexicon, params, path, {})
        readings = read_all(span_reader(Tagger.load(path)), held_out.documents, LABELS)
    terms = _f1_by_slice(scores_by_slice(readings, slices.terms))
    return {"f1": scores(readings)["micro"]["f1"], **{f"f1_{name}_terms": f1 for name, f1 in terms.items()}}


def write_plots(folder: Path, figures: dict[str, Any], readings: list[Reading]) -> None:
    """Write systems.csv, slices.csv, ablation.csv and errors.csv to the folder, for `dvc plots show`."""
    systems = [(name, figures[name]["all"]["micro"]["f1"]) for name in SYSTEMS]
    slices = [(f"{by}: {name}", f1) for by in SLICED_BY for name, f1 in _f1_by_slice(figures["crf"][by]).items()]
    ablation = [(name, found["f1"]) for name, found in figures["ablation"].items()]
    errors = [
        (f"{gold} read as {predicted}", count)
        for (gold, predicted), count in sorted(confusion(readings).items())
        if gold != predicted
    ]
    write_csv(folder / "systems.csv", ("system", "f1"), systems)
    write_csv(folder / "slices.csv", ("slice", "f1"), slices)
    write_csv(folder / "ablation.csv", ("features", "f1"), ablation)
    write_csv(folder / "errors.csv", ("error", "tokens"), errors)
