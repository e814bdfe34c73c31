"""Measure what the service costs beside a bare uvicorn application with the same tagger and the same payload.

    python docs/service_speed.py                       everything, one run
    python docs/service_speed.py --requests 2000 --long 0    a quick look

Both servers run at once and are asked in turn, so that what else the machine does weighs on both alike; figures are
ratios within the run: processor time a request, and the median and 99th percentile of the time to an answer, at 1, 8
and 32 connections. Then the service is asked as often as `--long` says, and its failures and its memory are shown.

Memory is stated three ways: what a worker adds to the machine (its own pages, and its share of those it has in common
with others: PSS; the shares of all processes add up to what is in use, so the bar is on this), its own pages alone
(USS), and all it can see (RSS, which counts the C libraries that every Python process has mapped).
A missed bar or a failed request ends it with 1; a connection that is dropped is a failed request. The bars are BARS,
MOST_SECONDS, MOST_MEGABYTES and MOST_GROWTH.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import psutil
from typer import Exit, Option

from clinical_ner.core import files
from clinical_ner.core.commands import run
from clinical_ner.serving import keys, local
from clinical_ner.serving.clock import now
from clinical_ner.serving.keys import Role

ROOT = Path(__file__).parents[1]
SERVICE = "clinical_ner.serving.service:Service"
CONNECTIONS = (1, 8, 32)
ROUNDS = 8  # in which the two take turns
BARS = {"CPU": 2.0, "p50": 2.0, "p99": 3.0}  # times what the bare application takes
MOST_SECONDS = 5.0  # from the start of the process to the first answer
MOST_MEGABYTES = 120  # of a worker, at any time
MOST_GROWTH = 2.0  # megabytes, over the long run from its first tenth on: until then tables of words fill
SHORT = "Type 2 diabetes mellitus was treated with metformin. She has asthma and takes albuterol."
BARE = """
import json, os
from pathlib import Path
from clinical_ner.ner.extraction import extract
from clinical_ner.ner.tagger import Tagger

