"""What creatinine says of the kidneys, and the other way round."""

from __future__ import annotations

import numpy as np

from clinical_ner.population.timeline import Flags, Floats


def egfr(serum_creatinine: Floats, age: Floats, female: Flags) -> Floats:
    """CKD-EPI 2021 without race, in mL/min/1.73 m2 (Inker et al., N Engl J Med 2021;385:1737)."""
    kappa, alpha = np.where(female, 0.7, 0.9), np.where(female, -0.241, -0.302)
    ratio = serum_creatinine / kappa
    rate: Floats = 142 * np.minimum(ratio, 1) ** alpha * np.maximum(ratio, 1) ** -1.2 * _of_age(age, female)
    return rate


def creatinine(rate: Floats, age: Floats, female: Flags) -> Floats:
    """The serum creatinine (mg/dL) that gives this eGFR: the inverse of `egfr`."""
    kappa, alpha = np.where(female, 0.7, 0.9), np.where(female, -0.241, -0.302)
    relative = rate / (142 * _of_age(age, female))
    found: Floats = kappa * np.where(relative >= 1, relative ** (1 / alpha), relative ** (-1 / 1.2))
    return found


def _of_age(age: Floats, female: Flags) -> Floats:
    factor: Floats = 0.9938**age * np.where(female, 1.012, 1.0)
    return factor
