"""The command as an operator runs it: processes of its own, and a Dask cluster beside it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

COMMAND = [sys.executable, "-c", "from clinical_ner.cli import main\nif __name__ == '__main__': main()"]
DEADLINE = 120.0
Popen = subprocess.Popen[str]


def wait_until(is_so: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if value := is_so():
            return value
        time.sleep(0.02)
    raise TimeoutError(what)


def launched(*words: str, command: Sequence[str] = COMMAND) -> Popen:
    """The command, in a process group of its own."""
    return subprocess.Popen(
        [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def extracting(source: Path | str, out: Path | str, model: Path, *options: str) -> Popen:
    """`clinical-ner extract-batch`."""
    return launched("extract-batch", str(source), str(out), "--model", str(model), *options)


def ended(process: Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def done(out: Path) -> int:
    """How many shards are."""
    return len(list(out.glob("_shards/*.json")))


def until_done(process: Popen, out: Path, shards: int) -> None:
    """Wait until so many shards are done, or the process has ended."""
    wait_until(lambda: done(out) >= shards or process.poll() is not None, f"{shards} shards")


def workers_of(driver: int) -> list[psutil.Process]:
    """The processes that work: not the one that tracks resources."""
    found = psutil.Process(driver).children(recursive=True)
    return [process for process in found if "spawn_main" in " ".join(process.cmdline())]


def kill_with_workers(process: Popen) -> None:
    """Kill the process, whose workers end with it."""
    workers = workers_of(process.pid)
    process.kill()
    ended(process)
    wait_until(lambda: not any(worker.is_running() for worker in workers), "the workers end with the driver")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Dask(NamedTuple):
    """A cluster, and the processes that make it; a nanny looks after a worker."""

    address: str
    scheduler: Popen
    nannies: list[Popen]


@contextmanager
def dask_cluster(workers: int, folder: Path) -> Iterator[Dask]:
    """A scheduler and workers as an operator starts them."""
    pytest.importorskip("distributed")
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = [sys.executable, "-m", "dask"]
    words = ["--host", "127.0.0.1", "--port", address.rsplit(":", 1)[1], "--dashboard-address", "127.0.0.1:0"]
    log = (folder / "dask.log").open("w")
    scheduler = subprocess.Popen([*dask, "scheduler", *words], stdout=log, stderr=log, text=True)
    options = ["--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder / "dask")]
    nannies = [
        subprocess.Popen([*dask, "worker", address, *options], stdout=log, stderr=log, text=True)
        for _ in range(workers)
    ]
    try:
        yield Dask(address, scheduler, nannies)
    finally:
        for process in [*nannies, scheduler]:
            process.terminate()
        for process in [*nannies, scheduler]:
            process.wait(timeout=DEADLINE)
        log.close()
