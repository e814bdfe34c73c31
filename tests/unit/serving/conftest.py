"""The API in this process, over a tagger of three sentences and a store that can be told to fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from clinical_ner.core.params import TrainParams
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Example, train
from clinical_ner.serving.access import LocalUse
from clinical_ner.serving.api import Api
from clinical_ner.serving.endpoints import Endpoints
from clinical_ner.serving.settings import Settings

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
        self.failure: type[Exception] | None = None

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


@pytest.fixture
def endpoints(tiny: Tagger, shelf: Shelf) -> Iterator[Endpoints]:
    running = Endpoints(Settings(local=True), tiny, shelf)  # type: ignore[arg-type]
    yield running
    running.stop()


@pytest.fixture
def call(endpoints: Endpoints) -> Callable[..., httpx.Response]:
    """Asks the API for local use as httpx would; `gate` and `client` stand for another one and for somebody else."""

    def ask(method: str, path: str, gate: Any = None, client: Any = ("127.0.0.1", 1), **request: Any) -> httpx.Response:
        api = Api(Settings(local=True), gate or LocalUse(), endpoints)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(api, client=client)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
                return await asking.request(method, path, **request)

        return asyncio.run(send())

    return ask
