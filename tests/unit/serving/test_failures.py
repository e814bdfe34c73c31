"""A failure of our own is answered and logged without a word of what was sent, and a slow reading in time."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from clinical_ner.ner.tagger import Sentence, Tagger
from clinical_ner.serving.access import LocalUse
from clinical_ner.serving.api import Api
from clinical_ner.serving.endpoints import AT_ONCE_CHARACTERS, STORE_THREADS, Endpoints
from clinical_ner.serving.logs import EcsFormatter, logger
from clinical_ner.serving.reading import read_note
from clinical_ner.serving.settings import Settings

MARK = "Zyxwvut"


class Faulty:
    """Stands for a tagger that does something else than read."""

    def __init__(self, tagger: Tagger, instead: Callable[[str], Any]) -> None:
        self.manifest, self.concepts, self.knows = tagger.manifest, tagger.concepts, tagger.knows
        self._instead = instead

    def read(self, text: str) -> list[Sentence]:
        self._instead(text)
        return []


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, as it would be written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(EcsFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield written
    logger.removeHandler(handler)


def ask(tagger: Any, shelf: Any, text: str, **settings: Any) -> httpx.Response:
    chosen = Settings(local=True, **settings)
    endpoints = Endpoints(chosen, tagger, shelf)
    api = Api(chosen, LocalUse(), endpoints)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(api)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.post("/extract", json={"text": text})

    try:
        return asyncio.run(send())
    finally:
        endpoints.stop()


def fail(text: str) -> None:
    raise ValueError(f"cannot read {text}")


@pytest.mark.parametrize("repeats", [1, AT_ONCE_CHARACTERS], ids=["at once", "in a thread"])
def test_an_exception_is_answered_500_and_logged_without_its_message(
    tiny: Tagger, shelf: Any, log: io.StringIO, repeats: int
) -> None:
    answer = ask(Faulty(tiny, fail), shelf, MARK * repeats)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (failure,) = [line for line in lines if line["log.level"] == "error"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert failure["error.type"] == "ValueError"
    assert " in fail" in failure["error.stack_trace"]
    assert failure["http.request.id"] == answer.json()["request_id"]
    assert MARK not in log.getvalue() + answer.text


def test_a_reading_that_takes_too_long_is_answered_504(tiny: Tagger, shelf: Any, log: io.StringIO) -> None:
    slow = Faulty(tiny, lambda _: time.sleep(0.5))

    answer = ask(slow, shelf, MARK * AT_ONCE_CHARACTERS, timeout_seconds=0.05, max_note_characters=10**6)

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    assert MARK not in log.getvalue()
    assert shelf.rows == []


def test_a_prediction_is_stored_in_figures_that_the_pipeline_computes_too(tiny: Tagger, shelf: Any) -> None:
    from clinical_ner.monitoring.profiles import profile

    text = f"She has gout and takes insulin. {MARK} has asthma."

    answer = ask(tiny, shelf, text).json()

    (row,) = shelf.rows
    assert {name: row[name] for name in profile(tiny, text)} == profile(tiny, text)
    assert str(row["prediction_id"]) == answer["prediction_id"]
    assert row["diseases"] == sum(entity["label"] == "DISEASE" for entity in answer["entities"]) == 2
    assert row["treatments"] == 1
    assert sum(row["assertions"].values()) == sum(row["sections"].values()) == 3
    assert row["created_at"].tzinfo
    assert MARK not in str(row)


def test_a_line_of_the_log_is_of_the_elastic_common_schema(tiny: Tagger, shelf: Any, log: io.StringIO) -> None:
    answer = ask(tiny, shelf, MARK)

    line = json.loads(log.getvalue().splitlines()[0])
    assert line["http.request.id"] == answer.headers["x-request-id"]
    assert line["url.path"] == "/extract"
    assert line["http.response.status_code"] == 200
    assert line["event.duration"] > 0
    assert {"@timestamp", "log.level", "message", "ecs.version", "service.name", "event.dataset"} <= line.keys()
    assert line["@timestamp"].endswith("Z")


def test_clients_elsewhere_are_refused_in_local_use(tiny: Tagger, shelf: Any) -> None:
    settings = Settings(local=True)
    endpoints = Endpoints(settings, tiny, shelf)
    api = Api(settings, LocalUse(), endpoints)

    async def send(client_address: str) -> int:
        transport = httpx.ASGITransport(api, client=(client_address, 1))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await client.get("/model")).status_code

    found = [asyncio.run(send(address)) for address in ("127.0.0.1", "::1", "10.0.0.7", "172.17.0.1")]
    endpoints.stop()

    assert found == [200, 200, 403, 403]


@pytest.mark.parametrize(
    ("body", "place"),
    [({"text": "x" * 100_001}, "text"), ({"notes": [{"text": "x" * 100_001}]}, "notes.0.text")],
    ids=["a note", "a list of one"],
)
def test_a_note_that_is_too_long_is_named_as_it_was_sent(
    call: Callable[..., httpx.Response], body: Any, place: str
) -> None:
    answer = call("POST", "/extract", json=body)

    assert (answer.status_code, answer.json()["error"]["details"][0]["place"]) == (413, place)


def test_an_answer_never_leaves_out_a_note(
    call: Callable[..., httpx.Response], endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch, shelf: Any
) -> None:
    monkeypatch.setattr(endpoints, "_read_until", lambda _, notes: [read_note(endpoints._tagger, notes[0])])

    answer = call("POST", "/extract", json={"notes": [{"text": "gout " * AT_ONCE_CHARACTERS}] * 2})

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    assert shelf.rows == []


def test_figures_are_given_while_the_store_hangs(call: Callable[..., httpx.Response], endpoints: Endpoints) -> None:
    hanging = threading.Event()
    for _ in range(STORE_THREADS):
        endpoints._storing.submit(hanging.wait, 5)

    start = time.monotonic()
    answer = call("GET", "/metrics")
    seconds = time.monotonic() - start

    hanging.set()
    assert answer.status_code == 200
    assert seconds < 4
