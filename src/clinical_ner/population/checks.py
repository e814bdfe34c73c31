"""No impossible record: every rule is a function that finds the rows that break it.

Its name is the rule's, its first line says the rule, and it returns the identifiers of the rows, or of
their patients, that break it. They read the tables alone, as somebody who is given them would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.immunisations import INFLUENZA_SINCE, vaccines
from clinical_ner.population.kidneys import egfr
from clinical_ner.population.observations import (
    BMI,
    CHOLESTEROL,
    CREATININE,
    DIASTOLIC,
    EGFR,
    HDL,
    HEIGHT,
    LDL,
    SYSTOLIC,
    TRIGLYCERIDES,
    WEIGHT,
)
from clinical_ner.population.people import ADULT, PEDIATRICS
from clinical_ner.population.pregnancies import CONDITIONS as OF_PREGNANCY
from clinical_ner.population.tables import Population
from clinical_ner.population.timeline import (
    DAYS_A_YEAR,
    NEVER,
    Flags,
    Floats,
    Ints,
    any_active,
    days,
    ids,
    keys,
    numbers_of,
    sum_of_active,
)
from clinical_ner.population.treatments import licensed, regimens

Rule = Callable[["Charts"], NDArray[Any]]
A_MONTH = 31  # days
SMOKING_FROM = 8  # years
MOST_A_DAY = 5.0  # packs
DRINKING_AGE, FULL_GROWN = 21, 25  # years
PHYSICIANS_OF_ADULTS = ("family medicine", "internal medicine")
HIGHEST_ON_DIALYSIS = 30  # mL/min/1.73 m2
OF_THEIR_OWN = ("eGFR above 20",)  # rules that have a check of their own
FERTILE = (12, 50)  # years
LONGEST_PREGNANCY = 310  # days
NEVER_ISSUED = r"^(?:000|666|9\d\d)-(?:0[1-9]|[1-4]\d)-\d{4}$"  # 50 and more in the middle would be of a taxpayer
TAXPAYER = r"^9\d\d-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-"


class ImpossibleRecordError(Exception):
    """Our error: the sampled records break a rule."""


@dataclass(frozen=True, eq=False)
class Charts:
    """The tables with what the rules share: rows as positions, dates as days, each worked out once."""

    population: Population
    reference_date: date
    _known: dict[tuple[str, ...], Ints] = field(default_factory=dict)
    _words: list[tuple[pd.Index[Any], Ints]] = field(default_factory=list)

    def _once(self, make: Callable[..., Ints], *names: str) -> Ints:
        key = (make.__name__, *names)
        if key not in self._known:
            self._known[key] = make(*names)
        return self._known[key]

    @cached_property
    def today(self) -> int:
        """The reference date as a day."""
        return int(np.datetime64(self.reference_date, "D").astype(np.int64))

    @cached_property
    def birth(self) -> Ints:
        """The day of birth of each patient."""
        return days(self.population.patients["birth_date"])

    @cached_property
    def end(self) -> Ints:
        """The day of death or the reference date, of each patient."""
        return np.minimum(days(self.population.patients["death_date"]), self.today)

    @cached_property
    def female(self) -> Flags:
        """Of each patient."""
        return (self.population.patients["sex"] == "female").to_numpy()

    def column(self, table: str, name: str) -> pd.Series[Any]:
        """A column of a table."""
        column: pd.Series[Any] = getattr(self.population, table)[name]
        return column

    def days(self, table: str, name: str) -> Ints:
        """A column of dates as days, `NEVER` where one is missing."""
        return self._once(self._days, table, name)

    def numbers(self, table: str, name: str) -> Ints:
        """A column of identifiers as their numbers, -1 where one is missing."""
        return self._once(self._numbers, table, name)

    def patient(self, table: str) -> Ints:
        """The place of each row's patient among the patients, -1 where there is no such patient."""
        return self._once(self._patient, table)

    def place(self, table: str, name: str, of: str) -> Ints:
        """The place of the row of the table `of` that a column names, -1 for none."""
        return self._once(self._place, table, name, of)

    def _days(self, table: str, name: str) -> Ints:
        return days(self.column(table, name))

    def _numbers(self, table: str, name: str) -> Ints:
        column = self.column(table, name)
        if isinstance(column.dtype, pd.CategoricalDtype):
            return np.append(self._of_words(column.cat.categories), -1)[column.cat.codes.to_numpy()]
        return numbers_of(column)

    def _of_words(self, words: pd.Index[Any]) -> Ints:
        """The numbers of categories, which several columns share."""
        for known, numbers in self._words:
            if known is words:
                return numbers
        self._words.append((words, numbers_of(words)))
        return self._words[-1][1]

    def _patient(self, table: str) -> Ints:
        return self._among(self.column(table, "patient_id"), self.numbers("patients", "patient_id"))

    def _place(self, table: str, name: str, of: str) -> Ints:
        key = {"conditions": "condition_id", "encounters": "encounter_id"}[of]
        return self._among(self.column(table, name), self.numbers(of, key))

    def _among(self, column: pd.Series[Any], among: Ints) -> Ints:
        """Where the row stands that each identifier names, -1 where it is not there."""
        if isinstance(column.dtype, pd.CategoricalDtype):
            return np.append(_place(self._of_words(column.cat.categories), among), -1)[column.cat.codes.to_numpy()]
        return _place(numbers_of(column), among)

    @cached_property
    def condition(self) -> Ints:
        """Of each row of CONDITIONS its number in the catalogue, -1 if it is not there."""
        names = [condition.name for condition in catalogue.conditions()]
        return pd.Categorical(self.column("conditions", "name"), categories=names).codes.astype(np.int64)

    @cached_property
    def treatment(self) -> Ints:
        """Of each row of TREATMENTS the place of its name among `treatment_names`."""
        return pd.Categorical(self.column("treatments", "name"), categories=treatment_names()).codes.astype(np.int64)

    def age(self, patient: Ints, day: Ints) -> Floats:
        """Ages in years."""
        years: Floats = (day - self.birth[patient]) / DAYS_A_YEAR
        return years

    def measured(self, loinc: str) -> pd.DataFrame:
        """The rows of OBSERVATIONS of one code, by encounter."""
        rows = self._rows_by_code.get(loinc, np.empty(0, np.int64))
        values = self.column("observations", "value").to_numpy()[rows]
        return pd.DataFrame({"row": rows, "value": values}, index=self.numbers("observations", "encounter_id")[rows])

    @cached_property
    def _rows_by_code(self) -> dict[str, Ints]:
        coded = pd.Categorical(self.column("observations", "loinc"))
        order = np.argsort(coded.codes, kind="stable")
        bounds = np.searchsorted(coded.codes[order], np.arange(len(coded.categories) + 1))
        return {code: order[bounds[n] : bounds[n + 1]] for n, code in enumerate(coded.categories)}


