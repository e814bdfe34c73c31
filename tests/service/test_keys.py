"""Nothing but the probes is open; a key does what its roles say, from the moment it is made until it is revoked."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from typer.testing import CliRunner

from clinical_ner import cli
from clinical_ner.serving import keys, local
from clinical_ner.serving.clock import now
from clinical_ner.serving.keys import Role
from clinical_ner.serving.local import Server
from clinical_ner.serving.routes import ROUTES, Route

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"
CLOSED = [route for route in ROUTES if not route.is_open]
OPEN, ANY_KEY = "open", "any key"
# Stated once more, for the tests below go by the table of the service itself.
WHO_MAY: dict[tuple[str, str], Role | str] = {
    ("POST", "/extract"): Role.EXTRACT,
    ("POST", "/extract/fhir"): Role.EXTRACT,
    ("POST", "/feedback"): Role.FEEDBACK,
    ("GET", "/model"): ANY_KEY,
    ("GET", "/openapi.json"): ANY_KEY,
    ("GET", "/metrics"): Role.METRICS,
    ("GET", "/"): Role.EXTRACT,
    ("GET", "/page/{name}"): Role.EXTRACT,
    ("GET", "/livez"): OPEN,
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
}
FEEDBACK = {"prediction_id": str(uuid4()), "rating": 3}


def ask(server: Server, route: Route, headers: dict[str, str]) -> httpx.Response:
    body = {"extract": {"text": "gout"}, "feedback": FEEDBACK}.get(route.name)
    path = route.path.replace("{name}", "app.js")
    return httpx.request(route.method, server.url + path, json=body, headers=headers, timeout=30)


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_no_path_is_open_and_no_role_is_asked_for_but_as_stated_here() -> None:
    stated = {(route.method, route.path): OPEN if route.is_open else route.role or ANY_KEY for route in ROUTES}

    assert stated == WHO_MAY


@pytest.mark.parametrize("route", CLOSED, ids=name_of)
def test_without_a_key_every_path_is_closed(keyed: Server, route: Route) -> None:
    answer = ask(keyed, route, {})

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "key_missing"
    assert answer.headers["www-authenticate"].startswith("Basic" if route.name == "page" else "Bearer")


@pytest.mark.parametrize(
    "path", ["/nothing", "/docs.json", "/schema.json", "/static_content/x", "/docs", "/livez/", "//livez"]
)
def test_without_a_key_nobody_learns_what_paths_there_are(keyed: Server, path: str) -> None:
    assert httpx.get(keyed.url + path).status_code == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_the_probes_are_open(keyed: Server, path: str) -> None:
    assert httpx.get(keyed.url + path).status_code == 200


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("route", CLOSED, ids=name_of)
def test_a_key_may_do_what_its_role_says_and_nothing_else(
    keyed: Server, secrets: dict[str, str], route: Route, role: Role
) -> None:
    answer = ask(keyed, route, {"Authorization": f"Bearer {secrets[role]}"})

    may = route.role in (None, role) or role is Role.ADMIN
    assert (answer.status_code != 403) == may
    assert answer.status_code < 500
    assert may or answer.json()["error"]["code"] == "role_missing"


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize("form", ["X-API-Key", "Bearer", "bearer", "Basic"])
def test_a_key_may_be_sent_in_three_ways(keyed: Server, secrets: dict[str, str], form: str) -> None:
    secret = secrets["extract"]
    authorization = basic(secret) if form == "Basic" else f"{form} {secret}"
    headers = {"X-API-Key": secret} if form == "X-API-Key" else {"Authorization": authorization}

    assert httpx.get(f"{keyed.url}/model", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "cner_wrong"},
        {"Authorization": "Bearer cner_wrong"},
        {"Authorization": basic("cner_wrong")},
        {"X-API-Key": "x" * 20_000},
        {"X-API-Key": b"\xff\xfe"},
    ],
    ids=["header", "bearer", "basic", "long", "bytes"],
)
def test_a_wrong_key_is_answered_401(keyed: Server, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{keyed.url}/model", headers=headers)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "key_unknown"


@pytest.mark.parametrize("value", ["Bearer", "Basic", "Basic !", "Basic /w==", "Digest x", ""])
def test_a_header_that_holds_no_key_is_no_key(keyed: Server, value: str) -> None:
    answer = httpx.get(f"{keyed.url}/model", headers={"Authorization": value})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "key_missing")


def test_a_key_that_starts_like_a_right_one_is_wrong(keyed: Server, secrets: dict[str, str]) -> None:
    for wrong in (secrets["extract"][:-1], secrets["extract"] + "x", secrets["extract"].swapcase()):
        assert httpx.get(f"{keyed.url}/model", headers={"X-API-Key": wrong}).status_code == 401


# --- changes while it runs ------------------------------------------------------------------------
@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def changing(model_path: Path, file: Path, tmp_path: Path) -> Iterator[Server]:
    keys.create(file, "the first", [Role.ADMIN], now())
    settings = {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_KEYS": str(file)}
    with local.running(SERVICE, ROOT, tmp_path / "home", **settings) as running:
        yield running


def test_a_key_works_from_when_it_is_made_until_it_is_revoked(changing: Server, file: Path) -> None:
    run = CliRunner().invoke
    environment = {"CLINICAL_NER_KEYS": str(file)}

    made = run(cli.app, ["keys", "create", "ward 7", "--role", "extract"], env=environment)
    secret = made.stdout.strip()
    key_id = made.stderr.split(":")[0]
    before = httpx.get(f"{changing.url}/model", headers={"X-API-Key": secret}).status_code
    run(cli.app, ["keys", "revoke", key_id], env=environment)
    after = httpx.get(f"{changing.url}/model", headers={"X-API-Key": secret}).status_code

    assert (before, after) == (200, 401)
    listed = run(cli.app, ["keys", "list"], env=environment).stdout
    assert key_id in listed
    assert "revoked" in listed
    assert secret not in listed + file.read_text() + changing.log.read_text()

    # A file that cannot be read lets nobody in, for a revoked key may be among its keys, and says so.
    file.write_text("{")
    answer = httpx.get(f"{changing.url}/model", headers={"X-API-Key": secret})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "keys_unreadable")


# --- the start ------------------------------------------------------------------------------------------
def refused_start(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = local.environment(home, **settings)
    environment = {name: value for name, value in environment.items() if name != "CLINICAL_NER_LOCAL"} | settings
    return subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", SERVICE, "--host", "127.0.0.1", "--port", str(local.free_port())],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


REFUSED = {
    "no keys": ({}, "CLINICAL_NER_KEYS is not set"),
    "a file without keys": ({"CLINICAL_NER_KEYS": os.devnull + "/keys.json"}, "keys.json"),
    "keys and local use": ({"CLINICAL_NER_KEYS": "keys.json", "CLINICAL_NER_LOCAL": "true"}, "exclude each other"),
    "a misspelt limit": ({"CLINICAL_NER_LOCAL": "true", "CLINICAL_NER_MAX_NOTE": "3"}, "CLINICAL_NER_MAX_NOTE"),
    "no limit": ({"CLINICAL_NER_LOCAL": "true", "CLINICAL_NER_MAX_NOTES": "0"}, "CLINICAL_NER_MAX_NOTES"),
    "another store": ({"CLINICAL_NER_LOCAL": "true", "CLINICAL_NER_STORE": "redis://x"}, "CLINICAL_NER_STORE"),
}


@pytest.mark.parametrize(("settings", "says"), REFUSED.values(), ids=REFUSED)
def test_a_service_that_nobody_or_everybody_could_use_does_not_start(
    model_path: Path,
    tmp_path: Path,
    settings: dict[str, str],
    says: str,
) -> None:
    done = refused_start(tmp_path, CLINICAL_NER_MODEL=str(model_path), **settings)

    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
