"""Every contact with a clinician: what each diagnosis was made at, each treatment begun at, and the check-ups between.

Contacts that touch are one: a visit on the day of an admission, or during the stay, is part of the stay.
Diagnoses and treatments are explained however long ago; check-ups, follow-ups and prenatal visits are kept
for the years of records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd

from clinical_ner.core.schema import ENCOUNTER_KINDS
from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import Row
from clinical_ner.population.chart import Cases, People
from clinical_ner.population.draws import Draws
from clinical_ner.population.pregnancies import OUTCOMES, Pregnancies
from clinical_ner.population.timeline import (
    DAYS_A_YEAR,
    NEVER,
    Flags,
    Floats,
    Ints,
    categories,
    coded,
    dates,
    expand,
    ids,
    keys,
    labels,
    ordinals,
    starts_of_runs,
)
from clinical_ner.population.treatments import Courses, regimens

ENCOUNTERS_A_PATIENT = 1000
PURPOSES = ("delivery", "procedure", "diagnosis", "prenatal", "wellness", "follow_up", "treatment")  # by weight
LEADING = {"inpatient": 0, "delivery": 1, "emergency": 2}  # kinds, before what a visit is for
INFANT_VISITS = (10, 61, 122, 183, 274, 365, 456, 548, 730)  # days of age
PRENATAL_VISITS = (56, 112, 168, 210, 252)  # days of pregnancy
DELIVERY_STAY = 2  # days
BETWEEN_FOLLOW_UPS = 110  # days in which those of several conditions are one visit
YEARS_TO_CHECK_UP = 3  # everybody grown up has one within so many of the last years
CHECK_UPS = ((0, 0.95), (6, 0.8), (13, 0.7), (18, 0.42), (40, 0.55), (65, 0.8))  # from an age on, share in a year


class Care(Row):
    """A row of `care.csv`: where a condition is found, how long a stay it takes, who sees to it, and how often."""

    condition: str
    setting: str
    stay_days: int
    specialty: str
    follow_up_days: int | None


@dataclass(frozen=True)
class Encounters:
    """One element an encounter, ordered by person and day; `purpose` is an index of `PURPOSES`.

    `case` is the reason, -1 for none; `kind` is an index of `ENCOUNTER_KINDS`. A `check_up` may have become
    part of a visit for something else.
    """

    draw: Draws
    patient: Ints
    start: Ints
    end: Ints
    purpose: Ints
    kind: Ints
    case: Ints
    check_up: Flags

    @cached_property
    def names(self) -> pd.CategoricalDtype:
        """The identifiers as categories, numbered within each person."""
        position = self.draw.start + self.patient
        return categories(ids("E", position * ENCOUNTERS_A_PATIENT + ordinals(self.patient)))

    def named(self, patient: Ints, day: Ints) -> pd.Categorical:
        """The identifiers of the encounters that these days fall into; missing where the day is."""
        return coded(np.where(day < NEVER, self.at(patient, day), -1), self.names)

    def at(self, patient: Ints, day: Ints) -> Ints:
        """The encounter that a day falls into, or the last one before it."""
        return np.searchsorted(keys(self.patient, self.start), keys(patient, day), side="right") - 1


@cache
def care() -> dict[str, Care]:
    """How each condition is cared for; what is not listed is found and treated by a visit."""
    listed = (Care.model_validate({c: v or None for c, v in row.items()}) for row in catalogue.rows("care.csv"))
    found = {row.condition: row for row in listed}
    usual = Care(condition="", setting="ambulatory", stay_days=0, specialty="family medicine", follow_up_days=None)
    return {condition.key: found.get(condition.key, usual) for condition in catalogue.conditions()}


def sample_encounters(people: People, cases: Cases, courses: Courses, pregnancies: Pregnancies) -> Encounters:
    """The encounters of the whole stretch, merged where they touch."""
    parts = [
        _diagnoses(people, cases),
        *_treatments(people, courses),
        _follow_ups(people, cases),
        *_check_ups(people),
        *_prenatal(people, pregnancies),
    ]
    patient, start, end, purpose, kind, case = (np.concatenate(part) for part in zip(*parts, strict=True))
    end = np.minimum(end, people.end[patient])
    check_up = purpose == PURPOSES.index("wellness")
    return _merged(Encounters(people.draw, patient, start, end, purpose, kind, case, check_up))


def encounter_table(
    people: People, cases: Cases, encounters: Encounters, patients: pd.DataFrame, providers: pd.DataFrame
) -> pd.DataFrame:
    """ENCOUNTERS; a specialist is the same at every visit, anything else is the patient's own provider."""
    return pd.DataFrame(
        {
            "encounter_id": coded(np.arange(len(encounters.patient)), encounters.names),
            "patient_id": people.named(encounters.patient),
            "provider_id": _providers(people, cases, encounters, patients, providers),
            "kind": labels(encounters.kind, ENCOUNTER_KINDS),
            "start_date": dates(encounters.start),
            "end_date": dates(encounters.end),
            "condition_id": cases.named(encounters.case),
        }
    )