def _place(numbers: Ints, among: Ints) -> Ints:
    """Where each number stands among others, which ascend; -1 where it does not."""
    if not len(among):
        return np.full(len(numbers), -1)
    place = np.minimum(np.searchsorted(among, numbers), len(among) - 1)
    return np.where(among[place] == numbers, place, -1)


@cache
def treatment_names() -> tuple[str, ...]:
    """The names of `regimens.csv`, each once."""
    return tuple(dict.fromkeys(regimen.name for regimen in regimens()))


def _of(charts: Charts, table: str, name: str, wrong: Flags) -> NDArray[Any]:
    return charts.column(table, name).to_numpy()[wrong]


# --- people ---------------------------------------------------------------------------------------
def everybody_is_there_once(charts: Charts) -> NDArray[Any]:
    """Patients are in the order of their ids, and none comes twice."""
    return _of(charts, "patients", "patient_id", np.diff(charts.numbers("patients", "patient_id"), prepend=-1) <= 0)


def birth_comes_first(charts: Charts) -> NDArray[Any]:
    """Nobody is born after dying or after the reference date."""
    return _of(charts, "patients", "patient_id", charts.birth > charts.end)


def nobody_dies_in_the_future(charts: Charts) -> NDArray[Any]:
    """No death lies after the reference date."""
    death = charts.days("patients", "death_date")
    return _of(charts, "patients", "patient_id", (death > charts.today) & (death < NEVER))


def the_dead_died_of_what_they_had(charts: Charts) -> NDArray[Any]:
    """A cause of death is a condition of the one who has died, had begun and was not over."""
    cause = charts.numbers("patients", "death_cause")
    place = charts.place("patients", "death_cause", "conditions")
    own = charts.patient("conditions")[place] == np.arange(len(cause)) if len(charts.condition) else place == 0
    onset, over = (charts.days("conditions", f"{name}_date") for name in ("onset", "resolved"))
    lasted = (onset[place] <= charts.end) & (charts.end <= over[place]) if len(charts.condition) else own
    named = cause >= 0
    dead = charts.days("patients", "death_date") < NEVER
    return _of(charts, "patients", "patient_id", named & ~((place >= 0) & own & lasted & dead))


def bmi_is_weight_over_height_squared(charts: Charts) -> NDArray[Any]:
    """The body mass index is weight / height^2, rounded to a tenth."""
    people = charts.population.patients
    exact = people["weight_kg"] / (people["height_cm"] / 100) ** 2
    return _of(charts, "patients", "patient_id", (np.abs(people["bmi"] - exact) > 0.0501).to_numpy())


def no_number_is_a_real_one(charts: Charts) -> NDArray[Any]:
    """Social security numbers are of ranges that are never issued, and none is a taxpayer number."""
    numbers = charts.column("patients", "ssn")
    wrong = ~numbers.str.match(NEVER_ISSUED) | numbers.str.match(TAXPAYER)
    return _of(charts, "patients", "patient_id", wrong.to_numpy(dtype=bool))


def smokers_have_smoked_for_a_while(charts: Charts) -> NDArray[Any]:
    """No smoker of one month: whoever smokes or has smoked did so for longer, and not as a small child."""
    start, stop = charts.days("patients", "smoking_start"), charts.days("patients", "smoking_stop")
    smoked = (charts.column("patients", "smoking") != "never").to_numpy()
    until = np.minimum(stop, charts.end)
    wrong = smoked & ((until - start <= A_MONTH) | (start < charts.birth + SMOKING_FROM * DAYS_A_YEAR))
    return _of(charts, "patients", "patient_id", wrong)


def smoking_dates_follow_the_status(charts: Charts) -> NDArray[Any]:
    """Who never smoked has no dates, who smokes has not stopped, who stopped has both dates."""
    status = charts.column("patients", "smoking").to_numpy()
    started = charts.days("patients", "smoking_start") < NEVER
    stopped = charts.days("patients", "smoking_stop") < NEVER
    wrong = (started == (status == "never")) | (stopped != (status == "former"))
    return _of(charts, "patients", "patient_id", wrong)


def pack_years_fit_the_years(charts: Charts) -> NDArray[Any]:
    """Pack-years are at most five packs a day for the years smoked, and none without smoking."""
    until = np.minimum(charts.days("patients", "smoking_stop"), charts.end)
    years = np.maximum(until - charts.days("patients", "smoking_start"), 0) / DAYS_A_YEAR
    packs = charts.column("patients", "pack_years").to_numpy()
    return _of(charts, "patients", "patient_id", packs > MOST_A_DAY * years + 0.05)


def children_do_not_drink(charts: Charts) -> NDArray[Any]:
    """Nobody below 21 is said to drink."""
    young = (charts.end - charts.birth) / DAYS_A_YEAR < DRINKING_AGE
    drinks = (charts.column("patients", "alcohol") != "none").to_numpy()
    return _of(charts, "patients", "patient_id", young & drinks)


# --- who belongs to whom --------------------------------------------------------------------------
OF_A_PATIENT = (
    *("encounters", "conditions", "treatments", "observations"),
    *("immunizations", "allergies", "family_history", "pregnancies"),
)
REFERENCES = (
    *(("encounters", "condition_id", "conditions"), ("conditions", "complicates", "conditions")),
    *(("conditions", "encounter_id", "encounters"), ("treatments", "condition_id", "conditions")),
    *(("treatments", "encounter_id", "encounters"), ("observations", "encounter_id", "encounters")),
)


