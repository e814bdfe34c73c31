"""Who a text is about, as the templates ask for it: a patient of the population, or an invented case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

from clinical_ner.notes.charts import Chart, Row, Visit
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.measurements import TAKES_EFFECT_AFTER, Measured, improvement, latest
from clinical_ner.notes.syntax import Wants
from clinical_ner.notes.templates import ranges

ADULT = 18
CHILD = 13  # years, below which vital signs are those of children
SMOKING_WORDS = {"current": "current smoker", "former": "former smoker", "never": "does not smoke"}
ALCOHOL_WORDS = {  # written out, and in shorthand
    "none": ("drinks no alcohol", "no EtOH"),
    "light": ("drinks on social occasions only", "EtOH occ"),
    "moderate": ("drinks alcohol on most days", "EtOH most days"),
    "heavy": ("drinks heavily", "heavy EtOH"),
}
PREGNANCY_SHOWS = 42  # days after its start
FEVER = 38.0  # degrees Celsius
GAP = timedelta(days=45)  # between two treatments, one of which replaced the other
FOLLOWED_BY = {  # what is measured of a disease, by its concept: the slot, and its name written out and in shorthand
    "D003924": ("hba", "hemoglobin A1c", "A1c"),
    "D003922": ("hba", "hemoglobin A1c", "A1c"),
    "D006949": ("ldl", "LDL cholesterol", "LDL"),
    "D006973": ("sbp", "systolic pressure", "SBP"),
    "D007037": ("tsh", "TSH", "TSH"),
    "D006073": ("urate", "uric acid", "urate"),
}


class Trend(NamedTuple):
    """What improved on a treatment: its names, and the values before and after."""

    names: tuple[str, str]  # written out, and in shorthand
    before: str
    after: str


class Given(NamedTuple):
    """A treatment of the record."""

    name: str
    dose: str
    start_year: int
    stop_year: int | None
    side_effect: str = ""
    trend: Trend | None = None


class Case(NamedTuple):
    """A condition of the record as known on a day, and its treatments by the slots that ask for them."""

    concept_id: str
    name: str
    diagnosed_year: int
    end_year: int | None  # in which it was resolved; None: it is under way
    given: dict[str, tuple[Given, ...]] = {}  # noqa: RUF012 - never changed


class Allergy(NamedTuple):
    """What a patient does not tolerate, and what it does."""

    substance: str
    drug: bool
    reaction: str


class Relative(NamedTuple):
    """A disease in the family."""

    relative: str
    concept_id: str
    name: str


@dataclass(frozen=True)
class Subject:
    """What a note may say of a person."""

    sex: str
    age: int
    written_on: date
    cases: tuple[Case, ...] = ()
    record: frozenset[str] = frozenset()  # concepts not to be denied or suspected
    details: dict[str, str] = field(default_factory=dict)  # slot name -> words
    birth_date: date | None = None
    measured: Measured = field(default_factory=dict)
    allergies: tuple[Allergy, ...] = ()
    family: tuple[Relative, ...] = ()
    family_concepts: frozenset[str] = frozenset()  # not to be denied of the family
    pregnant: bool = False
    reason: str = ""  # the concept of what the visit is for, if that is known

    @property
    def adult(self) -> bool:
        """Whether the person is of age."""
        return self.age >= ADULT

    @property
    def expecting(self) -> bool:
        """Whether words of pregnancy fit: nobody knows of an invented person that she is not pregnant."""
        return self.pregnant or self.birth_date is None

    def unchanged_since(self, earlier: Subject) -> bool:
        """Whether what lasts, and was true in an earlier note, is still all there is to say."""
        return (
            earlier.written_on <= self.written_on
            and earlier.cases == self.cases
            and earlier.allergies == self.allergies
            and earlier.pregnant == self.pregnant
            and all(earlier.details.get(name) == self.details.get(name) for name in LASTING)
        )

    def knows(self, slot: str) -> bool:
        """Whether the record says what the slot asks for; about an invented person all can be said."""
        return self.birth_date is None or slot in self.details or self.value(slot) is not None

    def value(self, slot: str) -> float | None:
        """What was measured, if that is not too long ago."""
        gauge = ranges().get(slot)
        return latest(self.measured, gauge, self.written_on) if gauge and gauge.loinc else None

    def usual(self, slot: str) -> tuple[float, float]:
        """Between what and what a value lies of which the record says nothing."""
        gauge = ranges()[slot]
        if self.birth_date is None or gauge.usual is None:
            return gauge.range
        return gauge.child if gauge.child and self.age < CHILD else gauge.usual

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
        temperature = self.value("temp")
        others = {
            "allergen": len(self.allergies),
            "family": len(self.family),
            "pregnancy": int(self.pregnant),
            "fever": int(temperature is not None and temperature >= FEVER),
        }
        return {slot: len(found) for slot, found in (concepts | names).items()} | {k: n for k, n in others.items() if n}

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


def of_record(chart: Chart, written_on: date, visit: Visit | None = None) -> Subject:
    """A patient as known on the day of the note: what is found later is not known, what was resolved is over."""
    patient = chart.patient
    cases = tuple(
        _case(row, chart.treatments_of.get(row["condition_id"], ()), chart, written_on)
        for row in chart.conditions
        if _is_known(row, written_on)
    )
    pregnancy = _pregnancy(chart, written_on)
    return Subject(
        patient["sex"],
        age_on(written_on, patient["birth_date"]),
        written_on,
        cases,
        frozenset(row["concept_id"] for row in chart.conditions),
        details(chart, written_on, visit) | _of_pregnancy(chart, pregnancy, written_on, visit),
        patient["birth_date"],
        chart.measured,
        tuple(_allergies(chart.allergies, written_on)),
        tuple(Relative(row["relative"], row["concept_id"], row["name"]) for row in chart.family),
        frozenset(row["concept_id"] for row in chart.family),
        pregnancy is not None,
        _reason(chart, visit),
    )


def _is_known(row: Row, day: date) -> bool:
    return row["diagnosed_date"] is not None and row["diagnosed_date"] <= day


def _case(row: Row, treatments: Sequence[Row], chart: Chart, day: date) -> Case:
    return Case(
        row["concept_id"],
        row["name"],
        row["diagnosed_date"].year,
        None if _is_under_way(row["resolved_date"], day) else row["resolved_date"].year,
        _by_slot([each for each in treatments if each["start_date"] <= day], row["concept_id"], chart, day),
    )


def _is_under_way(stop: date | None, day: date) -> bool:
    return stop is None or stop > day


def _by_slot(treatments: Sequence[Row], concept_id: str, chart: Chart, day: date) -> dict[str, tuple[Given, ...]]:
    """The treatments by the slots that ask for them; a name that is given now is not also told as past."""
    found: dict[str, dict[str, Given]] = {}
    for row in treatments:
        given = _given(row, concept_id, chart, day)
        for slot in _slots_of(row, given, row["start_date"] == day, _is_settled(row, day)):
            found.setdefault(slot, {})[given.name] = given
    if found.keys().isdisjoint(OVER):
        return {slot: tuple(by_name.values()) for slot, by_name in found.items()}
    now = found.get("regimen", {})
    kept = {
        slot: {name: given for name, given in by_name.items() if slot not in OVER or name not in now}
        for slot, by_name in found.items()
    }
    kept |= _switch(treatments, kept, day)
    return {slot: tuple(by_name.values()) for slot, by_name in kept.items() if by_name}


OVER = frozenset({"past_regimen", "failed", "not_tolerated"})


def _given(row: Row, concept_id: str, chart: Chart, day: date) -> Given:
    stop = row["stop_date"]
    over = stop is not None and stop <= day
    return Given(
        row["name"],
        row["dose"] or "",
        row["start_date"].year,
        stop.year if over else None,
        row["adverse_effect"] or "",
        None if over or row["kind"] != "drug" else _trend(row, concept_id, chart, day),
    )


def _trend(row: Row, concept_id: str, chart: Chart, day: date) -> Trend | None:
    if concept_id not in FOLLOWED_BY or row["response"] not in ("partial", "full"):
        return None
    slot, *names = FOLLOWED_BY[concept_id]
    values = improvement(chart.measured, ranges()[slot], row["start_date"], day)
    return Trend((names[0], names[1]), *values) if values else None


def _is_settled(row: Row, day: date) -> bool:
    """Whether the treatment has lasted long enough to say how it does."""
    return bool(row["start_date"] + timedelta(days=TAKES_EFFECT_AFTER) <= day)


def _slots_of(row: Row, given: Given, today: bool, settled: bool) -> Iterable[str]:
    if row["kind"] == "procedure":
        yield "operation" if today else "past_procedure"
    elif given.stop_year is not None:
        yield "past_regimen"
        if row["stop_reason"] == "no_response":
            yield "failed"
        elif row["stop_reason"] == "adverse_effect" and given.side_effect:
            yield "not_tolerated"
    else:
        yield "regimen"
        if row["kind"] == "drug":
            yield "medication"
        if settled:
            yield from _outcomes(row, given)


def _outcomes(row: Row, given: Given) -> Iterable[str]:
    """How a treatment does that is under way."""
    if row["response"] == "full":
        yield "effective"
    if row["response"] == "none":
        yield "ineffective"
    if not given.side_effect:
        yield "tolerated"
    if given.trend:
        yield "improving"


def _switch(treatments: Sequence[Row], kept: dict[str, dict[str, Given]], day: date) -> dict[str, dict[str, Given]]:
    """The drug that was stopped last, and the one under way that has taken its place, if there is such a pair."""
    found: dict[str, dict[str, Given]] = {}
    stopped = {**kept.get("failed", {}), **kept.get("not_tolerated", {})}
    for old in treatments:
        if old["kind"] != "drug" or old["name"] not in stopped or _is_under_way(old["stop_date"], day):
            continue
        for new in treatments:
            given = kept.get("medication", {}).get(new["name"])
            if given and old["stop_date"] <= new["start_date"] <= old["stop_date"] + GAP:
                found = {"switched_from": {old["name"]: stopped[old["name"]]}, "switched_to": {new["name"]: given}}
    return found


def _allergies(rows: Iterable[Row], day: date) -> Iterable[Allergy]:
    for row in rows:
        if row["onset_date"] <= day:
            yield Allergy(row["substance"], row["category"] == "drug", row["reaction"])


def _pregnancy(chart: Chart, day: date) -> Row | None:
    """The pregnancy that is under way and known of."""
    shows = timedelta(days=PREGNANCY_SHOWS)
    under_way = (p for p in chart.pregnancies if p["start_date"] + shows <= day and _is_under_way(p["end_date"], day))
    return next(under_way, None)


def _of_pregnancy(chart: Chart, pregnancy: Row | None, day: date, visit: Visit | None) -> dict[str, str]:
    """The weeks of the pregnancy, or those at which a child was born during the visit."""
    if pregnancy:
        return {"weeks": str((day - pregnancy["start_date"]).days // 7)}
    for row in chart.pregnancies:
        if visit and row["outcome"] == "live_birth" and visit.first <= row["end_date"] <= day:
            return {"weeks_at_birth": str((row["end_date"] - row["start_date"]).days // 7)}
    return {}


def _reason(chart: Chart, visit: Visit | None) -> str:
    if visit is None or visit.condition_id is None:
        return ""
    return next((row["concept_id"] for row in chart.conditions if row["condition_id"] == visit.condition_id), "")


LASTING = ("smoking", "alcohol", "pack_years")


def details(chart: Chart, written_on: date, visit: Visit | None = None) -> dict[str, str]:
    """What the record says literally."""
    patient = chart.patient
    smoking = smoking_on(patient, written_on)
    written_out, short = ALCOHOL_WORDS[patient["alcohol"]]
    told = {
        "patient_name": f"{patient['given_name']} {patient['family_name']}",
        "surname": patient["family_name"],
        "birth_date": patient["birth_date"].isoformat(),
        "note_date": f"{written_on:%m/%d/%Y}",
        "provider": visit.provider if visit else patient["provider"],
        "smoking": SMOKING_WORDS[smoking],
        "alcohol": written_out,
        "etoh": short,
    }
    if smoking == "former" and patient["pack_years"] >= 1:  # what has been smoked since is not known
        told["pack_years"] = f"{patient['pack_years']:.0f}"
    return told


def smoking_on(patient: Row, day: date) -> str:
    """Whether the patient had never smoked by the day, had given it up, or smoked."""
    start, stop = patient["smoking_start"], patient["smoking_stop"]
    if patient["smoking"] == "never" or (start is not None and day < start):
        return "never"
    return "current" if _is_under_way(stop, day) else "former"
