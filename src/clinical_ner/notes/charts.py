"""The population as its clinicians find it: all that the record holds of one patient, ready to be asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.schema import (
    ALLERGIES,
    CONDITIONS,
    ENCOUNTERS,
    FAMILY_HISTORY,
    OBSERVATIONS,
    PATIENTS,
    PREGNANCIES,
    PROVIDERS,
    TREATMENTS,
)
from clinical_ner.notes.measurements import Measured, by_patient

POPULATION = (
    *(PATIENTS, PROVIDERS, CONDITIONS, TREATMENTS, ENCOUNTERS),
    *(OBSERVATIONS, ALLERGIES, FAMILY_HISTORY, PREGNANCIES),
)
Row = dict[Hashable, Any]  # of a population table, with dates as `date` or None


class Visit(NamedTuple):
    """An encounter of the record."""

    kind: str
    provider: str
    first: date
    last: date
    condition_id: str | None  # its reason


class Record(NamedTuple):
    """The tables that notes are written from; `patients` and `encounters` with the name of their `provider`."""

    patients: pd.DataFrame
    conditions: pd.DataFrame
    treatments: pd.DataFrame
    encounters: pd.DataFrame
    observations: pd.DataFrame
    allergies: pd.DataFrame
    family_history: pd.DataFrame
    pregnancies: pd.DataFrame


@dataclass(frozen=True)
class Chart:
    """What the record holds of one patient."""

    patient: Row
    conditions: list[Row] = field(default_factory=list)  # also those that nobody has diagnosed
    treatments: list[Row] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    measured: Measured = field(default_factory=dict)
    allergies: list[Row] = field(default_factory=list)
    family: list[Row] = field(default_factory=list)
    pregnancies: list[Row] = field(default_factory=list)

    @cached_property
    def treatments_of(self) -> dict[str, list[Row]]:
        """The treatments by the condition that they are for."""
        found: dict[str, list[Row]] = {}
        for row in self.treatments:
            found.setdefault(row["condition_id"], []).append(row)
        return found


def record_of(patients: pd.DataFrame, providers: pd.DataFrame, *others: pd.DataFrame) -> Record:
    """The tables of `POPULATION` in their order, with the names of the providers."""
    names = providers.set_index("provider_id")["name"].to_dict()
    conditions, treatments, encounters, *rest = others
    named = (frame.assign(provider=frame["provider_id"].map(names)) for frame in (patients, encounters))
    of_patients, of_encounters = named
    return Record(of_patients, conditions, treatments, of_encounters, *rest)


def charts(record: Record) -> Iterator[Chart]:
    """The chart of every patient, in the order of the table."""
    conditions, treatments = _grouped(record.conditions), _grouped(record.treatments)
    visits, measured = _visits(record.encounters), by_patient(record.observations)
    allergies, family = _grouped(record.allergies), _grouped(record.family_history)
    pregnancies = _grouped(record.pregnancies)
    for patient in _rows(record.patients):
        patient_id = patient["patient_id"]
        yield Chart(
            patient,
            conditions[patient_id],
            treatments[patient_id],
            visits[patient_id],
            measured.get(patient_id, {}),
            allergies[patient_id],
            family[patient_id],
            pregnancies[patient_id],
        )


def _visits(encounters: pd.DataFrame) -> defaultdict[str, list[Visit]]:
    """Built from columns: there are many more encounters than anything else but measurements."""
    names = ("kind", "provider", "start_date", "end_date", "condition_id")
    grouped: defaultdict[str, list[Visit]] = defaultdict(list)
    columns = (_plain(encounters[name]) for name in names)
    for patient_id, *visit in zip(encounters["patient_id"].tolist(), *columns, strict=True):
        grouped[patient_id].append(Visit(*visit))
    return grouped


def _grouped(frame: pd.DataFrame) -> defaultdict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _rows(frame):
        grouped[row["patient_id"]].append(row)
    return grouped


def _rows(frame: pd.DataFrame) -> list[Row]:
    """The rows as dictionaries."""
    names = list(frame)
    columns = [_plain(frame[name]) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(column: pd.Series[Any]) -> list[Any]:
    """The values, None where one is missing; days as `date`, far faster to compare than timestamps."""
    if column.dtype.kind == "M":
        days: list[date | None] = column.to_numpy("datetime64[D]").tolist()
        return days
    return [None if missing else value for value, missing in zip(column.tolist(), column.isna().tolist(), strict=True)]
