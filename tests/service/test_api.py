"""The API says what the tagger says, in one shape whatever happens."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import typing
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from tests.service.stored import eventually

from clinical_ner.core.span import ASSERTIONS, LABELS, SECTIONS
from clinical_ner.ner.concepts import KINDS
from clinical_ner.ner.extraction import extract, understand
from clinical_ner.ner.fhir import bundle
from clinical_ner.ner.model import MANIFEST
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import places
from clinical_ner.serving.contract import AssertionName, Concept, LabelName, SectionName
from clinical_ner.serving.local import Server
from clinical_ner.serving.problems import PROBLEMS
from clinical_ner.serving.settings import Settings

LONGEST = Settings().max_note_characters
TEXTS = {
    "a note": "Type 2 diabetes mellitus was treated with metformin. She has asthma and takes albuterol.",
    "nothing": "",
    "white space": " \n\t\r\n ",
    "no entity": "She came alone and left after an hour.",
    "beyond the basic plane": "😀 asthma 👩‍⚕️ — treated with 💊 albuterol, naïve café",
    "combining and right to left": "Cafe\u0301 שלום hypertension\u00a0treated with lisinopril\u2028and rest",
    "lines": "PMH:\n\n- asthma\n- chronic kidney disease\r\n- s/p appendectomy",
    "NUL and other signs": "asthma\0 and\x1b[31m gout",
}
MALFORMED = {
    "JSON that breaks off": '{"text": "gout',
    "not JSON": "gout",
    "half a surrogate pair": '{"text": "gout \\ud800"}',
    "not UTF-8": b'{"text": "gout\xff"}',
    "an empty body": "",
    "depth": "[" * 100_000,
    "a number of a million digits": "9" * 1_000_000,
}
INVALID: dict[str, tuple[Any, str]] = {
    "an extra field": ({"text": "gout", "patient": "gout"}, ""),
    "text missing": ({"id": "gout"}, "text"),
    "text null": ({"text": None}, "text"),
    "text a list": ({"text": ["gout"]}, "text"),
    "text a number": ({"text": 7}, "text"),
    "id a number": ({"text": "gout", "id": 7}, "id"),
    "id too long": ({"text": "gout", "id": "g" * 201}, "id"),
    "a list": ([{"text": "gout"}], ""),
    "a string": ("gout", ""),
    "no notes": ({"notes": []}, "notes"),
    "notes of no list": ({"notes": "gout"}, "notes"),
    "one note that is none": ({"notes": [{"text": "gout"}, {"txt": "gout"}]}, "notes.1"),
    "a note and notes": ({"text": "gout", "notes": [{"text": "gout"}]}, ""),
}
OTHER_TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/vnd.bentoml+pickle",
    "application/jsonx",
    "",
)
VERSION = re.compile("[0-9a-f]{12}")


def post(server: Server, body: Any, kind: str = "application/json", **headers: str) -> httpx.Response:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return httpx.post(f"{server.url}/extract", content=content, headers={"Content-Type": kind, **headers}, timeout=60)


def assert_error(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The one shape of every error; returns what it says."""
    content = answer.json()
    assert list(content) == ["error", "request_id", "model_version"]
    error: dict[str, Any] = content["error"]
    assert list(error) == ["status", "code", "message", "remedy", "details"]
    assert (answer.status_code, error["status"], error["code"]) == (status, status, code)
    assert all(list(detail) == ["place", "problem"] for detail in error["details"])
    assert_carries_ids(answer)
    return error


def assert_carries_ids(answer: httpx.Response) -> None:
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.json()["model_version"] == answer.headers["x-model-version"]
    assert VERSION.fullmatch(answer.headers["x-model-version"])


def half_a_request(
    server: Server, headers: dict[str, str], path: str = "/extract", promised: int = 10
) -> socket.socket:
    """A connection on which a body was promised and does not come."""
    url = httpx.URL(server.url)
    connection = socket.create_connection((url.host, url.port or 0), timeout=20)
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {promised}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection.sendall("\r\n".join([*lines, "", "{"]).encode())
    return connection


