"""What stands around the service in tests, on loopback and free ports: programs that Debian offers, and stand-ins."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from clinical_ner.serving import local

DEPLOY = Path(__file__).parents[2] / "deploy"
START_SECONDS = 30.0


def found(program: str) -> str:
    """The program's path; without it the test is skipped."""
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin:/sbin:/bin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def call(program: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; both its outputs are in `stdout`."""
    return subprocess.run(
        [found(program), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
    )


def wait_until(is_so: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of `is_so`, asked again and again; an error of the connection counts as false."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if value := is_so():
                return value
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"not within {seconds:g} s: {what}")


@contextmanager
def running(command: list[str], is_ready: Callable[[], Any], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, ready; on leaving it is stopped."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)

    def ended_or_ready() -> Any:
        return process.poll() is not None or is_ready()

    try:
        wait_until(ended_or_ready, START_SECONDS, f"{command[0]} is ready")
        assert process.poll() is None, f"{command[0]} ended:\n{log.read_text()[-3000:]}"
        yield process
    finally:
        local.stop(process)


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler], **state: Any) -> Iterator[str]:
    """A server that stands for another one: its `host:port`; `state` is what all of its handlers have in common."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), state))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def is_listening(port: int) -> Callable[[], bool]:
    """Whether somebody takes connections there; it costs no request."""

    def connects() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return connects


def is_up(url: str, **options: Any) -> Callable[[], bool]:
    """Whether a GET is answered with success."""
    return lambda: httpx.get(url, timeout=1, **options).is_success


def rendered(template: Path, values: Mapping[str, str]) -> str:
    """The template with `${GATEWAY_...}` filled in, as the image of nginx does with envsubst."""
    text = template.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text
