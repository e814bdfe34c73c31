"""Whoever is killed, the run ends with every note once and the bytes of a run that nobody disturbed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.unit.batch.conftest import content, notes, read_table, write

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "from clinical_ner.cli import main\nif __name__ == '__main__': main()"]
DEADLINE = 120.0
FILES, NOTES_A_FILE = 30, 40
Popen = subprocess.Popen[str]


def wait_until(is_so: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if value := is_so():
            return value
        time.sleep(0.02)
    raise TimeoutError(what)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many small files, each a shard."""
    folder = tmp_path_factory.mktemp("in")
    for number in range(FILES):
        write(notes(NOTES_A_FILE, number * NOTES_A_FILE), folder / f"{number:03d}.jsonl")
    return folder


def started(source: Path | str, out: Path | str, model: Path, *options: str) -> Popen:
    """The command, in a process group of its own."""
    words = [*COMMAND, "extract-batch", str(source), str(out), "--model", str(model), *options]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def ended(process: Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def done(out: Path) -> int:
    return len(list(out.glob("_shards/*.json")))


def workers_of(driver: int) -> list[psutil.Process]:
    """The processes that work: not the one that tracks resources."""
    found = psutil.Process(driver).children(recursive=True)
    return [process for process in found if "spawn_main" in " ".join(process.cmdline())]


@pytest.fixture(scope="module")
def undisturbed(source: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    code, _, err = ended(started(source, out, tiny_model, "--workers", "1"))
    assert code == 0, err
    assert read_table(out, "extracted_notes")["note_id"].tolist() == notes(FILES * NOTES_A_FILE)["note_id"].tolist()
    return content(out)


def test_the_number_of_processes_changes_no_byte(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    code, out, _ = ended(started(source, tmp_path / "out", tiny_model, "--workers", "3"))

    assert code == 0
    assert f"{FILES * NOTES_A_FILE} notes in {FILES} shards" in out
    assert content(tmp_path / "out") == undisturbed


def test_a_run_whose_driver_is_killed_is_continued(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = started(source, out, tiny_model, "--workers", "2")
    wait_until(lambda: done(out) >= 3, "three shards")
    workers = workers_of(process.pid)
    process.kill()
    ended(process)
    wait_until(lambda: not any(worker.is_running() for worker in workers), "the workers end with the driver")
    before = done(out)

    code, _, err = ended(started(source, out, tiny_model, "--workers", "2"))

    assert 3 <= before < FILES
    assert code == 0
    assert f"{before} of {FILES} shards are done" in err
    assert content(out) == undisturbed


def test_a_worker_that_is_killed_is_replaced(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = started(source, out, tiny_model, "--workers", "2")
    wait_until(lambda: done(out) >= 3, "three shards")
    workers_of(process.pid)[0].kill()

    code, _, err = ended(process)

    assert (code, "set aside" in err) == (0, False), err
    assert content(out) == undisturbed


def test_an_interrupted_run_is_continued(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = started(source, out, tiny_model, "--workers", "2")
    wait_until(lambda: done(out) >= 3, "three shards")
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = ended(process)
    assert code != 0
    assert "Traceback" not in err

    ended(started(source, out, tiny_model, "--workers", "2"))

    assert content(out) == undisturbed


def test_two_runs_cannot_be_in_one_folder(source: Path, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = started(source, out, tiny_model, "--workers", "1")
    wait_until(lambda: done(out) >= 1, "a shard")

    code, _, err = ended(started(source, out, tiny_model, "--workers", "1"))

    assert code == 2
    assert "has a run that is under way" in err
    assert ended(first)[0] == 0


def test_another_run_is_refused_with_what_differs(source: Path, tiny_model: Path, tmp_path: Path) -> None:
    other = write(notes(3), tmp_path / "in/notes.csv")
    out = tmp_path / "out"
    assert ended(started(other, out, tiny_model, "--workers", "1"))[0] == 0

    code, _, err = ended(started(source, out, tiny_model, "--fhir"))

    assert code == 2
    assert "holds a run that differs in: input, options" in err


def test_a_bad_row_and_a_bad_file_end_with_3_and_without_their_text(tiny_model: Path, tmp_path: Path) -> None:
    write(notes(5), tmp_path / "in/a.csv")
    (tmp_path / "in/b.jsonl").write_bytes(b"Quokkafieber\n")
    (tmp_path / "in/c.parquet").write_bytes(b"Quokkafieber")

    code, out, err = ended(started(tmp_path / "in", tmp_path / "out", tiny_model, "--workers", "1"))

    assert code == 3
    assert "5 notes" in out
    assert "quarantined: 1 rows: the line is not JSON" in err
    assert "set aside: c.parquet: cannot be read as parquet" in err
    assert "Quokkafieber" not in out + err


def test_what_holds_nothing_to_read_is_the_users_mistake(tiny_model: Path, tmp_path: Path) -> None:
    write(notes(5).rename(columns={"text": "body"}), tmp_path / "a.parquet")

    code, _, err = ended(started(tmp_path / "a.parquet", tmp_path / "out", tiny_model))

    assert (code, err.splitlines()[0]) == (2, "error: nothing can be read: a.parquet: column 'text' is missing")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_run_and_space_continues_it(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    # A disk that is full in earnest takes rights to mount one: here the workers' system calls say that it is.
    out = tmp_path / "out"
    full = "import errno, os, sys\ndef fsync(_): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
    words = ["extract-batch", str(source), str(out), "--model", str(tiny_model), "--workers", "1"]
    (tmp_path / "sitecustomize.py").write_text(
        f"{full}if 'spawn_main' in ' '.join(sys.orig_argv): os.fsync = fsync\n", encoding="utf-8"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    failed = subprocess.run(
        [*COMMAND, *words], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert failed.returncode == 1
    assert "cannot be written: no space is left" in failed.stderr
    assert not list(out.rglob(".unfinished-*"))

    code, _, _ = ended(started(source, out, tiny_model))

    assert code == 0
    assert content(out) == undisturbed


# --- Dask -------------------------------------------------------------------------------------------
def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def dask_cluster(workers: int, folder: Path) -> Iterator[tuple[str, list[Popen]]]:
    """A scheduler and workers as an operator starts them; its address, and the workers' nannies."""
    pytest.importorskip("distributed")
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = [sys.executable, "-m", "dask"]
    words = ["--host", "127.0.0.1", "--port", address.rsplit(":", 1)[1], "--dashboard-address", "127.0.0.1:0"]
    log = (folder / "dask.log").open("w")
    scheduler = subprocess.Popen([*dask, "scheduler", *words], stdout=log, stderr=log)
    options = ["--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder / "dask")]
    nannies = [subprocess.Popen([*dask, "worker", address, *options], stdout=log, stderr=log) for _ in range(workers)]
    try:
        yield address, nannies
    finally:
        for process in [*nannies, scheduler]:
            process.terminate()
        for process in [*nannies, scheduler]:
            process.wait(timeout=DEADLINE)
        log.close()


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_bytes(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with dask_cluster(2, tmp_path) as (address, nannies):
        process = started(source, out, tiny_model, "--scheduler", address)
        wait_until(lambda: done(out) >= 3 or process.poll() is not None, "three shards")
        workers = [
            p for p in psutil.Process(nannies[0].pid).children(recursive=True) if "spawn_main" in str(p.cmdline())
        ]
        workers[0].kill()
        code, _, err = ended(process)

    assert code == 0, err
    assert "dashboard: http://127.0.0.1:" in err
    assert content(out) == undisturbed
