"""Fit the first models on patients of a population of their own, and say how good their risks are."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, params
from clinical_ner.core.commands import run
from clinical_ner.population.sample import sample_population
from clinical_ner.quality import risk


def main(
    metrics: Annotated[Path, Option()],
    plots: Annotated[Path, Option()],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the figures to METRICS and the plots to the folder PLOTS."""
    settings = params.load(params_file)
    own = settings.risk
    people = {"patients": own.people, "years_of_records": own.years_of_records}
    population = sample_population(settings.population.model_copy(update=people))
    figures = risk.assess(population, own, settings.population.reference_date)
    files.write_json(metrics, risk.risk_metrics(figures))
    risk.write_plots(plots, figures)


if __name__ == "__main__":
    run(main)
