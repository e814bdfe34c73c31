"""Rules on treatments: when, why, and what must not be given."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.checks.charts import Charts, Rule, identifiers, treatment_names
from clinical_ner.population.observations import (
    EGFR,
)
from clinical_ner.population.timeline import (
    NEVER,
    Flags,
    Floats,
    Ints,
    any_active,
    keys,
    sum_of_active,
)
from clinical_ner.population.treatments import licensed, regimens

HIGHEST_ON_DIALYSIS = 30  # mL/min/1.73 m2
OF_THEIR_OWN = ("eGFR above 20",)  # rules that have a check of their own


def treatment_lies_within_the_condition(charts: Charts) -> NDArray[Any]:
    """A treatment begins when its condition is known, and neither begins nor ends after it is over."""
    place = charts.place("treatments", "condition_id", "conditions")
    known, over = (charts.days("conditions", f"{name}_date")[place] for name in ("diagnosed", "resolved"))
    start, stop = (charts.days("treatments", f"{name}_date") for name in ("start", "stop"))
    return identifiers(
        charts, "treatments", "treatment_id", (start < known) | (start > over) | (np.minimum(stop, over) < stop)
    )


def nobody_is_treated_for_what_nobody_knows(charts: Charts) -> NDArray[Any]:
    """A condition without a diagnosis has no treatment and is no reason for an encounter."""
    unknown = charts.days("conditions", "diagnosed_date") >= NEVER
    found = []
    for table, name in (("treatments", "treatment_id"), ("encounters", "encounter_id")):
        place = charts.place(table, "condition_id", "conditions")
        wrong = (place >= 0) & unknown[place] if len(unknown) else place >= 0
        found.append(np.asarray(identifiers(charts, table, name, wrong), dtype=object))
    return np.concatenate(found)


def treatment_stops_after_it_starts(charts: Charts) -> NDArray[Any]:
    """No treatment stops before it starts, and a procedure lasts a day."""
    start, stop = (charts.days("treatments", f"{name}_date") for name in ("start", "stop"))
    procedure = (charts.column("treatments", "kind") == "procedure").to_numpy()
    return identifiers(charts, "treatments", "treatment_id", (stop < start) | (procedure & (stop != start)))


def whatever_stops_has_a_reason(charts: Charts) -> NDArray[Any]:
    """A treatment that has stopped says why, and one that goes on does not."""
    stopped = charts.days("treatments", "stop_date") < NEVER
    return identifiers(
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
    return identifiers(charts, "treatments", "treatment_id", np.any(false, axis=0))


def alternatives_exclude_each_other(charts: Charts) -> NDArray[Any]:
    """Nobody is given two alternatives of one line for one condition."""
    line = charts.numbers("treatments", "condition_id") * 100 + charts.column("treatments", "line").to_numpy()
    _, place, count = np.unique(line, return_inverse=True, return_counts=True)
    return identifiers(charts, "treatments", "treatment_id", count[place] > 1)


def nobody_takes_the_same_drug_twice(charts: Charts) -> NDArray[Any]:
    """Nobody takes the same drug by the same route for two reasons at a time."""
    route = pd.factorize(charts.column("treatments", "route").astype(object))[0] + 1
    drug = (charts.column("treatments", "kind") == "drug").to_numpy()
    product = charts.patient("treatments") * 10_000 + charts.treatment * 20 + route
    return identifiers(charts, "treatments", "treatment_id", _taken_together(charts, product, drug, drug))


def no_interacting_pair(charts: Charts) -> NDArray[Any]:
    """Nobody takes two drugs at a time of which `interactions.csv` says that they do not go together."""
    wrong = np.zeros(len(charts.treatment), dtype=bool)
    for pair in catalogue.interactions():
        one, other = (_are(name)[charts.treatment] for name in (min(pair), max(pair)))
        wrong |= _taken_together(charts, charts.patient("treatments"), one, other)
        wrong |= _taken_together(charts, charts.patient("treatments"), other, one)
    return identifiers(charts, "treatments", "treatment_id", wrong)


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
    return identifiers(charts, "treatments", "treatment_id", charts.days("treatments", "start_date") < since)


@cache
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
    measured, _, value = charts.measured(EGFR)
    patient, day = charts.patient("observations")[measured], charts.days("observations", "date")[measured]
    on_dialysis = any_active(keys(patient, day), charts.patient("treatments")[rows], start, stop)
    high = value > HIGHEST_ON_DIALYSIS
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
    return identifiers(charts, "conditions", "condition_id", wrong)


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
    return identifiers(charts, "treatments", "treatment_id", wrong)


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
    rows = charts.measured(EGFR).row
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


RULES: tuple[Rule, ...] = (
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
)
