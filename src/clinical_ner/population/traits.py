"""What an examination would measure of the patients now: body, pressure, blood and mood.

A joint model: every trait is a normal score, made of the scores before it, of body and illness and of its own
uniform, turned into a value by a log-normal above a floor. Weights and shifts of waist, pressure, HDL, total
cholesterol and HbA1c were chosen to agree with summary figures of NHANES 2017-2018 (means, spreads, correlations;
`resources/SOURCES.md`), the others are approximate, general knowledge. No person's record was read for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from clinical_ner.core.schema import SEXES
from clinical_ner.population.catalogue import Floats, column, thresholds
from clinical_ner.population.histories import Histories, effect
from clinical_ner.population.kidneys import creatinine, egfr
from clinical_ner.population.pressure import short_tailed

PHQ = "phq9"
PHQ_QUESTIONS = 27  # points at most
# In the comments below "summary" is: chosen to agree with summary figures of NHANES 2017-2018 (`SOURCES.md`), and
# "approximate": general knowledge. A shift without a comment of its own is of the kind of its function.
BMI_MEDIAN, BMI_LOG_SD = 28.0, 0.23  # kg/m2; approximate, what a score of BMI is counted from
# Approximate.
WAIST_BY_RACE = {"nh_black": (-2.0, -4.5), "nh_asian": (-1.9, -2.3), "hispanic": (0.0, -1.6)}  # cm, women and men
FRIEDEWALD_LIMIT = 400  # mg/dl of triglycerides, above which LDL is measured
TAIL = 1e-4  # no score strays further
HIGHEST_HEALTHY = 6.4  # percent of HbA1c, rounded: from 6.5 on it is diabetes (American Diabetes Association)
MOST_UNKNOWN_EXCESS = 3.0  # points of HbA1c above the healthy level of who does not know; approximate


@dataclass
class Examination:
    """The people of `histories`, with the normal scores and the values found so far."""

    histories: Histories
    heavy: Floats  # normal score of BMI
    values: dict[str, Floats] = field(default_factory=dict)

    def own(self, name: str) -> Floats:
        """A standard normal score a person, of the trait's own stream."""
        scores: Floats = ndtri(np.clip(self.histories.draw(f"trait/{name}"), TAIL, 1 - TAIL))
        return scores

    def has(self, name: str) -> Floats:
        """1 for those who have the condition or the risk, else 0."""
        return self.histories.has[name].astype(float)

    def level(self, name: str) -> tuple[Floats, Floats, Floats]:
        """Floor, mean and standard deviation by age and sex."""
        floor, mean, sd = (self._curve(name, part) for part in ("floor", "mean", "sd"))
        return floor, mean, sd

    def _curve(self, name: str, part: str) -> Floats:
        women, men = (
            np.interp(
                self.histories.age,
                column("measurements.csv", "age", trait=name, sex=sex),
                column("measurements.csv", part, trait=name, sex=sex),
            )
            for sex in SEXES
        )
        return np.where(self.histories.female, women, men)

    def value(self, name: str, score: Floats, shift: Floats | float = 0.0) -> Floats:
        """The score as a log-normal above the floor of its trait, about a mean moved by `shift`."""
        floor, mean, sd = self.level(name)
        above = np.maximum(mean + shift - floor, 0.15 * (mean - floor))
        log_sd = np.sqrt(np.log1p((sd / (mean - floor)) ** 2))
        value: Floats = floor + above * np.exp(log_sd * short_tailed(score) - log_sd**2 / 2)
        return value


def traits_of(people: pd.DataFrame, histories: Histories) -> pd.DataFrame:
    """One row a patient: what would be measured on the last day, rounded as the instruments do.

    Centimetres, kilograms, mmHg, mg/dl (HbA1c percent, haemoglobin g/dl, ALT U/l, TSH mIU/l, eGFR
    ml/min/1.73 m2, pulse a minute), points of the PHQ-9. Conditions are not repeated here. A column that ends in
    `_healthy` is the same without diabetes or kidney disease: what was measured before them.
    """
    bmi = people["bmi"].to_numpy()
    heavy = np.clip(np.log(bmi / BMI_MEDIAN) / BMI_LOG_SD, -3, 3) * np.clip(histories.age / 18, 0, 1)
    examination = Examination(histories, heavy)
    body = people[["patient_id", "height_cm", "weight_kg", "bmi"]]
    _waist(examination, people)
    for measure in (_vital_signs, _lipids, _sugar, _kidneys, _blood):
        measure(examination)
    values: dict[str, NDArray[Any]] = {**examination.values, "phq9": _phq9(histories)}
    return body.assign(**values)


