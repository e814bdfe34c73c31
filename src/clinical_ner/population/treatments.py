"""What the patients are given for what they have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.core.schema import TREATMENTS
from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import Floats
from clinical_ner.population.draws import Draws
from clinical_ner.population.histories import NUMBERS_A_PATIENT
from clinical_ner.population.people import DAYS_A_YEAR, lives

DOSES_FROM = 12 * DAYS_A_YEAR  # younger children's doses go by weight and are left out


def sample_treatments(
    people: pd.DataFrame, conditions: pd.DataFrame, draw: Draws, reference_date: date
) -> pd.DataFrame:
    """TREATMENTS of these CONDITIONS, ordered by id: of each line of treatment at most one alternative."""
    number = np.array([int(name[1:]) for name in conditions["condition_id"]], dtype=np.int64)
    position, condition = number // NUMBERS_A_PATIENT - draw.start, number % NUMBERS_A_PATIENT
    case, regimen, delay = (np.concatenate(part) for part in zip(*_given(position, condition, draw), strict=True))
    position = position[case]
    given = pd.DataFrame({"number": (draw.start + position) * NUMBERS_A_PATIENT + regimen, "delay": delay}).join(
        [
            _regimens().iloc[regimen].reset_index(drop=True),
            conditions.iloc[case].drop(columns=["name", "concept_id"]).reset_index(drop=True),
            people[["birth_date", "death_date"]].iloc[position].reset_index(drop=True),
        ]
    )
    given["end_date"] = lives(people, reference_date).end[position].astype("datetime64[ns]")
    given = _dated(given, pd.Timestamp(reference_date)).sort_values("number", ignore_index=True)
    given["treatment_id"] = np.array([f"T{number:010d}" for number in given["number"]], dtype=object)
    unknown = dict.fromkeys(("concept_id", "rxnorm", "route", "stop_reason", "response", "adverse_effect"))
    given = given.assign(**{name: np.full(len(given), None, dtype=object) for name in unknown})
    return given[list(TREATMENTS.schema.columns)]


def _given(
    position: NDArray[Any], condition: NDArray[Any], draw: Draws
) -> Iterator[tuple[NDArray[Any], NDArray[Any], Floats]]:
    """Line by line: which cases are treated, with which regimen, and how late from 0 (at onset) to 1."""
    numbers = {entry.key: entry.number for entry in catalogue.conditions()}
    for key, line, choices in catalogue.treatment_lines():
        cases = np.flatnonzero(condition == numbers[key])
        uniform = draw(f"treatment/{key}/{line}")[position[cases]]
        delay = draw(f"treatment/{key}/{line}/start")[position[cases]]
        choice = np.searchsorted(np.cumsum([regimen.percent / 100 for regimen in choices]), uniform, side="right")
        treated = choice < len(choices)
        yield cases[treated], choices[0].number + choice[treated], delay[treated]


@cache
def _regimens() -> pd.DataFrame:
    listed = [regimen for _, _, choices in catalogue.treatment_lines() for regimen in choices]
    return pd.DataFrame(
        [regimen.model_dump(include={"name", "kind", "dose", "line", "within_days", "days"}) for regimen in listed]
    )


def _dated(given: pd.DataFrame, reference_date: pd.Timestamp) -> pd.DataFrame:
    """With start and stop: none starts after the condition or the life is over, none outlasts them."""
    delay = np.floor(given["delay"] * (given["within_days"] + 1)).astype("int64")
    start = given["onset_date"] + pd.to_timedelta(delay, unit="D")
    planned = start + pd.to_timedelta(given["days"].fillna(0).astype("int64"), unit="D")
    planned = planned.where(given["days"].notna() & (planned <= reference_date))
    ends = pd.concat([planned, given["resolved_date"], given["death_date"]], axis=1)
    old_enough = (start - given["birth_date"]).dt.days >= DOSES_FROM
    dose = given["dose"].where(old_enough & given["dose"].notna(), None)
    given = given.assign(start_date=start, stop_date=ends.min(axis=1), dose=dose)
    return given[start <= given[["resolved_date", "end_date"]].min(axis=1)]
