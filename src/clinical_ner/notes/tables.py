"""Write all notes: some about every patient, and literature about nobody of the population."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import repeat
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.params import NotesParams
from clinical_ner.core.schema import ENTITIES, NOTES, RELATIONS, SECTIONS, SEGMENTS, Table
from clinical_ner.core.span import DISEASE
from clinical_ner.notes.charts import Chart, Record, charts
from clinical_ner.notes.compose import Earlier, compose
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.subjects import invented, of_record
from clinical_ner.notes.templates import literature
from clinical_ner.notes.terms import Lexis
from clinical_ner.notes.visits import DAYS_A_YEAR, YEARS_BACK, Plan, plan, possible
from clinical_ner.notes.writing import Page


class Writing(NamedTuple):
    """The tables NOTES, ENTITIES, SEGMENTS, RELATIONS and SECTIONS."""

    notes: pd.DataFrame
    entities: pd.DataFrame
    segments: pd.DataFrame
    relations: pd.DataFrame
    sections: pd.DataFrame


class Written(NamedTuple):
    """One text with what is known of it: rows of the tables, without the note's id where there are several."""

    note: tuple[Any, ...]
    entities: Sequence[tuple[Any, ...]]
    segments: Sequence[tuple[Any, ...]]
    relations: Sequence[tuple[Any, ...]]
    sections: Sequence[tuple[Any, ...]]


def write_notes(record: Record, lexis: Lexis, params: NotesParams, reference_date: date) -> Writing:
    """Every text, from streams named after it: a note does not depend on the notes before it."""
    texts = (_about_patients(record, lexis, params, reference_date), _literature(lexis, params, reference_date))
    with _no_search_for_cycles():
        return tabulate(text for written in texts for text in written)


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Let the garbage collector rest: a text leaves no cycles, and looking for some takes a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def tabulate(texts: Iterable[Written]) -> Writing:
    """The five tables of the texts."""
    tables = (NOTES, ENTITIES, SEGMENTS, RELATIONS, SECTIONS)
    content = [[list[Any]() for _ in table.schema.columns] for table in tables]
    for text in texts:
        for value, column in zip(text.note, content[0], strict=True):
            column.append(value)
        for rows, (ids, *columns) in zip(text[1:], content[1:], strict=True):
            ids += repeat(text.note[0], len(rows))
            for values, column in zip(zip(*rows, strict=True), columns, strict=False):  # no row: no values
                column += values
    return Writing(*map(_frame, tables, content))


def _written(note_id: str, patient_id: str | None, kind: str, written_on: date, page: Page) -> Written:
    return Written(
        (note_id, patient_id, kind, written_on, page.shown or page.text),
        page.mentions,
        page.segments,
        page.relations,
        page.sections(),
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
    for chart in charts(record):
        yield from _of_patient(chart, lexis, params, end)


def _of_patient(chart: Chart, lexis: Lexis, params: NotesParams, end: date) -> Iterator[Written]:
    """The notes about a patient; one may repeat parts of those before it, which depend on streams of their own."""
    patient_id = chart.patient["patient_id"]
    choices, made = possible(chart, end), list[Plan]()
    of_patient, of_family = _undeniable(chart, lexis)
    earlier: list[Earlier] = []
    for number in range(params.notes_per_patient):
        draws = Draws(params.seed, f"note/{patient_id}/{number}")
        kind, written_on, visit = chosen = plan(choices, draws, chart, end, made)
        subject = replace(of_record(chart, written_on, visit), record=of_patient, family_concepts=of_family)
        page = compose(kind, subject, lexis, draws, params, earlier)
        made.append(chosen)
        earlier.append(Earlier(subject, page))
        yield _written(f"N{patient_id[1:]}{number:02d}", patient_id, kind, written_on, page)


def _undeniable(chart: Chart, lexis: Lexis) -> tuple[frozenset[str], frozenset[str]]:
    """What is never denied of the patient, be it known already or not, and of the family: all and what goes with it."""
    named = {lexis.concept_of(DISEASE, row["name"]) for row in chart.conditions}
    given = {lexis.treatment_id(row["name"]) for row in chart.treatments}
    allergens = {lexis.treatment_id(row["substance"]) for row in chart.allergies}
    of_patient = lexis.undeniable(row["concept_id"] for row in chart.conditions)
    of_family = lexis.undeniable(row["concept_id"] for row in chart.family)
    return of_patient | named | given | allergens, of_family


def _literature(lexis: Lexis, params: NotesParams, end: date) -> Iterator[Written]:
    for number in range(params.literature_texts):
        draws = Draws(params.seed, f"literature/{number}")
        kind = draws.weighted(_genres())
        written_on = end - timedelta(days=draws.below(YEARS_BACK * DAYS_A_YEAR))
        page = compose(kind, invented(draws, written_on), lexis, draws, params)
        yield _written(f"L{number:09d}", None, kind, written_on, page)


@cache
def _genres() -> dict[str, float]:
    return {name: genre.weight for name, genre in literature().items()}


def _frame(table: Table, columns: list[list[Any]]) -> pd.DataFrame:
    types = ((name, str(column.dtype)) for name, column in table.schema.columns.items())
    series = {
        name: pd.Series(values, dtype=kind if kind in ("int64", "datetime64[ns]") else object)
        for (name, kind), values in zip(types, columns, strict=True)
    }
    return pd.DataFrame(series, copy=False)