def _waist(examination: Examination, people: pd.DataFrame) -> None:
    """About 0.92 correlated with BMI (NHANES); at the same BMI larger in men, in the old and the tall.

    Offsets, slopes on BMI and spread: summary. Age, height and race, and all of children: approximate.
    """
    age, female, bmi = examination.histories.age, examination.histories.female, people["bmi"].to_numpy()
    tall = people["height_cm"].to_numpy() - np.where(female, 161, 175)
    older = 0.13 * np.clip(age - 45, -25, 35)
    frame = np.sum([examination.has(race) * np.where(female, *cm) for race, cm in WAIST_BY_RACE.items()], axis=0)
    adult = np.where(female, 98.0 + 2.02 * (bmi - 29.6), 102.6 + 2.38 * (bmi - 29.4)) + older + 0.3 * tall + frame
    child = (0.44 + 0.2 * np.clip(1 - age / 4, 0, 1)) * people["height_cm"].to_numpy() * np.sqrt(bmi / 17)
    share = np.clip((age - 10) / 10, 0, 1)
    spread = np.where(female, 5.6, 4.6) * examination.own("waist") * (0.4 + 0.6 * share)
    lean = np.minimum(bmi, 22) - 22  # the slope is less steep below a normal weight
    waist = share * (adult + spread - 0.4 * lean * share) + (1 - share) * (child + spread)
    examination.values["waist_cm"] = np.maximum(waist, np.maximum(0.3 * people["height_cm"].to_numpy(), 26)).round(1)


def _vital_signs(examination: Examination) -> None:
    """Pressures are those that hypertension was decided by; the pulse is approximate."""
    pressure = examination.histories.pressure
    examination.values |= {"sbp": pressure.systolic, "dbp": pressure.diastolic}
    pulse = examination.own("pulse") + 0.12 * examination.heavy + 0.25 * examination.has("smoker")
    examination.values["pulse"] = examination.value("pulse", pulse).round()


def _lipids(examination: Examination) -> None:
    """HDL falls with weight, triglycerides rise; LDL is total - HDL - triglycerides / 5 (Friedewald).

    HDL by weight and its own part, total by its parts: summary (correlation of BMI and HDL, means, spreads). Smoking,
    race, diabetes, infarction, stroke (whose total is lower as they are treated) and triglycerides: approximate.
    """
    heavy, has, values = examination.heavy, examination.has, examination.values
    own_hdl, own_tg, own_total = (examination.own(name) for name in ("hdl", "triglycerides", "total_cholesterol"))
    lean = -0.36 * heavy - 0.2 * has("smoker") + 0.25 * has("nh_black") - 0.1 * has("hispanic")
    fat = 0.25 * heavy + 0.15 * has("smoker") - 0.45 * has("nh_black") + 0.1 * has("hispanic")
    fat = fat - 0.42 * own_hdl + 0.82 * own_tg
    for name, sick in (("", 0.35 * has("diabetes")), ("_healthy", 0.0)):
        hdl = (lean - sick + own_hdl * 0.93) / np.sqrt(0.93**2 + 0.36**2)
        values[f"hdl{name}"] = examination.value("hdl", hdl).round()
        values[f"triglycerides{name}"] = examination.value("triglycerides", fat + sick).round()
    total = 0.30 * own_tg + 0.22 * own_hdl + 0.93 * own_total + 0.10 * heavy
    lowered = -14.0 * has("diabetes") - 20.0 * has("myocardial_infarction") - 8.0 * has("stroke")
    least = values["hdl"] + values["triglycerides"] / 5 + 20
    values["total_cholesterol"] = np.maximum(examination.value("total_cholesterol", total, lowered), least).round()
    indirect = values["total_cholesterol"] - values["hdl"] - values["triglycerides"] / 5
    direct = 0.62 * (values["total_cholesterol"] - values["hdl"])
    values["ldl"] = np.where(values["triglycerides"] < FRIEDEWALD_LIMIT, indirect, direct).round()


