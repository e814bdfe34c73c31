"""Who a text is about, as the templates ask for it: a patient of the population, or an invented case."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

from clinical_ner.notes.draws import Draws
from clinical_ner.notes.syntax import Wants

ADULT = 18
SMOKING_WORDS = {"current": "current smoker", "former": "former smoker", "never": "does not smoke"}
Row = dict[Hashable, Any]  # of a population table, with dates as `date` or None


class Given(NamedTuple):
    """A treatment of the record."""

    name: str
    dose: str
    start_year: int
    stop_year: int | None


class Case(NamedTuple):
    """A condition of the record as known on a day, and its treatments by the slots that ask for them."""

    concept_id: str
    name: str
    onset_year: int
    end_year: int | None  # in which it was resolved; None: it is under way
    given: dict[str, tuple[Given, ...]] = {}  # noqa: RUF012 - never changed


@dataclass(frozen=True)
class Subject:
    """What a note may say of a person."""

    sex: str
    age: int
    written_on: date
    cases: tuple[Case, ...] = ()
    record: frozenset[str] = frozenset()  # concepts not to be denied or given to a relative instead
    details: dict[str, str] = field(default_factory=dict)  # slot name -> words
    birth_date: date | None = None

    @property
    def adult(self) -> bool:
        """Whether the person is of age."""
        return self.age >= ADULT

    @cached_property
    def _by_slot(self) -> dict[str, tuple[Case, ...]]:
        return {
            "problem": tuple(case for case in self.cases if case.end_year is None),
            "past_problem": tuple(case for case in self.cases if case.end_year is not None),
            "indication": tuple(case for case in self.cases if case.end_year is None and "operation" in case.given),
        }

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many diseases or treatments of the record each slot can ask for."""
        names: dict[str, set[str]] = {}
        for case in self.cases:
            for slot, treatments in case.given.items():
                names.setdefault(slot, set()).update(given.name for given in treatments)
        concepts = {slot: {case.concept_id for case in cases} for slot, cases in self._by_slot.items()}
        return {slot: len(found) for slot, found in (concepts | names).items()}

    @cached_property
    def _memo(self) -> dict[tuple[str, Wants], tuple[Case, ...]]:
        return {}

    def cases_for(self, slot: str, wants: Wants = ()) -> tuple[Case, ...]:
        """The cases of a disease slot ("" for any) with at least so many treatments of each kind."""
        key = (slot, wants)
        if key not in self._memo:
            cases = self._by_slot[slot] if slot else self.cases
            self._memo[key] = tuple(
                case for case in cases if all(len(case.given.get(name, ())) >= count for name, count in wants)
            )
        return self._memo[key]


def invented(draws: Draws, written_on: date) -> Subject:
    """The unnamed subject of a case report."""
    return Subject("female" if draws.chance(0.5) else "male", draws.between(1, 91), written_on)


def age_on(day: date, birth_date: date) -> int:
    """Completed years; who was born on 29 February is a year older on 1 March.

    >>> age_on(date(2024, 3, 1), date(2023, 3, 1))
    1
    """
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def of_record(patient: Row, conditions: Sequence[Row], treatments: Sequence[Row], written_on: date) -> Subject:
    """A patient as known on the day of the note: what began later is not known, what was resolved is over."""
    given: dict[str, list[Row]] = {}
    for treatment in treatments:
        if treatment["start_date"] <= written_on:
            given.setdefault(treatment["condition_id"], []).append(treatment)
    cases = tuple(
        Case(
            row["concept_id"],
            row["name"],
            row["onset_date"].year,
            None if _is_under_way(row["resolved_date"], written_on) else row["resolved_date"].year,
            _by_slot(given.get(row["condition_id"], ()), written_on),
        )
        for row in conditions
        if row["onset_date"] <= written_on
    )
    return Subject(
        patient["sex"],
        age_on(written_on, patient["birth_date"]),
        written_on,
        cases,
        frozenset(row["concept_id"] for row in conditions),
        details(patient, written_on),
        patient["birth_date"],
    )


def _is_under_way(stop: date | None, day: date) -> bool:
    return stop is None or stop > day


def _by_slot(treatments: Sequence[Row], day: date) -> dict[str, tuple[Given, ...]]:
    """The treatments by the slots that ask for them; a name that is given now is not also told as past."""
    found: dict[str, dict[str, Given]] = {}
    for row in treatments:
        over = not _is_under_way(row["stop_date"], day)
        given = Given(row["name"], row["dose"] or "", row["start_date"].year, row["stop_date"].year if over else None)
        for slot in _slots_of(row, over, row["start_date"] == day):
            found.setdefault(slot, {})[given.name] = given
    now = found.get("regimen", {})
    past = {name: given for name, given in found.get("past_regimen", {}).items() if name not in now}
    return {slot: tuple(by_name.values()) for slot, by_name in {**found, "past_regimen": past}.items() if by_name}


def _slots_of(row: Row, over: bool, today: bool) -> tuple[str, ...]:
    if row["kind"] == "procedure":
        return ("operation",) if today else ("past_procedure",)
    if over:
        return ("past_regimen",)
    return ("regimen", "medication") if row["kind"] == "drug" else ("regimen",)


def details(patient: Row, written_on: date) -> dict[str, str]:
    """What the record says literally."""
    return {
        "patient_name": f"{patient['given_name']} {patient['family_name']}",
        "surname": patient["family_name"],
        "birth_date": patient["birth_date"].isoformat(),
        "note_date": f"{written_on:%m/%d/%Y}",
        "provider": patient["provider"],
        "smoking": SMOKING_WORDS[patient["smoking"]],
        "weight": f"{patient['weight_kg']:.0f}",
        "bmi": f"{patient['bmi']:.1f}",
    }
