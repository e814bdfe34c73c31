"""What the patients have had, and since when.

One uniform a person and condition says both whether and when: the prevalence by age is a curve, and the
onset is the age at which the curve, raised by the person's risks, passes the uniform. A share of people
that grows with age is so, in every cohort, people falling ill at an age. Episodes are waited for at a
yearly rate over the last `YEARS_OF_EPISODES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.core.schema import CONDITIONS
from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import KNOTS, Condition, Floats
from clinical_ner.population.draws import Draws
from clinical_ner.population.people import DAYS_A_YEAR, lives

YEARS_OF_EPISODES = 3.0
ADULT = 18
OBESE = 30  # kg/m2
NUMBERS_A_PATIENT = 1000  # ids are position * 1000 + row of the resource, whoever else is sampled


@dataclass
class Histories:
    """The people as arrays, and what is known of them so far.

    `onset` holds, of each condition, the age at onset (NaN: never had it); `has`, of each risk, who has
    it; `share` its expected share of people at the ages of `KNOTS`, by which risks are averaged out.
    """

    draw: Draws
    age: Floats
    female: NDArray[np.bool_]
    has: dict[str, NDArray[np.bool_]]
    share: dict[str, Floats]
    onset: dict[str, Floats] = field(default_factory=dict)


def sample_conditions(people: pd.DataFrame, draw: Draws, reference_date: date) -> pd.DataFrame:
    """CONDITIONS of these PATIENTS, ordered by id; each condition draws from streams of its own name."""
    histories = _histories(people, draw, reference_date)
    birth = lives(people, reference_date).birth
    catalog = catalogue.conditions()
    courses = [_course(condition, histories) for condition in catalog]
    onset, resolved = (np.stack(ages, axis=1) for ages in zip(*courses, strict=True))  # a row a person
    position, number = np.nonzero(~np.isnan(onset))
    columns = {
        "condition_id": np.array(
            [f"C{row:010d}" for row in (draw.start + position) * NUMBERS_A_PATIENT + number], dtype=object
        ),
        "patient_id": people["patient_id"].to_numpy()[position],
        "concept_id": np.array([condition.mesh for condition in catalog], dtype=object)[number],
        "name": np.array([condition.name for condition in catalog], dtype=object)[number],
        "icd10cm": np.array([condition.icd10cm for condition in catalog], dtype=object)[number],
        "onset_date": _dates(birth[position], onset[position, number]),
        "diagnosed_date": _dates(birth[position], onset[position, number]),
        "encounter_id": np.full(len(position), None, dtype=object),
        "resolved_date": _dates(birth[position], resolved[position, number]),
        "severity": np.full(len(position), "moderate", dtype=object),
        "complicates": np.full(len(position), None, dtype=object),
    }
    return pd.DataFrame(columns)[list(CONDITIONS.schema.columns)]


def _histories(people: pd.DataFrame, draw: Draws, reference_date: date) -> Histories:
    age = lives(people, reference_date).age
    has = {race: (people["race_ethnicity"] == race).to_numpy() for race, _ in _races()}
    has["smoker"] = (people["smoking"] == "current").to_numpy()
    has["obese"] = (people["bmi"] >= OBESE).to_numpy() & (age >= ADULT)
    share = {race: np.full(len(KNOTS), percent / 100) for race, percent in _races()}
    ages = catalogue.column("rates_by_age.csv", "age")
    for trait in ("smoker", "obese"):
        share[trait] = np.interp(KNOTS, ages, catalogue.column("rates_by_age.csv", f"{trait}_percent")) / 100
    return Histories(draw, age, (people["sex"] == "female").to_numpy(), has, share)


def _races() -> Iterator[tuple[str, float]]:
    for row in catalogue.rows("race_ethnicity.csv"):
        yield row["race_ethnicity"], float(row["percent"])


def _course(condition: Condition, histories: Histories) -> tuple[Floats, Floats]:
    """Ages at onset and at resolution, NaN for never; remembers both as a risk of what follows."""
    curve = np.array(condition.percent) / 100
    base = curve / _expected(condition, histories.share)
    if condition.course == "chronic":
        base = np.maximum.accumulate(base)
    sample = _episodes if condition.course == "episode" else _illnesses
    onset, resolved = sample(condition, histories, base)
    resolved = np.where(resolved <= histories.age, resolved, np.nan)
    histories.onset[condition.key] = onset
    histories.has[condition.key] = ~np.isnan(onset)
    histories.share[condition.key] = curve
    return onset, resolved


def _expected(condition: Condition, share: dict[str, Floats]) -> Floats:
    """The mean of everybody's multiplier at the ages of `KNOTS`; risks add up, so it is exact."""
    least = 0.0 if condition.only_with_risk else 1.0
    excess = [(k - least) * share[risk] for risk, k in condition.risks.items() if k > 0]
    mean: Floats = least + np.sum([np.zeros(len(KNOTS)), *excess], axis=0)
    return np.maximum(mean, 1e-9)  # where nobody has a risk, nobody has what needs one


