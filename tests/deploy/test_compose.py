"""What can be said of `compose.yaml` and of the log shipping without an engine and without Elasticsearch."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import yaml
from programs import DEPLOY, answering, call, found, wait_until

from clinical_ner.serving import local, settings

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
LOGGING = DEPLOY / "logging"


def test_compose_fits_the_specification() -> None:
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_compose_starts_the_service_and_all_that_stands_around_it() -> None:
    assert set(SERVICES) == {
        *("gateway", "service", "store"),
        *("prometheus", "alertmanager", "blackbox", "textfiles", "grafana"),
        *("elasticsearch", "elasticsearch-setup", "kibana", "log-shipper"),
    }


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_is_confined(name: str) -> None:
    service = SERVICES[name]

    assert re.search(r":[\w.-]*\d[\w.-]*$", service["image"]) or "CLINICAL_NER_IMAGE" in service["image"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True or name == "elasticsearch"
    assert {"mem_limit", "cpus", "pids_limit", "logging", "restart"} <= set(service)
    assert "healthcheck" in service or name == "elasticsearch-setup"


def test_only_the_gateway_is_reached_from_other_machines() -> None:
    ports = {name: port for name, service in SERVICES.items() for port in service.get("ports", [])}

    assert {name for name, port in ports.items() if not port.startswith("127.0.0.1:")} == {"gateway"}


def test_every_file_every_secret_and_every_network_that_is_named_exists() -> None:
    for service in SERVICES.values():
        mounted = [one.split(":")[0] for one in service.get("volumes", [])]
        assert all((DEPLOY / one).exists() for one in mounted if one.startswith("."))
        assert {one for one in mounted if not one.startswith(".")} <= set(COMPOSE["volumes"])
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert set(service["networks"]) <= set(COMPOSE["networks"])


# --- what the configuration names ------------------------------------------------------------------------
PATH = re.compile(r"""(?:^|[\s"'=])(/[\w.-]+(?:/[\w.-]+)*)""", re.MULTILINE)
HOST = re.compile(r"""\b([a-z][\w-]*):\d{4,5}\b|\bHost +(\S+)|host=(\w+)|\bnames: \[(\w+)\]""")
# Made by the container itself, a part of its image, or no file.
NOT_GIVEN = {"/var/lib/clinical-ner/keys.json", "/tmp/gateway/nginx.conf", "/dev/null", "/probe"}  # noqa: S108
NOT_GIVEN |= {"/fluent-bit/bin/fluent-bit", "/usr/local/bin/kibana-docker"}


def bound(name: str) -> dict[str, Path]:
    """The files and folders of ours that a service has mounted, by their paths in its container."""
    pairs = [one.split(":")[:2] for one in SERVICES[name].get("volumes", []) if one.startswith(".")]
    return {target: DEPLOY / source for source, target in pairs}


def configuration(name: str) -> str:
    """What a service is told: command, environment and mounted files, without comments.

    Of the gateway's template the routes would look like paths; the files that it names are in the environment.
    """
    folders = [path for path in bound(name).values() if path.is_dir() and path.name != "rules"]
    files = [path for path in bound(name).values() if path.is_file() and path.suffix != ".template"]
    files += [path for folder in folders for path in folder.rglob("*") if path.suffix in {".yml", ".sh"}]
    stated = {key: SERVICES[name].get(key) for key in ("entrypoint", "command", "environment")}
    return re.sub(r"(^|\s)#.*", "", "\n".join([yaml.safe_dump(stated, width=1000), *map(Path.read_text, files)]))


def is_given(name: str, path: str) -> bool:
    """Whether a service has a file or a folder of ours at this path, a secret, or a volume of exactly this name."""
    service = SERVICES[name]
    rooms = {one.split(":")[1] for one in service.get("volumes", [])} | {"/run/secrets"}
    rooms |= {one.split(":")[0] for one in service.get("tmpfs", [])}
    rooms |= {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}
    of_ours = [
        source / path[len(target) + 1 :] for target, source in bound(name).items() if path.startswith(f"{target}/")
    ]
    return path in rooms or any(one.exists() for one in of_ours)


@pytest.mark.parametrize("name", SERVICES)
def test_each_path_that_a_configuration_names_is_in_its_container(name: str) -> None:
    paths = set(PATH.findall(configuration(name))) - NOT_GIVEN

    assert paths
    assert {path for path in paths if not is_given(name, path)} == set()


def test_prometheus_finds_its_rules() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["rule_files"]

    assert [is_given("prometheus", f"/etc/prometheus/{Path(one).parent}") for one in rules] == [True]


def test_each_host_that_a_configuration_names_is_a_service_on_a_common_network() -> None:
    texts = {name: configuration(name) for name in SERVICES}
    texts["service"] += (DEPLOY / "secrets.sh").read_text()  # makes the file that names the store
    asked = {
        name: {host for found in HOST.findall(text) for host in found if host} - {"localhost"}
        for name, text in texts.items()
    }

    assert {name: hosts for name, hosts in asked.items() if hosts} == {
        "gateway": {"service"},
        "service": {"store"},
        "prometheus": {"service", "gateway", "alertmanager", "blackbox", "textfiles"},
        "grafana": {"prometheus"},
        "elasticsearch-setup": {"elasticsearch", "kibana"},
        "kibana": {"elasticsearch"},
        "log-shipper": {"elasticsearch"},
    }
    for name, hosts in asked.items():
        assert all(set(SERVICES[name]["networks"]) & set(SERVICES[host]["networks"]) for host in hosts), name


def test_no_secret_stands_in_the_environment() -> None:
    values = {
        f"{name}: {variable}": value
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
        if re.search("password|secret|token|credential", variable, re.IGNORECASE)
    }

    assert all(value.startswith("/run/secrets") for value in values.values()), values


def test_the_service_is_given_settings_that_it_has() -> None:
    stated = SERVICES["service"]["environment"]

    read = settings.from_environment({name: value for name, value in stated.items() if name.startswith("CLINICAL")})
    assert str(read.keys) == "/var/lib/clinical-ner/keys.json"


def test_the_gateway_refuses_the_bodies_that_the_service_would() -> None:
    limit = settings.Settings().max_body_bytes

    assert int(SERVICES["gateway"]["environment"]["GATEWAY_MAX_BODY_BYTES"]) == limit


def test_compose_states_every_setting_of_the_gateway() -> None:
    template = (DEPLOY / "gateway/nginx.conf.template").read_text()

    asked = set(re.findall(r"\$\{(\w+)\}", template))
    environment = SERVICES["gateway"]["environment"]
    assert {name for name in asked if re.match(environment["NGINX_ENVSUBST_FILTER"], name)} == {
        name for name in environment if name.startswith("GATEWAY_")
    }


def test_the_script_makes_each_secret_but_the_keys_and_keeps_what_is_there(tmp_path: Path) -> None:
    found("openssl")
    (tmp_path / "secrets.sh").write_bytes((DEPLOY / "secrets.sh").read_bytes())

    first = call("sh", tmp_path / "secrets.sh", "ner.example.org")
    made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    second = call("sh", tmp_path / "secrets.sh", "ner.example.org")
    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    assert {Path(one["file"]).name for one in COMPOSE["secrets"].values()} == set(made) | {"metrics_key"}
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert made["store_password"] in made["store_service.conf"]


def test_the_store_is_found_by_the_file_that_the_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found("openssl")
    (tmp_path / "secrets.sh").write_bytes((DEPLOY / "secrets.sh").read_bytes())
    call("sh", tmp_path / "secrets.sh")
    file = tmp_path / "secrets/store_service.conf"
    port = local.free_port()
    file.write_text(file.read_text().replace("host=store", f"host=127.0.0.1\nport={port}"))
    monkeypatch.setenv("PGSERVICEFILE", str(file))

    engine = sqlalchemy.create_engine(SERVICES["service"]["environment"]["CLINICAL_NER_STORE"])
    with pytest.raises(sqlalchemy.exc.OperationalError, match=f"port {port} failed"):
        engine.connect()


# --- the logs --------------------------------------------------------------------------------------------
def indexed(properties: dict[str, Any], prefix: str = "") -> set[str]:
    """The names of the fields of a mapping, with dots."""
    names: set[str] = set()
    for name, field in properties.items():
        names |= indexed(field["properties"], f"{prefix}{name}.") if "properties" in field else {f"{prefix}{name}"}
    return names


TEMPLATE = json.loads((LOGGING / "index-template.json").read_text())
FIELDS = indexed(TEMPLATE["template"]["mappings"]["properties"])


def logged_fields(log: Path) -> set[str]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return {name for line in lines for name in line}


def test_the_index_has_every_field_of_the_logs_and_no_other(
    service: Any, gateway: Any, secrets: dict[str, str]
) -> None:
    url, key = gateway.url, {"X-API-Key": secrets["extract"]}
    gateway.client.get(f"{url}/model", headers=key)
    gateway.client.get(f"{url}/model")

    wait_until(lambda: "error.code" in logged_fields(service.log), 10, "the refusal is logged")
    wait_until(lambda: "url.path" in logged_fields(gateway.log), 10, "the request is logged")
    of_failures = {"error.type", "error.stack_trace"}  # which the service logs when it fails; see its own tests
    of_the_shipper = {"container.name"}
    assert logged_fields(service.log) | logged_fields(gateway.log) | of_failures | of_the_shipper == FIELDS


def test_the_shipper_reads_the_time_of_both_logs(service: Any, gateway: Any) -> None:
    gateway.client.get(f"{gateway.url}/model")
    stated = re.search(r"Time_Format +(\S+)", (LOGGING / "parsers.conf").read_text())
    assert stated is not None
    form = stated[1].replace(".%L", ".%f")  # as Python writes it

    for log in (service.log, gateway.log):
        wait_until(lambda log=log: "url.path" in logged_fields(log), 10, f"a request in {log}")
        times = [json.loads(line)["@timestamp"] for line in log.read_text().splitlines()]
        assert all(datetime.strptime(one, form).tzinfo for one in times)  # noqa: DTZ007 - its zone is asserted


def test_kibana_shows_only_fields_of_the_index() -> None:
    objects = [json.loads(line) for line in (LOGGING / "data-view.ndjson").read_text().splitlines()]

    assert {column for one in objects for column in one["attributes"].get("columns", [])} <= FIELDS
    assert [one["attributes"]["title"] for one in objects][:1] == TEMPLATE["index_patterns"]
    assert {reference["id"] for one in objects for reference in one["references"]} <= {one["id"] for one in objects}


def test_the_logs_are_written_where_the_index_is() -> None:
    written = re.search(r"^ +Index +(\S+)", (LOGGING / "fluent-bit.conf").read_text(), re.MULTILINE)

    assert written is not None
    assert written[1].startswith(TEMPLATE["index_patterns"][0].removesuffix("*"))


def test_the_lines_that_wait_for_elasticsearch_fit_where_they_wait() -> None:
    kept = re.search(r"storage\.total_limit_size +(\d+)M$", (LOGGING / "fluent-bit.conf").read_text(), re.MULTILINE)
    (folder,) = SERVICES["log-shipper"]["tmpfs"]
    room = re.search(r"size=(\d+)m", folder)

    assert kept is not None
    assert room is not None
    assert int(kept[1]) < int(room[1])  # else no line is dropped before the folder is full, and the new ones are lost


class Elastic(BaseHTTPRequestHandler):
    """Takes everything, after one failure, and keeps it."""

    received: list[tuple[str, str, str | None, bytes]]
    failures: list[int]

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.received.append((self.command, self.path, self.headers.get("Authorization"), content))
        self.send_response(self.failures.pop() if self.failures else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def elastic() -> Iterator[tuple[str, list[tuple[str, str, str | None, bytes]]]]:
    """What stands for Elasticsearch and Kibana: its address, and the requests that it got."""
    received: list[tuple[str, str, str | None, bytes]] = []
    with answering(Elastic, received=received, failures=[503]) as address:
        yield f"http://{address}", received


def test_the_setup_tells_elasticsearch_and_kibana_all_and_tries_again(elastic: Any, tmp_path: Path) -> None:
    found("curl")
    address, received = elastic
    for name, content in {
        "elastic_password": "first",
        "kibana_password": "second",
        "elastic_writer.conf": "@SET ELASTIC_PASSWORD=third\n",
    }.items():
        (tmp_path / name).write_text(content)
    places = {"ELASTICSEARCH": address, "KIBANA": address, "CONFIGURATION": str(LOGGING), "SECRETS": str(tmp_path)}

    done = call("sh", LOGGING / "setup.sh", **places)
    assert done.returncode == 0, done.stdout
    assert [(method, path) for method, path, _, _ in received] == [
        ("PUT", "/_ilm/policy/clinical-ner-logs"),
        ("PUT", "/_ilm/policy/clinical-ner-logs"),
        ("PUT", "/_index_template/clinical-ner-logs"),
        ("PUT", "/_security/role/clinical_ner_writer"),
        ("PUT", "/_security/user/clinical_ner_writer"),
        ("POST", "/_security/user/kibana_system/_password"),
        ("POST", "/api/saved_objects/_import?overwrite=true"),
    ]
    first = f"Basic {base64.b64encode(b'elastic:first').decode()}"
    assert {authorization for _, _, authorization, _ in received} == {first}
    assert json.loads(received[2][3]) == TEMPLATE
    assert json.loads(received[4][3]) == {"password": "third", "roles": ["clinical_ner_writer"]}
    assert json.loads(received[5][3]) == {"password": "second"}
    assert (LOGGING / "data-view.ndjson").read_bytes() in received[6][3]
