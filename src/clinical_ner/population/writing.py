"""A population of any size as Parquet: sampled in stretches by any number of workers, the same bytes whatever they are.

Every `ROW_GROUP` people are a row group of each file, worked out from nothing but the parameters and their
positions. Workers sample, check and pack them; this process writes them in order. What is held at any
time is a few row groups, however many people there are.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import track

from clinical_ner.core import io
from clinical_ner.core.errors import UserError
from clinical_ner.core.params import PopulationParams
from clinical_ner.core.schema import Table
from clinical_ner.population.checks import refuse_impossible_records
from clinical_ner.population.people import providers
from clinical_ner.population.sample import sample_stretch
from clinical_ner.population.tables import POPULATION, Population

ROW_GROUP = 10_000  # people; part of the bytes, so not a parameter
WORDS, IDENTIFIERS = pa.dictionary(pa.int32(), pa.string()), pa.string()
OF_ALL = "providers"  # the table that is not of a stretch of people
IN_HAND = 2  # row groups that each worker may be ahead


def write_population(
    params: PopulationParams, folder: Path, *, workers: int = 1, chunk_size: int = ROW_GROUP, progress: bool = False
) -> dict[str, int]:
    """Write all tables to `folder/NAME.parquet`, checked, and return the number of rows of each.

    Raises:
        UserError: fewer than one worker, or than one person at a time.
        ImpossibleRecordError: a rule of `checks` is broken; no file is left behind.
    """
    _refuse(workers=workers, chunk_size=chunk_size)
    folder.mkdir(parents=True, exist_ok=True)
    rows = Counter(dict.fromkeys((table.name for table in POPULATION), 0))
    partial_files = {table.name: folder / f"{table.name}.parquet.partial" for table in POPULATION}
    groups = range(0, params.patients, ROW_GROUP)
    with ExitStack() as open_files:
        for path in partial_files.values():
            open_files.callback(path.unlink, missing_ok=True)
        writers = {
            table.name: open_files.enter_context(_writer(table, partial_files[table.name])) for table in POPULATION
        }
        writers[OF_ALL].write_table(_packed(POPULATION[1], [providers(params.seed)]))
        rows[OF_ALL] = len(providers(params.seed))
        packed = _in_order(partial(row_group, params, size=ROW_GROUP, chunk_size=chunk_size), groups, workers)
        for tables in _shown(packed, len(groups), progress):
            for name, table in tables.items():
                writers[name].write_table(table, row_group_size=max(table.num_rows, 1))
                rows[name] += table.num_rows
        for name, path in partial_files.items():
            writers[name].close()
            path.replace(path.with_suffix(""))
    return dict(rows)


def read_population(folder: Path) -> Population:
    """All tables of a folder, checked against their schema.

    Raises:
        UserError: as `io.read` does.
    """
    return Population(*(io.read(table, folder) for table in POPULATION))


def row_group(params: PopulationParams, start: int, *, size: int, chunk_size: int) -> dict[str, pa.Table]:
    """The tables of `size` people from `start` on, as they are written; `chunk_size` are sampled at a time."""
    stop = min(start + size, params.patients)
    stretches = [sample_stretch(params, at, min(at + chunk_size, stop)) for at in range(start, stop, chunk_size)]
    for stretch in stretches:
        refuse_impossible_records(stretch, params.reference_date)
    return {
        table.name: _packed(table, [getattr(stretch, table.name) for stretch in stretches])
        for table in POPULATION
        if table.name != OF_ALL
    }


def _refuse(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise UserError(f"{name} is {count}", "give at least 1")


def _shown(packed: Iterator[Any], total: int, progress: bool) -> Iterable[Any]:
    return track(packed, "population", total=total, console=Console(stderr=True), disable=not progress)


def _in_order(sample: Any, starts: Iterable[int], workers: int) -> Iterator[dict[str, pa.Table]]:
    """The row groups one by one, whichever is ready first."""
    if workers == 1:
        yield from map(sample, starts)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from _ahead(pool, sample, starts, workers * IN_HAND)


def _ahead(pool: Executor, sample: Any, starts: Iterable[int], most: int) -> Iterator[dict[str, pa.Table]]:
    waiting: deque[Any] = deque()
    for start in starts:
        waiting.append(pool.submit(sample, start))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


# --- Arrow ----------------------------------------------------------------------------------------
def _writer(table: Table, path: Path) -> pq.ParquetWriter:
    """Without Arrow's own schema: words are read back as words, not as codes."""
    return pq.ParquetWriter(path, _packed_schema(table), compression="zstd", store_schema=False)


def _packed_schema(table: Table) -> pa.Schema:
    """The columns of a table: words by their codes, but identifiers that hardly repeat as they are."""
    columns = io.arrow_schema(table)
    return pa.schema([column.with_type(WORDS) if _repeats(table, column) else column for column in columns])


def _repeats(table: Table, column: pa.Field) -> bool:
    identifies = column.name.endswith("_id") and column.name not in ("patient_id", "concept_id")
    return column.type == IDENTIFIERS and (not identifies or table.name == "observations")


def _packed(table: Table, frames: list[pd.DataFrame]) -> pa.Table:
    """Frames below one another, in the order of the table's key."""
    parts = [_arrow(table, frame) for frame in frames]
    if len(parts) == 1:
        return parts[0]
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def _arrow(table: Table, frame: pd.DataFrame) -> pa.Table:
    schema = _packed_schema(table)
    return pa.Table.from_arrays([_array(frame[field.name], field.type) for field in schema], schema=schema)


def _array(column: pd.Series[Any], kind: pa.DataType) -> pa.Array:
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        words = pa.array(column.cat.categories.to_numpy(dtype=object), pa.string())
        packed = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=codes < 0), words)
        return packed.dictionary_decode() if kind == IDENTIFIERS else packed
    if kind == WORDS:
        return pa.array(column.to_numpy(dtype=object), pa.string()).dictionary_encode()
    return pa.array(column, kind, from_pandas=True)
