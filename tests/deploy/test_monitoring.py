"""Prometheus, its rules, Alertmanager and the dashboard of `deploy/`, around the real service."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from programs import DEPLOY, answering, call, found, is_up, running, wait_until

from clinical_ner.core import params
from clinical_ner.intake.report import exposition, report
from clinical_ner.monitoring import kpi_report
from clinical_ner.monitoring.kpi import Evidence, Indicator, Release, indicators
from clinical_ner.serving import local
from clinical_ner.serving.clock import now

RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
TESTS = sorted((DEPLOY / "prometheus/tests").glob("*.yml"))
BOARDS = {path.stem: json.loads(path.read_text())["panels"] for path in DEPLOY.glob("grafana/dashboards/*.json")}
PANELS = [panel for board in sorted(BOARDS) for panel in BOARDS[board]]


def eight() -> list[Indicator]:
    """The indicators of a service that has been corrected, has drifted and got a new model a day later."""
    until = now()
    row = {"created_at": until - timedelta(days=2), "milliseconds": 3.0}
    spans = [{"start": 0, "end": 4, "label": "DISEASE"}]
    said = {"prediction_id": 1, "created_at": until, "rating": 5, "spans": spans, "predicted": [[0, 4, "DISEASE"]]}
    run = {"created_at": until - timedelta(days=2), "verdict": "alert"}
    new = Release("v2.0.0", until - timedelta(days=1), {"golden": 0.01}, 3)
    found = Evidence(until - timedelta(days=9), until, [row], [said], [run], [new], None, None)
    return indicators(found, params.load(DEPLOY.parent / "params.yaml").kpi)


INDICATORS = eight()
COLLECTED = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["textfiles"]["command"]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in read(path)["groups"] for rule in group["rules"]]


# --- without a server --------------------------------------------------------------------------------
def test_promtool_accepts_the_rules() -> None:
    done = call("promtool", "check", "rules", "--lint-fatal", *RULES)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_each_alert_fires_and_is_silent_as_its_test_says(path: Path) -> None:
    done = call("promtool", "test", "rules", path)

    assert done.returncode == 0, done.stdout


def test_each_alert_has_a_test_in_which_it_fires() -> None:
    tested = [one for path in TESTS for test in read(path)["tests"] for one in test["alert_rule_test"]]

    assert {rule["alert"] for rule in rules()} == {one["alertname"] for one in tested if one["exp_alerts"]}


def test_each_alert_says_what_is_wrong_and_what_to_do_and_how_urgent_it_is() -> None:
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "remedy"}
        assert rule["labels"]["severity"] in {"page", "ticket", "none"}


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "rules").symlink_to(DEPLOY / "prometheus/rules")
    (tmp_path / "key").write_text("a key")
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/metrics_key", str(tmp_path / "key")))

    done = call("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stdout


def test_amtool_accepts_the_configuration_and_each_severity_has_a_receiver() -> None:
    path = DEPLOY / "alertmanager/alertmanager.yml"
    labels = {"Watchdog": "none", "ServiceDown": "page"} | dict.fromkeys(("Slow", "Drift", "MonitoringLate"), "ticket")

    checked = call("amtool", "check-config", path)
    routed = {
        name: call(
            "amtool", "config", "routes", "test", f"--config.file={path}", f"alertname={name}", f"severity={severity}"
        ).stdout.splitlines()[-1]
        for name, severity in labels.items()
    }
    assert checked.returncode == 0, checked.stdout
    of_the_model = {"Drift": "model-team", "MonitoringLate": "model-team"}
    assert routed == {"Watchdog": "dead-mans-switch", "ServiceDown": "duty", "Slow": "duty"} | of_the_model


@pytest.mark.parametrize("board", BOARDS)
def test_the_panels_do_not_overlap_and_are_described(board: str) -> None:
    panels = BOARDS[board]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"].endswith(".") for panel in panels)


def test_the_panels_ask_the_provisioned_data_source() -> None:
    provisioned = read(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"]

    asked = {target["datasource"]["uid"] for panel in PANELS for target in [panel, *panel["targets"]]}
    assert asked == {source["uid"] for source in provisioned}


def test_the_board_of_the_indicators_has_a_panel_of_each_of_the_eight() -> None:
    promised = {one.title for one in INDICATORS}

    shown = {panel["title"].partition(":")[0] for panel in BOARDS["indicators"]}
    assert len(promised) == 8
    assert promised <= shown


# --- with all of them ----------------------------------------------------------------------------------
class Hook(BaseHTTPRequestHandler):
    """Keeps what Alertmanager sends, by the path."""

    received: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append((self.path, json.loads(self.rfile.read(length))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@dataclass(frozen=True)
class Watch:
    """The running Prometheus, what Alertmanager has told, and a small load to ask the service."""

    url: str
    told: list[tuple[str, dict[str, Any]]]
    load: Callable[[], None]
    dead: str  # a target where nobody answers

    def series(self, query: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    def api(self, path: str) -> Any:
        return httpx.get(f"{self.url}/api/v1/{path}", timeout=10).json()["data"]


@pytest.fixture(scope="module")
def hook() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    received: list[tuple[str, dict[str, Any]]] = []
    with answering(Hook, received=received) as address:
        yield f"http://{address}", received


@pytest.fixture(scope="module")
def watch(service, gateway, certificate, secrets, hook, tmp_path_factory) -> Iterator[Watch]:
    """Everything of `deploy/` that watches, with other addresses and without waiting."""
    folder = tmp_path_factory.mktemp("watch")
    ports = {name: local.free_port() for name in ("prometheus", "alertmanager", "blackbox", "textfiles", "dead")}
    at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    (folder / "key").write_text(secrets["metrics"])
    write(folder / "prometheus.yml", prometheus_config(folder, at, service, gateway))
    write(folder / "rules.yml", impatient_rules())
    write(folder / "alertmanager.yml", alertmanager_config(hook[0]))
    (folder / "kpi.prom").write_text(kpi_report.exposition(INDICATORS, now()))
    blackbox = read(DEPLOY / "prometheus/blackbox.yml")
    blackbox["modules"]["gateway"]["http"]["tls_config"]["ca_file"] = str(certificate.certificate)
    write(folder / "blackbox.yml", blackbox)
    commands = {
        "alertmanager": [
            *(found("prometheus-alertmanager"), f"--config.file={folder}/alertmanager.yml"),
            *(f"--web.listen-address={at['alertmanager']}", f"--storage.path={folder}/am", "--cluster.listen-address="),
        ],
        "blackbox": [
            *(found("prometheus-blackbox-exporter"), f"--config.file={folder}/blackbox.yml"),
            f"--web.listen-address={at['blackbox']}",
        ],
        "textfiles": [
            *(found("prometheus-node-exporter"), f"--web.listen-address={at['textfiles']}"),
            *(option.replace("=/textfiles", f"={folder}") for option in COLLECTED),
        ],
        "prometheus": [
            *(found("prometheus"), f"--config.file={folder}/prometheus.yml"),
            *(f"--web.listen-address={at['prometheus']}", f"--storage.tsdb.path={folder}/tsdb"),
        ],
    }
    probe = {"alertmanager": "/-/ready", "blackbox": "/-/healthy", "prometheus": "/-/ready", "textfiles": "/"}
    with ExitStack() as stack:
        for name, command in commands.items():
            ready = is_up(f"http://{at[name]}{probe[name]}")
            stack.enter_context(running(command, ready, folder / f"{name}.log"))
        yield Watch(f"http://{at['prometheus']}", hook[1], lambda: load(gateway, secrets), at["dead"])


def write(path: Path, content: Any) -> None:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def prometheus_config(folder: Path, at: dict[str, str], service: local.Server, gateway: Any) -> Any:
    """The configuration of `deploy/` with the addresses of this test, asking every two seconds."""
    config = read(DEPLOY / "prometheus/prometheus.yml")
    config["global"] |= {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(folder / "rules.yml")]
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [at["alertmanager"]]}]}]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    targets = {
        "clinical-ner": [service.url.removeprefix("http://"), at["dead"]],
        "gateway": [at["blackbox"]],
        "textfiles": [at["textfiles"]],
        "prometheus": [at["prometheus"]],
        "alertmanager": [at["alertmanager"]],
    }
    for name, addresses in targets.items():
        jobs[name]["static_configs"] = [{"targets": addresses}]
    jobs["gateway"]["params"]["target"] = [f"{gateway.url}/readyz"]
    service_job = jobs["clinical-ner"]
    del service_job["dns_sd_configs"]
    service_job["scrape_timeout"] = "2s"
    service_job["authorization"]["credentials_file"] = str(folder / "key")
    return config


def impatient_rules() -> Any:
    groups = [group for path in RULES for group in read(path)["groups"]]
    for group in groups:
        for rule in group["rules"]:
            rule["for"] = "0s"
    return {"groups": groups}


def alertmanager_config(hook_url: str) -> Any:
    config = read(DEPLOY / "alertmanager/alertmanager.yml")
    for route in [config["route"], *config["route"]["routes"]]:
        route |= {"group_wait": "1s", "group_interval": "1s"}
    for receiver in config["receivers"]:
        for to in receiver["webhook_configs"]:
            to["url"] = f"{hook_url}/{receiver['name']}"
            to.pop("http_config", None)
    return config


def load(gateway: Any, secrets: dict[str, str]) -> None:
    """Notes with and without entities, feedback, and what is refused."""

    def post(path: str, role: str, body: Any) -> httpx.Response:
        headers = {"X-API-Key": secrets.get(role, role)}
        return gateway.client.post(f"{gateway.url}{path}", json=body, headers=headers)

    read_note = post("/extract", "extract", {"text": "Gout was treated with allopurinol."})
    post("/extract", "extract", {"notes": [{"text": "She came at nine."}, {"text": "Asthma."}]})
    post("/feedback", "feedback", {"prediction_id": read_note.json()["prediction_id"], "rating": 5})
    post("/extract", "extract", {"no": "text"})
    post("/extract", "cner_wrong", {"text": "x"})
    gateway.client.get(f"{gateway.url}/model", headers={"X-API-Key": secrets["extract"]})


def test_prometheus_scrapes_every_job_and_the_service_with_its_key(watch: Watch) -> None:
    def answering() -> set[str]:
        return {target["scrapePool"] for target in watch.api("targets")["activeTargets"] if target["health"] == "up"}

    jobs = {"clinical-ner", "gateway", "textfiles", "prometheus", "alertmanager"}
    wait_until(lambda: answering() == jobs, 60, "all jobs are up")
    wait_until(lambda: watch.series('up{job="clinical-ner"} == 1'), 30, "a scrape of the service")
    wait_until(lambda: watch.series('probe_success{job="gateway"} == 1'), 30, "a probe of the gateway")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_query_of_every_panel_returns_a_series(watch: Watch, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        query = re.sub(r"\$__(?:rate_interval|range)\b", "20s", target["expr"])

        def returned(query: str = query) -> list[dict[str, Any]]:
            watch.load()
            return [one for one in watch.series(query) if math.isfinite(float(one["value"][1]))]

        assert wait_until(returned, 30, f"a series of {query}")


def test_every_figure_that_an_alert_asks_for_is_one_of_the_service_or_of_a_command(watch: Watch) -> None:
    watch.load()
    asked = {name for rule in rules() for name in re.findall(r"\bclinical_ner_\w+", rule["expr"])}
    of_commands = set(re.findall(r"^clinical_ner_\w+", exposition(report([]), now()), re.MULTILINE))

    def missing() -> set[str]:
        return {name for name in asked - of_commands if not watch.series(name)}

    wait_until(lambda: not missing(), 30, "all figures are there")


def test_the_memory_of_a_worker_is_that_of_a_loaded_model(watch: Watch) -> None:
    held = wait_until(lambda: watch.series("clinical_ner_resident_memory_bytes"), 30, "the memory is there")

    assert 50e6 < float(held[0]["value"][1]) < 350e6  # where the alert begins


def test_no_rule_fails_when_it_is_evaluated(watch: Watch) -> None:
    def health() -> set[str]:
        return {rule["health"] for group in watch.api("rules")["groups"] for rule in group["rules"]}

    wait_until(lambda: "unknown" not in health(), 30, "all rules were evaluated")
    assert health() == {"ok"}


def test_an_alert_reaches_who_is_on_duty_and_the_watchdog_its_switch(watch: Watch) -> None:
    def told() -> set[tuple[str, str, str | None]]:
        alerts = [(path, alert["labels"]) for path, message in watch.told for alert in message["alerts"]]
        return {(path, labels["alertname"], labels.get("instance")) for path, labels in alerts}

    expected = {("/duty", "ServiceDown", watch.dead), ("/dead-mans-switch", "Watchdog", None)}
    wait_until(lambda: expected <= told(), 60, "both alerts are told")
