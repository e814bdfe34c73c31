"""Calibrate what drift is on the notes of the next people, and compare the notes of unseen patients with those."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.schema import NOTES, PROFILES, REFERENCE, SPLITS
from clinical_ner.monitoring import drift
from clinical_ner.ner.tagger import Tagger
from clinical_ner.notes.charts import POPULATION, record_of
from clinical_ner.notes.tables import write_notes
from clinical_ner.notes.terms import lexis
from clinical_ner.population.catalogue import diseases
from clinical_ner.population.sample import sample_population


def main(
    vocabulary: Annotated[Path, Option()],
    dataset: Annotated[Path, Option()],
    notes: Annotated[Path, Option()],
    model: Annotated[Path, Option()],
    out: Annotated[Path, Option()],
    metrics: Annotated[Path, Option()],
    plot: Annotated[Path, Option()],
    report: Annotated[Path, Option()],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write reference, profiles and thresholds to OUT, verdict to METRICS, distances to PLOT, the page to REPORT."""
    settings = params.load(params_file)
    own, end = settings.drift, settings.population.reference_date
    first = settings.population.patients  # the next people: of the same towns and doctors as those of the notes
    people = sample_population(settings.population, first, first + own.reference_patients)
    record = record_of(*(getattr(people, table.name) for table in POPULATION))
    words = lexis(io.read_vocabulary(vocabulary), diseases())
    manner = settings.notes.model_copy(update={"literature_texts": 0})
    tagger = Tagger.load(model)
    reference = drift.profile_notes(tagger, write_notes(record, words, manner, end).notes)
    unseen = drift.unseen_patients(io.read(NOTES, notes), io.read(SPLITS, dataset))
    current = drift.profile_notes(tagger, unseen)
    thresholds = drift.calibrate(reference, own)
    comparison = drift.compare(reference, current, thresholds, own.seed)
    io.write(REFERENCE, reference, out)
    io.write(PROFILES, current, out)
    files.write_json(out / "thresholds.json", drift.to_json(thresholds, tagger.manifest.version))
    files.write_json(metrics, drift.drift_metrics(reference, current, comparison))
    files.write_csv(plot, ("column", "distance"), sorted(comparison.distances.items()))
    files.write_text(report, comparison.html)


if __name__ == "__main__":
    run(main)
