"""Build the term tables from released packages."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.vocabulary.terms import build, vocabulary_metrics


def main(
    out: Annotated[Path, Option()],
    metrics: Annotated[Path, Option()],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the tables diseases, drugs, procedures and substances to OUT."""
    vocabulary = build(params.load(params_file).vocabulary)
    for table, frame in zip(io.VOCABULARY, vocabulary, strict=True):
        io.write(table, frame, out)
    files.write_json(metrics, vocabulary_metrics(vocabulary))


if __name__ == "__main__":
    run(main)
