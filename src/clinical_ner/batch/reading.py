"""Read a shard row by row: what is damaged is a row with a problem, and reading goes on behind it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from clinical_ner.batch.contract import Columns, Row
from clinical_ner.batch.places import out_of_reach
from clinical_ner.batch.sources import Source

if TYPE_CHECKING:
    from clinical_ner.batch.shards import Shard

LONGEST_LINE = 4 << 20  # bytes; a longer one is a row that is too long
LONGEST_FIELD = 1 << 20  # characters of CSV: how far the end of a quotation is looked for
ROWS_AT_A_TIME = 250
BUFFER = 1 << 20
DAMAGE = (pa.ArrowException, ValueError, EOFError, zlib.error, gzip.BadGzipFile)


class UnreadableShardError(Exception):
    """The file is out of reach: another time it may not be."""


def rows(shard: Shard, columns: Columns) -> Iterator[Row]:
    """The rows of the shard in order.

    Raises:
        UnreadableShardError: the file is gone or out of reach, or may not be read; not if what it holds is damaged.
    """
    read = {"parquet": _parquet, "jsonl": _json_lines, "csv": _csv}[shard.source.format]
    try:
        yield from read(shard, columns)
    except out_of_reach() as error:
        raise UnreadableShardError(
            f"cannot be read: {getattr(error, 'strerror', '') or type(error).__name__}"
        ) from None


def _is_damage(error: Exception) -> bool:
    """Whether the content is to blame: what Arrow says of it is an `OSError` of no kind and number."""
    return isinstance(error, DAMAGE) or (type(error) is OSError and error.errno is None)


def _unreadable(position: int, count: int, error: Exception) -> Row:
    return Row(position, None, f"cannot be read ({type(error).__name__})", rows=count)


# --- Parquet --------------------------------------------------------------------------------------
def _parquet(shard: Shard, columns: Columns) -> Iterator[Row]:
    with shard.source.place.open() as source:
        # Unless told so, Arrow holds all of a row group, packed, however large it is.
        file = ParquetFile(source, page_checksum_verification=True, pre_buffer=False, buffer_size=BUFFER)
        first = 0
        for group in range(file.num_row_groups):
            past = first + file.metadata.row_group(group).num_rows
            if first < (shard.stop or 0) and past > shard.start:
                yield from _of_group(file, group, (first, past), shard, columns)
            first = past


def _of_group(file: ParquetFile, group: int, span: tuple[int, int], shard: Shard, columns: Columns) -> Iterator[Row]:
    """The rows of a row group that are the shard's; from where it is damaged on they are one row that is not read."""
    at, start, stop = span[0], max(span[0], shard.start), min(span[1], shard.stop or 0)
    try:
        for batch in file.iter_batches(ROWS_AT_A_TIME, row_groups=[group], columns=list(columns.names)):
            if at + batch.num_rows > start:
                yield from _of_batch(batch, at, start, stop)
            at += batch.num_rows
            if at >= stop:
                return
        raise EOFError  # the group has fewer rows than the footer says
    except Exception as error:
        if not _is_damage(error):
            raise
        yield _unreadable(max(at, start), stop - max(at, start), error)


def _of_batch(batch: pa.RecordBatch, at: int, start: int, stop: int) -> Iterator[Row]:
    columns = [_values(column) for column in batch.columns]
    for number, values in enumerate(zip(*columns, strict=True), start=at):
        if start <= number < stop:
            yield Row(number, dict(zip(batch.schema.names, values, strict=True)))


def _values(column: pa.Array) -> list[Any]:
    """The values; text that is not UTF-8 as bytes."""
    try:
        found: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        found = plain.cast(pa.large_binary()).to_pylist()
    return found


# --- JSON Lines -----------------------------------------------------------------------------------
class Line(NamedTuple):
    """A line with its ending; None if it is too long."""

    start: int
    stop: int
    content: bytes | None


def _json_lines(shard: Shard, columns: Columns) -> Iterator[Row]:
    with opened(shard.source) as file:
        for line in _lines(file, shard):
            if isinstance(line, Row):
                yield line
            elif line.content is None:
                yield _too_long(line.start)
            elif line.content.strip():
                yield _of_json(line.start, line.content, columns)


def _too_long(position: int) -> Row:
    return Row(position, None, f"the line has more than {LONGEST_LINE} bytes")