_Part = tuple[Ints, Ints, Ints, Ints, Ints, Ints]  # the columns of Encounters


def _part(patient: Ints, start: Ints, stay: Ints | int, purpose: str, kind: Ints | str, case: Ints | int = -1) -> _Part:
    kinds = np.full(len(patient), ENCOUNTER_KINDS.index(kind)) if isinstance(kind, str) else kind
    purposes = np.full(len(patient), PURPOSES.index(purpose))
    return patient, start, start + stay, purposes, kinds, np.broadcast_to(np.asarray(case), patient.shape)


def _diagnoses(people: People, cases: Cases) -> _Part:
    case = np.flatnonzero(cases.diagnosed < NEVER)
    number, patient = cases.number[case], cases.patient[case]
    listed = list(care().values())
    kind = np.array([ENCOUNTER_KINDS.index(row.setting) for row in listed])[number]
    stay = _stay(people, patient, number, np.array([row.stay_days for row in listed])[number])
    return _part(patient, cases.diagnosed[case], stay, "diagnosis", kind, case)


def _stay(people: People, patient: Ints, number: Ints, usual: Ints) -> Ints:
    """Days in hospital, from half the usual to half as much again."""
    return np.rint(usual * (0.5 + people.draw.of_rows("encounter/stay", patient, number))).astype(np.int64)


def _treatments(people: People, courses: Courses) -> Iterator[_Part]:
    procedure = np.array([regimen.kind == "procedure" for regimen in regimens()])[courses.regimen]
    usual = np.array([regimen.stay_days or 0 for regimen in regimens()])[courses.regimen]
    inpatient, ambulatory = (ENCOUNTER_KINDS.index(kind) for kind in ("inpatient", "ambulatory"))
    for those, purpose in ((procedure, "procedure"), (~procedure, "treatment")):
        patient, days = courses.patient[those], usual[those]
        stay = _stay(people, patient, courses.regimen[those], days)
        kind = np.where(days > 0, inpatient, ambulatory)
        yield _part(patient, courses.start[those], stay, purpose, kind, courses.case[those])


def _follow_ups(people: People, cases: Cases) -> _Part:
    """The visits that known conditions ask for; of several within some weeks the most pressing one."""
    every = np.array([row.follow_up_days or NEVER for row in care().values()])[cases.number]
    first = np.maximum(cases.diagnosed, people.first_day)
    last = np.minimum(cases.resolved, people.end[cases.patient])
    due = np.maximum(last - first, 0) // every
    case, visit = expand(due)
    late = people.draw.of_rows("encounter/follow up", cases.patient[case], cases.number[case] * 2048 + visit)
    day = first[case] + ((visit + 0.55 + 0.4 * late) * every[case]).astype(np.int64)
    patient, bucket = cases.patient[case], day // BETWEEN_FOLLOW_UPS
    order = np.lexsort((day, every[case], keys(patient, bucket)))
    kept = order[starts_of_runs(keys(patient, bucket)[order])]
    return _part(patient[kept], day[kept], 0, "follow_up", "ambulatory", case[kept])


def _check_ups(people: People) -> Iterator[_Part]:
    everyone = np.arange(people.size)
    for day_of_age in INFANT_VISITS:
        day = people.birth + day_of_age
        day = day + (14 * people.draw.of_rows("encounter/infant", everyone, day_of_age)).astype(np.int64)
        yield _wellness(people, everyone, day, np.ones(people.size, dtype=bool))
    years = range(int(np.ceil((people.today - people.first_day) / DAYS_A_YEAR)))
    certain = (people.draw("encounter/certain year") * min(YEARS_TO_CHECK_UP, len(years))).astype(np.int64)
    for year in years:  # counted back from the reference date
        into = people.draw.of_rows("encounter/day", everyone, year)
        day = people.today - ((year + into) * DAYS_A_YEAR).astype(np.int64)
        age = people.age(everyone, day)
        attends = people.draw.of_rows("encounter/attends", everyone, year) < _check_up_rate(age)
        yield _wellness(people, everyone, day, (age > 2.2) & (attends | (certain == year)))


