"""No text of a note is in any log, metric, error or row but where the user sent it to be kept: marked text over every
path, failures included, and then everything that was written is searched for the mark.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from tests.service.stored import eventually

from clinical_ner.serving import local
from clinical_ner.serving.local import Server

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"
MARK = "Zyxwvut"  # stands for a patient's words
KEPT = "Keepmee"  # in a text that the user sent to be kept
NOTE = f"{MARK} has asthma. {MARK} takes albuterol."
BODIES: dict[str, Any] = {
    "a note": json.dumps({"text": NOTE, "id": MARK}),
    "notes": json.dumps({"notes": [{"text": NOTE, "id": MARK}] * 2}),
    "a long note": json.dumps({"text": NOTE * 100}),
    "a note that is too long": json.dumps({"text": MARK * 900}),
    "too many notes": json.dumps({"notes": [{"text": MARK}] * 4}),
    "an extra field": json.dumps({"text": MARK, MARK: MARK}),
    "an extra field in a list": json.dumps({"notes": [{"text": MARK, MARK: {MARK: [MARK]}}]}),
    "text a list": json.dumps({"text": [MARK]}),
    "text an object": json.dumps({"text": {MARK: MARK}}),
    "an id that is too long": json.dumps({"text": MARK, "id": MARK * 100}),
    "a list": json.dumps([{"text": MARK}]),
    "a string": json.dumps(MARK),
    "JSON that breaks off": f'{{"text": "{MARK}',
    "not JSON": MARK,
    "half a surrogate pair": f'{{"text": "{MARK} \\ud800"}}',
    "not UTF-8": f'{{"text": "{MARK}'.encode() + b'\xff"}',
    "a body that is too large": json.dumps({"text": MARK * 5000}),
    "a rating with text": json.dumps({"prediction_id": str(uuid4()), "rating": MARK}),
    "spans with text": json.dumps({"prediction_id": str(uuid4()), "spans": [{"start": 0, "end": 1, "label": MARK}]}),
    "feedback to text": json.dumps({"prediction_id": MARK, "feedback_id": MARK, "rating": 1}),
    "feedback with a text that cannot be kept": json.dumps(
        {"prediction_id": str(uuid4()), "rating": 1, "text": f"{MARK}\0"}
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marked")


@pytest.fixture(scope="module")
def marked(model_path: Path, home: Path, secrets: dict[str, str]) -> Iterator[Server]:
    limits = {"CLINICAL_NER_MAX_BODY_BYTES": "20000", "CLINICAL_NER_MAX_NOTE_CHARACTERS": "6000"}
    limits |= {"CLINICAL_NER_MAX_NOTES": "3", "CLINICAL_NER_LOG_LEVEL": "debug"}
    settings = {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_KEYS": secrets["file"], **limits}
    with local.running(SERVICE, ROOT, home, **settings) as running:
        yield running


def everything_asked(server: Server, key: str) -> list[httpx.Response]:
    """Marked text in the body, the path, the query and the headers of requests to every path."""
    json_type = {"Content-Type": "application/json", "X-API-Key": key}
    answers = [
        httpx.post(server.url + path, content=body, headers=json_type, timeout=30)
        for path in ("/extract", "/extract/fhir", "/feedback")
        for body in BODIES.values()
    ]
    elsewhere = [
        ("POST", "/extract", {"Content-Type": "text/plain", "X-API-Key": key}),
        ("POST", "/extract", {"Content-Type": f"application/{MARK}", "X-API-Key": key}),
        ("POST", "/extract", {"Content-Type": "application/json", "X-API-Key": MARK}),
        ("POST", "/extract", {"Content-Type": "application/json", "Authorization": f"Bearer {MARK}"}),
        ("POST", "/extract", {"Content-Type": "application/json", "Authorization": f"{MARK} {MARK}"}),
        ("POST", f"/extract?text={MARK}", {**json_type, "X-Request-ID": f"{MARK} {MARK}", "User-Agent": MARK}),
        ("POST", "/extract", {**json_type, "X-Request-ID": MARK}),
        ("POST", f"/{MARK}", json_type),
        ("GET", f"/page/{MARK}", {"X-API-Key": key}),
        ("GET", f"/model?note={quote(NOTE)}", {"X-API-Key": key, "Referer": f"http://x/{MARK}"}),
        ("DELETE", f"/extract/{MARK}", {"X-API-Key": key}),
        ("PUT", "/feedback", json_type),
    ]
    answers += [
        httpx.request(method, server.url + path, content=NOTE, headers=headers, timeout=30)
        for method, path, headers in elsewhere
    ]
    return answers


def tables(home: Path) -> list[Any]:
    with sqlite3.connect(home / "store.sqlite") as connection:
        return [*connection.execute("SELECT * FROM predictions"), *connection.execute("SELECT * FROM feedback")]


def files_with(word: str, home: Path) -> set[str]:
    return {path.name for path in home.rglob("*") if path.is_file() and word.encode() in path.read_bytes()}


def ask(server: Server, path: str, body: Any, key: str) -> httpx.Response:
    return httpx.post(server.url + path, json=body, headers={"X-API-Key": key}, timeout=30)


def feedback(text: str) -> dict[str, Any]:
    return {"feedback_id": str(uuid4()), "prediction_id": str(uuid4()), "rating": 5, "text": f"{text} has asthma."}


@contextmanager
def no_feedback_fits(home: Path) -> Iterator[None]:
    """The store is up and refuses every row of feedback: nothing that the service expects."""
    refusal = "CREATE TRIGGER refusal BEFORE INSERT ON feedback BEGIN SELECT RAISE(ABORT, 'refused'); END"
    with closing(sqlite3.connect(home / "store.sqlite")) as connection:
        connection.execute(refusal)
        yield
        connection.execute("DROP TRIGGER refusal")


def half_sent(server: Server, key: str) -> HTTPConnection:
    """A connection over which a part of a note has gone, of which more was promised."""
    address = httpx.URL(server.url)
    connection = HTTPConnection(address.host, address.port, timeout=30)
    headers = {"Content-Type": "application/json", "Content-Length": "1000", "X-API-Key": key}
    connection.request("POST", "/extract", json.dumps({"text": NOTE}), headers)
    return connection


def answer_over(connection: HTTPConnection) -> httpx.Response:
    with closing(connection):
        found = connection.getresponse()
        return httpx.Response(found.status, headers=found.getheaders(), content=found.read())


def assert_unmarked(answers: Sequence[httpx.Response], server: Server, key: str) -> None:
    """The mark is in no answer that is an error, no header, no figure and no file, of which the log is one."""
    scraped = httpx.get(f"{server.url}/metrics", headers={"X-API-Key": key}).text

    assert [answer.text for answer in answers if answer.is_error and MARK in answer.text] == []
    assert not any(MARK in value for answer in answers for value in answer.headers.values())
    assert MARK not in scraped
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert len([line for line in lines if line.get("event.dataset")]) >= len(answers)
    assert files_with(MARK, server.log.parent) == set()


def test_no_marked_text_is_anywhere(marked: Server, home: Path, secrets: dict[str, str]) -> None:
    answers = everything_asked(marked, secrets["admin"])
    kept = feedback(KEPT)
    ask(marked, "/feedback", kept, secrets["admin"])
    taken = ask(marked, "/feedback", kept | {"text": NOTE}, secrets["admin"])
    with no_feedback_fits(home):
        failed = ask(marked, "/feedback", feedback(MARK), secrets["admin"])

    statuses = {answer.status_code for answer in answers}
    assert {200, 400, 401, 404, 405, 413, 415} <= statuses
    assert max(statuses) < 500
    assert (taken.status_code, failed.status_code) == (409, 500)
    assert_unmarked([*answers, taken, failed], marked, secrets["admin"])
    assert {name.partition("-")[0] for name in files_with(KEPT, home)} <= {"store.sqlite"}


def test_no_marked_text_is_anywhere_when_the_service_is_busy_or_its_store_is_out_of_reach(
    model_path: Path, tmp_path: Path, secrets: dict[str, str]
) -> None:
    nowhere = f"postgresql+psycopg://nobody:secret@127.0.0.1:{local.free_port()}/none"
    limits = {"CLINICAL_NER_TIMEOUT_SECONDS": "2", "CLINICAL_NER_MAX_CONCURRENT": "1", "CLINICAL_NER_STORE_QUEUE": "1"}
    limits |= {"CLINICAL_NER_MAX_BODY_BYTES": "8000000", "CLINICAL_NER_MAX_NOTES": "1000"}
    settings = {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_KEYS": secrets["file"], **limits}
    settings |= {"CLINICAL_NER_STORE": nowhere, "CLINICAL_NER_LOG_LEVEL": "debug"}
    asked: list[httpx.Response] = []

    def status_of(path: str, body: Any, role: str = "admin") -> int:
        asked.append(ask(running, path, body, secrets[role]))
        return asked[-1].status_code

    with local.running(SERVICE, ROOT, tmp_path, **settings) as running:
        slow = half_sent(running, secrets["admin"])
        assert eventually(lambda: status_of("/extract", {"text": NOTE}) == 429)
        asked.append(answer_over(slow))
        assert asked[-1].status_code == 408
        assert status_of("/extract", {"notes": [{"text": NOTE * 100}] * 1000}) == 504
        assert status_of("/feedback", feedback(MARK)) == 503
        assert status_of("/feedback", feedback(MARK), "extract") == 403
        assert_unmarked(asked, running, secrets["admin"])

    assert files_with(MARK, tmp_path) == set()


def test_after_it_has_stopped_the_rows_hold_the_kept_text_alone(
    model_path: Path, tmp_path: Path, secrets: dict[str, str]
) -> None:
    settings = {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_KEYS": secrets["file"]}
    with local.running(SERVICE, ROOT, tmp_path, **settings) as running:
        everything_asked(running, secrets["admin"])
        ask(running, "/feedback", feedback(KEPT), secrets["admin"])

    rows = tables(tmp_path)
    assert len(rows) > 3
    assert sum(KEPT in str(value) for row in rows for value in row) == 1
    assert files_with(MARK, tmp_path) == set()
    assert files_with(KEPT, tmp_path) == {"store.sqlite"}
