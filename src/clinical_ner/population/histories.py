"""What the patients have had, and since when.

One uniform a person and condition says both whether and when: the log odds of having it by an age are a
curve, and the onset is the age at which the curve, raised by what the person has besides, passes the log odds
of the uniform. A share of people that grows with age is so, in every cohort, people falling ill at an age. Of the
conditions in `onset.csv` the age at onset is a draw of its own, from what is known of it.
Episodes are waited for at a yearly rate over the years of records, three at least. Curves and effects are calibrated
(`docs/calibration.py`) on people of another seed; here nobody looks at anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from clinical_ner.core.schema import CONDITIONS, RACES
from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import KNOTS, Condition, Floats, Onset, Thresholds
from clinical_ner.population.draws import Draws
from clinical_ner.population.people import ADULT, Lives
from clinical_ner.population.pressure import Pressure
from clinical_ner.population.timeline import DAYS_A_YEAR, Flags, ids

LEAST_YEARS_OF_EPISODES = 3.0  # as the dead are those of three years
OVERWEIGHT, OBESE, VERY_OBESE, SEVERELY_OBESE = 25, 30, 35, 40  # kg/m2
NUMBERS_A_PATIENT = 1000  # ids are position * 1000 + row of the resource, whoever else is sampled
MILD, MILD_OR_MODERATE = 0.5, 0.85  # shares, of conditions whose severity nothing measured decides
LONG = 20.0  # years after which a chronic condition has become a class more severe for half of the people
KIDNEY_DISEASE = "chronic_kidney_disease"
EGFR_STAGES = (15, 30, 45, 60)  # mL/min/1.73 m2, between the stages 5, 4, 3b, 3a and 2 (KDIGO)
FOUND_BY_EGFR = (0.9, 0.5, 0.2, 0.08, 0.02)  # of each stage, which makes the one in ten of `conditions.csv`
GRADES = {  # from where on it is moderate, and severe
    "obesity": (VERY_OBESE, SEVERELY_OBESE),
    "hypertension": (140, 160),  # mmHg, systolic
    KIDNEY_DISEASE: (-59.5, -29.5),  # of the eGFR, which is rounded, with its sign turned
}
GROUPS = {  # conditions that are a risk together, each named before the last of them is sampled
    "diabetes": ("diabetes_type_1", "diabetes_type_2"),
    "arthritis": (
        *("systemic_lupus", "rheumatoid_arthritis", "gout", "psoriatic_arthritis"),
        *("fibromyalgia", "osteoarthritis"),
    ),
}
EVER = frozenset(
    {"asthma", "depression"}
)  # a risk of what follows though it is over: surveys ask who was ever told of it
OTHER_CAUSE = 1.5  # of dying of what nobody has listed, on the scale of `lethality.csv`
DEAD = "dead"  # those who died have had what is lethal more often
RAMP = 1e-9 * np.arange(len(KNOTS))  # a flat stretch of a curve can be inverted


@dataclass
class Histories:
    """The people as arrays, and what is known of them so far.

    `has` holds, of each risk and condition, who has it now; `onset` and `resolved` the ages (NaN: never).
    `hidden` holds, of conditions that an examination reveals, who has it and nobody knows: `has` is without them.
    """

    draw: Draws
    lives: Lives
    female: Flags
    pressure: Pressure
    bmi: Floats
    has: dict[str, Flags]
    years: float  # of records
    onset: dict[str, Floats] = field(default_factory=dict)
    resolved: dict[str, Floats] = field(default_factory=dict)
    hidden: dict[str, Flags] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.knot = np.clip(np.searchsorted(KNOTS, self.age, side="right") - 1, 0, len(KNOTS) - 2)
        past = (self.age - KNOTS[self.knot]) / (KNOTS[self.knot + 1] - KNOTS[self.knot])
        self.past_knot = np.minimum(past, 1.0)

    @property
    def age(self) -> Floats:
        """Years, at death or on the reference date."""
        return self.lives.age

    def now(self, women: Floats, men: Floats) -> Floats:
        """The height of each person's curve at their age."""
        curves = np.concatenate([women, men])
        place = self.knot + np.where(self.female, 0, len(KNOTS))
        height: Floats = curves[place] + self.past_knot * (curves[place + 1] - curves[place])
        return height


