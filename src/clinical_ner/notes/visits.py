"""Which note is written when: every one at an encounter of the record, of a kind that fits it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple

from clinical_ner.notes.charts import Chart, Visit
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.templates import kinds

DAYS_A_YEAR = 365
YEARS_BACK = 4  # ordinary notes are written in the last years before the reference date
RARE = frozenset({"emergency", "inpatient", "delivery"})  # sought in the whole life
AT_THE_END = "discharge"  # written on the last day of a stay; all others on the first
OPERATIVE = "operative"  # written on the day of a procedure of the record, if there is one
WITHOUT_VISIT = "ambulatory"  # what is assumed of who has been seen nowhere


class Plan(NamedTuple):
    """A note to be written."""

    kind: str
    written_on: date
    visit: Visit | None


def possible(chart: Chart, end: date) -> dict[str, list[Plan]]:
    """The notes that the encounters in life, up to the end, give rise to, by kind."""
    death: date | None = chart.patient["death_date"]
    past = min(end + timedelta(days=1), death or date.max)  # nobody is sent home on the day of death
    last = min(end, death or end)
    first = last - timedelta(days=YEARS_BACK * DAYS_A_YEAR)
    operated = {t["start_date"] for t in chart.treatments if t["kind"] == "procedure"}
    found: dict[str, list[Plan]] = {}
    for visit in chart.visits:
        if not (first < visit.first or visit.kind in RARE):
            continue
        for kind in (*_fitting(visit.kind), *((OPERATIVE,) if visit.first in operated else ())):
            day = visit.last if kind == AT_THE_END else visit.first
            if day < past:
                found.setdefault(kind, []).append(Plan(kind, day, visit))
    return found


@cache
def _fitting(visit: str) -> tuple[str, ...]:
    """The kinds of notes that are written at this kind of encounter."""
    return tuple(kind for kind, row in kinds().items() if visit in row.at)


def plan(choices: dict[str, list[Plan]], draws: Draws, chart: Chart, end: date, made: Collection[Plan]) -> Plan:
    """A note that is not among those made, if there is another; without any encounter, a day of the last years."""
    new = {kind: [each for each in plans if each not in made] for kind, plans in choices.items()}
    left = {kind: plans for kind, plans in new.items() if plans} or choices
    if left:
        return draws.pick(left[draws.weighted({kind: kinds()[kind].weight for kind in left})])
    usual = {kind: row.weight for kind, row in kinds().items() if WITHOUT_VISIT in row.at}
    return Plan(draws.weighted(usual), _some_day(draws, chart, end), None)


def _some_day(draws: Draws, chart: Chart, end: date) -> date:
    """A day of the last years of the patient's life."""
    last: date = min(end, chart.patient["death_date"] or end)
    days = min(YEARS_BACK * DAYS_A_YEAR, max(1, (last - chart.patient["birth_date"]).days))
    return last - timedelta(days=draws.below(days))
