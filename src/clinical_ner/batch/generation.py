"""People and notes who do not exist, in any number: stretches of the population, each worked out by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from clinical_ner.batch.places import Place
from clinical_ner.batch.work import Files, Outcome
from clinical_ner.core import io
from clinical_ner.core.errors import UserError
from clinical_ner.core.params import NotesParams, PopulationParams
from clinical_ner.core.schema import ENTITIES, NOTES, PROVIDERS, RELATIONS, SECTIONS, SEGMENTS
from clinical_ner.notes import charts
from clinical_ner.notes.tables import write_notes
from clinical_ner.notes.terms import Lexis, lexis
from clinical_ner.population.catalogue import diseases
from clinical_ner.population.checks import refuse_impossible_records
from clinical_ner.population.people import providers
from clinical_ner.population.sample import sample_population
from clinical_ner.population.writing import ROW_GROUP, row_group

PATIENTS_A_SHARD = 1_000  # of which notes are written; part of the bytes, so no parameter
ALL = 10**9  # people: of how many a stretch is one does not matter to it, and so not to its bytes
WRITTEN = (NOTES, ENTITIES, SEGMENTS, RELATIONS, SECTIONS)


class Stretch(NamedTuple):
    """The people from position `start` to before `stop`."""

    number: int
    start: int
    stop: int
    out: Place
    population: PopulationParams

    @property
    def part(self) -> str:
        """Its number, with as many digits as the number of any other."""
        return f"{self.number:08d}"

    @property
    def weight(self) -> int:
        """How many people."""
        return self.stop - self.start

    @property
    def about(self) -> str:
        """Which people."""
        return f"shard {self.part} (patients {self.start} to {self.stop})"


def stretches(params: PopulationParams, out: Place, size: int) -> list[Stretch]:
    """The population in stretches of so many people."""
    starts = range(0, params.patients, size)
    return [
        Stretch(number, at, min(at + size, params.patients), out, params.model_copy(update={"patients": ALL}))
        for number, at in enumerate(starts)
    ]


def write_people(job: Stretch) -> Outcome:
    """Write the records of a stretch; the first has the providers of all."""
    tables = row_group(job.population, job.start, size=job.weight, chunk_size=ROW_GROUP)
    with Files(job) as files:
        for name, table in tables.items():
            pq.write_table(table, files.draft(name, ".parquet").file, compression="zstd", store_schema=False)
        if job.number == 0:
            files.table(PROVIDERS).write(providers(job.population.seed))
        files.receipt(rows={name: table.num_rows for name, table in tables.items()})
    return Outcome(job.weight)


def write_stretch_of_notes(notes: NotesParams, vocabulary: str, digests: Mapping[str, str], job: Stretch) -> Outcome:
    """Write the notes about a stretch of people with their gold entities, segments, relations and sections.

    `vocabulary` is the folder, `digests` are its `io.digests`; what differs between the jobs of a run comes last.

    Raises:
        UserError: another vocabulary lies there.
    """
    population = sample_population(job.population, job.start, job.stop)
    refuse_impossible_records(population, job.population.reference_date)
    record = charts.record_of(*(getattr(population, table.name) for table in charts.POPULATION))
    writing = write_notes(record, words_of(vocabulary, digests), notes, job.population.reference_date)
    rows: Counter[str] = Counter()
    with Files(job) as files:
        for table, frame in zip(WRITTEN, writing, strict=True):
            files.table(table).write(io.checked(table, frame, Path(table.name)))
            rows[table.name] = len(frame)
        files.receipt(rows=dict(rows))
    return Outcome(rows[NOTES.name])


def words_of(vocabulary: str, digests: Mapping[str, str]) -> Lexis:
    """The words to write with, which have to be those that the run was begun with.

    Raises:
        UserError: another vocabulary lies there.
    """
    found, words = _words(vocabulary)
    if found != digests:
        raise UserError(f"{vocabulary} is not the vocabulary that the run was begun with", "put the same everywhere")
    return words


@lru_cache(maxsize=1)
def _words(vocabulary: str) -> tuple[dict[str, str], Lexis]:
    """The digests, and the words."""
    folder = Path(vocabulary)
    words = lexis(io.read_vocabulary(folder), diseases())
    return io.digests(io.VOCABULARY, folder), words
