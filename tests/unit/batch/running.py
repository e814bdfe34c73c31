"""The command as an operator runs it: processes of its own, and a Dask cluster beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

import psutil
import pytest
from programs import wait_until

from clinical_ner.serving.local import free_port, stop

COMMAND = [sys.executable, "-c", "from clinical_ner.cli import main\nif __name__ == '__main__': main()"]
DEADLINE = 120.0
Popen = subprocess.Popen[str]


def launched(*words: str, command: Sequence[str] = COMMAND) -> Popen:
    """The command, in a process group of its own."""
    pipe, all_words = subprocess.PIPE, [*command, *words]
    return subprocess.Popen(
        all_words, stdout=pipe, stderr=pipe, text=True, start_new_session=True, preexec_fn=as_from_a_terminal
    )


def as_from_a_terminal() -> None:
    """Heed interrupts, which a shell lets ignore whatever it runs in the background, the tests among it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def extracting(source: Path | str, out: Path | str, model: Path, *options: str) -> Popen:
    """`clinical-ner extract-batch`."""
    return launched("extract-batch", str(source), str(out), "--model", str(model), *options)


def ended(process: Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def done(out: Path) -> int:
    """How many shards are."""
    return len(list(out.glob("_shards/*.json")))


def workers_with(code: str, folder: Path) -> str:
    """The PYTHONPATH with which workers, and not those who start them, run the code before anything else."""
    of_workers = f"import sys\nif 'spawn_main' in ' '.join(sys.orig_argv):\n{indent(code, '    ')}"
    (folder / "sitecustomize.py").write_text(of_workers, encoding="utf-8")
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


# --- runs that wait -----------------------------------------------------------------------------------
HELD_AT = 3  # shards that are done; with two workers perhaps four
HOLD = """
import time
from pathlib import Path

def replace_later(path, target, replace=Path.replace):
    while Path({closed!r}).exists() and len(list(Path(target).parents[1].glob("_shards/*.json"))) >= {shards}:
        time.sleep(0.01)
    return replace(path, target)

Path.replace = replace_later
"""


def holdable(folder: Path) -> str:
    """The PYTHONPATH of workers that `held` holds."""
    return workers_with(HOLD.format(closed=str(folder / "closed"), shards=HELD_AT), folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Until the block ends no worker publishes another file once `HELD_AT` shards are done: no run is over too soon."""
    closed = folder / "closed"
    closed.touch()
    try:
        yield
    finally:
        closed.unlink()


def until_held(process: Popen, out: Path) -> None:
    """Wait until so many shards are done that the workers are held."""
    wait_until(lambda: done(out) >= HELD_AT or process.poll() is not None, DEADLINE, f"{HELD_AT} shards are done")
    assert process.poll() is None, process.communicate()


def workers_of(driver: int) -> list[psutil.Process]:
    """The processes that work: not the one that tracks resources."""
    found = psutil.Process(driver).children(recursive=True)
    return [process for process in found if "spawn_main" in " ".join(process.cmdline())]


def kill_with_workers(process: Popen) -> None:
    """Kill the process, whose workers end with it."""
    workers = workers_of(process.pid)
    process.kill()
    ended(process)
    wait_until(lambda: not any(worker.is_running() for worker in workers), DEADLINE, "the workers end with the driver")


class Dask(NamedTuple):
    """A cluster, and the processes that make it; a nanny looks after a worker."""

    address: str
    scheduler: Popen
    nannies: list[Popen]
    folder: Path  # by which `held` holds its workers


@contextmanager
def dask_cluster(workers: int, folder: Path) -> Iterator[Dask]:
    """A scheduler and workers as an operator starts them."""
    pytest.importorskip("distributed")
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = [sys.executable, "-m", "dask"]
    words = ["--host", "127.0.0.1", "--port", address.rsplit(":", 1)[1], "--dashboard-address", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": holdable(folder)}
    log = (folder / "dask.log").open("w")
    scheduler = subprocess.Popen([*dask, "scheduler", *words], stdout=log, stderr=log, text=True)
    options = ["--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder / "dask")]
    nannies = [
        subprocess.Popen([*dask, "worker", address, *options], stdout=log, stderr=log, text=True, env=environment)
        for _ in range(workers)
    ]
    try:
        yield Dask(address, scheduler, nannies, folder)
    finally:
        for process in [*nannies, scheduler]:
            stop(process)  # a nanny that is told to end while it starts its worker may wait for ever
        log.close()
