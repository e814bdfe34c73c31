"""The gateway of `deploy/gateway`, a real nginx over TLS before the real service."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from programs import answering, wait_until

from clinical_ner.serving import contract, local

NOTE = {"text": "Type 2 diabetes mellitus was treated with metformin."}
MARK = "Zyxomarkov"  # no word, so that it can only come from what was sent


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer, which has the one shape that all errors have."""
    contract.ErrorAnswer.model_validate_json(answer.content)
    body: dict[str, Any] = answer.json()
    assert body["error"]["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    return dict(body["error"])


def test_a_note_is_read_for_who_has_the_key(gateway, secrets) -> None:
    answer = gateway.client.post(f"{gateway.url}/extract", json=NOTE, headers=bearer(secrets["extract"]))

    assert answer.status_code == 200
    assert {entity["label"] for entity in answer.json()["entities"]} == {"DISEASE", "TREATMENT"}


def test_a_key_in_either_header_and_as_a_password_passes_through(gateway, secrets) -> None:
    key = secrets["extract"]

    ways = [{"headers": {"X-API-Key": key}}, {"headers": bearer(key)}, {"auth": ("anybody", key)}]
    statuses = [gateway.client.post(f"{gateway.url}/extract", json=NOTE, **way).status_code for way in ways]
    assert statuses == [200, 200, 200]


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("cner_wrong", 401), ("metrics", 403)])
def test_who_has_no_key_for_it_is_refused(gateway, secrets, key: str | None, status: int) -> None:
    headers = {} if key is None else bearer(secrets.get(key, key))

    answer = gateway.client.post(f"{gateway.url}/extract", json=NOTE, headers=headers)
    assert problem(answer)["status"] == status


def test_a_body_too_large_is_refused_before_it_reaches_the_service(gateway, secrets) -> None:
    body = json.dumps({"text": "x" * 30_000}).encode()
    headers = bearer(secrets["extract"]) | {"Content-Type": "application/json"}

    declared = gateway.client.post(f"{gateway.url}/extract", content=body, headers=headers)
    chunked = gateway.client.post(f"{gateway.url}/extract", content=iter([body[:9000], body[9000:]]), headers=headers)
    assert [problem(answer)["code"] for answer in (declared, chunked)] == ["body_too_large", "body_too_large"]
    assert problem(declared)["status"] == 413