def _check_up_rate(age: Floats) -> Floats:
    ages, rates = (np.array(values) for values in zip(*CHECK_UPS, strict=True))
    return rates[np.maximum(np.searchsorted(ages, age, side="right") - 1, 0)]


def _wellness(people: People, patient: Ints, day: Ints, attends: Flags) -> _Part:
    here = np.flatnonzero(attends & (day >= people.first_day) & (day <= people.end) & (day >= people.birth))
    return _part(patient[here], day[here], 0, "wellness", "wellness")


def _prenatal(people: People, pregnancies: Pregnancies) -> Iterator[_Part]:
    end = np.minimum(pregnancies.end, people.end[pregnancies.patient])
    for day_of_pregnancy in PRENATAL_VISITS:
        late = people.draw.of_rows("encounter/prenatal", pregnancies.patient, day_of_pregnancy)
        day = pregnancies.start + day_of_pregnancy + (10 * late).astype(np.int64)
        seen = day < end
        yield _part(pregnancies.patient[seen], day[seen], 0, "prenatal", "prenatal")
    born = np.isin(pregnancies.outcome, [OUTCOMES.index(name) for name in ("live_birth", "stillbirth")])
    yield _part(pregnancies.patient[born], end[born], DELIVERY_STAY, "delivery", "delivery")


def _merged(found: Encounters) -> Encounters:
    """Ordered by person and day, with everything that begins before another has ended taken into that one."""
    order = np.lexsort((found.purpose, keys(found.patient, found.start)))
    begins, ends = keys(found.patient, found.start)[order], keys(found.patient, found.end)[order]
    apart = np.flatnonzero(begins > np.concatenate([[-1], np.maximum.accumulate(ends)[:-1]]))
    rank = np.array([LEADING.get(kind, len(LEADING)) for kind in ENCOUNTER_KINDS])[found.kind[order]]
    weight = (rank * len(PURPOSES) + found.purpose[order]) * len(order) + np.arange(len(order))
    leading = order[np.minimum.reduceat(weight, apart) % len(order)] if len(order) else order
    first = order[apart]
    return Encounters(
        draw=found.draw,
        patient=found.patient[first],
        start=found.start[first],
        end=np.maximum.reduceat(found.end[order], apart) if len(order) else found.end,
        purpose=found.purpose[leading],
        kind=found.kind[leading],
        case=found.case[leading],
        check_up=np.maximum.reduceat(found.check_up[order], apart) if len(order) else found.check_up,
    )


def _providers(
    people: People, cases: Cases, encounters: Encounters, patients: pd.DataFrame, providers: pd.DataFrame
) -> pd.Categorical:
    """Who sees the patient, by the specialty that the reason asks for."""
    names = providers["provider_id"].tolist()
    own = pd.Categorical(patients["provider_id"], categories=names).codes.astype(np.int64)[encounters.patient]
    specialties = sorted(set(providers["specialty"]))
    asked = _specialties(cases, encounters, specialties)
    found = own.copy()
    for number, specialty in enumerate(specialties):
        pool = np.flatnonzero(providers["specialty"].to_numpy() == specialty)
        rows = np.flatnonzero(asked == number)
        uniform = people.draw.of_rows(f"encounter/provider/{specialty}", encounters.patient[rows])
        found[rows] = pool[(uniform * len(pool)).astype(np.int64)]
    return labels(found, names)


def _specialties(cases: Cases, encounters: Encounters, specialties: list[str]) -> Ints:
    """The specialty of each encounter as an index, -1 for the patient's own provider."""
    place = {name: number for number, name in enumerate(specialties)}
    by_condition = np.array([_specialist(row, place) for row in care().values()] or [-1])
    reason = np.where(encounters.case >= 0, cases.number[encounters.case], 0) if len(cases.number) else 0
    asked = np.where(encounters.case >= 0, by_condition[reason], -1)
    of_kind = {"prenatal": "obstetrics", "delivery": "obstetrics", "emergency": "emergency medicine"}
    for kind, specialty in of_kind.items():
        asked = np.where(encounters.kind == ENCOUNTER_KINDS.index(kind), place[specialty], asked)
    return asked


def _specialist(row: Care, place: dict[str, int]) -> int:
    primary = row.specialty in ("family medicine", "internal medicine", "pediatrics")
    return -1 if primary else place[row.specialty]
