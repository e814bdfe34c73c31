"""Judge the population: against published figures, against real people, for learning and for privacy."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, params
from clinical_ner.core.commands import run
from clinical_ner.quality import assessment
from clinical_ner.quality.living import sample_living
from clinical_ner.quality.real import real_adults


def main(
    metrics: Annotated[Path, Option()],
    plots: Annotated[Path, Option()],
    report: Annotated[Path, Option()],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the leading figures to METRICS, all of them to REPORT and the data of the plots to PLOTS."""
    settings = params.load(params_file)
    judged = settings.population.model_copy(update={"patients": settings.quality.people})
    figures = assessment.assess(sample_living(judged), real_adults(), settings.quality)
    files.write_json(report, figures)
    files.write_json(metrics, assessment.headline(figures))
    for name, plot in assessment.plots(figures).items():
        files.write_csv(plots / f"{name}.csv", plot.names, plot.rows)


if __name__ == "__main__":
    run(main)
