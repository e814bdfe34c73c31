"""Sample the patients, their histories and their treatments."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ner.core import files
from clinical_ner.core.commands import run
from clinical_ner.core.params import load
from clinical_ner.population.summary import population_metrics
from clinical_ner.population.writing import read_population, write_population


def main(
    out: Annotated[Path, typer.Option()],
    metrics: Annotated[Path, typer.Option()],
    params: Annotated[Path, typer.Option()] = Path("params.yaml"),
    workers: Annotated[int, typer.Option(envvar="CLINICAL_NER_WORKERS", help="processes; same bytes")] = 1,
) -> None:
    """Write the tables to OUT and their summary to METRICS."""
    own = load(params).population
    write_population(own, out, workers=workers, progress=True)
    population = read_population(out)
    files.write_json(metrics, population_metrics(population, own.reference_date))


if __name__ == "__main__":
    run(main)
