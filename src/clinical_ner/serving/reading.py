"""One note read for an answer: what it holds for the client, and its figures for the store and for Prometheus."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT
from clinical_ner.monitoring.profiles import figures
from clinical_ner.ner.extraction import Reading, interpret, record
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import metrics
from clinical_ner.serving.clock import uuid7
from clinical_ner.serving.contract import Note

COUNTED = {"diseases": DISEASE, "treatments": TREATMENT}


class NoteRead(NamedTuple):
    """A note as it is read, what the client gets of it, and what is kept: figures, and nothing of its text."""

    reading: Reading
    answer: dict[str, Any]
    figures: dict[str, Any]


def read_note(tagger: Tagger, note: Note) -> NoteRead:
    """The answer to one note as `contract.Extraction`, and its figures as columns of the store."""
    start = time.perf_counter()
    sentences = tagger.read(note.text)
    reading = interpret(note.text, [(each.tokens, each.entities) for each in sentences], tagger.concepts)
    prediction_id = uuid7()
    named = {} if note.id is None else {"id": note.id}
    answer = {**named, "prediction_id": str(prediction_id), **record(note.text, reading)}
    columns = {
        "prediction_id": prediction_id,
        "milliseconds": 1000 * (time.perf_counter() - start),
        **figures(tagger, note.text, sentences, reading.mentions),
        **{name: sum(mention.span.label == label for mention in reading.mentions) for name, label in COUNTED.items()},
        "spans": [list(mention.span) for mention in reading.mentions],
    }
    return NoteRead(reading, answer, columns)


class NoteMetrics:
    """Counts what was read; the series of the labels are made once, as looking them up costs more than counting."""

    def __init__(self) -> None:
        self._diseases, self._treatments = (metrics.ENTITIES.labels(label) for label in LABELS)

    def count(self, columns: dict[str, Any]) -> None:
        """Count a note by its figures."""
        metrics.NOTES.inc()
        metrics.TOKENS.inc(columns["tokens"])
        self._diseases.inc(columns["diseases"])
        self._treatments.inc(columns["treatments"])
        if not columns["diseases"] + columns["treatments"]:
            metrics.EMPTY.inc()
        metrics.CONFIDENCE.observe(columns["mean_confidence"])
        metrics.UNKNOWN.observe(columns["out_of_vocabulary_rate"])