def every_row_is_of_a_patient(charts: Charts) -> NDArray[Any]:
    """Every row of every table belongs to a patient that exists."""
    wrong = [_of(charts, table, "patient_id", charts.patient(table) < 0) for table in OF_A_PATIENT]
    return np.concatenate([np.asarray(ids, dtype=object) for ids in wrong])


def references_stay_with_the_patient(charts: Charts) -> NDArray[Any]:
    """What a row refers to exists and belongs to the same patient."""
    found = []
    for table, name, of in REFERENCES:
        place, named = charts.place(table, name, of), charts.numbers(table, name) >= 0
        same = charts.patient(of)[place] == charts.patient(table) if len(charts.patient(of)) else ~named
        found.append(np.asarray(_of(charts, table, "patient_id", named & ((place < 0) | ~same)), dtype=object))
    return np.concatenate(found)


def providers_exist(charts: Charts) -> NDArray[Any]:
    """Every patient and encounter has a provider of the table PROVIDERS."""
    known = charts.population.providers["provider_id"]
    tables = ("patients", "encounters")
    wrong = [_of(charts, t, "patient_id", ~charts.column(t, "provider_id").isin(known).to_numpy()) for t in tables]
    return np.concatenate([np.asarray(ids, dtype=object) for ids in wrong])


def providers_fit_the_patient(charts: Charts) -> NDArray[Any]:
    """Adults have a physician of adults and children a pediatrician of their own; obstetricians see women."""
    specialty = charts.population.providers.set_index("provider_id")["specialty"]
    own = charts.column("patients", "provider_id").map(specialty).astype(object)
    grown = (charts.end - charts.birth) / DAYS_A_YEAR >= ADULT
    misfit = np.where(grown, ~own.isin(PHYSICIANS_OF_ADULTS), own != PEDIATRICS)
    seen = charts.column("encounters", "provider_id").map(specialty).astype(object) == "obstetrics"
    man = seen.to_numpy(dtype=bool) & ~charts.female[charts.patient("encounters")]
    found = _of(charts, "patients", "patient_id", misfit), _of(charts, "encounters", "patient_id", man)
    return np.concatenate([np.asarray(ids, dtype=object) for ids in found])


# --- birth and death ------------------------------------------------------------------------------
DATES = {
    "encounters": ("start_date", "end_date"),
    "conditions": ("onset_date", "diagnosed_date", "resolved_date"),
    "treatments": ("start_date", "stop_date"),
    "observations": ("date",),
    "immunizations": ("date",),
    "allergies": ("onset_date",),
    "pregnancies": ("start_date", "end_date"),
    "patients": ("smoking_start", "smoking_stop"),
}


def nothing_comes_before_birth(charts: Charts) -> NDArray[Any]:
    """No date of a person lies before the birth."""
    return _dates(charts, lambda day, patient: day < charts.birth[patient])


def death_ends_everything(charts: Charts) -> NDArray[Any]:
    """No date of a person lies after the death or, of the living, after the reference date."""
    return _dates(charts, lambda day, patient: (day > charts.end[patient]) & (day < NEVER))


def _dates(charts: Charts, wrong: Callable[[Ints, Ints], Flags]) -> NDArray[Any]:
    found = []
    for table, names in DATES.items():
        patient = charts.patient(table)
        for name in names:
            rows = wrong(charts.days(table, name), patient)
            found.append(np.asarray(_of(charts, table, "patient_id", rows), dtype=object))
    return np.concatenate(found)


def treatment_ends_with_death(charts: Charts) -> NDArray[Any]:
    """The treatments of the dead have stopped."""
    dead = (charts.days("patients", "death_date") < NEVER)[charts.patient("treatments")]
    return _of(charts, "treatments", "treatment_id", dead & (charts.days("treatments", "stop_date") >= NEVER))


def pregnancies_end_with_death(charts: Charts) -> NDArray[Any]:
    """No pregnancy of the dead is ongoing."""
    dead = (charts.days("patients", "death_date") < NEVER)[charts.patient("pregnancies")]
    return _of(charts, "pregnancies", "pregnancy_id", dead & (charts.days("pregnancies", "end_date") >= NEVER))


# --- conditions -----------------------------------------------------------------------------------
def diagnosis_follows_onset(charts: Charts) -> NDArray[Any]:
    """A condition is found after it has begun and before it is over."""
    onset, known, over = (charts.days("conditions", f"{name}_date") for name in ("onset", "diagnosed", "resolved"))
    wrong = (known < onset) | ((known < NEVER) & (known > over)) | (over < onset)
    return _of(charts, "conditions", "condition_id", wrong)


def conditions_are_of_the_right_sex(charts: Charts) -> NDArray[Any]:
    """Nobody has a condition of the other sex."""
    sexes = np.array([condition.sex for condition in catalogue.conditions()])[charts.condition]
    own = np.where(charts.female, "female", "male")[charts.patient("conditions")]
    return _of(charts, "conditions", "condition_id", (sexes != "all") & (sexes != own))


def conditions_begin_at_their_age(charts: Charts) -> NDArray[Any]:
    """No condition begins before the age from which it is had."""
    youngest = np.array([condition.min_age for condition in catalogue.conditions()])[charts.condition]
    day = charts.days("conditions", "onset_date") - charts.birth[charts.patient("conditions")]
    return _of(charts, "conditions", "condition_id", day < np.floor(youngest * DAYS_A_YEAR) - 1)


def complications_follow_their_cause(charts: Charts) -> NDArray[Any]:
    """A complication does not begin before the condition that it complicates, nor is it its own cause."""
    place = charts.place("conditions", "complicates", "conditions")
    onset = charts.days("conditions", "onset_date")
    wrong = (place >= 0) & ((onset < onset[place]) | (place == np.arange(len(place))))
    return _of(charts, "conditions", "condition_id", wrong)


