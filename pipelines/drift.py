"""Compare the latest notes of unseen patients with the earlier ones, as the tagger sees them."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.schema import NOTES, PROFILES, SPLITS
from clinical_ner.monitoring import drift
from clinical_ner.ner.tagger import Tagger


def main(
    dataset: Annotated[Path, Option()],
    notes: Annotated[Path, Option()],
    model: Annotated[Path, Option()],
    out: Annotated[Path, Option()],
    metrics: Annotated[Path, Option()],
    plot: Annotated[Path, Option()],
    report: Annotated[Path, Option()],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the profiles to OUT, the verdict to METRICS, the distances to PLOT and the page to REPORT."""
    section = params.load(params_file).drift
    unseen = drift.unseen_patients(io.read(NOTES, notes), io.read(SPLITS, dataset))
    profiles = drift.profile_notes(Tagger.load(model), unseen)
    reference, current = drift.split_batches(profiles, section.current_share)
    comparison = drift.compare(reference, current, section)
    io.write(PROFILES, profiles, out)
    files.write_json(metrics, drift.drift_metrics(reference, current, comparison))
    files.write_csv(plot, ("column", "distance"), sorted(comparison.distances.items()))
    files.write_text(report, comparison.html)


if __name__ == "__main__":
    run(main)