def histories_of(people: pd.DataFrame, lives: Lives, pressure: Pressure, draw: Draws, years: float) -> Histories:
    """Every condition of these PATIENTS; each draws from streams of its own name."""
    histories = before_illness(people, lives, pressure, draw, years)
    for condition in catalogue.conditions():
        add(condition, histories, catalogue.thresholds()[condition.key])
    return histories


def before_illness(people: pd.DataFrame, lives: Lives, pressure: Pressure, draw: Draws, years: float) -> Histories:
    """What is known of people before any condition: race, smoking, weight and pressure."""
    bmi, adult = people["bmi"].to_numpy(), lives.age >= ADULT
    has: dict[str, Flags] = {race: (people["race_ethnicity"] == race).to_numpy() for race in RACES}
    has["smoker"], has["former_smoker"] = ((people["smoking"] == s).to_numpy() for s in ("current", "former"))
    has["overweight"] = (bmi >= OVERWEIGHT) & adult
    has["obese"] = (bmi >= OBESE) & adult
    has["severely_obese"] = (bmi >= SEVERELY_OBESE) & adult
    has["hypertensive"] = pressure.hypertensive
    has[DEAD] = lives.dead
    return Histories(draw, lives, (people["sex"] == "female").to_numpy(), pressure, bmi, has, years)


def add(condition: Condition, histories: Histories, curves: Thresholds) -> None:
    """Let the people fall ill, and well again; what follows may depend on it."""
    sample = _episodes if condition.course == "episode" else _illnesses
    onset, resolved = sample(condition, histories, curves)
    resolved[~(resolved <= histories.age)] = np.nan
    histories.onset[condition.key], histories.resolved[condition.key] = onset, resolved
    histories.has[condition.key] = ~np.isnan(onset) & (np.isnan(resolved) | (condition.key in EVER))
    for group, members in GROUPS.items():
        if condition.key == members[-1]:
            histories.onset[group] = np.fmin.reduce([histories.onset[member] for member in members])
            histories.has[group] = np.logical_or.reduce([histories.has[member] for member in members])


def effect(histories: Histories, effects: dict[str, float], *, illnesses: bool = True) -> Floats:
    """What is added to each person's log odds."""
    total = np.zeros(len(histories.age))
    for factor, log_odds in effects.items():
        if illnesses or factor not in histories.onset:
            total += log_odds * histories.has[factor]
    return total


def possible(condition: Condition, histories: Histories) -> Flags:
    """Who can have it: of the right sex and age, with what it needs, without what excludes it."""
    able = (histories.age >= condition.min_age) & (histories.age <= condition.max_age)
    if condition.sex != "all":
        able &= histories.female == (condition.sex == "female")
    if condition.decided_by:
        able &= histories.has[condition.decided_by]
    if condition.only_with_risk:
        able &= np.logical_or.reduce([histories.has[risk] for risk in condition.risks])
    for risk, odds in condition.risks.items():
        if odds == 0:
            able &= ~histories.has[risk]
    return able


def _illnesses(condition: Condition, histories: Histories, curves: Thresholds) -> tuple[Floats, Floats]:
    """Who falls ill where the curve passes their threshold, and gets well where it falls below it again."""
    uniform = histories.draw(f"condition/{condition.key}")
    now = histories.now(curves.women, curves.men)
    if condition.decided_by:
        uniform = uniform / (1 + np.exp(-now))  # whoever can have it has it
    threshold = _logit(uniform) - effect(histories, curves.effects)
    highest = histories.now(*(np.maximum.accumulate(curve) for curve in curves[:2]))
    ever = np.flatnonzero((threshold < highest) & possible(condition, histories))
    onset, resolved = np.full((2, len(now)), np.nan)
    if condition.course == "remitting":
        well = ever[threshold[ever] >= now[ever]]
        resolved[well] = np.minimum(_recovery(histories, curves, threshold, well), histories.age[well])
    onset[ever] = _when(condition, histories, curves, threshold, ever, np.fmin(resolved, histories.age)[ever])
    if condition.course == "remitting":
        resolved[well] = np.maximum(resolved[well], onset[well])
        return onset, resolved
    onset[threshold >= now] = np.nan
    if condition.course == "passing":
        resolved = onset + _years_until_over(condition, histories)
    return onset, resolved


