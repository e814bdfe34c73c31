"""Cut the input into shards: a plan that depends on the files alone, not on who works or how many."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import IO, NamedTuple

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from clinical_ner.batch.contract import Columns
from clinical_ner.batch.places import out_of_reach
from clinical_ner.batch.reading import DAMAGE, byte_lines, csv_rows, opened
from clinical_ner.batch.sources import Source

SHARD_ROWS = 5_000  # of Parquet, and
SHARD_BYTES = 4 << 20  # of JSON Lines and CSV; both part of the bytes that come out, so no parameters
PACKED = 3  # times as long is text about when it is unpacked
LETTERS = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
)


class Shard(NamedTuple):
    """A stretch of a source: rows of Parquet, bytes of text; of what is packed it is everything."""

    part: str  # the number of the source among all, and its own among those of the source
    source: Source
    start: int
    stop: int | None
    weight: int  # in bytes of text, about, which tells how far the work is
    header: tuple[str, ...] = ()  # of CSV


class Plan(NamedTuple):
    """The shards, the sources that cannot be read at all, with the reason, and the fingerprints of the others.

    The shards of a source are called the same whatever can be read beside it.
    """

    shards: list[Shard]
    unreadable: dict[str, str]
    fingerprints: dict[str, str]


class UnreadableSourceError(Exception):
    """Nothing of a source can be read."""


def plan(found: Iterable[Source], columns: Columns, rows: int = SHARD_ROWS, size: int = SHARD_BYTES) -> Plan:
    """Cut every source into shards of so many rows, or of about so many bytes."""
    shards: list[Shard] = []
    unreadable: dict[str, str] = {}
    fingerprints: dict[str, str] = {}
    for place, source in enumerate(found):
        try:
            cuts = _cuts(source, columns, rows, size)
            fingerprints[source.name] = _fingerprint(source)
            shards += [Shard(f"{place:08d}-{number:06d}", source, *cut) for number, cut in enumerate(cuts)]
        except UnreadableSourceError as error:
            unreadable[source.name] = str(error)
    return Plan(shards, unreadable, fingerprints)


def _fingerprint(source: Source) -> str:
    try:
        return source.place.fingerprint()
    except out_of_reach() as error:
        raise UnreadableSourceError(f"cannot be read ({type(error).__name__})") from None


Cut = tuple[int, int | None, int, tuple[str, ...]]  # start, stop, weight, header


def _cuts(source: Source, columns: Columns, rows: int, size: int) -> list[Cut]:
    """Where the shards of a source begin and end.

    Raises:
        UnreadableSourceError: it is not what its name says, or a column is missing.
    """
    try:
        if source.format == "parquet":
            return _parquet_cuts(source, columns, rows)
        return _csv_cuts(source, columns, size) if source.format == "csv" else _line_cuts(source, size)
    except (*DAMAGE, *out_of_reach()) as error:
        raise UnreadableSourceError(f"cannot be read as {source.format} ({type(error).__name__})") from None


def _parquet_cuts(source: Source, columns: Columns, rows: int) -> list[Cut]:
    with source.place.open() as file:
        parquet = ParquetFile(file)
        total, schema = parquet.metadata.num_rows, parquet.schema_arrow
        groups = [parquet.metadata.row_group(number).num_rows for number in range(parquet.num_row_groups)]
        if total != sum(groups):
            raise UnreadableSourceError("its footer contradicts itself about the number of rows")
        a_row = PACKED * source.place.size() / max(total, 1)
    _require(columns, schema.names)
    kind = schema.field(columns.text).type
    letters = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(of(letters) for of in LETTERS):
        raise UnreadableSourceError(f"column '{columns.text}' is {kind}, not text")
    bounds = [*range(0, total, rows), total]
    return [(start, stop, round(a_row * (stop - start)), ()) for start, stop in _apart(bounds)]


def _require(columns: Columns, names: Sequence[str]) -> None:
    """Raise `UnreadableSourceError` unless each column is there, and once."""
    missing = [name for name in columns.names if name not in names]
    if missing:
        raise UnreadableSourceError(f"column '{missing[0]}' is missing")
    repeated = [name for name in columns.names if names.count(name) > 1]
    if repeated:
        raise UnreadableSourceError(f"column '{repeated[0]}' is there more than once")


def _line_cuts(source: Source, size: int) -> list[Cut]:
    """At the first line that begins at or after each multiple of the size."""
    if source.is_packed:
        return [(0, None, PACKED * source.place.size(), ())]
    total = source.place.size()
    with opened(source) as file:
        bounds = [0]
        for at in range(size, total, size):
            if at > bounds[-1]:  # or a long line would be read again for each multiple within it
                bounds.append(_next_line(file, at))
    return [(start, stop, stop - start, ()) for start, stop in _apart([*bounds, total])]


def _next_line(file: IO[bytes], at: int) -> int:
    file.seek(at - 1)
    return next((line.stop for line in byte_lines(file, at - 1)), at)


def _csv_cuts(source: Source, columns: Columns, size: int) -> list[Cut]:
    """At the first record that begins at or after each multiple: a note has lines, so all of it is looked through."""
    with opened(source) as file:
        begin = len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
        file.seek(begin)
        records = csv_rows(byte_lines(file, begin))
        first = next(records, None)
        header = _header(first.cells or () if first else ())
        _require(columns, header)
        start = first.stop if first else begin
        if source.is_packed:
            return [(start, None, PACKED * source.place.size(), header)]
        total = source.place.size()
        bounds, due = [start], start + size
        if total > due:
            for record in records:
                if record.stop >= due:
                    bounds.append(record.stop)
                    due = record.stop + size
    return [(begin, end, end - begin, header) for begin, end in _apart([*bounds, total])]


def _header(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.encode("latin-1").decode("utf-8", "replace") for cell in cells)


def _apart(bounds: Sequence[int]) -> Iterator[tuple[int, int]]:
    return ((start, stop) for start, stop in pairwise(bounds) if start < stop)
