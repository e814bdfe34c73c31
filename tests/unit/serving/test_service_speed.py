"""The measurement of the service's speed does not pass over what went wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from tests.scripts import module

SCRIPT = Path(__file__).parents[3] / "docs/service_speed.py"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def speed() -> ModuleType:
    return module(SCRIPT)


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


class Server:
    """A target whose requests take so much processor time, and whose worker holds so much."""

    def __init__(self, speed: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cost: dict[str, tuple[float, float]] = {}  # milliseconds: of the processor, to the answer
        self.targets = [speed.Target(name, 0, 0) for name in ("ours", "theirs")]
        self.megabytes = iter([100.0] * 11)

        async def load(target: Any, _request: bytes, requests: int, _connections: int) -> float:
            processor, answer = self.cost[target.name]
            target.seconds += [answer / 1000] * requests
            return processor

        monkeypatch.setattr(speed, "load", load)
        monkeypatch.setattr(speed.Target, "worker_bytes", lambda _: (int(next(self.megabytes) * 1e6), 0, 0))


@pytest.fixture
def server(speed: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(speed, monkeypatch)


@pytest.mark.parametrize(
    ("ours", "missed"),
    [((2.0, 2.0), None), ((2.1, 1.0), "CPU"), ((1.0, 2.1), "p50")],
)
def test_more_than_twice_of_the_bare_application_is_missed(
    speed: ModuleType, server: Server, capsys: pytest.CaptureFixture[str], ours: tuple[float, float], missed: str | None
) -> None:
    server.cost = {"ours": ours, "theirs": (1.0, 1.0)}

    met = speed.compare("a note", "Gout.", server.targets, 800)

    assert met is (missed is None)
    assert (f"missed: {missed}" in capsys.readouterr().out) is (missed is not None)
    assert [row["connections"] for row in server.targets[0].ratios] == [1, 8, 32]
    assert {(row["characters"], row["CPU"], row["p50"]) for row in server.targets[0].ratios} == {(5, *ours)}


@pytest.mark.parametrize(
    ("megabytes", "met"),
    [([90.0] + [119.0] * 10, True), ([119.0] * 10 + [120.1], False), ([100.0] * 10 + [102.1], False)],
)
def test_a_worker_that_is_too_large_or_grows_is_missed(
    speed: ModuleType, server: Server, megabytes: list[float], met: bool
) -> None:
    server.cost = {"ours": (1.0, 1.0)}
    server.megabytes = iter(megabytes)

    assert speed.endure(server.targets[0], 100) is met
    assert server.targets[0].megabytes == megabytes


def test_a_failure_in_the_long_run_is_missed(
    speed: ModuleType, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(target: Any, *_: Any) -> float:
        target.failures += 1
        return 0.0

    monkeypatch.setattr(speed, "load", fail)

    assert speed.endure(server.targets[0], 100) is False
