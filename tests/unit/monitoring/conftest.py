"""Parameters, and batches of profiles whose distances can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clinical_ner.core.figures import COUNTS, FIGURES
from clinical_ner.core.params import DriftParams, DriftPolicy
from clinical_ner.core.schema import PROFILES
from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.drift import Thresholds, calibrate


@pytest.fixture(scope="session")
def knobs() -> DriftParams:
    policy = {"none": ["log"], "watch": ["log", "watch"], "alert": ["log", "alert", "retrain"]}
    return DriftParams(
        seed=1,
        reference_patients=10,
        windows=(100, 150),
        resamples=200,
        splits=5,
        watch_false_alarms=0.05,
        alert_false_alarms=0.005,
        min_judged=3,
        agreement_confidence=0.95,
        watch_agreement=0.85,
        alert_agreement=0.75,
        policy=DriftPolicy.model_validate(policy),
    )


@pytest.fixture(scope="session")
def batch() -> pd.DataFrame:
    """Three hundred profiles of a hundred patients; every figure has a spread, and room to move."""
    draws = {name: stream(5, name).random(300) for name in FIGURES}
    counts = {name: np.round(draws.pop(name) * 500 + 50).astype("int64") for name in COUNTS}
    rates = {name: 0.3 + 0.2 * values for name, values in draws.items()}
    labels = {"note_id": [f"N{n:09}" for n in range(300)], "patient_id": [f"P{n // 3:07}" for n in range(300)]}
    dates = pd.Series(pd.Timestamp("2024-01-01"), index=range(300))
    return PROFILES.schema.validate(pd.DataFrame({**labels, "written_on": dates, **counts, **rates}))


@pytest.fixture(scope="session")
def thresholds(batch: pd.DataFrame, knobs: DriftParams) -> list[Thresholds]:
    return calibrate(batch, knobs)
