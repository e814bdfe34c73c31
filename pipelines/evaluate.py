"""Evaluate the served tagger, two baselines and its ablations on the held-out texts."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.schema import ENTITIES, LEXICON, NOTES, RELATIONS, SEGMENTS, SPLITS, TEMPLATE_SPLITS, TOKENS
from clinical_ner.ner import held_out, report, training
from clinical_ner.ner.dataset import NoteTables, examples_of
from clinical_ner.ner.tagger import Tagger


def main(
    dataset: Annotated[Path, Option()],
    notes: Annotated[Path, Option()],
    model: Annotated[Path, Option()],
    metrics: Annotated[Path, Option()],
    plots: Annotated[Path, Option()],
    figures_file: Annotated[Path, Option("--report")],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the main figures to METRICS, all of them to REPORT and the plots to the folder PLOTS."""
    settings = params.load(params_file)
    tagger = Tagger.load(model)
    corpus = NoteTables(*(io.read(table, notes) for table in (NOTES, ENTITIES, SEGMENTS, RELATIONS)))
    unread = held_out.held_out(corpus, io.read(SPLITS, dataset), io.read(TEMPLATE_SPLITS, dataset))
    examples = examples_of(io.read(TOKENS, dataset))
    entries = training.entries(io.read(LEXICON, dataset))
    slices = held_out.Slices(unread, examples, tagger.gazetteer, settings.dataset)
    systems = report.readers(tagger, examples, entries, settings.train, settings.evaluate.seed)
    figures, readings = report.evaluate(systems, unread, slices)
    figures["ablation"] = report.ablations(examples, entries, unread, slices, settings.evaluate, settings.train)
    report.write_plots(plots, figures, readings)
    files.write_json(figures_file, figures)
    files.write_json(metrics, report.main_figures(figures))


if __name__ == "__main__":
    run(main)
