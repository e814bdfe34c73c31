"""Read and write tables, checked against their schema both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pandera.errors
import pyarrow as pa
from pyarrow.parquet import ParquetFile

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import sha256
from clinical_ner.core.schema import DISEASES, DRUGS, PROCEDURES, SUBSTANCES, Table

STORED = {
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "float64": pa.float64(),
    "datetime64[ns]": pa.timestamp("ns"),
    "bool": pa.bool_(),
}


def write(table: Table, frame: pd.DataFrame, folder: Path) -> None:
    """Write `frame` as `folder/NAME.parquet`, sorted by its key, after checking it.

    Raises:
        UserError: a column or a row does not hold what the schema states.
    """
    path = folder / f"{table.name}.parquet"
    right = checked(table, frame.reset_index(drop=True), path)
    ordered = right.sort_values(list(table.key), kind="stable", ignore_index=True)
    folder.mkdir(parents=True, exist_ok=True)
    ordered.to_parquet(path, index=False, compression="zstd")


def read(table: Table, folder: Path) -> pd.DataFrame:
    """Read `folder/NAME.parquet` and check it.

    Raises:
        UserError: the file is missing, is no Parquet, or does not hold what the schema states.
    """
    return read_file(table, _existing(table, folder))


def read_file(table: Table, path: Path) -> pd.DataFrame:
    """Read a Parquet file of any name and check it.

    Raises:
        UserError: as `read` does.
    """
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return checked(table, frame, path)


def digests(tables: Iterable[Table], folder: Path) -> dict[str, str]:
    """The SHA-256 of the file of each table, by its name: what a model says that it was made of."""
    names = (f"{table.name}.parquet" for table in tables)
    return {name: sha256(folder / name) for name in names}


def read_batches(table: Table, folder: Path, rows: int) -> Iterator[pa.RecordBatch]:
    """`folder/NAME.parquet`, at most `rows` rows at a time: memory is bounded, whatever the length of the table.

    Each batch is checked as `read` checks the whole, but that keys are unique is checked within a batch alone.

    Raises:
        UserError: as `read` does.
    """
    path, start = _existing(table, folder), 0
    try:
        for batch in ParquetFile(path).iter_batches(rows):
            frame = batch.to_pandas()
            checked(table, frame.set_axis(range(start, start + len(frame))), path)
            yield batch
            start += len(frame)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def row_count(table: Table, folder: Path) -> int:
    """How many rows `folder/NAME.parquet` says that it has.

    Raises:
        UserError: the file is missing or is no Parquet.
    """
    path = _existing(table, folder)
    try:
        return int(ParquetFile(path).metadata.num_rows)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _existing(table: Table, folder: Path) -> Path:
    path = folder / f"{table.name}.parquet"
    if not path.is_file():
        raise UserError(f"{path} does not exist", "run 'dvc repro' or 'dvc pull'")
    return path


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read as Parquet: {error}", "delete it and run 'dvc repro'")


def arrow_schema(table: Table) -> pa.Schema:
    """The columns as Arrow has them; words are text."""
    columns = table.schema.columns.items()
    return pa.schema([(name, STORED.get(str(column.dtype), pa.string())) for name, column in columns])


class Vocabulary(NamedTuple):
    """The term tables DISEASES, DRUGS, PROCEDURES and SUBSTANCES."""

    diseases: pd.DataFrame
    drugs: pd.DataFrame
    procedures: pd.DataFrame
    substances: pd.DataFrame


VOCABULARY = (DISEASES, DRUGS, PROCEDURES, SUBSTANCES)


def read_vocabulary(folder: Path) -> Vocabulary:
    """Read the four term tables; raises as `read` does."""
    return Vocabulary(*(read(table, folder) for table in VOCABULARY))


def checked(table: Table, frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The frame, if it holds what the schema states.

    Raises:
        UserError: it does not; the message names the path, the column and the row, and no value.
    """
    try:
        right: pd.DataFrame = table.schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        raise UserError(
            f"{path}: table '{table.name}', {_first_failure(error.failure_cases)}"
            f" ({len(error.failure_cases)} failures in all)",
            f"compare with {table.name.upper()} in clinical_ner/core/schema.py",
        ) from None
    return right


def _first_failure(cases: pd.DataFrame) -> str:
    """Where the first failure is, never the value: it may be a note."""
    of_columns = cases[cases["check"].isin(["column_in_dataframe", "column_in_schema", "column_ordered"])]
    if len(of_columns):
        first = of_columns.iloc[0]
        return f"column '{first['failure_case']}': fails '{first['check']}'"
    first = cases.iloc[0]
    row = "" if pd.isna(first["index"]) else f", row {first['index']}"
    return f"column '{first['column']}'{row}: fails '{first['check']}'"