def _multiplier(condition: Condition, histories: Histories, *, illnesses: bool = True) -> Floats:
    """How much likelier each person is to have it; 0 for the wrong sex and for what excludes it."""
    least = 0.0 if condition.only_with_risk else 1.0
    factor = np.full(len(histories.age), least)
    for risk, k in condition.risks.items():
        if k > 0 and (illnesses or risk not in histories.onset):
            factor += (k - least) * histories.has[risk]
    for risk in (risk for risk, k in condition.risks.items() if k == 0):
        factor[histories.has[risk]] = 0.0
    multiplier: Floats = factor * _sex_factor(condition, histories.female)
    return multiplier


def _sex_factor(condition: Condition, female: NDArray[np.bool_]) -> Floats:
    if condition.sex != "all":
        return np.where(female == (condition.sex == "female"), 1.0, 0.0)
    women_to_men = condition.female_male_ratio
    return np.where(female, 2 * women_to_men / (1 + women_to_men), 2 / (1 + women_to_men))


def _illnesses(condition: Condition, histories: Histories, base: Floats) -> tuple[Floats, Floats]:
    """Who falls ill where the curve passes their threshold, and gets well where it falls below it again."""
    age, peak = histories.age, int(np.argmax(base))
    uniform = histories.draw(f"condition/{condition.key}")
    if condition.decided_by:
        uniform = np.where(histories.has[condition.decided_by], uniform * np.interp(age, KNOTS, base), np.inf)
    threshold = _over(uniform, _multiplier(condition, histories))
    own = _over(uniform, _multiplier(condition, histories, illnesses=False))
    onset = np.maximum(_rising(threshold, base[: peak + 1]), condition.min_age)
    resolved = _falling(threshold, base[peak:])
    onset = _after_causes(condition, histories, onset, _rising(own, base[: peak + 1]))
    has = (onset <= age) & (age <= condition.max_age) & (onset < resolved)
    return np.where(has, onset, np.nan), np.where(has, resolved, np.nan)


def _after_causes(condition: Condition, histories: Histories, onset: Floats, own: Floats) -> Floats:
    """A case that is owed to another illness starts between that illness and the end, not before it."""
    causes = [histories.onset[risk] for risk, k in condition.risks.items() if risk in histories.onset and k > 0]
    if not causes:
        return onset
    cause = np.fmin.reduce(causes)
    later = cause + histories.draw(f"condition/{condition.key}/delay") * (histories.age - cause)
    owed = (own > histories.age) & (onset <= histories.age) & (onset < cause)
    return np.where(owed, later, onset)


def _episodes(condition: Condition, histories: Histories, base: Floats) -> tuple[Floats, Floats]:
    """The first of the episodes that come at a yearly rate, and the age at which it is over."""
    age = histories.age
    first = np.maximum(age - YEARS_OF_EPISODES, condition.min_age)
    if condition.only_with_risk:
        first = np.fmax(first, np.fmin.reduce([histories.onset[risk] for risk in condition.risks]))
    first = np.maximum(first, 0.0)
    rate = np.interp(age, KNOTS, base) * _multiplier(condition, histories)
    onset = first + _over(-np.log1p(-histories.draw(f"condition/{condition.key}")), rate)
    onset = np.where(onset < np.minimum(age, condition.max_age), onset, np.nan)
    days = np.ceil((condition.days or 0) * (0.5 + histories.draw(f"condition/{condition.key}/days")))
    return onset, onset + days / DAYS_A_YEAR


def _over(uniform: Floats, factor: Floats) -> Floats:
    """The quotient, infinite where the factor is 0: never."""
    quotient: Floats = np.divide(uniform, factor, out=np.full(len(uniform), np.inf), where=factor > 0)
    return quotient


def _rising(threshold: Floats, curve: Floats) -> Floats:
    """The age at which the rising part of a curve reaches the threshold, infinite if it never does."""
    return np.where(
        threshold < curve[-1], np.interp(threshold, np.maximum.accumulate(curve), KNOTS[: len(curve)]), np.inf
    )


def _falling(threshold: Floats, curve: Floats) -> Floats:
    """The age at which the falling part of a curve is down to the threshold, infinite if it stays above."""
    ages = KNOTS[len(KNOTS) - len(curve) :]
    return np.where(threshold < curve[-1], np.inf, np.interp(threshold, np.maximum.accumulate(curve[::-1]), ages[::-1]))


def _dates(birth: NDArray[Any], age: Floats) -> NDArray[Any]:
    known = ~np.isnan(age)
    days = np.floor(np.where(known, age, 0) * DAYS_A_YEAR).astype("timedelta64[D]")
    dates: NDArray[Any] = np.where(known, birth + days, np.datetime64("NaT", "D")).astype("datetime64[ns]")
    return dates
