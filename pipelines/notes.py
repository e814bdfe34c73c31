"""Write the clinical notes and the literature, with gold spans."""

from pathlib import Path
from typing import Annotated

from typer import Option

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.schema import ENTITIES, NOTES, RELATIONS, SECTIONS, SEGMENTS
from clinical_ner.notes.charts import POPULATION, record_of
from clinical_ner.notes.tables import notes_metrics, write_notes
from clinical_ner.notes.terms import lexis
from clinical_ner.population.catalogue import diseases


def main(
    vocabulary: Annotated[Path, Option()],
    population: Annotated[Path, Option()],
    out: Annotated[Path, Option()],
    metrics: Annotated[Path, Option()],
    params_file: Annotated[Path, Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the tables notes, entities, segments, relations and sections to OUT."""
    settings = params.load(params_file)
    record = record_of(*(io.read(table, population) for table in POPULATION))
    words = lexis(io.read_vocabulary(vocabulary), diseases())
    writing = write_notes(record, words, settings.notes, settings.population.reference_date)
    for table, frame in zip((NOTES, ENTITIES, SEGMENTS, RELATIONS, SECTIONS), writing, strict=True):
        io.write(table, frame, out)
    files.write_json(metrics, notes_metrics(writing))


if __name__ == "__main__":
    run(main)
