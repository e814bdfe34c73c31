"""A tiny model, for the layers above the tagger."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinical_ner.core.params import TrainParams
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Example, train

LEARNT = [
    Example(["She", "has", disease, "and", "takes", drug, "."], ["O", "O", "B-DISEASE", "O", "O", "B-TREATMENT", "O"])
    for disease, drug in (("asthma", "aspirin"), ("gout", "insulin"), ("pneumonia", "metformin"))
]
KNOBS = {"seed": 1, "c1": 0.0, "c2": 0.01, "min_frequency": 0, "annotated_weight": 1.0, "gazetteer_dropout": 0.0}
KNOBS |= {"rehearsed_sentences": 0}
GROUPS = ("word", "affix", "shape", "context", "gazetteer")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three sentences; read only."""
    path: Path = tmp_path_factory.mktemp("model") / "tiny.crfsuite"
    train(LEARNT, [], TrainParams(**KNOBS, max_iterations=30, feature_groups=GROUPS), path, {})
    return path


@pytest.fixture(scope="session")
def tiny(tiny_model: Path) -> Tagger:
    """The tagger of the model of three sentences."""
    return Tagger.load(tiny_model)
