"""The folder that new notes are taken into: what is there, and how it changes whole or not at all.

The quarantine is written first, then the notes: who is killed in between and runs again finds every row in its place,
because the rows of a file are judged anew and take the place of what was said of that file before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core import io
from clinical_ner.core.errors import UserError
from clinical_ner.core.files import OWNER_ONLY, sha256, whole_file_of_folder, write_whole
from clinical_ner.core.schema import INGESTED
from clinical_ner.intake.admission import Admission, admit
from clinical_ner.intake.arrived import Arrived, UnreadableError
from clinical_ner.intake.contract import Limits, NewNote
from clinical_ner.intake.readers import Format, rows

QUARANTINE = Path("quarantine/rows.jsonl")
COLUMNS = tuple(INGESTED.schema.columns)


class Taken(NamedTuple):
    """What came of a file: its rows, and why it, or the rest of it, could not be read."""

    file: str
    sha256: str | None
    admission: Admission
    unreadable: str | None


def take_in(files: Sequence[Path], folder: Path, file_format: Format, limits: Limits) -> list[Taken]:
    """Add the good rows of the files to the notes of the folder, and the bad ones to its quarantine.

    Who calls it holds `files.alone_in(folder)`.
    """
    before = stored(folder)
    known = {} if before is None else dict(zip(before["note_id"], before["content_sha256"], strict=True))
    taken = []
    for file in files:
        one = _of_file(file, file_format, known, limits)
        known |= {note.note_id: note.content_sha256 for note in one.admission.kept}
        taken.append(one)
    _write_quarantine(folder / QUARANTINE, taken)
    _write_notes(folder, before, [note for one in taken for note in one.admission.kept])
    return taken


def _of_file(file: Path, file_format: Format, known: Mapping[str, str], limits: Limits) -> Taken:
    try:
        digest = sha256(file)
    except OSError as error:
        return Taken(str(file), None, Admission(), error.strerror or "it cannot be read")
    arrived, unreadable = _read(file, file_format)
    return Taken(str(file), digest, admit(arrived, known, limits), unreadable)


def _read(file: Path, file_format: Format) -> tuple[list[Arrived], str | None]:
    """The rows up to where the file can be read no further, and why not."""
    arrived: list[Arrived] = []
    try:
        arrived.extend(rows(file, file_format))
    except UnreadableError as error:
        return arrived, str(error)
    return arrived, None


# --- the notes --------------------------------------------------------------------------------
def stored(folder: Path) -> pd.DataFrame | None:
    """The notes taken in before, checked; None if there are none yet."""
    return io.read(INGESTED, folder) if (folder / f"{INGESTED.name}.parquet").is_file() else None


def frame(notes: Iterable[NewNote]) -> pd.DataFrame:
    """The notes as the table INGESTED."""
    records = [note.model_dump() | {"content_sha256": note.content_sha256} for note in notes]
    table = pd.DataFrame.from_records(records, columns=list(COLUMNS)).astype(object)
    return table.assign(written_on=pd.to_datetime(table["written_on"]).astype("datetime64[ns]"))


def _write_notes(folder: Path, before: pd.DataFrame | None, new: Sequence[NewNote]) -> None:
    if before is not None and not new:
        return
    parts = [part for part in (before, frame(new)) if part is not None]
    with whole_file_of_folder(folder / f"{INGESTED.name}.parquet", OWNER_ONLY) as partial:
        io.write(INGESTED, pd.concat(parts, ignore_index=True), partial)


# --- the quarantine ---------------------------------------------------------------------------
def _write_quarantine(path: Path, taken: Sequence[Taken]) -> None:
    """Put these rows into the place of what was said of the same files before; the order is of files, then of rows."""
    again = {one.sha256 for one in taken}
    new = {one.sha256: one for one in taken}  # a file given twice is one
    lines = {key: line for key, line in _quarantined(path) if key[0] not in again}
    for digest, one in new.items():
        for number, row in enumerate(one.admission.quarantined):
            said = {"file": Path(one.file).name, "file_sha256": digest, "number": number, "place": row.place}
            said |= {"reason": row.fault.reason.value, "field": row.fault.field, "row": row.original}
            lines[digest or "", number] = json.dumps(said)
    if not lines and not path.exists():
        return
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(path, "".join(f"{lines[key]}\n" for key in sorted(lines)), OWNER_ONLY)


def _quarantined(path: Path) -> Iterable[tuple[tuple[str, int], str]]:
    """The lines of the quarantine, and the file and number of each."""
    if not path.exists():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row: Any = json.loads(line)
            yield (row["file_sha256"], row["number"]), line
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}:{number} is no row in quarantine", "move the file away, or mend it") from None
