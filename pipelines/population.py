"""Sample the patients, their conditions and their treatments."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ner.core import files, io
from clinical_ner.core.commands import run
from clinical_ner.core.params import load
from clinical_ner.core.schema import CONDITIONS, PATIENTS, TREATMENTS
from clinical_ner.population.sample import sample_population
from clinical_ner.population.summary import Comparison, main_prevalences, population_metrics


def main(
    out: Annotated[Path, typer.Option()],
    metrics: Annotated[Path, typer.Option()],
    plot: Annotated[Path, typer.Option()],
    params: Annotated[Path, typer.Option()] = Path("params.yaml"),
) -> None:
    """Write the three tables to OUT and their summary to METRICS; prevalences to PLOT."""
    own = load(params).population
    population = sample_population(own)
    io.write(PATIENTS, population.patients, out)
    io.write(CONDITIONS, population.conditions, out)
    io.write(TREATMENTS, population.treatments, out)
    files.write_json(metrics, population_metrics(population, own.reference_date))
    files.write_csv(plot, Comparison._fields, main_prevalences(population, own.reference_date))


if __name__ == "__main__":
    run(main)