TAGGER = Tagger.load(Path(os.environ["MODEL"]))

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = json.dumps(extract(TAGGER, json.loads(body)["text"])).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
"""


@dataclass
class Target:
    """A server under measurement."""

    name: str
    port: int
    pid: int
    key: str = ""
    seconds: list[float] = field(default_factory=list)
    failures: int = 0
    load: list[dict[str, float]] = field(default_factory=list)  # of each comparison and number of connections
    ratios: list[dict[str, float]] = field(default_factory=list)  # of the same, to the other server
    megabytes: list[float] = field(default_factory=list)  # of the worker, at each tenth of the long run

    def processor_seconds(self) -> float:
        """Of the process and all that it started."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def processes(self) -> list[psutil.Process]:
        """The process and all that it started."""
        parent = psutil.Process(self.pid)
        return [parent, *parent.children(recursive=True)]

    def worker_bytes(self) -> tuple[int, int, int]:
        """The memory of the process that answers: its share, its own, and all that it sees."""
        found = self.processes()[-1].memory_full_info()
        return found.pss, found.uss, found.rss

    def request(self, text: str) -> bytes:
        """The bytes of a request for this text."""
        body = json.dumps({"text": text}).encode()
        lines = ["POST /extract HTTP/1.1", "Host: x", "Content-Type: application/json", f"X-API-Key: {self.key}"]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def main(
    requests: Annotated[int, Option(min=800, help="At each number of connections, of each server.")] = 8_000,
    long: Annotated[int, Option(min=0, help="Requests of the long run.")] = 100_000,
    out: Annotated[Path | None, Option(help="Write what scales, of a short note and of the long run, as JSON.")] = None,
) -> None:
    """Print a table for a short note and one for a page, then the long run; exits 1 if a bar was missed."""
    page = (ROOT / "docs/example.txt").read_text(encoding="utf-8")
    met = []
    with tempfile.TemporaryDirectory(prefix="clinical-ner-") as folder:
        started = time.monotonic()
        with service(Path(folder) / "service") as ours:
            ready = round(time.monotonic() - started, 1)
            met.append(ready <= MOST_SECONDS)
            print(f"ready after {ready:.1f} s{told([] if met[-1] else ['time to be ready'])}")
            with bare(Path(folder) / "bare") as theirs:
                for name, text, share in (("88 characters", SHORT, 1), (f"{len(page)} characters", page, 4)):
                    met.append(compare(name, text, (ours, theirs), requests // share))
            if long:
                met.append(endure(ours, long))
            if out:
                found = {"characters": len(SHORT), "load": ours.load[: len(CONNECTIONS)], "ratios": ours.ratios}
                memory = {"memory_mb": ours.megabytes, "long_run_requests": long, "long_run_failures": ours.failures}
                files.write_json(out, {**found, **memory, "ready_seconds": ready})
    if not all(met):
        raise Exit(1)


# --- the servers ------------------------------------------------------------------------------------
@contextmanager
def service(home: Path) -> Iterator[Target]:
    """The service as it is deployed: keys, store, metrics and logs, one worker."""
    key_file = home / "keys.json"
    secret = keys.create(key_file, "bench", [Role.EXTRACT], now())[1]
    model = str(ROOT / "models/tagger.crfsuite")
    with local.running(SERVICE, ROOT, home, CLINICAL_NER_MODEL=model, CLINICAL_NER_KEYS=str(key_file)) as server:
        yield Target("service", int(server.url.rpartition(":")[2]), server.pid, secret)


@contextmanager
def bare(folder: Path) -> Iterator[Target]:
    """The tagger behind the least that uvicorn needs."""
    folder.mkdir()
    (folder / "bare.py").write_text(BARE, encoding="utf-8")
    port = local.free_port()
    command = [sys.executable, "-m", "uvicorn", "bare:app", "--port", str(port), "--no-access-log", "--app-dir", "."]
    environment = local.environment(folder, MODEL=str(ROOT / "models/tagger.crfsuite"))
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    target = Target("bare uvicorn", port, process.pid)
    try:
        asyncio.run(wait_for(target))
        yield target
    finally:
        process.terminate()
        process.wait()


async def wait_for(target: Target) -> None:
    """Return when the server answers, or raise `RuntimeError` if it has ended."""
    while psutil.Process(target.pid).status() != psutil.STATUS_ZOMBIE:
        target.failures = 0
        await ask(target, target.request(SHORT), 1)
        if not target.failures:
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{target.name} has ended")


# --- the load ---------------------------------------------------------------------------------------
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(target: Target, request: bytes, times: int) -> None:
    """One connection that asks one question after the other; what is not answered with 200 is counted.

    A connection that is dropped is a failure too; the next question goes over a new one.
    """
    connection: Connection | None = None
    for _ in range(times):
        start = time.perf_counter()
        try:
            connection = connection or await asyncio.open_connection("127.0.0.1", target.port)
            is_good = await is_answered(connection, request)
        except (EOFError, OSError):
            connection, is_good = None, False
        target.seconds.append(time.perf_counter() - start)
        target.failures += not is_good
    if connection:
        connection[1].close()


async def is_answered(connection: Connection, request: bytes) -> bool:
    """Whether the answer is 200; it is read to its end."""
    reader, writer = connection
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return head.startswith(b"HTTP/1.1 200")


async def load(target: Target, request: bytes, requests: int, connections: int) -> float:
    """Ask over several connections at once; the processor time that a request took the server, in milliseconds."""
    start, each = target.processor_seconds(), max(1, requests // connections)
    await asyncio.gather(*(ask(target, request, each) for _ in range(connections)))
    return 1000 * (target.processor_seconds() - start) / (each * connections)


def compare(name: str, text: str, targets: Sequence[Target], requests: int) -> bool:
    """Print a line for each number of connections; whether every bar was met."""
    all_met = True
    print(f"\n{name:<24}{'CPU ms':>16}{'p50 ms':>18}{'p99 ms':>18}")
    for connections in CONNECTIONS:
        rows = [[0.0] for _ in targets]
        for target in targets:
            target.seconds, target.failures = [], 0
        for _ in range(ROUNDS):
            for row, target in zip(rows, targets, strict=True):
                request = target.request(text)
                row.append(asyncio.run(load(target, request, requests // ROUNDS, connections)))
        ours, theirs = ([median(row[1:]), *times(target)] for row, target in zip(rows, targets, strict=True))
        shown = [f"{a:>7.2f}/{b:<5.2f}={a / b:>4.2f}" for a, b in zip(ours, theirs, strict=True)]
        targets[0].load.append(throughput(targets[0], connections))
        ratios = {bar: a / b for bar, a, b in zip(BARS, ours, theirs, strict=True)}
        shares = {bar: round(ratio, 2) for bar, ratio in ratios.items()}
        targets[0].ratios.append({"characters": len(text), "connections": connections, **shares})
        missed = above(ratios) + [f"{each.failures} failures of {each.name}" for each in targets if each.failures]
        all_met = all_met and not missed
        print(f"{connections:>3} connections        {' '.join(shown)}{told(missed)}")
    return all_met


def above(ratios: Mapping[str, float]) -> list[str]:
    """The bars that ratios miss.

    >>> above({"CPU": 2.0, "p50": 2.01, "p99": 2.9})
    ['p50']
    """
    return [bar for bar, most in BARS.items() if ratios[bar] > most]


def told(missed: Sequence[str]) -> str:
    """What is missed, at the end of a line."""
    return f"  missed: {', '.join(missed)}" if missed else ""


def throughput(target: Target, connections: int) -> dict[str, float]:
    """The requests answered a second; each connection asks as soon as it has been answered (Little's law)."""
    rate = connections * len(target.seconds) / sum(target.seconds)
    return {"connections": connections, "requests": len(target.seconds), "requests_per_second": round(rate, 1)}


def times(target: Target) -> list[float]:
    """The median and the 99th percentile, in milliseconds."""
    return [1000 * median(target.seconds), 1000 * quantiles(target.seconds, n=100)[98]]


def endure(target: Target, requests: int) -> bool:
    """Print the failures, and the memory at each tenth of many requests; whether every bar was met."""
    target.failures = 0
    sizes = [target.worker_bytes()]
    for _ in range(10):
        asyncio.run(load(target, target.request(SHORT), requests // 10, 32))
        target.seconds = []
        sizes.append(target.worker_bytes())
    target.megabytes = [round(size / 1e6, 1) for size, *_ in sizes]
    growth = [(after - before) / 1e6 for (before, *_), (after, *_) in pairwise(sizes)]
    share, own, seen = (size / 1e6 for size in max(sizes))
    missed = too_much(target.megabytes) + (["failures"] if target.failures else [])
    print(f"\na worker has {share:.1f} MB (PSS), of its own {own:.1f} (USS), and sees {seen:.1f} (RSS)")
    steps = " ".join(f"{step:+.1f}" for step in growth)
    print(f"{requests} requests: {target.failures} failed; memory by tenths {steps}{told(missed)}")
    return not missed


def too_much(megabytes: Sequence[float]) -> list[str]:
    """The bars that the memory of a worker misses, at the start of a long run and after each part of it.

    >>> too_much([110.0, 119.0, 120.0]), too_much([110.0, 115.0, 121.0])
    ([], ['memory', 'flat memory'])
    """
    missed = {"memory": max(megabytes) > MOST_MEGABYTES, "flat memory": megabytes[-1] - megabytes[1] > MOST_GROWTH}
    return [bar for bar, is_missed in missed.items() if is_missed]


if __name__ == "__main__":
    run(main)
