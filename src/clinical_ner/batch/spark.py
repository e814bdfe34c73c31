"""The same function under Spark, and beside it what it leaves out:

notes.mapInPandas(of_partitions(model), ENTITY_SCHEMA)
notes.mapInPandas(rejected_of_partitions, REJECTED_SCHEMA)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pandas as pd

from clinical_ner.batch.contract import Columns, Note, Rejected, Row, id_of, judgements
from clinical_ner.batch.extraction import entity_frames, framed
from clinical_ner.batch.models import tagger
from clinical_ner.core.schema import EXTRACTED_ENTITIES

SPARK_TYPES = {"str": "string", "int64": "bigint", "Int64": "bigint", "float64": "double"}
ENTITY_SCHEMA = ", ".join(
    f"`{name}` {SPARK_TYPES[str(column.dtype)]}" for name, column in EXTRACTED_ENTITIES.schema.columns.items()
)


REJECTED_SCHEMA = "`note_id` string, `reason` string"
COLUMNS = Columns("note_id", "text")


def of_partitions(model: str) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """What `mapInPandas` calls on each partition, of `note_id` and `text`; the model lies on every machine.

    Rows that are no notes are left out; `rejected_of_partitions` says which, and why.
    """
    return lambda frames: entity_frames(tagger(model), _frames(_judged(frames)))


def rejected_of_partitions(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The ids of the rows that are no notes, and the reasons, without their text; of a partition the same rows."""
    rejected = ((id_of(row, COLUMNS), found.reason) for row, found in _judged(frames) if isinstance(found, Rejected))
    return framed(rejected, ["note_id", "reason"])


def _judged(frames: Iterable[pd.DataFrame]) -> Iterator[tuple[Row, Note | Rejected]]:
    rows = (fields for frame in frames for fields in frame[list(COLUMNS.names)].to_dict("records"))
    return judgements((Row(at, {str(k): v for k, v in fields.items()}) for at, fields in enumerate(rows)), COLUMNS)


def _frames(found: Iterator[tuple[Row, Note | Rejected]]) -> Iterator[pd.DataFrame]:
    return framed((note for _, note in found if isinstance(note, Note)), Note._fields)
