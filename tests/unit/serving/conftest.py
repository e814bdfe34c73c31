"""The API in this process, over a tagger of three sentences and a store that can be told to fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving.access import LocalUse
from clinical_ner.serving.api import Api
from clinical_ner.serving.endpoints import Endpoints
from clinical_ner.serving.settings import Settings

os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)


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

    def last_run(self) -> None:
        """Nobody has monitored yet."""

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