def conditions_that_exclude_each_other_do_not_meet(charts: Charts) -> NDArray[Any]:
    """Nobody has two conditions of which `risks.csv` says that they exclude each other."""
    number = {condition.key: condition.number for condition in catalogue.conditions()}
    patient, wrong = charts.patient("conditions"), np.zeros(len(charts.condition), dtype=bool)
    for condition in catalogue.conditions():
        for other in (key for key, odds in condition.risks.items() if odds == 0 and key in number):
            having = patient[charts.condition == number[other]]
            wrong |= (charts.condition == condition.number) & np.isin(patient, having)
    return _of(charts, "conditions", "condition_id", wrong)


def chronic_conditions_last(charts: Charts) -> NDArray[Any]:
    """A chronic condition is never over."""
    chronic = np.array([condition.course == "chronic" for condition in catalogue.conditions()])[charts.condition]
    return _of(charts, "conditions", "condition_id", chronic & (charts.days("conditions", "resolved_date") < NEVER))


# --- pregnancy ------------------------------------------------------------------------------------
def only_women_are_pregnant(charts: Charts) -> NDArray[Any]:
    """No pregnancy in men."""
    return _of(charts, "pregnancies", "pregnancy_id", ~charts.female[charts.patient("pregnancies")])


def pregnancy_comes_at_a_fertile_age(charts: Charts) -> NDArray[Any]:
    """No pregnancy of girls below 12 nor of women from 50 on."""
    age = charts.age(charts.patient("pregnancies"), charts.days("pregnancies", "start_date"))
    return _of(charts, "pregnancies", "pregnancy_id", (age < FERTILE[0]) | (age >= FERTILE[1]))


def pregnancies_follow_one_another(charts: Charts) -> NDArray[Any]:
    """No pregnancy begins while another lasts, and none is longer than 310 days."""
    patient, start = charts.patient("pregnancies"), charts.days("pregnancies", "start_date")
    end = np.minimum(charts.days("pregnancies", "end_date"), charts.today)
    overlapping = np.zeros(len(patient), dtype=bool)
    overlapping[1:] = (patient[1:] == patient[:-1]) & (start[1:] <= end[:-1])
    return _of(charts, "pregnancies", "pregnancy_id", overlapping | (end - start > LONGEST_PREGNANCY))


def only_pregnancies_that_last_are_ongoing(charts: Charts) -> NDArray[Any]:
    """A pregnancy is ongoing exactly if it has not ended."""
    ongoing = (charts.column("pregnancies", "outcome") == "ongoing").to_numpy()
    return _of(charts, "pregnancies", "pregnancy_id", ongoing != (charts.days("pregnancies", "end_date") >= NEVER))


def conditions_of_pregnancy_lie_in_one(charts: Charts) -> NDArray[Any]:
    """Gestational diabetes and pre-eclampsia begin and end within a pregnancy."""
    numbers = [condition.number for condition in catalogue.conditions() if condition.key in OF_PREGNANCY]
    rows = np.flatnonzero(np.isin(charts.condition, numbers))
    rows = rows[np.argsort(keys(charts.patient("conditions")[rows], charts.days("conditions", "onset_date")[rows]))]
    patient, onset, over = (
        charts.patient("conditions")[rows],
        charts.days("conditions", "onset_date")[rows],
        np.minimum(charts.days("conditions", "resolved_date")[rows], charts.today),
    )
    spell = charts.patient("pregnancies"), charts.days("pregnancies", "start_date")
    end = charts.days("pregnancies", "end_date")
    begins = any_active(keys(patient, onset), *spell, np.where(end < NEVER, end + 1, NEVER))
    order = np.argsort(keys(patient, over), kind="stable")
    ends = np.zeros(len(rows), dtype=bool)
    ends[order] = any_active(keys(patient, over)[order], *spell, np.where(end < NEVER, end + 1, NEVER))
    wrong = np.zeros(len(charts.condition), dtype=bool)
    wrong[rows] = ~(begins & ends)
    return _of(charts, "conditions", "condition_id", wrong)


def nobody_is_pregnant_without_a_womb(charts: Charts) -> NDArray[Any]:
    """No pregnancy begins after the womb or both ovaries have been taken out."""
    gone = [place for place, name in enumerate(treatment_names()) if "child to come" in rules_of(name)]
    rows = np.isin(charts.treatment, gone)
    since = np.full(len(charts.birth), NEVER)
    np.minimum.at(since, charts.patient("treatments")[rows], charts.days("treatments", "start_date")[rows])
    start = charts.days("pregnancies", "start_date")
    return _of(charts, "pregnancies", "pregnancy_id", start > since[charts.patient("pregnancies")])


# --- encounters -----------------------------------------------------------------------------------
def encounters_do_not_overlap(charts: Charts) -> NDArray[Any]:
    """Of one person each encounter begins after the one before has ended, and none ends before it begins."""
    patient, start, end = _encounters(charts)
    wrong = end < start
    wrong[1:] |= (patient[1:] == patient[:-1]) & (start[1:] <= end[:-1])
    return _of(charts, "encounters", "encounter_id", wrong)


def diagnoses_are_made_at_encounters(charts: Charts) -> NDArray[Any]:
    """What is known was found at an encounter on that day; what nobody knows of has none."""
    place, known = charts.place("conditions", "encounter_id", "encounters"), charts.days("conditions", "diagnosed_date")
    wrong = (place >= 0) != (known < NEVER)
    wrong |= (place >= 0) & ~_within(charts, place, known)
    return _of(charts, "conditions", "condition_id", wrong)


def treatments_begin_at_encounters(charts: Charts) -> NDArray[Any]:
    """Every treatment is begun at an encounter on that day."""
    place = charts.place("treatments", "encounter_id", "encounters")
    wrong = (place < 0) | ~_within(charts, place, charts.days("treatments", "start_date"))
    return _of(charts, "treatments", "treatment_id", wrong)


def measurements_are_made_at_encounters(charts: Charts) -> NDArray[Any]:
    """Every measurement is made at an encounter on that day."""
    place = charts.place("observations", "encounter_id", "encounters")
    wrong = (place < 0) | ~_within(charts, place, charts.days("observations", "date"))
    return _of(charts, "observations", "patient_id", wrong)


