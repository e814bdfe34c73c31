"""What the patients are given for what they are known to have, how they respond, and why it ends.

Of each line a patient gets at most one alternative that nothing forbids, that is licensed by then and that goes
with what is taken already. A line is begun soon after the diagnosis, or, where `regimens.csv` says so, once the
line before has failed: it did not help enough, was not borne or became forbidden. How well a class of drugs
works is the patient's own and lasts; part of it is how faithfully the patient takes whatever is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from clinical_ner.population import catalogue
from clinical_ner.population.barriers import Barriers, Running
from clinical_ner.population.catalogue import Regimen
from clinical_ner.population.chart import Cases, People
from clinical_ner.population.histories import NUMBERS_A_PATIENT
from clinical_ner.population.timeline import DAYS_A_YEAR, NEVER, Floats, Ints, dates, ids, labels

DOSES_FROM = 12.0  # years; younger children's doses go by weight and are left out
GIVES_UP = 0.75  # of those whom it does not help, stop it as soon as that is judged
PARTIAL_FAILS = 0.5  # of those whom it helps in part, are given something else too
YEARS_TO_OTHER_STOP = 60.0  # mean, of what is taken for good: moved, cost, own wish
ADHERENCE = 0.5  # correlation of a response with how faithfully the person takes what is given
FAITHFUL = 0.85  # standard deviations that are the person's own
OLDER, MIDDLE_AGE, SPAN = 0.35, 50.0, 20.0  # the older the more faithful, from one span below to one above
DEPRESSED, ADDICTED = ("depression",), ("alcohol_use_disorder", "opioid_use_disorder")
LESS_FAITHFUL = ((DEPRESSED, 0.6, 0.2), (ADDICTED, 0.8, 0.08))  # standard deviations, share of people
REASONS = ("death", "resolved", "completed", "no_response", "adverse_effect", "contraindicated", "other")
RESPONSES = ("none", "partial", "full")
TAIL = 1e-6
STRENGTHS = (0.0, 0.3, 0.85, 1.4)  # of the effect, from the worst responder over the two limits to the best


@dataclass(frozen=True)
class Courses:
    """One element a treatment, in the order of `treatment_id`.

    `reason` is an index of `REASONS`, `response` of `RESPONSES`, -1 for none; `strength` is the share of
    the usual effect that shows in what is measured.
    """

    patient: Ints
    case: Ints
    regimen: Ints
    start: Ints
    stop: Ints
    reason: Ints
    response: Ints
    strength: Floats
    adverse: NDArray[np.bool_]

    def of(self, cause: str) -> Ints:
        """Where the treatments of this name or class are."""
        return np.flatnonzero(_regimens_of(cause)[self.regimen])


def _no_courses() -> Courses:
    none = np.empty(0, np.int64)
    return Courses(none, none, none, none, none, none, none, np.empty(0), np.empty(0, bool))


class _Given(NamedTuple):
    """The cases of one line that are treated, with the regimen chosen and the days that matter."""

    case: Ints
    patient: Ints
    regimen: Ints
    start: Ints
    last: Ints  # the latest day on which it can be given: the condition or the life ends


def sample_courses(
    people: People, cases: Cases, barriers: Barriers, treated: Mapping[str, NDArray[np.bool_]]
) -> Courses:
    """The treatments of these CASES; `treated` says of a condition who is, where what is measured tells."""
    failed = np.full(len(cases.patient), NEVER)  # the day on which the line before failed
    operated = np.full(len(cases.patient), NEVER)  # the day of its procedure
    running, faithful = Running(people.size), adherence(people, cases)
    parts = [_no_courses()]
    for key, line, choices in catalogue.treatment_lines():
        case = cases.of([key])
        case = case[cases.diagnosed[case] < NEVER]
        if key in treated:
            case = case[treated[key][cases.patient[case]]]
        share = np.array([choice.percent / 100 for choice in choices])
        if key in treated:
            share = share / share.sum()
        given = _given(people, cases, barriers, case, line, choices, share, failed, operated, running)
        if len(given.case):
            course = _course(people, cases, barriers, given, faithful, for_good=key in treated)
            running.note(course.regimen, course.patient, course.stop)
            _note_failures(people, course, failed)
            operated[course.case] = np.where(_facts().procedure[course.regimen], course.start, NEVER)
            parts.append(course)
    order = np.argsort(np.concatenate([part.patient * NUMBERS_A_PATIENT + part.regimen for part in parts]))
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    courses = Courses(*(np.concatenate(column)[order] for column in columns))
    return replace(courses, strength=_strength(courses.strength, courses.regimen))


def _given(
    people: People,
    cases: Cases,
    barriers: Barriers,
    case: Ints,
    line: int,
    choices: tuple[Regimen, ...],
    share: Floats,
    failed: Ints,
    operated: Ints,
    running: Running,
) -> _Given:
    """Who of these cases is given which alternative of a line, and from when on."""
    patient, stream = cases.patient[case], f"treatment/{choices[0].condition}/{line}"
    draw = people.draw.of_rows
    if choices[0].trigger == "failure":
        start = failed[case] + (21 * draw(f"{stream}/start", patient)).astype(np.int64)
    else:
        within = np.array([choice.within_days for choice in choices]).max()
        since = operated[case] if choices[0].trigger == "procedure" else cases.diagnosed[case]
        first = np.maximum(since, min(licensed(choice) for choice in choices))
        start = first + (within * draw(f"{stream}/start", patient) ** 3).astype(np.int64)
    forbidden = [
        barriers.forbid(choice, patient, start) | running.forbid(choice, patient, start) | (start < licensed(choice))
        for choice in choices
    ]
    allowed = ~np.stack(forbidden, axis=1)
    choice, chosen = _choice(draw(stream, patient), share, allowed)
    nothing_left = ~allowed.any(axis=1)
    failed[case] = np.where(nothing_left & (start < failed[case]), start, failed[case])
    last = np.minimum(cases.resolved[case], people.end[patient])
    given = chosen & (start <= last)
    numbers = np.array([choice.number for choice in choices])
    return _Given(case[given], patient[given], numbers[choice[given]], start[given], last[given])


@cache
def licensed(choice: Regimen) -> int:
    """The first day of the year in which it was licensed."""
    return -NEVER if choice.since is None else int(np.datetime64(f"{choice.since}-01-01", "D").astype(np.int64))


def _choice(uniform: Floats, share: Floats, allowed: NDArray[np.bool_]) -> tuple[Ints, NDArray[np.bool_]]:
    """The alternative of each row and whether it gets any: those allowed share what all would have had."""
    shares = share * allowed
    total = shares.sum(axis=1, keepdims=True)
    scaled = np.cumsum(shares * np.where(total > 0, share.sum() / np.maximum(total, 1e-12), 0), axis=1)
    choice = (uniform[:, None] >= scaled).sum(axis=1)
    return np.minimum(choice, len(share) - 1), choice < len(share)


def adherence(people: People, cases: Cases) -> Floats:
    """How faithfully each person takes what is given, as about a standard normal score.

    Approximate: the old are more faithful than the young, who is or was depressed or addicted is less so (DiMatteo
    et al., Arch Intern Med 2000;160:2101: odds of three for the depressed), and most of it is nobody's to foretell.
    """
    score = FAITHFUL * ndtri(np.clip(people.draw("adherence"), TAIL, 1 - TAIL))
    age = people.age(np.arange(people.size), people.end)
    score += OLDER * np.clip((age - MIDDLE_AGE) / SPAN, -1, 1)
    for illnesses, less, share in LESS_FAITHFUL:
        ill = np.isin(np.arange(people.size), cases.patient[cases.of(illnesses)])
        score += less * (share - ill)  # so that the mean stays
    return score


def _course(
    people: People, cases: Cases, barriers: Barriers, given: _Given, faithful: Floats, for_good: bool
) -> Courses:
    """How each treatment goes: the first thing that ends it is why it stops; `for_good` for no other reason."""
    facts, patient, start = _facts(), given.patient, given.start
    draw, number = people.draw.of_rows, given.regimen
    group = facts.group[number]
    own = ndtri(np.clip(draw("response", patient, group), TAIL, 1 - TAIL))  # of a person and class, whatever it is for
    uniform = ndtr(ADHERENCE * faithful[patient] + np.sqrt(1 - ADHERENCE**2) * own)
    none, partial = _limits(number)
    response = (uniform >= none).astype(np.int64) + (uniform >= partial)
    judged = start + np.minimum(facts.judged_after[group], facts.days[number])
    judged = np.where(facts.procedure[number], start + facts.judged_after[group], judged)
    planned = np.where(facts.days[number] < NEVER, start + facts.days[number], NEVER)
    gives_up = (response == 0) & (draw("treatment/gives up", patient, number) < GIVES_UP)
    no_response = np.where(gives_up & (judged < planned), np.maximum(judged, start + 1), NEVER)
    harmed = draw("adverse", patient, number) < facts.adverse[group]
    harm = start + 1 + (1.5 * facts.judged_after[group] * draw("adverse/day", patient, number) ** 2).astype(np.int64)
    stopped = np.where(harmed & (draw("adverse/stops", patient, number) < facts.stops[group]), harm, NEVER)
    years = -YEARS_TO_OTHER_STOP * np.log1p(-draw("treatment/other", patient, number))
    other = np.where(
        (facts.days[number] >= NEVER) & (not for_good), start + 30 + (years * DAYS_A_YEAR).astype(np.int64), NEVER
    )
    outside = people.death[patient], cases.resolved[given.case], barriers.arising(number, patient, start)
    ends = np.stack([*outside[:2], planned, no_response, stopped, outside[2], other], axis=1)
    reason = np.argmin(ends, axis=1)
    stop = ends[np.arange(len(ends)), reason]
    procedure = facts.procedure[number]
    reason, stop = np.where(procedure, REASONS.index("completed"), reason), np.where(procedure, start, stop)
    running = stop > people.end[patient]
    seen = np.minimum(np.where(procedure, NEVER, stop), people.end[patient])
    return Courses(
        patient=patient,
        case=given.case,
        regimen=number,
        start=start,
        stop=np.where(running, NEVER, stop),
        reason=np.where(running, -1, reason),
        response=np.where(judged <= seen, response, -1),
        strength=uniform,  # that decides on it: `_strength` reads it of all at once
        adverse=harmed & (harm <= seen) & ~procedure,
    )


def _strength(uniform: Floats, regimen: Ints) -> Floats:
    """The share of the usual effect, which rises with the uniform that decides on the response."""
    none, partial = _limits(regimen)
    low, middle, high, best = STRENGTHS
    return np.select(
        [uniform < none, uniform < partial],
        [low + middle * uniform / none, middle + (high - middle) * (uniform - none) / (partial - none)],
        high + (best - high) * (uniform - partial) / (1 - partial),
    )


def _limits(regimen: Ints) -> tuple[Floats, Floats]:
    """Below which uniform there is no response, and below which one in part."""
    facts = _facts()
    none = facts.none[facts.group[regimen]]
    return none, none + facts.partial[facts.group[regimen]]


def _note_failures(people: People, course: Courses, failed: Ints) -> None:
    """Into `failed`, of the cases whose treatment did not do, the day from which another is tried."""
    judged = course.start + np.minimum(_facts().judged_after[_facts().group[course.regimen]], 365)
    tries = people.draw.of_rows("treatment/partial fails", course.patient, course.regimen) < PARTIAL_FAILS
    too_little = (course.response == 0) | ((course.response == 1) & tries)
    unfit = (course.reason == REASONS.index("adverse_effect")) | (course.reason == REASONS.index("contraindicated"))
    day = np.where(too_little, judged, NEVER)
    failed[course.case] = np.where(unfit, np.minimum(day, course.stop), day)


@dataclass(frozen=True)
class _Facts:
    """The resources as arrays: by the number of a regimen, or by that of its group."""

    group: Ints
    days: Ints
    procedure: NDArray[np.bool_]
    none: Floats
    partial: Floats
    judged_after: Ints
    adverse: Floats
    stops: Floats


@cache
def regimens() -> tuple[Regimen, ...]:
    """Every row of `regimens.csv`, in its order."""
    return tuple(choice for _, _, choices in catalogue.treatment_lines() for choice in choices)


@cache
def _facts() -> _Facts:
    groups = list(catalogue.drug_classes().values())
    place = {group.drug_class: number for number, group in enumerate(groups)}
    return _Facts(
        group=np.array([place[regimen.group] for regimen in regimens()]),
        days=np.array([NEVER if regimen.days is None else regimen.days for regimen in regimens()]),
        procedure=np.array([regimen.kind == "procedure" for regimen in regimens()]),
        none=np.array([group.none_percent / 100 for group in groups]),
        partial=np.array([group.partial_percent / 100 for group in groups]),
        judged_after=np.array([group.judged_after_days for group in groups]),
        adverse=np.array([group.adverse_percent / 100 for group in groups]),
        stops=np.array([group.stops_percent / 100 for group in groups]),
    )


@cache
def _regimens_of(cause: str) -> NDArray[np.bool_]:
    return np.array([cause in (regimen.name, regimen.drug_class) for regimen in regimens()])


def treatment_table(people: People, cases: Cases, courses: Courses, encounter: pd.Categorical) -> pd.DataFrame:
    """TREATMENTS, repeated words as categories; `encounter` is where each was begun."""
    listed = regimens()
    number, patient = courses.regimen, courses.patient
    groups = [catalogue.drug_classes()[regimen.group].adverse_effect for regimen in listed]
    effects = sorted({effect for effect in groups if effect})
    effect = np.array([effects.index(name) if name else -1 for name in groups])
    old_enough = people.age(patient, courses.start) >= DOSES_FROM
    return pd.DataFrame(
        {
            "treatment_id": ids("T", (people.draw.start + patient) * NUMBERS_A_PATIENT + number),
            "patient_id": people.named(patient),
            "condition_id": cases.named(courses.case),
            "encounter_id": encounter,
            "kind": _words(number, [regimen.kind for regimen in listed]),
            "name": _words(number, [regimen.name for regimen in listed]),
            "concept_id": _words(number, [regimen.concept_id for regimen in listed]),
            "dose": _words(number, [regimen.dose for regimen in listed], shown=old_enough),
            "route": _words(number, [regimen.route for regimen in listed]),
            "line": np.array([regimen.line for regimen in listed])[number],
            "start_date": dates(courses.start),
            "stop_date": dates(courses.stop),
            "stop_reason": labels(courses.reason, REASONS),
            "response": labels(courses.response, RESPONSES),
            "adverse_effect": labels(np.where(courses.adverse, effect[number], -1), effects),
        }
    )


def _words(number: Ints, by_regimen: Sequence[str | None], shown: NDArray[np.bool_] | bool = True) -> pd.Categorical:
    """What the regimens say, each word once; missing where it is empty or not shown."""
    words = sorted({word for word in by_regimen if word})
    code = np.array([words.index(word) if word else -1 for word in by_regimen])
    return labels(np.where(shown, code[number], -1), words)
