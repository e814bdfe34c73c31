"""What a worker does with one shard: its files, and last the receipt that they are whole.

Nothing raises beyond `guarded`: an exception would carry what it is about, perhaps a note, over the wire and into
the log of a cluster. What comes back are figures and words of ours.
"""

from __future__ import annotations

import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd

from clinical_ner.batch.contract import Columns, Note, Rejected, judgements, written
from clinical_ner.batch.extraction import Extraction, extraction, framed
from clinical_ner.batch.models import tagger_of
from clinical_ner.batch.places import CannotWriteError, Draft, Place
from clinical_ner.batch.reading import UnreadableShardError, rows
from clinical_ner.batch.shards import Shard
from clinical_ner.batch.tables import TableWriter, table_writer
from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import EXTRACTED_ENTITIES, EXTRACTED_NOTES, Table
from clinical_ner.ner.tagger import Tagger

RECEIPTS = "_shards"
QUARANTINE = "_quarantine"


class Outcome(NamedTuple):
    """How a shard ended: done, set aside for a reason, or with something that would stop every other shard as well."""

    rows: int = 0
    quarantined: int = 0
    set_aside: str = ""
    stop: str = ""


class Job(Protocol):
    """A piece of work; what it writes depends on it alone."""

    @property
    def out(self) -> Place:
        """The folder of the run."""

    @property
    def part(self) -> str:
        """What its files and its receipt are called, by which they are in order."""

    @property
    def weight(self) -> int:
        """How much of the whole work it is."""

    @property
    def about(self) -> str:
        """What it is called in messages."""


def guarded(work: Callable[[Any], Outcome], job: Any) -> Outcome:
    """The outcome of the work, whatever happens."""
    try:
        return work(job)
    except (CannotWriteError, UserError) as error:
        return Outcome(stop=str(error))
    except UnreadableShardError as error:
        return Outcome(set_aside=str(error))
    except Exception as error:  # named in the manifest; its words may be a note's
        return Outcome(set_aside=f"our fault: {where(error)}")


def where(error: Exception) -> str:
    """What kind of error it is and where it was raised, without its words."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


class Files:
    """The files of a job: they appear together when all are whole, and the receipt after them."""

    def __init__(self, job: Job) -> None:
        self._job, self._drafts, self._open = job, dict[str, Draft](), ExitStack()

    def __enter__(self) -> Files:
        self._open.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._open.__exit__(*raised)

    def draft(self, folder: str, suffix: str, *, private: bool = False) -> Draft:
        """A file of the job in this folder of the run."""
        name = f"{folder}/part-{self._job.part}{suffix}"
        self._drafts[name] = self._open.enter_context((self._job.out / name).writing(private=private))
        return self._drafts[name]

    def table(self, table: Table) -> TableWriter:
        """A table of the job, as Parquet."""
        draft = self.draft(table.name, ".parquet")
        return self._open.enter_context(table_writer(table, draft.file))

    def receipt(self, **figures: Any) -> None:
        """Close the files and say what they are."""
        self._open.close()
        files = {name: draft.written._asdict() for name, draft in sorted(self._drafts.items())}
        content = {"shard": self._job.part, **figures, "files": files}
        (self._job.out / f"{RECEIPTS}/{self._job.part}.json").write(encoded(content))


def encoded(content: Any) -> bytes:
    """JSON with sorted keys: the same content is the same bytes."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


# --- reading notes --------------------------------------------------------------------------------
class ExtractJob(NamedTuple):
    """A shard of notes to be read."""

    shard: Shard
    out: Place
    columns: Columns
    model: str
    version: str
    fhir: bool

    @property
    def part(self) -> str:
        """Of the shard."""
        return self.shard.part

    @property
    def weight(self) -> int:
        """Of the shard."""
        return self.shard.weight

    @property
    def about(self) -> str:
        """The source, and the stretch of it."""
        stop = "the end" if self.shard.stop is None else str(self.shard.stop)
        return f"shard {self.part} ({self.shard.source.name}, {self.shard.start} to {stop})"


def extract_shard(job: ExtractJob) -> Outcome:
    """Write the notes, the entities and the bundles of a shard, and what of it is quarantined."""
    tagger = tagger_of(job.model, job.version)
    counts = Counter({"notes": 0, "entities": 0})
    with Files(job) as files:
        quarantine = Quarantine(files)
        notes, entities = files.table(EXTRACTED_NOTES), files.table(EXTRACTED_ENTITIES)
        bundles = files.draft("fhir", ".ndjson").file if job.fhir else None
        for frame in _frames(job, quarantine):
            for found in _extractions(tagger, frame, job.fhir, quarantine):
                notes.write(found.notes)
                entities.write(found.entities)
                counts.update(notes=len(found.notes), entities=len(found.entities))
                if bundles:
                    bundles.writelines(f"{line}\n".encode() for line in found.bundles)
        files.receipt(
            source=job.shard.source.name,
            start=job.shard.start,
            stop=job.shard.stop,
            rows=dict(counts),
            quarantined=dict(quarantine.reasons),
        )
    return Outcome(counts["notes"], quarantine.reasons.total())


class Quarantine:
    """The rows of a shard that could not be read, with the reason: the one file that holds their text, its owner's."""

    def __init__(self, files: Files) -> None:
        self.reasons: Counter[str] = Counter()
        self._files = files
        self._draft: Draft | None = None

    def take(self, rejected: Rejected) -> None:
        """Write the row down."""
        if self._draft is None:
            self._draft = self._files.draft(QUARANTINE, ".jsonl", private=True)
        self.reasons[rejected.reason] += rejected.rows
        self._draft.file.write(json.dumps(rejected._asdict(), default=written).encode() + b"\n")


def _frames(job: ExtractJob, quarantine: Quarantine) -> Iterator[pd.DataFrame]:
    """The notes of the shard, so many at a time, each with the position of its row."""
    return framed(_good(job, quarantine), ["position", *Note._fields])


def _good(job: ExtractJob, quarantine: Quarantine) -> Iterator[tuple[int, *tuple[str | None, ...]]]:
    """The rows that keep the contract."""
    for row, found in judgements(rows(job.shard, job.columns), job.columns):
        if isinstance(found, Rejected):
            quarantine.take(found)
        else:
            yield row.position, *found


def _extractions(tagger: Tagger, frame: pd.DataFrame, fhir: bool, quarantine: Quarantine) -> Iterator[Extraction]:
    """What is in the notes; if that fails, note by note, so that one does not take the others with it."""
    try:
        yield extraction(tagger, frame, fhir=fhir)
    except Exception as error:
        if len(frame) > 1:
            for at in range(len(frame)):
                yield from _extractions(tagger, frame.iloc[at : at + 1], fhir, quarantine)
            return
        position, *fields = frame.iloc[0].tolist()
        content = dict(zip(Note._fields, fields, strict=True))
        quarantine.take(Rejected(int(position), f"the tagger failed: {where(error)}", content))