def _years_until_over(condition: Condition, histories: Histories) -> Floats:
    """An exponential wait of `days` on average, the times between included in which it comes back."""
    wait: Floats = -np.log1p(-histories.draw(f"condition/{condition.key}/over")) * (condition.days or 0) / DAYS_A_YEAR
    return wait


def _when(
    condition: Condition, histories: Histories, curves: Thresholds, threshold: Floats, ill: Any, until: Floats
) -> Floats:
    """The age at onset, before `until`: after the first of the causes that somebody owes it to."""
    known = catalogue.onsets().get(condition.key)
    onset: Floats = _inverse(histories, curves, threshold, ill)
    if known:
        onset = _at_known_ages(known, condition.min_age, until, histories.draw(f"condition/{condition.key}/onset")[ill])
    onset = np.minimum(np.maximum(onset, condition.min_age), histories.age[ill])
    raising = {risk for risk, log_odds in curves.effects.items() if log_odds > 0 or condition.only_with_risk}
    causes = sorted(raising & histories.onset.keys())
    if not causes:
        return onset
    cause: Floats = np.fmin.reduce([histories.onset[risk][ill] for risk in causes])
    own = threshold[ill] + effect(histories, curves.effects)[ill]
    own -= effect(histories, curves.effects, illnesses=False)[ill]
    owed = (own >= histories.now(curves.women, curves.men)[ill]) | condition.only_with_risk
    later = cause + histories.draw(f"condition/{condition.key}/delay")[ill] * (histories.age[ill] - cause)
    after: Floats = np.where(owed & (onset < cause), later, onset)
    return after


def _at_known_ages(known: Onset, youngest: float, until: Floats, uniform: Floats) -> Floats:
    """Ages from a normal distribution, cut off below the youngest age and where each can no longer fall ill."""
    low = ndtr((youngest - known.mean) / known.sd)
    high = np.maximum(ndtr((until - known.mean) / known.sd), low)
    ages: Floats = known.mean + known.sd * ndtri(low + uniform * (high - low))
    return ages


def _inverse(histories: Histories, curves: Thresholds, threshold: Floats, ill: Any) -> Floats:
    """The age at which the curve first reaches the threshold."""
    ages = [np.interp(threshold[ill], np.maximum.accumulate(curve) + RAMP, KNOTS) for curve in curves[:2]]
    reached: Floats = np.where(histories.female[ill], *ages)
    return reached


def _recovery(histories: Histories, curves: Thresholds, threshold: Floats, well: Any) -> Floats:
    """The age after which the curve stays below the threshold."""
    ages = []
    for curve in curves[:2]:
        falling = np.maximum.accumulate(curve[::-1]) + RAMP
        ages.append(np.interp(threshold[well], falling, KNOTS[::-1]))
    left: Floats = np.where(histories.female[well], *ages)
    return left


def _episodes(condition: Condition, histories: Histories, curves: Thresholds) -> tuple[Floats, Floats]:
    """The first of the episodes that come at a yearly rate, and the age at which it is over."""
    age = histories.age
    first = np.maximum(age - max(histories.years, LEAST_YEARS_OF_EPISODES), condition.min_age)
    if condition.only_with_risk:
        first = np.fmax(first, np.fmin.reduce([histories.onset[risk] for risk in condition.risks]))
    first = np.maximum(first, 0.0)
    rate = np.exp(histories.now(curves.women, curves.men) + effect(histories, curves.effects))
    wait = -np.log1p(-histories.draw(f"condition/{condition.key}")) / rate
    onset = np.where((first + wait < age) & possible(condition, histories), first + wait, np.nan)
    days = np.ceil((condition.days or 0) * (0.5 + histories.draw(f"condition/{condition.key}/days")))
    return onset, onset + days / DAYS_A_YEAR


