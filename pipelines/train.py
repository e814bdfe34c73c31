"""Train the CRF on the token table."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.schema import CALIBRATION, LEXICON, TOKENS
from clinical_ner.ner import training
from clinical_ner.ner.concepts import Concepts
from clinical_ner.ner.dataset import examples_of


def main(
    dataset: Annotated[Path, Option()],
    vocabulary: Annotated[Path, Option()],
    out: Annotated[Path, Option()],
    metrics: Annotated[Path, Option()],
    curve: Annotated[Path, Option()],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the model to OUT (*.crfsuite) with its gazetteer and manifest, its log to CURVE."""
    section = params.load(params_file).train
    examples, calibration = (examples_of(io.read(table, dataset)) for table in (TOKENS, CALIBRATION))
    entries = training.entries(io.read(LEXICON, dataset))
    concepts = Concepts.of(io.read_vocabulary(vocabulary))
    data = io.digests((TOKENS, LEXICON, CALIBRATION), dataset) | io.digests(io.VOCABULARY, vocabulary)
    log = training.train(examples, entries, section, out, data, concepts, calibration)
    files.write_csv(curve, training.Iteration._fields, log)
    files.write_json(metrics, training.training_metrics(out, log))


if __name__ == "__main__":
    run(main)
