"""A population in the formats that others read: CSV, and FHIR R4 as bulk NDJSON.

A stretch of each table is in memory at a time, whatever the size of the population.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from clinical_ner.core import io
from clinical_ner.core.files import whole_folder
from clinical_ner.core.schema import CONDITIONS, PROVIDERS, Table
from clinical_ner.population.fhir import RESOURCES, Known, organisation_id
from clinical_ner.population.tables import POPULATION

ROWS_AT_A_TIME = 20_000

ExportFormat: TypeAlias = Literal["csv", "fhir"]
Advance: TypeAlias = Callable[[int], None]  # is told of every stretch of rows that is done


def export_population(folder: Path, out: Path, form: ExportFormat, advance: Advance, *, replace: bool) -> None:
    """Write the tables of `folder` into the new folder `out`: all of them, or nothing.

    The same tables are the same bytes. `csv` is TABLE.csv, a line of names and a line a row; `fhir` is TYPE.ndjson, a
    resource a line.

    Raises:
        UserError: a table is missing or not as its schema says, or `out` exists and `replace` is not set.
    """
    with whole_folder(out, replace=replace) as partial:
        (_write_csv if form == "csv" else _write_fhir)(folder, partial, advance)


def rows_to_export(folder: Path, form: ExportFormat) -> int:
    """How many rows an export reads, which is what `advance` is told of; some tables are read for two resources."""
    tables = POPULATION if form == "csv" else [table for _, table, _ in RESOURCES]
    return sum(io.row_count(table, folder) for table in tables)


# --- CSV ----------------------------------------------------------------------------------------
def _write_csv(folder: Path, out: Path, advance: Advance) -> None:
    for table in POPULATION:
        with (out / f"{table.name}.csv").open("wb") as file:
            file.write(",".join(table.schema.columns).encode() + b"\n")
            for batch in _batches(table, folder, advance):
                csv.write_csv(batch, file, csv.WriteOptions(include_header=False, quoting_style="needed"))


# --- FHIR ---------------------------------------------------------------------------------------
def _write_fhir(folder: Path, out: Path, advance: Advance) -> None:
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    known = Known(_undiagnosed(folder), _organisations(folder))
    for kind, group in groupby(RESOURCES, key=lambda entry: entry[0]):
        with (out / f"{kind}.ndjson").open("w", encoding="utf-8", newline="\n") as file:
            for _, table, make in group:
                file.writelines(f"{encode(made)}\n" for made in make(_rows(table, folder, advance), known))


def _undiagnosed(folder: Path) -> frozenset[str]:
    """The conditions that are in nobody's record; at a million people some hundred thousand."""
    unknown = (
        batch.filter(pc.is_null(batch["diagnosed_date"]))["condition_id"]
        for batch in io.read_batches(CONDITIONS, folder, ROWS_AT_A_TIME)
    )
    return frozenset(condition for batch in unknown for condition in batch.to_pylist())


def _organisations(folder: Path) -> dict[str, str]:
    providers = io.read(PROVIDERS, folder)
    return dict(zip(providers["provider_id"], map(organisation_id, providers["organisation"]), strict=True))


# --- both ---------------------------------------------------------------------------------------
def _rows(table: Table, folder: Path, advance: Advance) -> Iterator[dict[str, Any]]:
    for batch in _batches(table, folder, advance):
        yield from batch.to_pylist()


def _batches(table: Table, folder: Path, advance: Advance) -> Iterator[pa.RecordBatch]:
    """The table with its dates as ISO text."""
    for batch in io.read_batches(table, folder, ROWS_AT_A_TIME):
        yield pa.RecordBatch.from_arrays(list(map(_written, batch.columns)), names=batch.schema.names)
        advance(batch.num_rows)


def _written(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.date32()).cast(pa.string())
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