def answered(connection: socket.socket) -> http.client.HTTPResponse:
    """The answer on this connection, once its head has come; its body is read with `read`."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer


# --- extract ------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_api_says_what_extract_says(server: Server, tagger: Tagger, text: str) -> None:
    assert server.ask(text) == extract(tagger, text)


def test_the_notes_above_have_entities_of_both_labels(server: Server) -> None:
    found = {entity["label"] for text in TEXTS.values() for entity in server.ask(text)["entities"]}

    assert found == set(LABELS)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_offsets_count_code_points(server: Server, text: str) -> None:
    entities = server.ask(text)["entities"]

    assert [text[entity["start"] : entity["end"]] for entity in entities] == [entity["text"] for entity in entities]


def test_the_id_comes_back_first_and_the_answer_has_ids_of_its_own(server: Server, tagger: Tagger) -> None:
    text = TEXTS["a note"]

    answer = post(server, {"text": text, "id": "note 7"})

    content = answer.json()
    assert list(content) == ["id", "prediction_id", "entities", "treatments", "request_id", "model_version"]
    assert content["id"] == "note 7"
    assert {name: content[name] for name in ("entities", "treatments")} == extract(tagger, text)
    assert UUID(content["prediction_id"])
    assert content["model_version"] == tagger.manifest.version
    assert_carries_ids(answer)


def test_a_note_is_answered_as_the_bundle_that_the_command_writes(server: Server, tagger: Tagger) -> None:
    text = TEXTS["a note"]

    answer = httpx.post(f"{server.url}/extract/fhir", json={"text": text, "id": "7", "subject": "Patient/9"})

    assert answer.json() == bundle("7", text, understand(tagger, text), "Patient/9")
    assert {entry["resource"]["resourceType"] for entry in answer.json()["entry"]} == {
        *("Condition", "MedicationStatement"),
    }
    assert answer.headers["content-type"] == "application/fhir+json"
    assert UUID(answer.headers["x-prediction-id"])
    assert answer.headers["x-model-version"] == tagger.manifest.version


def test_a_bundle_is_of_one_note_and_of_a_subject_that_is_a_reference(server: Server) -> None:
    wrong = [{"notes": [{"text": "gout"}]}, {"text": "gout", "subject": "Mr Smith"}]

    answers = [httpx.post(f"{server.url}/extract/fhir", json=body) for body in wrong]

    assert [answer.status_code for answer in answers] == [400, 400]


def test_several_notes_are_answered_in_their_order_each_with_an_id(server: Server, tagger: Tagger) -> None:
    notes = [{"text": text, "id": name} for name, text in TEXTS.items()]

    answer = post(server, {"notes": notes})

    found = answer.json()["notes"]
    assert [each.pop("id") for each in found] == list(TEXTS)
    assert len({each.pop("prediction_id") for each in found}) == len(TEXTS)
    assert found == [extract(tagger, text) for text in TEXTS.values()]
    assert_carries_ids(answer)


def test_the_longest_note_is_answered_and_one_longer_is_not(server: Server) -> None:
    sentence = "Asthma was treated with albuterol. "
    text = (sentence * (LONGEST // len(sentence) + 1))[:LONGEST]

    assert post(server, {"text": text}).status_code == 200
    error = assert_error(post(server, {"text": text + "."}), 413, "note_too_long")
    assert error["details"] == [{"place": "text", "problem": f"more than {LONGEST} characters"}]


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_json_is_refused(server: Server, body: str | bytes) -> None:
    assert_error(post(server, body), 400, "malformed_json")


@pytest.mark.parametrize(("body", "place"), INVALID.values(), ids=INVALID)
def test_what_the_contract_does_not_state_is_refused_by_its_place(server: Server, body: Any, place: str) -> None:
    error = assert_error(post(server, json.dumps(body)), 400, "invalid")

    assert place in [detail["place"] for detail in error["details"]]
    assert "gout" not in json.dumps(error)


@pytest.mark.parametrize("kind", OTHER_TYPES)
def test_a_body_that_is_not_declared_as_json_is_refused_unread(server: Server, kind: str) -> None:
    assert_error(post(server, {"text": "gout"}, kind), 415, "media_type")


def test_json_may_be_declared_with_a_character_set_and_in_capitals(server: Server) -> None:
    assert post(server, {"text": "gout"}, "Application/JSON; charset=utf-8").status_code == 200


def test_a_safe_request_id_comes_back_and_another_is_replaced(server: Server) -> None:
    given = [str(uuid4()), "aB" * 32, "a" * 65, "a" * 15, "Gout-1953-07-04-1234", "Mr Gout", "über", '"', ""]

    found = [post(server, {"text": ""}, **{"X-Request-ID": each.encode()}).headers["x-request-id"] for each in given]  # type: ignore[arg-type]

    assert found[:2] == given[:2]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in found[2:])
    assert len(set(found)) == len(given)


# --- the other paths -------------------------------------------------------------------------------
def test_model_names_the_model_its_labels_and_its_scores(server: Server, tagger: Tagger) -> None:
    answer = httpx.get(f"{server.url}/model")

    content = answer.json()
    assert content["manifest"] == tagger.manifest.model_dump(mode="json")
    assert content["labels"] == list(LABELS)
    assert 0 < content["metrics"]["crf"]["f1"] < 1
    assert_carries_ids(answer)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_probes_answer(server: Server, path: str) -> None:
    assert httpx.get(server.url + path).status_code == 200


def test_the_page_comes_with_a_policy_that_lets_nothing_in_from_elsewhere(server: Server) -> None:
    answer = httpx.get(f"{server.url}/")

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/extract/", "/page/", "/page/../service.py", "/page/%2e%2e/api.py", "/docs.json", "/schema.json"],
)
def test_what_is_not_there_is_not_found_in_the_same_shape(server: Server, path: str) -> None:
    assert_error(httpx.get(server.url + path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/extract"), ("POST", "/model"), ("DELETE", "/"), ("PUT", "/feedback")]
)
def test_a_method_that_a_path_has_not_is_answered_with_those_it_has(server: Server, method: str, path: str) -> None:
    answer = httpx.request(method, server.url + path)

    assert_error(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] in {"POST", "GET"} - {method}


@pytest.mark.parametrize("path", ["/model", "/nothing", "/", "/metrics"])
def test_nothing_may_be_kept_by_a_cache_or_guessed_by_a_browser(server: Server, path: str) -> None:
    headers = httpx.get(server.url + path).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


# --- limits ------------------------------------------------------------------------------------------
@pytest.fixture
def admin(secrets: dict[str, str]) -> dict[str, str]:
    return {"X-API-Key": secrets["admin"]}


def test_too_many_notes_are_refused(keyed: Server, admin: dict[str, str]) -> None:
    assert post(keyed, {"notes": [{"text": "gout"}] * 3}, **admin).status_code == 200
    assert_error(post(keyed, {"notes": [{"text": "gout"}] * 4}, **admin), 413, "too_many_notes")


def test_the_note_that_is_too_long_is_named_by_its_place(keyed: Server, admin: dict[str, str]) -> None:
    error = assert_error(post(keyed, {"notes": [{"text": ""}, {"text": "x" * 5001}]}, **admin), 413, "note_too_long")

    assert error["details"][0]["place"] == "notes.1.text"


@pytest.mark.parametrize("path", ["/extract", "/feedback"])
def test_a_body_that_promises_too_much_is_refused_before_it_is_sent(
    keyed: Server, admin: dict[str, str], path: str
) -> None:
    with half_a_request(keyed, admin, path, 10**12) as connection:
        assert answered(connection).status == 413


@pytest.mark.parametrize("path", ["/extract", "/feedback"])
def test_a_body_that_promises_nothing_is_counted_as_it_comes(keyed: Server, admin: dict[str, str], path: str) -> None:
    parts = (b" " * 1000 for _ in range(1000))

    answer = httpx.post(keyed.url + path, content=parts, headers={"Content-Type": "application/json", **admin})

    assert_error(answer, 413, "body_too_large")


def test_a_body_that_does_not_come_is_answered_in_time(keyed: Server, admin: dict[str, str]) -> None:
    with half_a_request(keyed, admin) as connection:
        answer = answered(connection)
        body = answer.read()

    assert answer.status == 408
    assert b'"body_too_slow"' in body


def test_beyond_what_a_worker_may_have_in_hand_the_client_is_told_when_to_come_back(
    keyed: Server, admin: dict[str, str]
) -> None:
    held = [half_a_request(keyed, admin) for _ in range(4)]
    assert eventually(lambda: post(keyed, {"text": "gout"}, **admin).status_code == 429)  # it has them in hand

    refused = post(keyed, {"text": "gout"}, **admin)
    probe = httpx.get(f"{keyed.url}/readyz")
    for connection in held:
        answered(connection)
        connection.close()

    assert_error(refused, 429, "too_many_requests")
    assert int(refused.headers["retry-after"]) > 0
    assert probe.status_code == 200
    assert post(keyed, {"text": "gout"}, **admin).status_code == 200


def test_a_client_that_goes_away_harms_nobody(keyed: Server, admin: dict[str, str]) -> None:
    for _ in range(8):
        half_a_request(keyed, admin).close()

    assert eventually(lambda: post(keyed, {"text": "gout"}, **admin).status_code == 200)


# --- feedback ------------------------------------------------------------------------------------------
def send(server: Server, body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/feedback", json=body, timeout=30)


SPAN = {"start": 0, "end": 4, "label": "DISEASE"}
WRONG_FEEDBACK: dict[str, dict[str, Any]] = {
    "nothing said": {},
    "a rating of zero": {"rating": 0},
    "a rating of six": {"rating": 6},
    "a rating in words": {"rating": "5"},
    "half a rating": {"rating": 4.5},
    "an unknown label": {"spans": [SPAN | {"label": "GOUT"}]},
    "a span that ends before it starts": {"spans": [SPAN | {"start": 5}]},
    "a span before the text": {"spans": [SPAN | {"start": -1}]},
    "a span beyond the text": {"spans": [SPAN], "text": "go"},
    "a text that cannot be stored": {"rating": 5, "text": "gout\0"},
    "an unknown field": {"rating": 5, "comment": "gout"},
    "no id of a prediction": {"rating": 5, "prediction_id": "gout"},
    "an offset of a thousand digits": {"spans": [SPAN | {"end": 10**1000}]},
}


def test_feedback_is_stored_once_however_often_it_is_sent(server: Server) -> None:
    body = {"prediction_id": str(uuid4()), "feedback_id": str(uuid4()), "rating": 5, "spans": [SPAN]}

    first, second = send(server, body), send(server, body)

    assert (first.status_code, first.json()["repeated"]) == (201, False)
    assert (second.status_code, second.json()["repeated"]) == (200, True)
    assert first.json()["feedback_id"] == second.json()["feedback_id"] == body["feedback_id"]
    assert_carries_ids(first)


def test_other_feedback_under_the_id_of_the_first_is_refused(server: Server) -> None:
    body = {"prediction_id": str(uuid4()), "feedback_id": str(uuid4()), "rating": 5}

    first, second = send(server, body), send(server, body | {"rating": 1})

    assert first.status_code == 201
    assert_error(second, 409, "feedback_id_taken")


@pytest.mark.parametrize(
    "said", [{"rating": 1}, {"spans": []}, {"spans": [SPAN | {"assertion": "absent"}], "text": "gout"}]
)
def test_feedback_may_be_a_rating_or_spans(server: Server, said: dict[str, Any]) -> None:
    assert send(server, {"prediction_id": str(uuid4()), **said}).status_code == 201


@pytest.mark.parametrize("said", WRONG_FEEDBACK.values(), ids=WRONG_FEEDBACK)
def test_feedback_that_says_nothing_or_nonsense_is_refused(server: Server, said: dict[str, Any]) -> None:
    answer = send(server, {"prediction_id": str(uuid4()), **said})

    error = assert_error(answer, 400, "invalid")
    assert error["details"]
    assert "gout" not in json.dumps(error).lower()


# --- what the contract promises ----------------------------------------------------------------------
def test_the_contract_knows_the_labels_assertions_sections_and_kinds() -> None:
    assert typing.get_args(LabelName) == LABELS
    assert typing.get_args(AssertionName) == ASSERTIONS
    assert typing.get_args(SectionName) == SECTIONS
    assert typing.get_args(Concept.model_fields["kind"].annotation) == KINDS


def test_every_problem_has_a_code_of_its_own_and_a_remedy() -> None:
    assert len({problem.code for problem in PROBLEMS}) == len(PROBLEMS) > 15
    assert all(problem.remedy and problem.message for problem in PROBLEMS)
    assert {400, 401, 403, 404, 413, 415, 429, 500, 503, 504} <= {problem.status for problem in PROBLEMS}


def modules(code: str) -> set[str]:
    """The modules, with those that they are in, that a Python of our settings has imported after this code."""
    environment = {
        "CLINICAL_NER_LOCAL": "true",
        "CLINICAL_NER_STORE": "sqlite://",
        "PATH": "",
        "PYTHONPATH": ":".join(sys.path),
    }
    code = f"import sys, clinical_ner.serving.service as s; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.splitlines()[-1].split())


def test_a_worker_imports_nothing_heavy() -> None:
    names = modules("s.Service.to_asgi(is_main=True); s.Service.inner()")

    assert {"bentoml", "sqlalchemy", "clinical_ner.ner.tagger"} <= names
    assert not {"pandas", "pandera", "sklearn", "scipy", "evidently", "pyarrow", "dvc", "alembic"} & names
    assert not {"aiohttp", "pyparsing", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql"} & names


def test_the_process_that_starts_workers_imports_no_model() -> None:
    names = modules("from clinical_ner.serving.start import prepare; prepare(s.SETTINGS)")

    assert {"bentoml", "alembic"} <= names
    assert not {"numpy", "marisa_trie"} & names
    assert places.MANIFEST == MANIFEST


def test_requests_at_once_are_answered_each_with_its_own(server: Server) -> None:
    drugs = ["metformin", "albuterol", "lisinopril", "insulin"]
    found: dict[str, set[str]] = {drug: set() for drug in drugs}

    def ask(drug: str) -> None:
        for _ in range(25):
            found[drug] |= {entity["text"] for entity in server.ask(f"She takes {drug}.")["entities"]}

    threads = [threading.Thread(target=ask, args=(drug,)) for drug in drugs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {drug: {drug} for drug in drugs}
