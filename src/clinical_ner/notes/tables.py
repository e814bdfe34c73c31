"""Write all notes: some about every patient, and literature about nobody of the population."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.params import NotesParams
from clinical_ner.core.schema import ENTITIES, NOTES, RELATIONS, SECTIONS, SEGMENTS, Table
from clinical_ner.core.span import DISEASE
from clinical_ner.notes.compose import Earlier, compose
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.subjects import Row, invented, of_record
from clinical_ner.notes.templates import kinds, literature
from clinical_ner.notes.terms import Lexis
from clinical_ner.notes.writing import Page

OPERATIVE = "operative"  # written on the day of a procedure of the record, if there is one
DAYS_A_YEAR = 365
YEARS_BACK = 4  # notes are written in the last years before the reference date


class Writing(NamedTuple):
    """The tables NOTES, ENTITIES, SEGMENTS, RELATIONS and SECTIONS."""

    notes: pd.DataFrame
    entities: pd.DataFrame
    segments: pd.DataFrame
    relations: pd.DataFrame
    sections: pd.DataFrame


class Record(NamedTuple):
    """The population as its clinicians know it: patients with the name of their `provider`, known conditions."""

    patients: pd.DataFrame
    conditions: pd.DataFrame
    treatments: pd.DataFrame


def record_of(
    patients: pd.DataFrame, providers: pd.DataFrame, conditions: pd.DataFrame, treatments: pd.DataFrame
) -> Record:
    """What can be written about: what nobody has diagnosed is left out."""
    doctors = providers.set_index("provider_id")["name"]
    known = conditions[conditions["diagnosed_date"].notna()]
    return Record(patients.assign(provider=patients["provider_id"].map(doctors)), known, treatments)


class Written(NamedTuple):
    """One text with what is known of it: rows of the tables, without the note's id where there are several."""

    note: tuple[Any, ...]
    entities: list[tuple[Any, ...]]
    segments: list[tuple[Any, ...]]
    relations: list[tuple[Any, ...]]
    sections: list[tuple[Any, ...]]


class Chart(NamedTuple):
    """What the record holds of one patient."""

    patient: Row
    conditions: list[Row]
    treatments: list[Row]


def write_notes(record: Record, lexis: Lexis, params: NotesParams, reference_date: date) -> Writing:
    """Every text, from streams named after it: a note does not depend on the notes before it."""
    texts = (_about_patients(record, lexis, params, reference_date), _literature(lexis, params, reference_date))
    return tabulate(text for written in texts for text in written)


def tabulate(texts: Iterable[Written]) -> Writing:
    """The five tables of the texts."""
    notes: list[tuple[Any, ...]] = []
    parts: tuple[list[tuple[Any, ...]], ...] = ([], [], [], [])
    for text in texts:
        notes.append(text.note)
        for rows, part in zip(parts, text[1:], strict=True):
            rows += [(text.note[0], *row) for row in part]
    tables = (NOTES, ENTITIES, SEGMENTS, RELATIONS, SECTIONS)
    return Writing(*(_frame(table, rows) for table, rows in zip(tables, (notes, *parts), strict=True)))


def _written(note_id: str, patient_id: str | None, kind: str, written_on: date, page: Page) -> Written:
    return Written(
        (note_id, patient_id, kind, written_on, page.shown or page.text),
        [tuple(mention) for mention in page.mentions],
        [tuple(segment) for segment in page.segments],
        page.relations,
        [tuple(section) for section in page.sections()],
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


def _about_patients(record: Record, lexis: Lexis, params: NotesParams, end: date) -> Iterator[Written]:
    conditions, treatments = _by_patient(record.conditions), _by_patient(record.treatments)
    for patient in _rows(record.patients):
        patient_id = patient["patient_id"]
        yield from _visits(Chart(patient, conditions[patient_id], treatments[patient_id]), lexis, params, end)


def _visits(chart: Chart, lexis: Lexis, params: NotesParams, end: date) -> Iterator[Written]:
    """The notes about a patient; one may repeat parts of those before it, which depend on streams of their own."""
    patient_id = chart.patient["patient_id"]
    undeniable = _undeniable(chart, lexis)
    earlier: list[Earlier] = []
    for visit in range(params.notes_per_patient):
        draws = Draws(params.seed, f"note/{patient_id}/{visit}")
        kind = draws.weighted(kinds())
        written_on = _visit_date(kind, draws, chart, end)
        subject = replace(of_record(*chart, written_on), record=undeniable)
        page = compose(kind, subject, lexis, draws, params, earlier)
        earlier.append(Earlier(subject, page))
        yield _written(f"N{patient_id[1:]}{visit:02d}", patient_id, kind, written_on, page)


def _undeniable(chart: Chart, lexis: Lexis) -> frozenset[str]:
    """The concepts of the whole record, also of what is not known yet, and what goes with them."""
    named = {lexis.concept_of(DISEASE, row["name"]) for row in chart.conditions}
    given = {lexis.treatment_id(row["name"]) for row in chart.treatments}
    return lexis.undeniable(row["concept_id"] for row in chart.conditions) | named | given


def _by_patient(frame: pd.DataFrame) -> defaultdict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _rows(frame):
        grouped[row["patient_id"]].append(row)
    return grouped


def _rows(frame: pd.DataFrame) -> list[Row]:
    """The rows, with dates as `date` or None: far faster to compare than timestamps."""
    days = {str(name): _days(frame[name]) for name in frame if str(name).endswith("_date")}
    return frame.assign(**days).to_dict("records")


def _days(column: pd.Series[Any]) -> pd.Series[Any]:
    days = [None if pd.isna(day) else day.date() for day in column]
    return pd.Series(days, index=column.index, dtype=object)


def _literature(lexis: Lexis, params: NotesParams, end: date) -> Iterator[Written]:
    for number in range(params.literature_texts):
        draws = Draws(params.seed, f"literature/{number}")
        kind = draws.weighted({name: genre.weight for name, genre in literature().items()})
        written_on = end - timedelta(days=draws.below(YEARS_BACK * DAYS_A_YEAR))
        page = compose(kind, invented(draws, written_on), lexis, draws, params)
        yield _written(f"L{number:09d}", None, kind, written_on, page)


def _visit_date(kind: str, draws: Draws, chart: Chart, end: date) -> date:
    """A day of the last years of the patient's life; an operation is written down on its day."""
    last: date = min(end, chart.patient["death_date"] or end)
    days = min(YEARS_BACK * DAYS_A_YEAR, max(1, (last - chart.patient["birth_date"]).days))
    if kind == OPERATIVE:
        first = last - timedelta(days=days)
        done = [t["start_date"] for t in chart.treatments if t["kind"] == "procedure"]
        recent: list[date] = [day for day in done if first < day <= last]
        if recent:
            return draws.pick(recent)
    return last - timedelta(days=draws.below(days))


def _frame(table: Table, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(table.schema.columns))
    types = {name: str(column.dtype) for name, column in table.schema.columns.items()}
    return frame.astype({name: kind for name, kind in types.items() if kind in ("int64", "datetime64[ns]")})