def encounters_are_about_what_is_known(charts: Charts) -> NDArray[Any]:
    """The reason of an encounter is known by then, at the latest at that encounter."""
    place = charts.place("encounters", "condition_id", "conditions")
    known = charts.days("conditions", "diagnosed_date")[place] if len(charts.condition) else np.full(len(place), NEVER)
    return _of(charts, "encounters", "encounter_id", (place >= 0) & (known > charts.days("encounters", "end_date")))


def prenatal_visits_lie_in_a_pregnancy(charts: Charts) -> NDArray[Any]:
    """Prenatal visits and deliveries are of women who are pregnant."""
    patient, start, _ = _encounters(charts)
    end = charts.days("pregnancies", "end_date")
    spell = charts.patient("pregnancies"), charts.days("pregnancies", "start_date")
    pregnant = any_active(keys(patient, start), *spell, np.where(end < NEVER, end + 1, NEVER))
    asked = charts.column("encounters", "kind").isin(["prenatal", "delivery"]).to_numpy()
    return _of(charts, "encounters", "encounter_id", asked & ~pregnant)


def _encounters(charts: Charts) -> tuple[Ints, Ints, Ints]:
    start, end = (charts.days("encounters", f"{name}_date") for name in ("start", "end"))
    return charts.patient("encounters"), start, end


def _within(charts: Charts, place: Ints, day: Ints) -> Flags:
    _, start, end = _encounters(charts)
    if not len(start):
        return np.zeros(len(day), dtype=bool)
    return (start[place] <= day) & (day <= end[place])


# --- treatments -----------------------------------------------------------------------------------
def treatment_lies_within_the_condition(charts: Charts) -> NDArray[Any]:
    """A treatment begins when its condition is known, and neither begins nor ends after it is over."""
    place = charts.place("treatments", "condition_id", "conditions")
    known, over = (charts.days("conditions", f"{name}_date")[place] for name in ("diagnosed", "resolved"))
    start, stop = (charts.days("treatments", f"{name}_date") for name in ("start", "stop"))
    return _of(charts, "treatments", "treatment_id", (start < known) | (start > over) | (np.minimum(stop, over) < stop))


def nobody_is_treated_for_what_nobody_knows(charts: Charts) -> NDArray[Any]:
    """A condition without a diagnosis has no treatment and is no reason for an encounter."""
    unknown = charts.days("conditions", "diagnosed_date") >= NEVER
    found = []
    for table, name in (("treatments", "treatment_id"), ("encounters", "encounter_id")):
        place = charts.place(table, "condition_id", "conditions")
        wrong = (place >= 0) & unknown[place] if len(unknown) else place >= 0
        found.append(np.asarray(_of(charts, table, name, wrong), dtype=object))
    return np.concatenate(found)


def treatment_stops_after_it_starts(charts: Charts) -> NDArray[Any]:
    """No treatment stops before it starts, and a procedure lasts a day."""
    start, stop = (charts.days("treatments", f"{name}_date") for name in ("start", "stop"))
    procedure = (charts.column("treatments", "kind") == "procedure").to_numpy()
    return _of(charts, "treatments", "treatment_id", (stop < start) | (procedure & (stop != start)))


def whatever_stops_has_a_reason(charts: Charts) -> NDArray[Any]:
    """A treatment that has stopped says why, and one that goes on does not."""
    stopped = charts.days("treatments", "stop_date") < NEVER
    return _of(
        charts, "treatments", "treatment_id", stopped != charts.column("treatments", "stop_reason").notna().to_numpy()
    )


def reasons_to_stop_are_true(charts: Charts) -> NDArray[Any]:
    """What stops for no response had none, for an adverse effect had one, for death on that day."""
    reason = charts.column("treatments", "stop_reason").to_numpy()
    stop = charts.days("treatments", "stop_date")
    response = (charts.column("treatments", "response") == "none").to_numpy()
    harmed = charts.column("treatments", "adverse_effect").notna().to_numpy()
    dies = stop == charts.days("patients", "death_date")[charts.patient("treatments")]
    false = [(reason == "no_response") & ~response, (reason == "adverse_effect") & ~harmed, (reason == "death") & ~dies]
    return _of(charts, "treatments", "treatment_id", np.any(false, axis=0))


def alternatives_exclude_each_other(charts: Charts) -> NDArray[Any]:
    """Nobody is given two alternatives of one line for one condition."""
    line = charts.numbers("treatments", "condition_id") * 100 + charts.column("treatments", "line").to_numpy()
    _, place, count = np.unique(line, return_inverse=True, return_counts=True)
    return _of(charts, "treatments", "treatment_id", count[place] > 1)


def nobody_takes_the_same_drug_twice(charts: Charts) -> NDArray[Any]:
    """Nobody takes the same drug by the same route for two reasons at a time."""
    route = pd.factorize(charts.column("treatments", "route").astype(object))[0] + 1
    drug = (charts.column("treatments", "kind") == "drug").to_numpy()
    product = charts.patient("treatments") * 10_000 + charts.treatment * 20 + route
    return _of(charts, "treatments", "treatment_id", _taken_together(charts, product, drug, drug))


def no_interacting_pair(charts: Charts) -> NDArray[Any]:
    """Nobody takes two drugs at a time of which `interactions.csv` says that they do not go together."""
    wrong = np.zeros(len(charts.treatment), dtype=bool)
    for pair in catalogue.interactions():
        one, other = (_are(name)[charts.treatment] for name in (min(pair), max(pair)))
        wrong |= _taken_together(charts, charts.patient("treatments"), one, other)
        wrong |= _taken_together(charts, charts.patient("treatments"), other, one)
    return _of(charts, "treatments", "treatment_id", wrong)


@cache
def _are(cause: str) -> Flags:
    """Which of `treatment_names` are this drug or of this class."""
    found = {regimen.name for regimen in regimens() if cause in (regimen.name, regimen.drug_class)}
    return np.array([name in found for name in treatment_names()])