def _logit(uniform: Floats) -> Floats:
    within = np.clip(uniform, 1e-12, 1 - 1e-12)
    log_odds: Floats = np.log(within) - np.log1p(-within)
    return log_odds


# --- the table ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Ill:
    """Who has had a condition, by position, and the age at which it began."""

    condition: Condition
    histories: Histories
    position: NDArray[np.int64]
    onset: Floats

    def draw(self, name: str) -> Floats:
        """A uniform a case."""
        return self.histories.draw(f"condition/{self.condition.key}/{name}")[self.position]


def conditions_table(histories: Histories, people: pd.DataFrame, egfr: Floats) -> pd.DataFrame:
    """CONDITIONS, ordered by id; `egfr` is what the kidneys filter on the last day (mL/min/1.73 m2)."""
    courses = zip(*(_course(condition, histories, egfr) for condition in catalogue.conditions()), strict=True)
    position, number, onset, resolved, known, grade, cause, code = (np.concatenate(column) for column in courses)
    order = np.argsort(position * NUMBERS_A_PATIENT + number)
    position, number = position[order], number[order]
    first = (histories.draw.start + position) * NUMBERS_A_PATIENT
    birth = histories.lives.birth[position]
    columns = {
        "condition_id": ids("C", first + number),
        "patient_id": people["patient_id"].to_numpy()[position],
        "concept_id": _named("mesh")[number],
        "name": _named("name")[number],
        "icd10cm": np.append(_named("icd10cm"), [row.icd10cm for row in catalogue.codes()])[code[order]],
        "onset_date": _dates(birth, onset[order]),
        "diagnosed_date": _dates(birth, known[order]),
        "encounter_id": np.full(len(position), None, dtype=object),
        "resolved_date": _dates(birth, resolved[order]),
        "severity": np.array(["mild", "moderate", "severe"], dtype=object)[grade[order]],
        "complicates": _ids_or_none(first, cause[order]),
    }
    return pd.DataFrame(columns)[list(CONDITIONS.schema.columns)]


def _named(name: str) -> NDArray[Any]:
    return np.array([getattr(condition, name) for condition in catalogue.conditions()], dtype=object)


def _ids_or_none(first: NDArray[Any], number: NDArray[Any]) -> NDArray[Any]:
    """The ids of the conditions with these numbers, None for -1."""
    named = np.full(len(number), None, dtype=object)
    named[number >= 0] = ids("C", (first + number)[number >= 0])
    return named


def _course(condition: Condition, histories: Histories, egfr: Floats) -> tuple[Any, ...]:
    """Of whoever has had the condition: position, number, onset, recovery, diagnosis, severity, cause and code."""
    position = np.flatnonzero(~np.isnan(histories.onset[condition.key]))
    onset, resolved = histories.onset[condition.key][position], histories.resolved[condition.key][position]
    ill, egfr = _Ill(condition, histories, position, onset), egfr[position]
    cause = _cause(ill)
    number = np.full(len(position), condition.number)
    known, grade, code = _diagnosis(ill, resolved, egfr), _grade(ill, egfr), _code(ill, cause, egfr)
    return position, number, onset, resolved, known, grade, cause, code


def _diagnosis(ill: _Ill, resolved: Floats, egfr: Floats) -> Floats:
    """The age at which it is found, between onset and the end or recovery; NaN: nobody has found it."""
    condition, histories, position = ill.condition, ill.histories, ill.position
    found = ill.draw("diagnosed")
    share: Floats | float = condition.diagnosed_percent / 100
    if condition.key == KIDNEY_DISEASE:
        share = np.array(FOUND_BY_EGFR)[np.digitize(egfr, EGFR_STAGES)]
    aware = histories.pressure.aware[position] if condition.key == "hypertension" else found < share
    if condition.key in histories.hidden:
        aware = aware & ~histories.hidden[condition.key][position]
    waited = -np.log1p(-np.minimum(found / share, 1) * 0.98) * condition.delay_days / DAYS_A_YEAR
    room = np.fmin(resolved, histories.age[position]) - ill.onset
    known: Floats = np.where(aware, ill.onset + np.minimum(waited, 0.9 * room), np.nan)
    return known


