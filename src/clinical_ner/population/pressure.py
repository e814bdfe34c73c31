"""Blood pressure, and who has hypertension: measured as such, or treated down from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from clinical_ner.core.schema import SEXES
from clinical_ner.population.catalogue import KNOTS, Floats, Thresholds, column
from clinical_ner.population.draws import Draws
from clinical_ner.population.people import ADULT, Lives
from clinical_ner.population.timeline import Flags

CONTROLLED_HYPERTENSION = "controlled_hypertension"  # its key in the thresholds

SYSTOLIC_HIGH, DIASTOLIC_HIGH = 130, 80  # mmHg, of stage 1 hypertension (ACC/AHA 2017)
TOGETHER = 0.5  # correlation of systolic and diastolic pressure at an age
BMI_MEDIAN, BMI_LOG_SD = 28.0, 0.22
BY_BMI = (0.10, 0.20)  # how many standard deviations of pressure go with one of BMI
BLACK_HIGHER = (4.5, 2.5)  # mmHg
TREATED_IF_HIGH = ((20, 40, 60, 80), (0.08, 0.27, 0.45, 0.55))  # ages, share of those still high
AWARE_UNTREATED = 0.17  # NCHS Data Brief 511: 59.2 % aware, 51.2 % treated
TAIL, TAIL_FROM = 1e-4, 2.5


@dataclass(frozen=True)
class Pressure:
    """Millimetres of mercury as measured now; who has hypertension, is treated for it, knows of it."""

    systolic: Floats
    diastolic: Floats
    hypertensive: Flags
    treated: Flags
    aware: Flags


def pressure_of(people: pd.DataFrame, lives: Lives, controlled: Thresholds, draw: Draws) -> Pressure:
    """The pressure of these PATIENTS; `controlled` is the log odds that one that is not high is a treated one."""
    age, female = lives.age, (people["sex"] == "female").to_numpy()
    systolic, diastolic = measured(people, age, female, draw)
    high = ((systolic >= SYSTOLIC_HIGH) | (diastolic >= DIASTOLIC_HIGH)) & (age >= ADULT)
    normalised = (
        draw("pressure/controlled") < expit(controlled_log_odds(people, age, female, systolic, controlled))
    ) & ~high
    normalised &= age >= ADULT
    treated = normalised | (high & (draw("pressure/treated") < np.interp(age, *TREATED_IF_HIGH)))
    hypertensive = high | treated
    aware = treated | (hypertensive & (draw("pressure/aware") < AWARE_UNTREATED))
    return Pressure(systolic, diastolic, hypertensive, treated, aware)


def controlled_log_odds(
    people: pd.DataFrame, age: Floats, female: Flags, systolic: Floats, controlled: Thresholds
) -> Floats:
    """That somebody whose pressure is not high is treated, by age, sex, race and how high it nearly is."""
    base = np.where(female, np.interp(age, KNOTS, controlled.women), np.interp(age, KNOTS, controlled.men))
    for race, log_odds in controlled.effects.items():
        base = base + log_odds * (people["race_ethnicity"] == race).to_numpy()
    total: Floats = base + nearly_high(people, systolic)
    return total


def nearly_high(people: pd.DataFrame, systolic: Floats) -> Floats:
    """What weight and a pressure short of the limit add to the log odds of being treated."""
    heavy = np.clip(people["bmi"].to_numpy() - BMI_MEDIAN, -10, 15)
    log_odds: Floats = 0.03 * np.clip(systolic - 115, -25, 15) + 0.06 * heavy
    return log_odds


def measured(people: pd.DataFrame, age: Floats, female: Flags, draw: Draws) -> tuple[Floats, Floats]:
    """Systolic and diastolic pressure: log-normal above a floor, by age, sex, race and BMI."""
    one, other = (ndtri(np.clip(draw(name), TAIL, 1 - TAIL)) for name in ("pressure/systolic", "pressure/diastolic"))
    other = TOGETHER * one + np.sqrt(1 - TOGETHER**2) * other
    heavy = np.clip(np.log(people["bmi"].to_numpy() / BMI_MEDIAN) / BMI_LOG_SD, -2.5, 2.5)
    black = (people["race_ethnicity"] == "nh_black").to_numpy()
    values: list[Floats] = []
    for name, floor, normal, slope, raised in (
        ("systolic", 88.0, one, BY_BMI[0], BLACK_HIGHER[0]),
        ("diastolic", 20.0, other, BY_BMI[1], BLACK_HIGHER[1]),
    ):
        mean, sd = (_by_sex(f"{name}_{part}", age, female) for part in ("mean", "sd"))
        least = np.minimum(floor, mean - 22)  # of children
        shifted = (normal + slope * heavy * (age >= ADULT)) / np.sqrt(1 + slope**2)
        shifted = short_tailed(shifted)
        log_sd = np.sqrt(np.log1p((sd / (mean - least)) ** 2))
        pressure: Any = least + (mean - least) * np.exp(log_sd * shifted - log_sd**2 / 2) + raised * black
        values.append(pressure.round())
    systolic, diastolic = values
    lower: Floats = np.minimum(diastolic, systolic - 15)
    return systolic, lower


def short_tailed(score: Floats) -> Floats:
    """A normal score of which what lies beyond `TAIL_FROM` counts half: a log-normal has too long a tail."""
    within = np.clip(score, -TAIL_FROM, TAIL_FROM)
    shortened: Floats = within + (score - within) / 2
    return shortened


def _by_sex(name: str, age: Floats, female: Flags) -> Floats:
    curves = (
        np.interp(age, column("pressure.csv", "age", sex=sex), column("pressure.csv", name, sex=sex)) for sex in SEXES
    )
    return np.where(female, *curves)