def _sugar(examination: Examination) -> None:
    """HbA1c of the healthy, of those on the way to diabetes and of diabetics; glucose by the formula of ADAG.

    The slope on weight and the mean and spread of diabetics: summary (correlation of BMI and HbA1c, of age and HbA1c).
    Race, smoking and how many do not know of it: approximate; NCHS Data Brief 516 (2021-2023) has 4.5 % of adults with
    diabetes that nobody has found, by HbA1c or fasting glucose, and here it is about half, by HbA1c alone.
    """
    has, age, own = examination.has, examination.histories.age, examination.own("hba1c")
    raised = 0.09 * has("nh_black") + 0.05 * has("hispanic") + 0.06 * has("nh_asian") + 0.03 * has("smoker")
    healthy = examination.value("hba1c", own + 0.22 * examination.heavy, raised)
    risk = np.exp(0.045 * np.clip(age - 55, -35, 20) + 0.5 * np.clip(examination.heavy, -2, 2))
    untested = (age >= 18) & np.isnan(examination.histories.onset["gestational_diabetes"])
    unknown = (examination.histories.draw("trait/hba1c/unknown") < np.minimum(0.028 * risk, 0.3)) & untested
    excess = np.minimum(unknown * np.exp(-0.4 + 0.7 * examination.own("hba1c/excess")), MOST_UNKNOWN_EXCESS)
    undiagnosed = np.where(untested, healthy + excess, np.minimum(healthy, HIGHEST_HEALTHY))
    diabetic = 4.7 + np.exp(0.78 + 0.55 * own - 0.006 * np.clip(age - 60, -30, 25) + 0.06 * has("hispanic"))
    hba1c = np.where(examination.histories.has["diabetes"], diabetic, undiagnosed)
    # Who has an unusual level today had, before diabetes, the level of anybody of their weight and race.
    other = examination.value("hba1c", examination.own("hba1c/before") + 0.22 * examination.heavy, raised)
    before = np.minimum(np.where(healthy > HIGHEST_HEALTHY, other, healthy), HIGHEST_HEALTHY)
    for name, value in (("", hba1c), ("_healthy", before)):
        value = np.clip(value.round(1), 3.8, 17.0)
        glucose = 28.7 * value - 46.7 - 8 + 9 * examination.own("glucose")
        examination.values |= {f"hba1c{name}": value, f"glucose{name}": np.maximum(glucose, 55).round()}


def _kidneys(examination: Examination) -> None:
    """The filtration rate falls with age and with disease; CKD-EPI 2021 reads it from creatinine. Approximate."""
    has, age, female = examination.has, examination.histories.age, examination.histories.female
    healthy = np.minimum(118 - 0.62 * np.clip(age - 25, 0, 60), 118) + 12 * examination.own("egfr")
    worse = examination.histories.draw("trait/egfr/loss")
    lost = has("chronic_kidney_disease") * (0.12 + 0.38 * worse + 0.35 * worse**8)  # few fail
    rate = np.clip(healthy * (1 - lost), 6, 140)
    serum = np.where(age < 18, 0.25 + 0.03 * age, creatinine(rate, age, female)).round(2)
    found = np.where(age < 18, rate, egfr(serum, age, female))
    examination.values |= {"creatinine": serum, "egfr": found.round()}
    examination.values["egfr_healthy"] = np.clip(healthy, 6, 140).round()


def _blood(examination: Examination) -> None:
    """Haemoglobin, ALT, TSH and uric acid by what raises or lowers them; approximate."""
    has, heavy = examination.has, examination.heavy
    thin = -1.4 * has("iron_deficiency_anemia") - 0.5 * has("chronic_kidney_disease") - 0.45 * has("nh_black")
    haemoglobin = examination.value("haemoglobin", examination.own("haemoglobin"), thin + 0.3 * has("smoker"))
    alt = examination.own("alt") + 0.25 * heavy + 0.7 * has("fatty_liver") + 0.9 * has("hepatitis_c")
    tsh = examination.own("tsh") + 0.8 * has("hypothyroidism") - 1.5 * has("graves_disease")
    acid = examination.own("uric_acid") + 0.3 * heavy + 0.8 * has("gout") + 0.5 * has("chronic_kidney_disease")
    limit = np.where(examination.histories.female, 12.0, 13.0)  # g/dl, WHO
    examination.values |= {
        "haemoglobin": haemoglobin.round(1),
        "low_haemoglobin": (haemoglobin.round(1) < limit).astype(float),
        "alt": np.maximum(examination.value("alt", alt), 4).round(),
        "tsh": np.maximum(examination.value("tsh", tsh), 0.01).round(2),
        "uric_acid": examination.value("uric_acid", acid).round(1),
    }


def _phq9(histories: Histories) -> NDArray[np.int64]:
    """Points of the PHQ-9, graded: proportional odds about the threshold of ten points, all calibrated."""
    curves, steps = thresholds()[PHQ], column("phq9.csv", "log_odds")
    uniform = np.clip(histories.draw(f"trait/{PHQ}"), 1e-9, 1 - 1e-9)
    height = histories.now(curves.women, curves.men) + effect(histories, curves.effects)
    points = np.searchsorted(-steps, height - np.log(uniform / (1 - uniform)), side="right")
    return np.where(histories.age >= 12, np.minimum(points, PHQ_QUESTIONS), 0)