def _taken_together(charts: Charts, whose: Ints, those: Flags, others: Flags) -> Flags:
    """Which of `those` treatments begin while one of the `others` of the same `whose` is taken, not counting itself."""
    start, stop = (charts.days("treatments", f"{name}_date") for name in ("start", "stop"))
    rows = np.flatnonzero(those)
    rows = rows[np.argsort(keys(whose[rows], start[rows]), kind="stable")]
    running = sum_of_active(keys(whose[rows], start[rows]), whose[others], start[others], stop[others])
    itself = others[rows] & (stop[rows] > start[rows])
    found = np.zeros(len(start), dtype=bool)
    found[rows] = running - itself > 0.5
    return found


def no_drug_is_given_before_it_was_licensed(charts: Charts) -> NDArray[Any]:
    """No drug is begun before the year in which it was licensed in the United States."""
    since = np.array([_licensed(name) for name in treatment_names()])[charts.treatment]
    return _of(charts, "treatments", "treatment_id", charts.days("treatments", "start_date") < since)


def _licensed(name: str) -> int:
    """The first day of the year from which on the treatment of this name is given."""
    return min(licensed(regimen) for regimen in regimens() if regimen.name == name)


def dialysis_needs_failing_kidneys(charts: Charts) -> NDArray[Any]:
    """Nobody has an eGFR above 30 while on dialysis for chronic kidney disease."""
    number = {condition.key: condition.number for condition in catalogue.conditions()}
    place = charts.place("treatments", "condition_id", "conditions")
    chronic = charts.condition[place] == number["chronic_kidney_disease"] if len(charts.condition) else place >= 0
    rows = np.flatnonzero(chronic & _are("hemodialysis")[charts.treatment])
    start, stop = (charts.days("treatments", f"{name}_date")[rows] for name in ("start", "stop"))
    measured = charts.measured(EGFR)["row"].to_numpy()
    patient, day = charts.patient("observations")[measured], charts.days("observations", "date")[measured]
    on_dialysis = any_active(keys(patient, day), charts.patient("treatments")[rows], start, stop)
    high = charts.column("observations", "value").to_numpy()[measured] > HIGHEST_ON_DIALYSIS
    found: NDArray[Any] = charts.column("observations", "patient_id").to_numpy()[measured[on_dialysis & high]]
    return found


def no_disease_of_a_removed_organ(charts: Charts) -> NDArray[Any]:
    """No disease begins in an organ after it has been taken out."""
    wrong = np.zeros(len(charts.condition), dtype=bool)
    start, whose = charts.days("treatments", "start_date"), charts.patient("treatments")
    for name, key in _organs():
        removed = np.full(len(charts.birth), NEVER)
        rows = _are(name)[charts.treatment]
        np.minimum.at(removed, whose[rows], start[rows])
        late = charts.days("conditions", "onset_date") > removed[charts.patient("conditions")]
        wrong |= late & (charts.condition == catalogue.by_key()[key].number)
    return _of(charts, "conditions", "condition_id", wrong)


@cache
def _organs() -> tuple[tuple[str, str], ...]:
    """The operations that take out an organ, each with a disease that it can no longer have."""
    rules = [(name, rule.removesuffix(" to come")) for name in treatment_names() for rule in rules_of(name)]
    return tuple((name, key) for name, key in rules if key in catalogue.by_key() and f"{key} to come" in rules_of(name))


@cache
def rules_of(name: str) -> tuple[str, ...]:
    """What forbids the treatment of this name."""
    found = (rule for regimen in regimens() if regimen.name == name for rule in catalogue.forbidding(regimen))
    return tuple(dict.fromkeys(found))


def nothing_is_given_that_is_forbidden(charts: Charts) -> NDArray[Any]:
    """No treatment is contraindicated on the day on which it is begun."""
    patient, start = charts.patient("treatments"), charts.days("treatments", "start_date")
    order = np.argsort(keys(patient, start), kind="stable")
    wrong = np.zeros(len(patient), dtype=bool)
    for rule, places in _names_by_rule().items():
        rows = order[places[charts.treatment[order]]]
        wrong[rows] |= _forbidden(charts, rule, patient[rows], start[rows])
    return _of(charts, "treatments", "treatment_id", wrong)


@cache
def _names_by_rule() -> dict[str, Flags]:
    said = dict.fromkeys(rule for name in treatment_names() for rule in rules_of(name))
    rules = [rule for rule in said if rule not in OF_THEIR_OWN and rule.removesuffix(" to come") not in _diseases()]
    return {rule: np.array([rule in rules_of(name) for name in treatment_names()]) for rule in rules}


@cache
def _diseases() -> frozenset[str]:
    """Those that an operation rules out, which `no_disease_of_a_removed_organ` looks for."""
    return frozenset(f"{key}" for _, key in _organs())


