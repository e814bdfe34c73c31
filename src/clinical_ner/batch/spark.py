"""The same function under Spark: `notes.mapInPandas(of_partitions(model), ENTITY_SCHEMA)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pandas as pd

from clinical_ner.batch.extraction import entity_frames
from clinical_ner.batch.models import tagger
from clinical_ner.core.schema import EXTRACTED_ENTITIES

SPARK_TYPES = {"str": "string", "int64": "bigint", "Int64": "bigint", "float64": "double"}
ENTITY_SCHEMA = ", ".join(
    f"`{name}` {SPARK_TYPES[str(column.dtype)]}" for name, column in EXTRACTED_ENTITIES.schema.columns.items()
)


def of_partitions(model: str) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """What `mapInPandas` calls on each partition, of `note_id` and `text`; the model lies on every machine."""
    return lambda frames: entity_frames(tagger(model), frames)
