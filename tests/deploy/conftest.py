"""The service with keys, and what stands around it as `deploy/` configures it: all real, on loopback."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from programs import DEPLOY, call, found, is_listening, rendered, running

from clinical_ner.serving import keys, local
from clinical_ner.serving.clock import now
from clinical_ner.serving.keys import Role
from clinical_ner.serving.store import Store

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="session")
def secrets(keys_file: Path) -> dict[str, str]:
    """A key of each role, by its name."""
    return {role.value: keys.create(keys_file, f"the {role} key", [role], now())[1] for role in Role}


@pytest.fixture(scope="session")
def service(
    model_path: Path, secrets: dict[str, str], keys_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[local.Server]:
    assert secrets
    settings = {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_KEYS": str(keys_file)}
    home = tmp_path_factory.mktemp("service")
    with local.running(SERVICE, ROOT, home, **settings) as server:
        store = Store.open(f"sqlite:///{home / 'store.sqlite'}")
        store.add_run(monitoring_run())
        store.close()
        yield server


def monitoring_run() -> dict[str, Any]:
    """A row of a run that found nothing."""
    figures = {"distance": 0.4, "separation": 0.5, "mean_confidence": 0.97, "judged": 40, "agreement": 0.9}
    times = {"created_at": now(), "since": now() - timedelta(days=1), "until": now()}
    return {"run_id": uuid4(), "notes": 300, "verdict": "none", "report": {"actions": ["log"]}, **times, **figures}


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for localhost and its key."""

    certificate: Path
    key: Path

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subject = ("-subj", "/CN=localhost", "-addext", names, "-days", "2")
    done = call("openssl", "req", "-x509", *kind, *subject, "-keyout", made.key, "-out", made.certificate)
    assert done.returncode == 0, done.stdout
    return made


@dataclass(frozen=True)
class Gateway:
    """A running nginx: its address, its log, and a client that trusts it."""

    url: str
    log: Path
    client: httpx.Client


StartGateway = Callable[..., Gateway]


@pytest.fixture(scope="session")
def start_gateway(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartGateway]:
    """Start nginx with the template before a service, `host:port`; keywords change what `GATEWAY_...` states."""
    with ExitStack() as stack:

        def start(upstream: str, **changes: str) -> Gateway:
            nginx, folder, port = found("nginx"), tmp_path_factory.mktemp("gateway"), local.free_port()
            settings = {
                "GATEWAY_SERVICE": upstream,
                "GATEWAY_LISTEN": f"127.0.0.1:{port}",
                "GATEWAY_CERTIFICATE": str(certificate.certificate),
                "GATEWAY_CERTIFICATE_KEY": str(certificate.key),
                "GATEWAY_FOLDER": str(folder),
                "GATEWAY_MAX_BODY_BYTES": "20000",
                "GATEWAY_BODY_BUFFER_BYTES": "40000",
                "GATEWAY_RATE_PER_KEY": "1000r/s",
                "GATEWAY_RATE_PER_ADDRESS": "1000r/s",
                "GATEWAY_BURST": "1000",
                "GATEWAY_CONNECTIONS_PER_ADDRESS": "50",
            } | changes
            (folder / "nginx.conf").write_text(rendered(DEPLOY / "gateway/nginx.conf.template", settings))
            client = stack.enter_context(httpx.Client(verify=certificate.trusted, timeout=30))
            gateway = Gateway(f"https://127.0.0.1:{port}", folder / "log", client)
            command = [nginx, "-c", str(folder / "nginx.conf"), "-e", "stderr", "-g", "daemon off;"]
            stack.enter_context(running(command, is_listening(port), gateway.log))
            return gateway

        yield start


@pytest.fixture(scope="session")
def gateway(service: local.Server, start_gateway: StartGateway) -> Gateway:
    return start_gateway(service.url.removeprefix("http://"))
