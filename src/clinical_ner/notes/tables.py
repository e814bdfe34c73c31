"""Write all notes: some about every patient, and literature about nobody of the population."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clinical_ner.core.params import NotesParams
from clinical_ner.core.schema import ENTITIES, NOTES, RELATIONS, SEGMENTS, Table
from clinical_ner.core.seeds import stream
from clinical_ner.notes.compose import ABOUT_PATIENTS, LITERATURE, compose
from clinical_ner.notes.subjects import Row, Subject, invented, of_record, pick
from clinical_ner.notes.terms import Lexis
from clinical_ner.notes.writing import Page

YEARS_BACK = 4  # notes are written in the last years before the reference date


class Writing(NamedTuple):
    """The tables NOTES, ENTITIES, SEGMENTS and RELATIONS."""

    notes: pd.DataFrame
    entities: pd.DataFrame
    segments: pd.DataFrame
    relations: pd.DataFrame


class Record(NamedTuple):
    """The population tables."""

    patients: pd.DataFrame
    conditions: pd.DataFrame
    treatments: pd.DataFrame


class Written(NamedTuple):
    """One text with what is known of it."""

    note_id: str
    patient_id: str | None
    kind: str
    written_on: pd.Timestamp
    page: Page


def write_notes(record: Record, lexis: Lexis, params: NotesParams, reference_date: date) -> Writing:
    """Every text, from streams named after it: a note does not depend on the notes before it."""
    end = pd.Timestamp(reference_date)
    return tabulate([*_about_patients(record, lexis, params, end), *_literature(lexis, params, end)])


def tabulate(texts: list[Written]) -> Writing:
    """The four tables of the texts."""
    return Writing(
        _frame(NOTES, [(t.note_id, t.patient_id, t.kind, t.written_on, t.page.text) for t in texts]),
        _frame(ENTITIES, [(t.note_id, *mention) for t in texts for mention in t.page.mentions]),
        _frame(SEGMENTS, [(t.note_id, *segment) for t in texts for segment in t.page.segments]),
        _frame(RELATIONS, [(t.note_id, *pair) for t in texts for pair in t.page.relations]),
    )


def notes_metrics(writing: Writing) -> dict[str, Any]:
    """How many texts, mentions, templates and distinct surface forms there are."""
    notes, entities = writing.notes, writing.entities
    return {
        "texts": len(notes),
        "characters": int(notes["text"].str.len().sum()),
        "mentions": entities["label"].value_counts().sort_index().to_dict(),
        "concepts": int(entities["concept_id"].nunique()),
        "relations": len(writing.relations),
        "templates": int(writing.segments["template_id"].nunique()),
    }


def _about_patients(record: Record, lexis: Lexis, params: NotesParams, end: pd.Timestamp) -> Iterator[Written]:
    conditions, treatments = _by_patient(record.conditions), _by_patient(record.treatments)
    for patient in record.patients.to_dict("records"):
        mine, given = conditions[patient["patient_id"]], treatments[patient["patient_id"]]
        for visit in range(params.notes_per_patient):
            note_id = f"N{patient['patient_id'][1:]}{visit:02d}"
            rng = stream(params.seed, f"note/{patient['patient_id']}/{visit}")
            written_on = _visit_date(rng, patient, end)
            subject = of_record(patient, mine, given, written_on)
            yield _write(note_id, patient["patient_id"], ABOUT_PATIENTS, subject, written_on, lexis, params, rng)


def _by_patient(frame: pd.DataFrame) -> defaultdict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in frame.to_dict("records"):
        grouped[row["patient_id"]].append(row)
    return grouped


def _literature(lexis: Lexis, params: NotesParams, end: pd.Timestamp) -> Iterator[Written]:
    for number in range(params.literature_texts):
        rng = stream(params.seed, f"literature/{number}")
        written_on = _days_before(end, int(rng.integers(YEARS_BACK * 365)))
        yield _write(f"L{number:09d}", None, LITERATURE, invented(rng, written_on), written_on, lexis, params, rng)


def _write(
    note_id: str,
    patient_id: str | None,
    kinds: tuple[str, ...],
    subject: Subject,
    written_on: pd.Timestamp,
    lexis: Lexis,
    params: NotesParams,
    rng: np.random.Generator,
) -> Written:
    kind = pick(rng, kinds)
    return Written(note_id, patient_id, kind, written_on, compose(kind, subject, lexis, rng, params.typo_rate))


def _visit_date(rng: np.random.Generator, patient: Row, end: pd.Timestamp) -> pd.Timestamp:
    last: pd.Timestamp = end if pd.isna(patient["death_date"]) else min(end, patient["death_date"])
    days = min(YEARS_BACK * 365, max(1, (last - patient["birth_date"]).days))
    return _days_before(last, int(rng.integers(days)))


def _days_before(day: pd.Timestamp, days: int) -> pd.Timestamp:
    return pd.Timestamp(day.to_pydatetime() - timedelta(days=days))


def _frame(table: Table, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(table.schema.columns))
    counts = [name for name, column in table.schema.columns.items() if str(column.dtype) == "int64"]
    return frame.astype(dict.fromkeys(counts, "int64"))
