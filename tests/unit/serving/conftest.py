"""The API in this process, over a tagger of three sentences and a store that can be told to fail."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core.params import TrainParams
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Example, train
from clinical_ner.serving.store import RejectedError, StoreDownError

os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
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


class Shelf:
    """Stands for a store: keeps rows in a list, or fails as told."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []
        self.failure: type[StoreDownError] | type[RejectedError] | None = None

    def add_predictions(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if self.failure:
            raise self.failure("as told")
        self.rows += rows

    def add_feedback(self, row: Mapping[str, Any]) -> bool:
        self.add_predictions([row])
        return True

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()
