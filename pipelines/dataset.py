"""Hold out patients, templates and terms; tokenise what is left to train on, and the annotated notes that join it."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.schema import CALIBRATION, LEXICON, SPLITS, TEMPLATE_SPLITS, TOKENS
from clinical_ner.ner import dataset
from clinical_ner.ner.annotated import joined_metrics, read_folder


def main(
    vocabulary: Annotated[Path, Option()],
    notes: Annotated[Path, Option()],
    annotated: Annotated[Path, Option()],
    out: Annotated[Path, Option()],
    metrics: Annotated[Path, Option()],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the tables splits, template_splits, lexicon, tokens and calibration to OUT."""
    section = params.load(params_file).dataset
    joined = read_folder(annotated)
    corpus = dataset.read_notes(notes)
    splits = dataset.split_notes(corpus.notes, section)
    templates = dataset.split_templates(corpus.segments, section)
    terms = io.read_vocabulary(vocabulary)
    lexicon = dataset.lexicon(terms, section)
    examples = dataset.training_examples(corpus, splits, templates, section, dataset.common_concepts(terms))
    calibration = dataset.calibration_examples(corpus, splits, templates)
    io.write(SPLITS, splits, out)
    io.write(TEMPLATE_SPLITS, templates, out)
    io.write(LEXICON, lexicon, out)
    real = [example for _, prepared in joined for example in prepared.examples]
    io.write(TOKENS, dataset.token_table([*examples, *real]), out)
    io.write(CALIBRATION, dataset.token_table(calibration), out)
    figures = dataset.dataset_metrics(splits, templates, lexicon, examples)
    files.write_json(metrics, {**figures, "annotated": joined_metrics(joined)})


if __name__ == "__main__":
    run(main)