def _grade(ill: _Ill, egfr: Floats) -> NDArray[np.int8]:
    """0 mild, 1 moderate, 2 severe: by what is measured, if the condition is."""
    condition, histories, position = ill.condition, ill.histories, ill.position
    pressure = histories.pressure.systolic[position]
    measured = {"obesity": histories.bmi[position], "hypertension": pressure, KIDNEY_DISEASE: -egfr}
    if condition.key in measured:
        grade: NDArray[np.int8] = np.digitize(measured[condition.key], GRADES[condition.key]).astype(np.int8)
        return grade
    years = histories.age[position] - ill.onset if condition.course == "chronic" else 0.0
    shifted = ill.draw("severity") + 0.25 * np.minimum(years / LONG, 1)
    return np.digitize(shifted, [MILD, MILD_OR_MODERATE + 0.1]).astype(np.int8)


def _code(ill: _Ill, cause: NDArray[np.int64], egfr: Floats) -> NDArray[np.int64]:
    """The place of each code among those of the catalogue, with those that depend on the case behind them."""
    condition, histories, position = ill.condition, ill.histories, ill.position
    code = np.full(len(position), condition.number)
    measured = {
        "bmi": histories.bmi[position],
        "egfr": egfr,
        "days": np.rint(histories.age[position] * DAYS_A_YEAR) - np.floor(ill.onset * DAYS_A_YEAR),
    }
    for place, row in enumerate(catalogue.codes(), len(catalogue.conditions())):
        if row.condition != condition.key:
            continue
        if row.since is None:
            code[cause == catalogue.by_key()[row.by].number] = place
        else:
            code[measured[row.by] >= row.since] = place
    return code


def _cause(ill: _Ill) -> NDArray[np.int64]:
    """The number of the condition that it complicates, the last to have begun before it; -1: none."""
    cause, since = np.full(len(ill.onset), -1), np.full(len(ill.onset), -np.inf)
    for other in catalogue.conditions():
        if other.key in ill.condition.complicates:
            begun = ill.histories.onset[other.key][ill.position]
            later = (begun <= ill.onset) & (begun > since)
            cause[later], since[later] = other.number, begun[later]
    return cause


def _dates(birth: NDArray[Any], age: Floats) -> NDArray[Any]:
    known = ~np.isnan(age)
    days = np.floor(np.where(known, age, 0) * DAYS_A_YEAR).astype("timedelta64[D]")
    dates: NDArray[Any] = np.where(known, birth + days, np.datetime64("NaT", "D")).astype("datetime64[ns]")
    return dates


# --- death ----------------------------------------------------------------------------------------
def lethal_effect(condition: str) -> dict[str, float]:
    """What having died adds to the log odds of a condition, by its row in `lethality.csv`, if it has one.

    An odds ratio has no direction: as much as the dead have had it more often, whoever has it dies more often.
    """
    listed = {row["condition"]: float(row["weight"]) for row in catalogue.rows("lethality.csv")}
    return {DEAD: float(np.log1p(listed[condition] / OTHER_CAUSE))} if condition in listed else {}


def causes_of_death(histories: Histories) -> NDArray[Any]:
    """The condition each of the dead has died of, drawn by how often it is lethal; None: of something else."""
    dead = np.flatnonzero(histories.lives.dead)
    chosen, weight = np.full(len(dead), -1), np.full(len(dead), OTHER_CAUSE)
    uniform = np.clip(histories.draw("death/cause")[dead], 1e-9, 1)
    weight = weight * -np.log(uniform)
    for row in catalogue.rows("lethality.csv"):
        condition = catalogue.by_key()[row["condition"]]
        present = histories.has[condition.key][dead]
        rate = float(row["weight"]) * -np.log(np.clip(histories.draw(f"death/{condition.key}")[dead], 1e-9, 1))
        likelier = present & (rate > weight)
        chosen[likelier], weight[likelier] = condition.number, rate[likelier]
    causes = np.full(len(histories.age), None, dtype=object)
    causes[dead] = _ids_or_none((histories.draw.start + dead) * NUMBERS_A_PATIENT, chosen)
    return causes
