"""The command on a real store, beside a server that answers as Prometheus does; tests/deploy has the real one."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from programs import answering
from tests.killing import was_killed_at
from typer.testing import CliRunner, Result

from clinical_ner.cli import app
from clinical_ner.commands import kpi as command
from clinical_ner.commands.kpi import releases
from clinical_ner.core.errors import UserError
from clinical_ner.promotion.registry import Event
from clinical_ner.serving import store
from clinical_ner.serving.clock import now

PARAMS = str(Path(__file__).parents[3] / "params.yaml")
ZEROES = {column.name: 0 for column in store.PREDICTIONS.c if not column.nullable}
SPAN = {"start": 0, "end": 4, "label": "DISEASE"}


def prediction(number: int, days: float) -> dict[str, Any]:
    row = {column.name: None for column in store.PREDICTIONS.c} | ZEROES
    row |= {"prediction_id": UUID(int=number), "request_id": "r", "model_version": "m", "milliseconds": 3.0}
    row |= {"assertions": {}, "sections": {}, "spans": [[0, 4, "DISEASE"]]}
    return row | {"created_at": now() - timedelta(days=days)}


def correction(number: int) -> dict[str, Any]:
    row = {"feedback_id": uuid4(), "prediction_id": UUID(int=number), "request_id": "r", "created_at": now()}
    return row | {"key_id": None, "rating": 4, "spans": [SPAN], "text": None}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with two notes of the last days, one of which was judged, and one of long ago."""
    place = f"sqlite:///{tmp_path / 'store.sqlite'}"
    store.migrate(place)
    opened = store.Store.open(place)
    opened.add_predictions([prediction(1, 1), prediction(2, 2), prediction(3, 90)])
    opened.add_feedback(correction(1) | {"created_at": now() - timedelta(minutes=1)})
    opened.close()
    return place


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository without versions."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "clone")], check=True)
    monkeypatch.chdir(tmp_path / "clone")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["kpi", "--params", PARAMS, *arguments])


def values(told: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: (each["value"], each["n"]) for one in told["indicators"] for each in one["figures"]}


@pytest.mark.usefixtures("alone")
def test_the_figures_are_of_the_window_alone(url: str) -> None:
    done = run("--store", url, "--json")

    found = values(json.loads(done.stdout))
    assert found["median"] == (3.0, 2)
    assert found["F1"] == (1.0, 1)
    assert found["mean rating"] == (4.0, 1)
    assert found["error budget left"] == (None, None)


@pytest.mark.usefixtures("alone")
def test_table_json_and_page_say_the_same(url: str, tmp_path: Path) -> None:
    done = run("--store", url, "--out", str(tmp_path / "out"), "--last", "365d")

    told = json.loads((tmp_path / "out/kpi.json").read_text())
    assert values(told)["median"] == (3.0, 3)
    assert "median" in done.stdout
    assert "User satisfaction" in (tmp_path / "out/kpi.html").read_text()


@pytest.mark.usefixtures("alone")
def test_whoever_is_killed_leaves_prometheus_the_old_file_or_the_new_one(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = now()
    monkeypatch.setattr(command, "now", lambda: at)
    folder = tmp_path / "textfiles"
    folder.mkdir()
    file, old = folder / "kpi.prom", "# nothing\n"
    file.write_text(old)
    seen, step = [], 1

    while was_killed_at(step, folder, lambda: run("--store", url, "--metrics", str(file))):
        seen.append(file.read_text())
        step += 1

    new = file.read_text()
    assert set(seen) <= {old, new}
    assert old in seen
    assert re.search(r'^clinical_ner_kpi{.*figure="median",.*} 3\.0$', new, re.MULTILINE)
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir()] == ["kpi.prom"]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--last", "a month"], "--last: not a number of hours or days"),
        (["--store", "sqlite:///nowhere.sqlite"], "there is no store"),
        (["--prometheus", "http://127.0.0.1:9"], "--prometheus: no answer"),
    ],
)
def test_what_cannot_be_asked_is_named(url: str, arguments: list[str], message: str) -> None:
    done = run("--store", url, *arguments)

    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)


@pytest.fixture
def prometheus() -> Iterator[str]:
    """A server that has counted 200 requests, of which 20 were refused or failed, and 1 failed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)["query"][0]
            count = 20 if "4..|5.." in query else 1 if "5.." in query else 200
            body = json.dumps({"data": {"result": [{"value": [0, str(count)]}]}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with answering(Handler) as address:
        yield f"http://{address}"


@pytest.mark.usefixtures("alone")
def test_requests_are_counted_by_prometheus(url: str, prometheus: str) -> None:
    done = run("--store", url, "--prometheus", prometheus, "--json")

    found = values(json.loads(done.stdout))
    assert found["share of requests answered as asked"] == (0.9, 200)
    assert found["error budget left"] == (pytest.approx(0.0, abs=1e-9), 200)


def event(version: str, stage: str | None, minute: int, gain: float | None) -> Event:
    at = now() + timedelta(minutes=minute)
    difference = None if gain is None else {"value": gain}
    decision = {"new_terms": 3, "sets": {"golden": {"slices": {"all": {"difference": difference}}}}}
    return Event(f"t{minute}", version, stage, "c", at, "A", decision)


def test_a_release_is_the_first_time_in_production_and_a_rollback_is_none() -> None:
    events = [
        event("v1", None, 0, None),
        event("v1", "prod", 1, None),
        event("v2", "dev", 2, 0.1),
        event("v2", "prod", 3, 0.1),
        event("v1", "prod", 4, None)._replace(decision=None),
    ]

    found = [(release.version, release.at, dict(release.gains)) for release in releases(events)]

    assert found == [("v1", events[1].at, {}), ("v2", events[3].at, {"golden": 0.1})]