def test_a_body_just_small_enough_is_answered(gateway, secrets) -> None:
    empty = len(json.dumps({"text": ""}))
    body = json.dumps({"text": "gout " * ((20_000 - empty) // 5)}).encode()
    headers = bearer(secrets["extract"]) | {"Content-Type": "application/json"}

    statuses = [
        gateway.client.post(f"{gateway.url}/extract", content=content, headers=headers).status_code
        for content in (body, iter([body]))
    ]
    assert statuses == [200, 200]


def test_too_many_requests_with_one_key_are_refused_and_those_with_another_are_not(
    service, start_gateway, secrets
) -> None:
    slow = start_gateway(service.url.removeprefix("http://"), GATEWAY_RATE_PER_KEY="1r/m", GATEWAY_BURST="2")

    first = [slow.client.get(f"{slow.url}/model", headers=bearer(secrets["extract"])) for _ in range(5)]
    other = slow.client.get(f"{slow.url}/model", headers=bearer(secrets["feedback"]))
    assert [answer.status_code for answer in first] == [200, 200, 200, 429, 429]
    assert problem(first[-1])["code"] == "too_many_requests"
    assert first[-1].headers["retry-after"] == "1"
    assert other.status_code == 200


def test_a_key_is_limited_whatever_stands_in_the_other_header(service, start_gateway, secrets) -> None:
    slow = start_gateway(service.url.removeprefix("http://"), GATEWAY_RATE_PER_KEY="1r/m", GATEWAY_BURST="2")

    sent = [{"X-API-Key": secrets["extract"], "Authorization": f"Basic {n}"} for n in range(5)]
    statuses = [slow.client.get(f"{slow.url}/model", headers=headers).status_code for headers in sent]
    assert statuses == [200, 200, 200, 429, 429]


def test_trying_many_keys_from_one_address_is_limited_too(service, start_gateway) -> None:
    slow = start_gateway(service.url.removeprefix("http://"), GATEWAY_RATE_PER_ADDRESS="1r/m", GATEWAY_BURST="2")

    statuses = [slow.client.get(f"{slow.url}/model", headers=bearer(f"cner_{n}")).status_code for n in range(5)]
    assert statuses[-2:] == [429, 429]


@pytest.mark.parametrize(
    "path", ["/metrics", "//metrics", "/./metrics", "/%6detrics", "/page/../metrics", "/metrics?a"]
)
def test_the_metrics_are_not_there_from_outside(gateway, secrets, path: str) -> None:
    answer = raw(gateway, f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {secrets['admin']}\r\n")

    assert answer.startswith(b"HTTP/1.1 404")
    assert b"clinical_ner_" not in answer


def raw(gateway, request: str) -> bytes:
    """The answer to a request as it is, paths with dots included; over TLS, the connection is closed after it."""
    port = httpx.URL(gateway.url).port
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10)) as connection:
        connection.sendall(f"{request}Host: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_request_id_is_the_same_in_both_logs_and_in_the_answer(service, gateway, secrets) -> None:
    given = {"X-Request-ID": "0193a5e0-7c11-7f3a-9d52-6f1c2b7e8a90"} | bearer(secrets["extract"])

    kept = gateway.client.post(f"{gateway.url}/extract", json=NOTE, headers=given)
    made = gateway.client.post(f"{gateway.url}/extract", json=NOTE, headers=bearer(secrets["extract"]))
    replaced = gateway.client.get(f"{gateway.url}/model", headers={"X-Request-ID": "Mr Smith has gout"})
    ids = [answer.headers["x-request-id"] for answer in (kept, made, replaced)]
    assert ids[0] == given["X-Request-ID"]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids[1:])
    assert [answer.json()["request_id"] for answer in (kept, made, replaced)] == ids
    for log in (service.log, gateway.log):
        wait_until(lambda log=log: set(ids) <= logged_ids(log.read_text()), 5, f"the ids in {log}")


def logged_ids(log: str) -> set[str]:
    return set(re.findall(r'"http\.request\.id": ?"([^"]+)"', log))


def test_every_answer_has_the_headers_that_browsers_heed_and_each_once(gateway, secrets) -> None:
    asked = [
        gateway.client.get(f"{gateway.url}{path}", headers=bearer(secrets["extract"]))
        for path in ("/model", "/metrics")
    ]

    for answer in asked:
        names = [name.lower() for name, _ in answer.headers.multi_items()]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "nginx/" not in answer.headers["server"]
        assert len(names) == len(set(names))


def test_the_page_keeps_the_policy_that_the_service_gave_it(gateway, secrets) -> None:
    page = gateway.client.get(f"{gateway.url}/", auth=("anybody", secrets["extract"]))

    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]


def test_a_service_that_is_down_is_told_in_the_shape_of_all_errors(start_gateway) -> None:
    gateway = start_gateway(f"127.0.0.1:{local.free_port()}")

    answer = gateway.client.post(f"{gateway.url}/extract", json=NOTE)
    assert (problem(answer)["status"], problem(answer)["code"]) == (503, "unreachable")
    assert answer.headers["retry-after"] == "1"


def test_a_request_without_tls_and_one_that_is_no_http_are_told_so(gateway) -> None:
    plain = httpx.get(f"{gateway.url.replace('https', 'http')}/livez")
    broken = raw(gateway, "GET / HTTP/9.9.9\r\n")
    long = gateway.client.get(f"{gateway.url}/{'x' * 9000}")

    assert problem(plain)["status"] == 400
    assert b'"code":"malformed_request"' in broken
    assert problem(long)["code"] == "uri_too_long"


class Dropping(BaseHTTPRequestHandler):
    """Reads a request and closes the connection without an answer, as a worker that is killed does."""

    seen: list[str]

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if self.raw_requestline and self.parse_request():
            self.seen.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.close_connection = True


@pytest.fixture
def dropping() -> Iterator[tuple[str, list[str]]]:
    """The address of a service that takes requests and never answers, and the methods that it has seen."""
    seen: list[str] = []
    with answering(Dropping, seen=seen) as address:
        yield address, seen


def test_what_may_have_been_acted_on_is_not_sent_again(start_gateway, dropping) -> None:
    address, seen = dropping
    gateway = start_gateway(f"{address} max_fails=0; server {address}")  # two, so that there is another one to try

    answers = [gateway.client.request(method, f"{gateway.url}/extract") for method in ("POST", "GET")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert seen == ["POST", "GET", "GET"]


def test_of_two_services_one_that_is_down_fails_no_request(service, start_gateway, secrets) -> None:
    up, down = service.url.removeprefix("http://"), f"127.0.0.1:{local.free_port()}"
    gateway = start_gateway(f"{down}; server {up}")

    statuses = {
        gateway.client.post(f"{gateway.url}/extract", json=NOTE, headers=bearer(secrets["extract"])).status_code
        for _ in range(10)
    }
    assert statuses == {200}


def test_nothing_that_was_sent_is_in_any_file_of_the_gateway(start_gateway, gateway) -> None:
    down = start_gateway(f"127.0.0.1:{local.free_port()}")
    limited = start_gateway("127.0.0.1:1", GATEWAY_RATE_PER_KEY="1r/m", GATEWAY_BURST="1")
    headers = bearer(f"{MARK}-key") | {"User-Agent": MARK, "Referer": MARK, "X-Request-ID": MARK}
    folders = [one.log.parent for one in (gateway, down, limited)]
    before = [last_written(folder) for folder in folders]

    for one in (gateway, down, limited):
        for size in (1, 1_900, 30_000):
            one.client.post(f"{one.url}/extract?{MARK}", json={"text": MARK * size}, headers=headers)
        one.client.request(MARK.upper(), f"{one.url}/{MARK}", headers=headers)
        raw(one, f"GET /{MARK} HTTP/9.9.9\r\n{MARK}: {MARK}\r\n")

    for one in (gateway, down, limited):
        wait_until(lambda one=one: '"url.path":"unmatched"' in one.log.read_text(), 5, "the last request is logged")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if MARK.lower().encode() in path.read_bytes().lower()] == []
    assert [last_written(folder) for folder in folders] == before


def last_written(folder: Path) -> dict[str, int]:
    """When a file was last made or removed in each folder of nginx: one of a body has no name a moment later."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_dir()}


def test_every_line_of_the_log_is_json_with_the_fields_of_the_schema(gateway) -> None:
    answer = gateway.client.get(f"{gateway.url}/model")  # refused for the want of a key, or for too many before it
    given = answer.headers["x-request-id"]

    def lines() -> list[str]:
        return gateway.log.read_text().rpartition("\n")[0].splitlines()  # the last may be half written

    wait_until(lambda: any(given in line for line in lines()), 5, "the request is logged")
    logged = [json.loads(line) for line in lines()]
    last = next(line for line in logged if line["http.request.id"] == given)
    assert (last["http.request.method"], last["http.response.status_code"]) == ("GET", answer.status_code)
    assert answer.status_code in {401, 429}
    assert 0 < last["event.duration"] < 10e9 or last["event.duration"] == 0
