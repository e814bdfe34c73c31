"""`clinical-ner extract-batch`: any number of notes, on this machine or on a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clinical_ner import __version__
from clinical_ner.core.errors import UserError
from clinical_ner.serving.places import MODEL, MODEL_VARIABLE

if TYPE_CHECKING:
    from clinical_ner.batch.engine import Engine
    from clinical_ner.batch.places import Place
    from clinical_ner.batch.runs import Run, Summary

UNFINISHED, INCOMPLETE = 1, 3  # exit codes: the run could not finish; rows or shards were left out
NAMED = 3  # files that are passed over; the others are counted

Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes of this machine; default: one a processor that it may use.")
]
Scheduler = Annotated[str | None, typer.Option(help="Of a Dask cluster that is there, such as tcp://host:8786.")]


def extract_batch(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT... OUTPUT", help="Files, folders, patterns, s3://.")],
    workers: Workers = None,
    scheduler: Scheduler = None,
    fhir: Annotated[bool, typer.Option("--fhir", help="Also a FHIR Bundle a note, a line each.")] = False,
    id_column: Annotated[str, typer.Option(help="Of the note's id.")] = "note_id",
    text_column: Annotated[str, typer.Option(help="Of its text.")] = "text",
    subject_column: Annotated[str | None, typer.Option(help="Of --fhir: of references such as Patient/7.")] = None,
    model: Annotated[Path, typer.Option(envvar=MODEL_VARIABLE, help="The model, *.crfsuite.")] = MODEL,
) -> None:
    """Read any number of notes: Parquet, JSON Lines or CSV in, Parquet out, shard by shard; run it again to continue.

    Exit codes: 0 all was read, 3 some rows or shards were left out, 2 a mistake of yours, 1 it could not finish.
    """
    if len(inputs) < 2:
        raise UserError("there is no OUTPUT", "name what to read, and then the folder to write")
    if subject_column and not fhir:
        raise UserError("--subject-column is of --fhir: the tables name nobody", "add --fhir, or leave it out")
    from clinical_ner.batch.contract import Columns
    from clinical_ner.batch.places import Place
    from clinical_ner.batch.progress import followed
    from clinical_ner.batch.runs import Run
    from clinical_ner.batch.shards import plan
    from clinical_ner.batch.sources import looked_through, refuse_output_within
    from clinical_ner.batch.work import ExtractJob, extract_shard
    from clinical_ner.ner.model import read_manifest

    columns, out = Columns(id_column, text_column, subject_column), Place(inputs[-1])
    version = read_manifest(model).version
    found, others = looked_through(inputs[:-1])
    refuse_output_within(inputs[:-1], found, out)
    if others:
        some = ", ".join(others[:NAMED]) + ", ..." * (len(others) > NAMED)
        typer.echo(f"passed over: {len(others)} files of no known format: {some}", err=True)
    shards, unreadable, content = plan(followed("files looked through", found), columns)
    if not shards and unreadable:
        name, reason = next(iter(unreadable.items()))
        raise UserError(f"nothing can be read: {name}: {reason}", "--id-column and --text-column name other columns")
    jobs = [ExtractJob(shard, out, columns, str(model.resolve()), version, fhir) for shard in shards]
    description = {
        "command": "extract-batch",
        "clinical_ner": __version__,
        "model": version,
        "input": [source.name for source in found],
        "content": content,
        "options": {"columns": columns._asdict(), "fhir": fhir},
    }
    carry_out(Run(extract_shard, jobs, out, description, "notes", unreadable), workers, scheduler)


def carry_out(run: Run[Any], workers: int | None, scheduler: str | None) -> None:
    """Do what is left of the run, with a bar, say what became of it, and end with the exit code that tells it."""
    from clinical_ner.batch import progress, runs
    from clinical_ner.batch.engine import EngineDownError
    from clinical_ner.batch.places import CannotWriteError

    try:
        with runs.folder_of(run.out, run.description) as continued:
            left = runs.unfinished(run.jobs, run.out)
            if continued:
                typer.echo(f"{run.out}: {len(run.jobs) - len(left)} of {len(run.jobs)} shards are done", err=True)
            total = sum(job.weight for job in left)
            with _engine(workers, scheduler) as engine, progress.shown(run.what, total) as advance:
                summary = runs.carry_out(run, left, engine, advance)
    except (runs.StoppedError, EngineDownError, CannotWriteError) as error:
        print(f"error: {error}\n  remedy: mend it and run the same again: what is done is kept", file=sys.stderr)
        raise typer.Exit(UNFINISHED) from None
    _report(run.out, summary)


def _report(out: Place, summary: Summary) -> None:
    for name, reason in summary.set_aside.items():
        typer.echo(f"set aside: {name}: {reason}", err=True)
    for reason, count in summary.quarantined.items():
        typer.echo(f"quarantined: {count} rows: {reason}", err=True)
    counts = ", ".join(f"{count} {name}" for name, count in summary.rows.items())
    typer.echo(f"{out}: {counts or 'nothing'} in {summary.shards} shards")
    if not summary.is_whole:
        raise typer.Exit(INCOMPLETE)


@contextmanager
def _engine(workers: int | None, scheduler: str | None) -> Iterator[Engine]:
    from clinical_ner.batch import engine

    if scheduler is None:
        with engine.processes(workers or len(os.sched_getaffinity(0))) as here:
            yield here
        return
    if workers is not None:
        raise UserError("--workers is of this machine, --scheduler of a cluster", "give one of them")
    with engine.cluster(scheduler) as there:
        typer.echo(f"dashboard: {there.dashboard}", err=True)
        yield there
