"""A server of our own on a free loopback port, for as long as a `with` block."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from clinical_ner.serving.settings import PREFIX

START_SECONDS = 60.0
STOP_SECONDS = 20.0
# Of the caller's environment these must not decide what is served, nor any setting.
DROPPED = ("BENTOML_CONFIG", "BENTOML_CONFIG_OPTIONS", "PROMETHEUS_MULTIPROC_DIR")
KEYS = f"{PREFIX}KEYS"
FAILED = "Application startup failed"  # a worker's last words; its parent would start another one for ever


@dataclass(frozen=True)
class Server:
    """A running server: its address, its log, and the process that started its workers."""

    url: str
    log: Path
    pid: int

    def ask(self, text: str) -> Any:
        """The entities and treatments of one note, without ids, as `ner.extraction.extract` returns them."""
        answer = httpx.post(f"{self.url}/extract", json={"text": text}, timeout=30)
        answer.raise_for_status()
        return {name: answer.json()[name] for name in ("entities", "treatments")}


def environment(home: Path, **extra: str) -> dict[str, str]:
    """The caller's environment with everything that is written inside `home`, for local use, and `extra` on top."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED and not name.startswith(PREFIX)}
    inside = {
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        f"{PREFIX}STORE": f"sqlite:///{home / 'store.sqlite'}",
    }
    return kept | inside | ({} if KEYS in extra else {f"{PREFIX}LOCAL": "true"}) | extra


@contextmanager
def running(target: str, cwd: Path, home: Path, **extra: str) -> Iterator[Server]:
    """Serve `target`, an import path or a Bento's folder; on leaving, it and its workers are stopped.

    Two servers must not share a `home`: they would erase each other's metrics.

    Raises:
        RuntimeError: it ended, or was not ready in time; the message has the end of its log.
    """
    home.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), home / "server.log"
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(home, **extra), stdout=output, stderr=output, start_new_session=True
        )
    try:
        server = Server(f"http://127.0.0.1:{port}", log, process.pid)
        _wait_until_ready(server, process)
        yield server
    finally:
        stop(process)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and FAILED not in server.log.read_text() and time.monotonic() < deadline:
        if _is_ready(server):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not become ready; the end of its log:\n{server.log.read_text()[-3000:]}")


def _is_ready(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/readyz", timeout=1).is_success
    except httpx.TransportError:
        return False


def stop(process: subprocess.Popen[Any]) -> None:
    """Ask the parent to end, then end what is left: each worker is a group of its own and outlives a killed parent."""
    if process.poll() is not None:
        return
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
