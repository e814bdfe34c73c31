"""A failure of our own is answered and logged without a word of what was sent, and a slow reading in time."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clinical_ner.ner.tagger import Sentence, Tagger
from clinical_ner.serving import keys
from clinical_ner.serving.access import KeyNeeded, KeyRing, LocalUse
from clinical_ner.serving.api import Api
from clinical_ner.serving.clock import now
from clinical_ner.serving.endpoints import AT_ONCE_CHARACTERS, STORE_THREADS, Endpoints
from clinical_ner.serving.keys import Key, Role
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
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
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


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1"])
def test_clients_on_this_machine_are_answered_in_local_use(call: Callable[..., httpx.Response], address: str) -> None:
    assert call("GET", "/model", client=(address, 1)).status_code == 200


@pytest.mark.parametrize("client", [("10.0.0.7", 1), ("172.17.0.1", 1), ("nonsense", 1), ("", 1), None])
def test_clients_elsewhere_and_nowhere_are_refused_in_local_use(
    call: Callable[..., httpx.Response], client: Any
) -> None:
    answer = call("GET", "/model", client=client)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "local_only")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost:3000", 200), ("127.0.0.1", 200), ("[::1]:3000", 200), ("LocalHost", 200), ("", 403)),
        *(("evil.example", 403), ("localhost.evil.example", 403), ("127.0.0.1.evil.example:3000", 403)),
    ],
)
def test_a_name_that_was_made_to_lead_here_is_refused_in_local_use(
    call: Callable[..., httpx.Response], host: str, status: int
) -> None:
    assert call("GET", "/model", headers={"Host": host}).status_code == status


# --- keys --------------------------------------------------------------------------------------------
@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def admin(file: Path) -> tuple[Key, str]:
    return keys.create(file, "n", [Role.ADMIN], now())


@pytest.fixture
def gate(file: Path, admin: tuple[Key, str]) -> KeyNeeded:  # noqa: ARG001 - the key must be there
    return KeyNeeded(KeyRing(file))


@pytest.mark.parametrize("content", [None, "{"], ids=["gone", "damaged"])
def test_without_a_readable_file_of_keys_nobody_is_let_in_and_the_service_is_not_ready(
    call: Callable[..., httpx.Response],
    gate: KeyNeeded,
    file: Path,
    admin: tuple[Key, str],
    log: io.StringIO,
    content: str | None,
) -> None:
    before = call("GET", "/readyz", gate).status_code
    file.unlink()
    if content:
        file.write_text(content)

    asked = call("GET", "/model", gate, headers={"X-API-Key": admin[1]})
    ready = call("GET", "/readyz", gate)
    alive = call("GET", "/livez", gate)

    assert [asked.json()["error"]["code"], ready.json()["error"]["code"]] == 2 * ["keys_unreadable"]
    assert (before, asked.status_code, ready.status_code, alive.status_code) == (200, 503, 503, 200)
    assert "the file of keys cannot be read" in log.getvalue()


def test_without_its_recorder_a_worker_is_not_ready(call: Callable[..., httpx.Response], endpoints: Endpoints) -> None:
    before = call("GET", "/readyz").status_code
    endpoints._recorder.stop()

    assert (before, call("GET", "/readyz").status_code) == (200, 503)


def test_the_log_tells_where_a_request_came_from_and_whose_revoked_key_it_had(
    call: Callable[..., httpx.Response], gate: KeyNeeded, file: Path, admin: tuple[Key, str], log: io.StringIO
) -> None:
    keys.revoke(file, admin[0].id, now())

    answer = call("GET", "/model", gate, client=("10.0.0.7", 1), headers={"X-API-Key": admin[1]})

    line = json.loads(log.getvalue().splitlines()[-1])
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "key_unknown")
    assert (line["client.ip"], line["user.id"]) == ("10.0.0.7", admin[0].id)


def test_what_a_proxy_says_is_not_logged_unless_it_is_an_address(
    call: Callable[..., httpx.Response], gate: KeyNeeded, admin: tuple[Key, str], log: io.StringIO
) -> None:
    call("GET", "/model", gate, client=(MARK, 0), headers={"X-API-Key": admin[1]})

    assert MARK not in log.getvalue()
    assert "client.ip" not in log.getvalue()


@pytest.mark.parametrize(("size", "closed"), [(10, False), (10**6, True)])
def test_who_may_do_nothing_cannot_go_on_sending(
    call: Callable[..., httpx.Response], gate: KeyNeeded, size: int, closed: bool
) -> None:
    answer = call("POST", "/extract", gate, json={"text": "x" * size})

    assert answer.status_code == 401
    assert (answer.headers.get("connection") == "close") == closed


# --- notes --------------------------------------------------------------------------------------------
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
