"""Readers of CSV, JSON lines, Parquet and FHIR: a row that is damaged costs no other, a file neither."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

from clinical_ner.intake import fhir
from clinical_ner.intake.arrived import Arrived, UnreadableError
from clinical_ner.intake.contract import NAMES, Fault, Reason

PARQUET_ROWS = 1_000
UTF8_BOM = "\ufeff"
REQUIRED = (("id", "note_id"), ("written_on",), ("text",))  # one of each


class Format(StrEnum):
    """How new notes lie in a file; `auto` goes by its name."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    FHIR = "fhir"


_BY_SUFFIX: Final[Mapping[str, Format]] = {
    ".csv": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".json": Format.FHIR,
}


def rows(path: Path, file_format: Format) -> Iterator[Arrived]:
    """The rows of a file, in their order.

    Raises:
        UnreadableError: the file, or the rest of it, cannot be read.
    """
    chosen = _by_name(path) if file_format is Format.AUTO else file_format
    if chosen is Format.FHIR and _suffix(path) != ".json":
        chosen = Format.JSONL  # bulk data: a resource a line
    try:
        if chosen is Format.PARQUET:
            yield from _parquet(path)
            return
        with closing(_opened(path)) as file:
            yield from _READERS[chosen](file)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(getattr(error, "strerror", None) or _why(error)) from None


def _why(error: Exception) -> str:
    return "the compressed data is damaged or cut off" if isinstance(error, EOFError | zlib.error) else "it is damaged"


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix.lower() if path.suffix == ".gz" else path.suffix.lower()


def _by_name(path: Path) -> Format:
    try:
        return _BY_SUFFIX[_suffix(path)]
    except KeyError:
        raise UnreadableError(f"its name has none of {', '.join(_BY_SUFFIX)}; say --format") from None


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


# --- CSV ------------------------------------------------------------------------------------------
class _Lines:
    """Decoded lines, and which of them the present record has taken; they can be put back."""

    def __init__(self, file: Iterator[bytes]) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.first = 1  # the number of the first line of the present record

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file).decode("utf-8", "surrogateescape")
        self.taken.append(line)
        return line

    def next_record(self) -> None:
        """The lines taken so far are done with."""
        self.first += len(self.taken)
        self.taken = []

    def put_back_all_but_one(self) -> None:
        """A quote that nobody closes has swallowed lines; they are read again."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _csv(file: Iterator[bytes]) -> Iterator[Arrived]:
    """The records under the line of names; a broken quote costs the line that it stands in.

    What is left of a note of several lines then is read as rows, and refused: no such piece has a date in its place.
    """
    csv.field_size_limit(sys.maxsize)  # a note that is too long is refused as such
    lines = _Lines(file)
    records = csv.reader(lines, strict=True)
    names = _header(records)
    while True:
        lines.next_record()
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error:
            lines.put_back_all_but_one()
            yield Arrived(f"line {lines.first}", "".join(lines.taken), Fault(Reason.MALFORMED))
            continue
        if record:
            whole = len(record) == len(names)
            fields = dict(zip(names, record, strict=True)) if whole else Fault(Reason.MALFORMED)
            yield Arrived(f"line {lines.first}", "".join(lines.taken), fields)


def _header(records: Iterator[list[str]]) -> list[str]:
    try:
        names = next(records, [])
    except csv.Error:
        names = []
    names = [name.removeprefix(UTF8_BOM).strip() for name in names]
    _require(names)
    return names


def _require(names: list[str]) -> None:
    missing = [" or ".join(any_of) for any_of in REQUIRED if not {*any_of} & {*names}]
    if missing:
        raise UnreadableError(f"it has no column {', '.join(missing)}; the columns are {', '.join(sorted(NAMES))}")
    if len(set(names)) < len(names):
        raise UnreadableError("two of its columns have one name")


# --- JSON -----------------------------------------------------------------------------------------
def _jsonl(file: Iterator[bytes]) -> Iterator[Arrived]:
    """An object a line: a note, or a FHIR resource."""
    for number, line in enumerate(file, 1):
        text = line.decode("utf-8", "surrogateescape").removeprefix(UTF8_BOM).strip()
        if text:
            yield from _json_line(f"line {number}", text)


def _json_line(place: str, text: str) -> Iterator[Arrived]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        yield Arrived(place, text, Fault(Reason.MALFORMED))
        return
    if isinstance(content, dict) and "resourceType" in content:
        for row in fhir.resources(content):
            inner = place if row.place == "resource" else f"{place}, {row.place}"
            yield row._replace(place=inner)
    else:
        yield Arrived(place, text, content if isinstance(content, dict) else Fault(Reason.MALFORMED))


def _fhir(file: BinaryIO) -> Iterator[Arrived]:
    return fhir.resources(fhir.parsed(file.read()))


# --- Parquet --------------------------------------------------------------------------------------
def _parquet(path: Path) -> Iterator[Arrived]:
    """The rows; what is damaged in the middle leaves those before."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        file = ParquetFile(path, page_checksum_verification=True)
        _require(file.schema_arrow.names)
        for batch in file.iter_batches(PARQUET_ROWS):
            for row in _batch_rows(batch):
                number += 1
                yield Arrived(f"row {number}", {name: _shown(value) for name, value in row.items()}, row)
    except (pa.ArrowException, OverflowError, UnicodeDecodeError):  # the last of a column's name
        after = f" after row {number}" if number else ""
        raise UnreadableError(f"no Parquet, or damaged{after}") from None


def _batch_rows(batch: Any) -> Iterator[dict[str, Any]]:
    """The rows as Python has them; null is nothing, and bytes that are no UTF-8 stay recognisable."""
    columns = [_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield {name: value for name, value in zip(batch.schema.names, values, strict=True) if value is not None}


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return list(column.to_pylist())
    raw = column.cast(pa.large_binary()).to_pylist()
    return [value if value is None else value.decode("utf-8", "surrogateescape") for value in raw]


def _shown(value: object) -> object:
    """As JSON can say it."""
    return value if isinstance(value, str | int | float | bool) else str(value)


_READERS: Final[Mapping[Format, Callable[[Any], Iterator[Arrived]]]] = {
    Format.CSV: _csv,
    Format.JSONL: _jsonl,
    Format.FHIR: _fhir,
}
