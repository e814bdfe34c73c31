"""A tiny model, parameters, and batches of profiles whose distances can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clinical_ner.core.params import DriftParams, TrainParams
from clinical_ner.core.schema import PROFILES
from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.profiles import FIGURES
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Example, train

LEARNT = [
    Example(["She", "has", disease, "and", "takes", drug, "."], ["O", "O", "B-DISEASE", "O", "O", "B-TREATMENT", "O"])
    for disease, drug in (("asthma", "aspirin"), ("gout", "insulin"), ("pneumonia", "metformin"))
]
GROUPS = ("word", "affix", "shape", "context", "gazetteer")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    """A model of three sentences; read only."""
    path: Path = tmp_path_factory.mktemp("model") / "tiny.crfsuite"
    knobs = {"seed": 1, "c1": 0.0, "c2": 0.01, "max_iterations": 30, "min_frequency": 0, "annotated_weight": 1.0}
    knobs |= {"gazetteer_dropout": 0.0}
    train(LEARNT, [], TrainParams(**knobs, feature_groups=GROUPS), path, {})
    return Tagger.load(path)


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
