"""`clinical-ner ingest`: new notes are taken in, and what does not fit is stopped at the door."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from clinical_ner.core import params
from clinical_ner.core.errors import UserError
from clinical_ner.core.files import OWNER_ONLY, READABLE, alone_in, as_json, write_whole
from clinical_ner.intake.readers import Format
from clinical_ner.serving.clock import now

SOME_QUARANTINED = 3
LISTED = 20  # files; the report has them all


def ingest(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Files, or folders of files.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the notes and the quarantine are.")],
    file_format: Annotated[Format, typer.Option("--format", help="auto: by the names of the files.")] = Format.AUTO,
    metrics: Annotated[Path | None, typer.Option(help="Counts for Prometheus, such as DIR/ingest.prom.")] = None,
    params_file: Annotated[Path, typer.Option("--params")] = Path("params.yaml"),
) -> None:
    """Take in new notes: good rows to DIR/ingested.parquet, bad ones to DIR/quarantine with a reason.

    Ends with 0 if all rows are good, with 3 if some are in quarantine or a file was unreadable, with 2 if nothing
    could be read. The same input again changes nothing.
    """
    from clinical_ner.intake import folder
    from clinical_ner.intake.contract import Limits
    from clinical_ner.intake.report import OUTCOMES, exposition, report

    section = params.load(params_file).ingest
    limits = Limits(section.max_note_characters, section.earliest, latest_day())
    with alone_in(out):
        taken = folder.take_in(files_of(inputs), out, file_format, limits)
        found = report(taken)
        write_whole(out / "report.json", as_json(found), OWNER_ONLY)
    if metrics:
        write_whole(metrics, exposition(found, now()), READABLE)
    _show(found)
    if found["unreadable_files"] == len(taken) and not sum(found[name] for name in OUTCOMES):
        raise UserError("nothing could be read", f"see above, or {out / 'report.json'}")
    if found["quarantined"] or found["unreadable_files"]:
        raise typer.Exit(SOME_QUARANTINED)


def latest_day() -> date:
    """Tomorrow: it may have begun where a note was written."""
    return now().date() + timedelta(days=1)


def files_of(inputs: Iterable[Path]) -> list[Path]:
    """The files, and those in the folders in the order of their names, each once; what is hidden is left out."""
    found: dict[Path, Path] = {}
    for path in _named(inputs):
        found.setdefault(path.resolve(), path)
    return list(found.values())


def _named(inputs: Iterable[Path]) -> Iterator[Path]:
    for path in inputs:
        if path.is_dir():
            below = (file for file in sorted(path.rglob("*")) if file.is_file())
            yield from (
                file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
        else:
            yield path


def _show(found: dict[str, Any]) -> None:
    """A table of the files and one of the reasons, in counts."""
    files, row = found["files"], "{:<{}} {:>8} {:>8} {:>12}".format
    rows = files if len(files) == 1 else [*files[:LISTED], found | {"file": f"all {len(files)} files"}]
    width = max(len(one["file"]) for one in rows)
    typer.echo(row("file", width, "kept", "known", "quarantined"))
    for one in rows:
        typer.echo(row(one["file"], width, one["kept"], one["known"], one["quarantined"]))
    for reason, count in found["reasons"].items():
        typer.echo(f"quarantined, {reason}: {count}")
    for one in [one for one in files if one["unreadable"]][:LISTED]:
        typer.echo(f"{one['file']} is unreadable: {one['unreadable']}", err=True)
