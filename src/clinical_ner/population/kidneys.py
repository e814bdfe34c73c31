"""How well the kidneys filter at the end of each record: by age, and by the severity of a kidney disease."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from clinical_ner.population.chart import Cases, People
from clinical_ner.population.timeline import Floats

YOUNG_RATE, YOUNG, LOSS = 108.0, 25.0, 0.75  # mL/min/1.73 m2 up to an age, and lost in every year from then on
SPREAD = 11.0  # mL/min/1.73 m2, between people of an age
HEALTHY = 60.0  # at least, without kidney disease
DISEASED = ((52.0, 74.0), (38.0, 56.0), (12.0, 38.0))  # from and to, by severity
DISEASE = "chronic_kidney_disease"
NOT_STARTED_BELOW = 45.0  # what the kidneys excrete is begun from here on, and never below 30


def filtration_rates(people: People, cases: Cases) -> Floats:
    """The eGFR (mL/min/1.73 m2) of everybody."""
    age = people.age(np.arange(people.size), people.end)
    uniform = people.draw("kidneys")
    rate = YOUNG_RATE - LOSS * np.maximum(age - YOUNG, 0) + SPREAD * ndtri(np.clip(uniform, 0.001, 0.999))
    rate = np.maximum(rate, HEALTHY + 5 * uniform)
    case = cases.of([DISEASE])
    ill = cases.patient[case]
    low, high = np.array(DISEASED)[cases.severity[case]].T
    rate[ill] = low + uniform[ill] * (high - low)
    return np.round(rate)
