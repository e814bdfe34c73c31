"""Evaluate the served tagger, two baselines and its ablations on the held-out texts, and the tagger on golden notes."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.schema import LEXICON, TOKENS
from clinical_ner.ner import ablation, baselines, held_out, report, training
from clinical_ner.ner.dataset import common_concepts, examples_of
from clinical_ner.ner.golden import read_golden
from clinical_ner.ner.tagger import Tagger


def main(
    dataset: Annotated[Path, Option()],
    vocabulary: Annotated[Path, Option()],
    notes: Annotated[Path, Option()],
    golden: Annotated[Path, Option()],
    model: Annotated[Path, Option()],
    metrics: Annotated[Path, Option()],
    plots: Annotated[Path, Option()],
    figures_file: Annotated[Path, Option("--report")],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the main figures to METRICS, all of them to REPORT and the plots to the folder PLOTS."""
    settings = params.load(params_file)
    own, train = settings.evaluate, settings.train
    tagger, written = Tagger.load(model), read_golden(golden)
    unread = held_out.read_held_out(notes, dataset)
    examples = examples_of(io.read(TOKENS, dataset))
    common = common_concepts(io.read_vocabulary(vocabulary))
    slices = held_out.Slices(unread, examples, tagger.gazetteer, settings.dataset, common)
    partial = training.partial_gazetteer(training.entries(io.read(LEXICON, dataset)), train)
    few = ablation.sampled_sentences(examples, own)
    texts = ablation.sampled(unread.documents, own.sample_texts, own.seed, "texts")
    others = baselines.readers(tagger, few, partial, train, own.seed)
    lighter = ablation.lighter_models(tagger, few, partial, own, train)
    figures = report.evaluate(tagger, unread, written, slices)
    figures |= report.baseline_scores(others, unread.documents)
    figures["exchanged"] = report.term_scores(tagger, unread, slices, own)
    figures["robustness"] = report.robustness_scores(tagger, texts, written, own)
    figures["ablation"] = ablation.ablations(lighter, texts, slices)
    report.write_plots(plots, figures)
    files.write_json(figures_file, figures)
    files.write_json(metrics, report.main_figures(figures))


if __name__ == "__main__":
    run(main)