def _forbidden(charts: Charts, rule: str, patient: Ints, day: Ints) -> Flags:
    """Whether the rule forbids; rows are ordered by patient and day."""
    if rule.startswith("younger than "):
        return charts.age(patient, day) < float(rule.removeprefix("younger than "))
    if rule == "eGFR below 30":
        return _last_stable_egfr(charts, patient, day) < 30
    first, stop = np.empty(0, np.int64), np.empty(0, np.int64)
    whose = first
    if rule in ("pregnancy", "child to come"):
        whose, first = charts.patient("pregnancies"), charts.days("pregnancies", "start_date")
        stop = charts.days("pregnancies", "end_date")
        first = np.full(len(first), -NEVER // 4) if rule == "child to come" else first
    elif rule.startswith("allergy to "):
        rows = (charts.column("allergies", "substance") == rule.removeprefix("allergy to ")).to_numpy()
        whose, first = charts.patient("allergies")[rows], charts.days("allergies", "onset_date")[rows]
        stop = np.full(len(first), NEVER)
    else:
        number = next(condition.number for condition in catalogue.conditions() if condition.key == rule)
        rows = charts.condition == number
        whose, first = charts.patient("conditions")[rows], charts.days("conditions", "diagnosed_date")[rows]
        stop = charts.days("conditions", "resolved_date")[rows]
        whose, first, stop = (column[first < NEVER] for column in (whose, first, stop))
    return any_active(keys(patient, day), whose, first, stop)


def _last_stable_egfr(charts: Charts, patient: Ints, day: Ints) -> Floats:
    """The last eGFR measured by then that is not of an acute kidney injury, not a number where there is none."""
    rows = charts.measured(EGFR)["row"].to_numpy()
    ill = charts.condition == catalogue.by_key()["acute_kidney_injury"].number
    spell = (charts.days("conditions", f"{name}_date")[ill] for name in ("onset", "resolved"))
    then = keys(charts.patient("observations")[rows], charts.days("observations", "date")[rows])
    onset, over = spell
    rows = rows[~any_active(then, charts.patient("conditions")[ill], onset, np.minimum(over + 1, NEVER))]
    if not len(rows):
        return np.full(len(patient), np.nan)
    whose = charts.patient("observations")[rows]
    place = (
        np.searchsorted(keys(whose, charts.days("observations", "date")[rows]), keys(patient, day), side="right") - 1
    )
    own = (place >= 0) & (whose[place] == patient)
    return np.where(own, charts.column("observations", "value").to_numpy()[rows[place]], np.nan)


# --- measurements ---------------------------------------------------------------------------------
def values_are_such_as_bodies_have(charts: Charts) -> NDArray[Any]:
    """Every value lies within the bounds of `observations.csv`, and its code is listed there with its unit."""
    listed = {analyte.loinc: analyte for analyte in catalogue.analytes()}
    coded = pd.Categorical(charts.column("observations", "loinc"))
    known = [listed.get(code) for code in coded.categories]
    low, high = (np.array([getattr(a, name) if a else np.nan for a in known]) for name in ("lowest", "highest"))
    value = charts.column("observations", "value").to_numpy()
    inside = (value >= low[coded.codes]) & (value <= high[coded.codes])
    return _of(charts, "observations", "patient_id", ~inside)


def _encounters_where(measured: pd.DataFrame, wrong: pd.Series[bool]) -> NDArray[Any]:
    """The identifiers of the encounters of these rows, which their index numbers."""
    return ids("E", measured.index[wrong.to_numpy(dtype=bool)].to_numpy(np.int64))


def measured_bmi_is_weight_over_height_squared(charts: Charts) -> NDArray[Any]:
    """Where height, weight and body mass index are measured together, they fit."""
    heights, weights, bmis = (charts.measured(code)["value"] for code in (HEIGHT, WEIGHT, BMI))
    together = pd.concat([heights, weights, bmis], axis=1, keys=["height", "weight", "bmi"], join="inner")
    exact = together["weight"] / (together["height"] / 100) ** 2
    return _encounters_where(together, np.abs(together["bmi"] - exact) > 0.0501)


def ldl_is_what_friedewald_says(charts: Charts) -> NDArray[Any]:
    """LDL cholesterol is total less HDL less a fifth of the triglycerides, which are then below 400 mg/dL."""
    codes = {"ldl": LDL, "total": CHOLESTEROL, "hdl": HDL, "fat": TRIGLYCERIDES}
    lipids = pd.concat([charts.measured(code)["value"] for code in codes.values()], axis=1, keys=list(codes))
    lipids = lipids[lipids["ldl"].notna()]
    exact = lipids["total"] - lipids["hdl"] - lipids["fat"] / 5
    right = (np.abs(lipids["ldl"] - exact) <= 0.5001) & (lipids["fat"] < 400)
    return _encounters_where(lipids, ~right)


def egfr_is_what_ckd_epi_says(charts: Charts) -> NDArray[Any]:
    """The eGFR is that of CKD-EPI 2021 for creatinine, age and sex, rounded."""
    rates = charts.measured(EGFR)
    kidney = rates.join(charts.measured(CREATININE)["value"].rename("creatinine"))
    rows = kidney["row"].to_numpy()
    patient = charts.patient("observations")[rows]
    age = charts.age(patient, charts.days("observations", "date")[rows])
    exact = egfr(kidney["creatinine"].to_numpy(), age, charts.female[patient])
    return _encounters_where(kidney, ~((kidney["value"] - exact).abs() <= 0.5001))


def grown_people_keep_their_height(charts: Charts) -> NDArray[Any]:
    """From 25 on no two measured heights of a person differ by a centimetre."""
    rows = charts.measured(HEIGHT)["row"].to_numpy()
    patient = charts.patient("observations")[rows]
    grown = charts.age(patient, charts.days("observations", "date")[rows]) >= FULL_GROWN
    heights = pd.Series(charts.column("observations", "value").to_numpy()[rows[grown]]).groupby(patient[grown])
    span = heights.max() - heights.min()
    places = span.index[(span >= 1).to_numpy()].to_numpy(np.int64)
    return charts.column("patients", "patient_id").to_numpy()[places]


def diastolic_lies_below_systolic(charts: Charts) -> NDArray[Any]:
    """Diastolic pressure lies below the systolic pressure of the same encounter."""
    low = charts.measured(DIASTOLIC).join(charts.measured(SYSTOLIC)["value"].rename("systolic"))
    return _encounters_where(low, ~(low["value"] < low["systolic"]))


def everything_is_measured_once(charts: Charts) -> NDArray[Any]:
    """Nothing is measured twice on a day of a person."""
    coded = pd.Categorical(charts.column("observations", "loinc")).codes.astype(np.int64)
    key = keys(charts.patient("observations"), charts.days("observations", "date")) * 256 + coded
    repeated = np.diff(np.sort(key), prepend=-1) == 0
    if not repeated.any():
        return np.empty(0, dtype=object)
    return _of(charts, "observations", "patient_id", pd.Series(key).duplicated(keep=False).to_numpy())


# --- vaccines, allergies, family ------------------------------------------------------------------
def vaccines_are_given_at_their_age(charts: Charts) -> NDArray[Any]:
    """No dose is given before its age of the schedule, and none while the vaccine was not in use."""
    ever = date(2200, 1, 1)
    listed = [(v.cvx, v.dose, v.age_months * DAYS_A_YEAR / 12, v.since, v.until or ever) for v in vaccines()]
    schedule = pd.DataFrame(listed, columns=["cvx", "dose_number", "youngest", "since", "until"])
    schedule = schedule.groupby(["cvx", "dose_number"], as_index=False).agg(
        {"youngest": "min", "since": "min", "until": "max"}
    )
    given = charts.population.immunizations[["cvx", "dose_number"]].astype({"cvx": object})
    given = given.merge(schedule, how="left", on=["cvx", "dose_number"])
    yearly = given["cvx"].isin(INFLUENZA_SINCE).to_numpy()
    season = given["cvx"].map(INFLUENZA_SINCE)
    youngest = np.where(yearly, DAYS_A_YEAR / 2, given["youngest"].to_numpy(np.float64))
    since, until = days(pd.to_datetime(given["since"].where(~yearly, season))), days(pd.to_datetime(given["until"]))
    day = charts.days("immunizations", "date")
    old_enough = day - charts.birth[charts.patient("immunizations")] >= np.floor(youngest)
    return _of(charts, "immunizations", "patient_id", ~(old_enough & (day >= since) & (day <= until)))


def doses_are_given_in_order(charts: Charts) -> NDArray[Any]:
    """Of one vaccine and person a later dose has the higher number."""
    coded = pd.Categorical(charts.column("immunizations", "cvx")).codes.astype(np.int64)
    patient, day = charts.patient("immunizations"), charts.days("immunizations", "date")
    dose = charts.column("immunizations", "dose_number").to_numpy()
    order = np.lexsort((day, coded, patient))
    same = (np.diff(patient[order]) == 0) & (np.diff(coded[order]) == 0)
    wrong = np.zeros(len(day), dtype=bool)
    wrong[order[1:][same & (np.diff(dose[order]) <= 0)]] = True
    return _of(charts, "immunizations", "patient_id", wrong)


def an_allergy_is_listed_once(charts: Charts) -> NDArray[Any]:
    """Nobody is allergic to the same substance twice."""
    coded = pd.Categorical(charts.column("allergies", "substance")).codes.astype(np.int64)
    wrong = pd.Series(charts.patient("allergies") * 1000 + coded).duplicated().to_numpy()
    return _of(charts, "allergies", "patient_id", wrong)


def relatives_have_what_their_sex_can_have(charts: Charts) -> NDArray[Any]:
    """No mother had a condition of men, no father one of women."""
    sex = {condition.mesh: condition.sex for condition in catalogue.conditions()}
    men = charts.column("family_history", "relative").isin(["father", "brother", "grandfather", "son"]).to_numpy()
    had = charts.column("family_history", "concept_id").map(sex).astype(object).to_numpy()
    wrong = (men & (had == "female")) | (~men & (had == "male"))
    return _of(charts, "family_history", "patient_id", wrong)


RULES: tuple[Rule, ...] = (
    everybody_is_there_once,
    birth_comes_first,
    nobody_dies_in_the_future,
    the_dead_died_of_what_they_had,
    bmi_is_weight_over_height_squared,
    no_number_is_a_real_one,
    smokers_have_smoked_for_a_while,
    smoking_dates_follow_the_status,
    pack_years_fit_the_years,
    children_do_not_drink,
    every_row_is_of_a_patient,
    references_stay_with_the_patient,
    providers_exist,
    providers_fit_the_patient,
    nothing_comes_before_birth,
    death_ends_everything,
    treatment_ends_with_death,
    pregnancies_end_with_death,
    diagnosis_follows_onset,
    conditions_are_of_the_right_sex,
    conditions_begin_at_their_age,
    complications_follow_their_cause,
    conditions_that_exclude_each_other_do_not_meet,
    chronic_conditions_last,
    only_women_are_pregnant,
    pregnancy_comes_at_a_fertile_age,
    pregnancies_follow_one_another,
    only_pregnancies_that_last_are_ongoing,
    conditions_of_pregnancy_lie_in_one,
    nobody_is_pregnant_without_a_womb,
    encounters_do_not_overlap,
    diagnoses_are_made_at_encounters,
    treatments_begin_at_encounters,
    measurements_are_made_at_encounters,
    encounters_are_about_what_is_known,
    prenatal_visits_lie_in_a_pregnancy,
    treatment_lies_within_the_condition,
    nobody_is_treated_for_what_nobody_knows,
    treatment_stops_after_it_starts,
    whatever_stops_has_a_reason,
    reasons_to_stop_are_true,
    alternatives_exclude_each_other,
    nobody_takes_the_same_drug_twice,
    no_interacting_pair,
    no_drug_is_given_before_it_was_licensed,
    dialysis_needs_failing_kidneys,
    no_disease_of_a_removed_organ,
    nothing_is_given_that_is_forbidden,
    values_are_such_as_bodies_have,
    measured_bmi_is_weight_over_height_squared,
    ldl_is_what_friedewald_says,
    egfr_is_what_ckd_epi_says,
    grown_people_keep_their_height,
    diastolic_lies_below_systolic,
    everything_is_measured_once,
    vaccines_are_given_at_their_age,
    doses_are_given_in_order,
    an_allergy_is_listed_once,
    relatives_have_what_their_sex_can_have,
)
REMEDY = (
    "This is our error: please report the rule, population.seed, population.reference_date "
    "and population.years_of_records"
)
SHOWN = 3  # identifiers of each rule in an error


def violations(population: Population, reference_date: date) -> dict[str, NDArray[Any]]:
    """By the name of each rule that is broken, the identifiers of the rows that break it."""
    return dict(_broken(Charts(population, reference_date)))


def _broken(charts: Charts) -> Iterator[tuple[str, NDArray[Any]]]:
    for rule in RULES:
        found = rule(charts)
        if len(found):
            yield rule.__name__, found


def refuse_impossible_records(population: Population, reference_date: date) -> None:
    """Nothing happens if every record is possible.

    Raises:
        ImpossibleRecordError: by name the rules that are broken, how often, and the first identifiers.
    """
    found = violations(population, reference_date)
    if found:
        listed = (f"{name}: {len(ids)} ({', '.join(map(str, ids[:SHOWN]))})" for name, ids in found.items())
        raise ImpossibleRecordError(f"{'; '.join(listed)}. {REMEDY}")
