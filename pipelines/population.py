"""Sample the patients, their histories and their treatments."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ner.core import files, io
from clinical_ner.core.commands import run
from clinical_ner.core.params import load
from clinical_ner.population.sample import POPULATION, sample_population
from clinical_ner.population.summary import Comparison, main_prevalences, population_metrics


def main(
    out: Annotated[Path, typer.Option()],
    metrics: Annotated[Path, typer.Option()],
    plot: Annotated[Path, typer.Option()],
    params: Annotated[Path, typer.Option()] = Path("params.yaml"),
) -> None:
    """Write the tables to OUT and their summary to METRICS; prevalences to PLOT."""
    own = load(params).population
    population = sample_population(own)
    for table, frame in zip(POPULATION, population, strict=True):
        io.write(table, frame, out)
    files.write_json(metrics, population_metrics(population, own.reference_date))
    files.write_csv(plot, Comparison._fields, main_prevalences(population, own.reference_date))


if __name__ == "__main__":
    run(main)
