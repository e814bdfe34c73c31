"""The measurement of the service's speed does not pass over what went wrong."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

SCRIPT = Path(__file__).parents[3] / "docs/service_speed.py"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def speed() -> ModuleType:
    spec = importlib.util.spec_from_file_location("service_speed", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["service_speed"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def failures(speed: ModuleType, answers: list[bytes]) -> int:
    """How many of five requests fail on a server that drops a connection after these answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for one in answers:
            await reader.readuntil(b"{}")
            writer.write(one)
        writer.close()

    async def measure() -> int:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        target = speed.Target("test", server.sockets[0].getsockname()[1], 0)
        async with server:
            await speed.ask(target, b"{}", 5)
        return int(target.failures)

    return asyncio.run(measure())


def test_what_is_answered_is_no_failure(speed: ModuleType) -> None:
    assert failures(speed, [GOOD] * 5) == 0


def test_a_status_of_failure_is_counted(speed: ModuleType) -> None:
    assert failures(speed, [GOOD, *[GOOD.replace(b"200", b"503")] * 2, GOOD, GOOD]) == 2


def test_a_connection_that_is_dropped_is_counted(speed: ModuleType) -> None:
    assert failures(speed, []) == 5
    assert failures(speed, [GOOD[:-1]]) == 5
    assert failures(speed, [GOOD, GOOD]) == 1  # the third request; the next two go over a new connection


@pytest.mark.parametrize(("met", "code"), [(True, 0), (False, 1)])
def test_a_missed_bar_ends_the_run_with_1(
    speed: ModuleType, monkeypatch: pytest.MonkeyPatch, met: bool, code: int
) -> None:
    from contextlib import nullcontext

    for name in ("service", "bare"):
        monkeypatch.setattr(speed, name, lambda _: nullcontext())
    monkeypatch.setattr(speed, "compare", lambda *_: True)
    monkeypatch.setattr(speed, "endure", lambda *_: met)

    ended: Any = 0
    try:
        speed.main(requests=800, long=10)
    except typer.Exit as exit_:
        ended = exit_.exit_code

    assert ended == code
