"""Parameters, and batches of profiles whose distances can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clinical_ner.core.params import DriftParams
from clinical_ner.core.schema import PROFILES
from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.profiles import FIGURES


@pytest.fixture
def knobs() -> DriftParams:
    rates = {"warn_false_alarms": 0.05, "drift_false_alarms": 0.005}
    return DriftParams(seed=1, min_notes=200, current_share=0.4, resamples=200, **rates)


@pytest.fixture(scope="session")
def batch() -> pd.DataFrame:
    """Three hundred profiles; every figure has a spread, and room to move."""
    draws = {name: stream(5, name).random(300) for name in FIGURES}
    counts = {name: np.round(draws.pop(name) * 500 + 50).astype("int64") for name in ("characters", "tokens")}
    rates = {name: 0.3 + 0.2 * values for name, values in draws.items()}
    dates = pd.Series(pd.Timestamp("2024-01-01"), index=range(300))
    frame = pd.DataFrame({"note_id": [f"N{n:09}" for n in range(300)], "written_on": dates, **counts, **rates})
    PROFILES.schema.validate(frame)
    return frame
