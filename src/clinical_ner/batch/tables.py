"""Tables of ours as Parquet, a batch at a time: the same rows in the same batches are the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clinical_ner.core.io import arrow_schema
from clinical_ner.core.schema import Table

ROW_GROUP = 50_000  # rows after which one is written


class TableWriter:
    """Writes frames of a table, which have been checked; row groups are of many frames."""

    def __init__(self, table: Table, writer: pq.ParquetWriter) -> None:
        self._schema, self._writer = arrow_schema(table), writer
        self._waiting: list[pa.Table] = []

    def write(self, frame: pd.DataFrame) -> None:
        """Add the rows of the frame."""
        self._waiting.append(pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False))
        if sum(map(len, self._waiting)) >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as a row group."""
        if rows := sum(map(len, self._waiting)):
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks(), row_group_size=rows)
        self._waiting.clear()


@contextmanager
def table_writer(table: Table, file: IO[bytes]) -> Iterator[TableWriter]:
    """A writer of Parquet into the open file."""
    with pq.ParquetWriter(file, arrow_schema(table), compression="zstd", store_schema=False) as parquet:
        writer = TableWriter(table, parquet)
        yield writer
        writer.flush()