def _of_json(position: int, content: bytes, columns: Columns) -> Row:
    try:
        fields = json.loads(content.decode("utf-8-sig" if position == 0 else "utf-8"))
    except UnicodeDecodeError:
        return Row(position, None, "the line is not UTF-8", content)
    except (ValueError, RecursionError):
        return Row(position, None, "the line is not JSON", content)
    if not isinstance(fields, dict):
        return Row(position, None, "the line is not an object", content)
    return Row(position, {name: fields[name] for name in columns.names if name in fields})


# --- CSV ------------------------------------------------------------------------------------------
class CsvRow(NamedTuple):
    """A record of CSV: the cells, still as bytes read as Latin-1, or None if it cannot be parsed; as `Line` beside."""

    start: int
    stop: int
    content: bytes | None
    cells: list[str] | None


def _csv(shard: Shard, columns: Columns) -> Iterator[Row]:
    with opened(shard.source) as file:
        stopped: list[Row] = []
        for record in csv_rows(_only_lines(_lines(file, shard), stopped)):
            if record.content is None:
                yield _too_long(record.start)
            elif record.content.strip():
                yield _of_csv(record, record.content, shard.header, columns)
        yield from stopped


def _of_csv(record: CsvRow, content: bytes, header: tuple[str, ...], columns: Columns) -> Row:
    if record.cells is None or len(record.cells) != len(header):
        return Row(record.start, None, "the row has not the columns of the first line", content)
    fields = dict(zip(header, (cell.encode("latin-1") for cell in record.cells), strict=True))
    return Row(record.start, {name: fields[name] for name in columns.names})


def csv_rows(found: Iterable[Line]) -> Iterator[CsvRow]:
    """The records of the lines; one that cannot be parsed is its first line alone, and the others are parsed anew.

    Behind each of its lines but the last a quotation was open. One of those that leaves a quotation open by itself
    would come to the same end, so it is not looked for again.
    """
    lines, again, taken, alone = iter(found), deque[Line](), list[Line](), 0

    def text() -> Iterator[str]:
        while line := again.popleft() if again else next(lines, None):
            taken.append(line)
            if line.content is None:
                raise csv.Error
            yield line.content.decode("latin-1")  # a byte a character: quotes and commas are where they are

    csv.field_size_limit(LONGEST_FIELD)  # so far is looked for a closing quotation mark, and no further
    reader = csv.reader(text(), strict=True)  # or a file that ends within a note would pass
    while True:
        taken.clear()
        cells: list[str] | None
        try:
            cells = next(csv.reader(islice(text(), 1), strict=True) if alone else reader)
        except StopIteration:
            return
        except csv.Error:
            cells = None
            again.extendleft(reversed(taken[1:]))
            alone = max(alone, len(taken) - 1)
            del taken[1:]
            reader = csv.reader(text(), strict=True)
        alone = max(alone - 1, 0)
        content = [line.content for line in taken if line.content is not None]
        yield CsvRow(taken[0].start, taken[-1].stop, b"".join(content) if content else None, cells)


def _only_lines(found: Iterator[Line | Row], stopped: list[Row]) -> Iterator[Line]:
    """The lines; where they cannot be read to the end, `stopped` says so."""
    for line in found:
        if isinstance(line, Row):
            stopped.append(line)
        else:
            yield line


# --- both -----------------------------------------------------------------------------------------
@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """The source, unpacked if it is packed."""
    with source.place.open() as file:
        if source.is_packed:
            with gzip.open(file) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            with io.BufferedReader(file, BUFFER) as buffered:  # the files of object stores know no longest line
                yield cast(IO[bytes], buffered)


def _lines(file: IO[bytes], shard: Shard) -> Iterator[Line | Row]:
    """The lines of the shard; last a row that stands for all that cannot be unpacked."""
    position = shard.start
    try:
        file.seek(position)
        for line in byte_lines(file, position):
            if shard.stop is not None and line.start >= shard.stop:
                return
            yield line
            position = line.stop
    except Exception as error:
        if not _is_damage(error):
            raise
        yield Row(position, None, f"nothing more can be unpacked ({type(error).__name__})")


def byte_lines(file: IO[bytes], position: int) -> Iterator[Line]:
    """The lines from where the file stands; of one that is too long nothing is kept."""
    while content := file.readline(LONGEST_LINE):
        start, position, whole = position, position + len(content), True
        while not content.endswith(b"\n") and (more := file.readline(LONGEST_LINE)):
            content, whole, position = more, False, position + len(more)
        yield Line(start, position, content if whole else None)
