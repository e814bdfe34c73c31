"""Whoever is killed, the run ends with every note once and the bytes of a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from tests.unit.batch.conftest import COLUMNS, Extract, content, notes, read_table, write
from tests.unit.batch.running import (
    DEADLINE,
    HELD_AT,
    Dask,
    dask_cluster,
    done,
    ended,
    extracting,
    held,
    kill_with_workers,
    until_held,
    workers_of,
    workers_with,
)

from clinical_ner.batch.places import Place
from clinical_ner.batch.runs import folder_of, unfinished
from clinical_ner.batch.shards import plan
from clinical_ner.batch.sources import looked_through
from clinical_ner.batch.work import ExtractJob
from clinical_ner.commands.batch import extract_batch
from clinical_ner.core.errors import UserError

FILES, NOTES_A_FILE = 16, 40
KILLED_BY_SHARD_3 = """
import os, signal
from pathlib import Path

def replace_or_die(path, target, replace=Path.replace):
    if Path(target).name == "part-00000003-000000.parquet":
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)

Path.replace = replace_or_die
"""

# The device that is always full stands for the files of one folder.
FULL_FOR = """
import os, tempfile

def full(*args, make=tempfile.mkstemp, **options):
    handle, name = make(*args, **options)
    if "/{folder}/" in name:
        os.dup2(os.open("/dev/full", os.O_WRONLY), handle)
    return handle, name

tempfile.mkstemp = full
"""
FULL_AT_LAST = """
import errno, os

def fsync(_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

os.fsync = fsync
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many small files, each a shard."""
    folder = tmp_path_factory.mktemp("in")
    for number in range(FILES):
        write(notes(NOTES_A_FILE, number * NOTES_A_FILE), folder / f"{number:03d}.jsonl")
    return folder


@pytest.fixture(scope="module")
def undisturbed(source: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    code, said, err = ended(extracting(source, out, tiny_model, "--workers", "1"))
    assert code == 0, err
    assert f"{FILES * NOTES_A_FILE} notes in {FILES} shards" in said
    assert read_table(out, "extracted_notes")["note_id"].tolist() == notes(FILES * NOTES_A_FILE)["note_id"].tolist()
    return content(out)


def test_a_run_whose_driver_is_killed_is_continued(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], holder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with held(holder):
        process = extracting(source, out, tiny_model, "--workers", "2")
        until_held(process, out)
        kill_with_workers(process)
    before = done(out)

    code, _, err = ended(extracting(source, out, tiny_model, "--workers", "1"))

    assert HELD_AT <= before < FILES
    assert code == 0
    assert f"{before} of {FILES} shards are done" in err
    assert content(out) == undisturbed


def test_a_worker_that_is_killed_is_replaced(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], holder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with held(holder):
        process = extracting(source, out, tiny_model, "--workers", "2")
        until_held(process, out)
        workers_of(process.pid)[0].kill()

    code, _, err = ended(process)

    assert (code, "set aside" in err) == (0, False), err
    assert content(out) == undisturbed


def test_a_shard_that_loses_its_worker_twice_is_named_and_done_when_the_run_is_continued(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", workers_with(KILLED_BY_SHARD_3, tmp_path))
        code, said, err = ended(extracting(source, out, tiny_model, "--workers", "2"))
    name = f"shard 00000003-000000 (003.jsonl, 0 to {(source / '003.jsonl').stat().st_size})"
    lost = "its worker was lost each time, perhaps for want of memory"
    assert code == 3, err
    assert f"{(FILES - 1) * NOTES_A_FILE} notes in {FILES - 1} shards" in said
    assert f"set aside: {name}: {lost}" in err
    assert json.loads((out / "manifest.json").read_text())["set_aside"] == {name: lost}

    code, _, _ = ended(extracting(source, out, tiny_model, "--workers", "1"))

    assert code == 0
    assert content(out) == undisturbed


def test_an_interrupted_run_leaves_nothing_that_is_not_whole(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], holder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with held(holder):
        process = extracting(source, out, tiny_model, "--workers", "2")
        until_held(process, out)
        os.killpg(process.pid, signal.SIGINT)

    code, _, err = ended(process)

    assert code != 0
    assert "Traceback" not in err
    assert content(out).items() <= undisturbed.items()


def test_two_runs_cannot_be_in_one_folder(tmp_path: Path) -> None:
    run = {"command": "extract-batch"}
    out = Place(str(tmp_path / "out"))

    with folder_of(out, run), pytest.raises(UserError, match="has a run that is under way"), folder_of(out, run):
        pass


def test_of_two_runs_that_begin_at_once_in_a_new_folder_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, met = Place(str(tmp_path / "out")), threading.Barrier(2)
    looked, written = Place.exists, Place.write

    def looks_with_the_other(place: Place) -> bool:
        found = looked(place)
        with suppress(threading.BrokenBarrierError):
            met.wait(1)
        return found

    def writes_at_leisure(place: Place, what: bytes) -> None:
        time.sleep(0.5 if b"1" in what else 0)
        written(place, what)

    def begin(number: int) -> str:
        try:
            with folder_of(out, {"number": number}):
                time.sleep(2)
        except UserError as error:
            return str(error)
        return ""

    monkeypatch.setattr(Place, "exists", looks_with_the_other)
    monkeypatch.setattr(Place, "write", writes_at_leisure)
    with ThreadPoolExecutor() as threads:
        entered, refused = sorted(threads.map(begin, range(2)))

    assert entered == ""
    assert "has a run that is under way" in refused


def test_a_run_that_was_killed_while_it_began_can_be_begun_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".unfinished-abc").touch()

    with folder_of(Place(str(out)), {"command": "extract-batch"}) as continued:
        pass

    assert not continued
    assert list(content(out)) == ["_run.json"]


@pytest.mark.parametrize("name", ["thesis.txt", "other/.unfinished-abc"])
def test_a_folder_with_something_else_is_refused_and_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()

    with pytest.raises(UserError, match="holds something that is no run"), folder_of(Place(str(tmp_path)), {}):
        pass

    assert list(content(tmp_path)) == [name]


def test_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    out = Place(str(tmp_path / "out"))
    with folder_of(out, {"command": "extract-batch", "input": "a", "options": {}}) as continued:
        assert not continued

    with (
        pytest.raises(UserError, match="holds a run that differs in: input, options"),
        folder_of(out, {"command": "extract-batch", "input": "b", "options": {"fhir": True}}),
    ):
        pass


def test_a_bad_row_and_a_bad_file_end_with_3_and_without_their_text(tiny_model: Path, tmp_path: Path) -> None:
    write(notes(5), tmp_path / "in/a.csv")
    (tmp_path / "in/b.jsonl").write_bytes(b"Quokkafieber\n")
    (tmp_path / "in/c.parquet").write_bytes(b"Quokkafieber")

    code, out, err = ended(extracting(tmp_path / "in", tmp_path / "out", tiny_model, "--workers", "1"))

    assert code == 3
    assert "5 notes" in out
    assert "quarantined: 1 rows: the line is not JSON" in err
    assert "set aside: c.parquet: cannot be read as parquet" in err
    assert "Quokkafieber" not in out + err


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"shard": "00000000-000000", "files": {}}', b"\xff"])
def test_a_shard_with_an_illegible_receipt_is_not_done(damage: bytes, extract: Extract, tmp_path: Path) -> None:
    source, out = write(notes(25), tmp_path / "notes.parquet"), Place(str(tmp_path / "out"))
    extract(tmp_path / "out", source)
    jobs = [
        ExtractJob(s, out, COLUMNS, "", "", fhir=False)
        for s in plan(looked_through([str(source)]).sources, COLUMNS, 10).shards
    ]
    assert unfinished(jobs, out) == []

    (tmp_path / f"out/_shards/{jobs[1].part}.json").write_bytes(damage)

    assert unfinished(jobs, out) == jobs[1:2]


def test_an_illegible_description_of_a_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "_run.json").write_bytes(b"{")

    with pytest.raises(UserError, match=r"_run\.json has become illegible"), folder_of(Place(str(tmp_path)), {}):
        pass


@pytest.mark.parametrize("damaged", ["b.parquet", "c.csv"])
def test_a_source_that_is_mended_is_read_then_and_moves_no_other(
    damaged: str, tiny_model: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for number, name in enumerate(("a.jsonl", "b.parquet", "c.csv", "d.jsonl")):
        write(notes(3, 3 * number), folder / name)
    assert ended(extracting(folder, tmp_path / "undisturbed", tiny_model, "--workers", "1"))[0] == 0
    whole = (folder / damaged).read_bytes()
    (folder / damaged).write_bytes(b"damaged")

    before, _, _ = ended(extracting(folder, out, tiny_model, "--workers", "1"))
    read_before = len(read_table(out, "extracted_notes"))
    (folder / damaged).write_bytes(whole)
    mended, _, _ = ended(extracting(folder, out, tiny_model, "--workers", "1"))

    assert (before, read_before, mended) == (3, 9, 0)
    assert content(out) == content(tmp_path / "undisturbed")

    (folder / damaged).write_bytes(b"damaged")
    again, said, _ = ended(extracting(folder, out, tiny_model, "--workers", "1"))

    assert (again, "12 notes" in said) == (3, True)


def test_a_source_that_has_changed_is_refused(tmp_path: Path) -> None:
    out = Place(str(tmp_path))
    for known in ({"a": "1"}, {"b": "2"}, {"a": "1"}):
        with folder_of(out, {"content": known}):
            pass

    assert json.loads((tmp_path / "_run.json").read_text()) == {"content": {"a": "1", "b": "2"}}
    with pytest.raises(UserError, match="differs in: content"), folder_of(out, {"content": {"b": "3"}}):
        pass


def test_what_holds_nothing_to_read_is_the_users_mistake(tiny_model: Path, tmp_path: Path) -> None:
    write(notes(5).rename(columns={"text": "body"}), tmp_path / "a.parquet")

    with pytest.raises(UserError, match=r"^nothing can be read: a\.parquet: column 'text' is missing"):
        extract_batch([str(tmp_path / "a.parquet"), str(tmp_path / "out")], model=tiny_model)

    assert not (tmp_path / "out").exists()


def test_the_workers_are_of_one_kind(tiny_model: Path, tmp_path: Path) -> None:
    source = write(notes(5), tmp_path / "a.parquet")

    with pytest.raises(UserError, match="--workers is of this machine, --scheduler of a cluster"):
        extract_batch([str(source), str(tmp_path / "out")], workers=2, scheduler="tcp://127.0.0.1:1", model=tiny_model)


@pytest.mark.parametrize("when", ["extracted_entities", "_shards", "fsync"])
def test_a_full_disk_ends_the_run_and_space_continues_it(
    when: str,
    source: Path,
    tiny_model: Path,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A disk that is full in earnest takes rights to mount one.
    out = tmp_path / "out"
    code = FULL_AT_LAST if when == "fsync" else FULL_FOR.format(folder=when)
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", workers_with(code, tmp_path))
        failed, _, why = ended(extracting(source, out, tiny_model, "--workers", "1"))
    assert failed == 1
    assert "cannot be written: no space is left" in why
    assert not list(out.rglob(".unfinished-*"))

    succeeded, _, _ = ended(extracting(source, out, tiny_model, "--workers", "1"))

    assert succeeded == 0
    assert content(out) == undisturbed


# --- Dask -------------------------------------------------------------------------------------------
def test_a_dask_cluster_that_loses_a_worker_gives_the_same_bytes(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], cluster: Dask, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with held(cluster.folder):
        process = extracting(source, out, tiny_model, "--scheduler", cluster.address)
        until_held(process, out)
        workers_of(cluster.nannies[0].pid)[0].kill()

    code, _, err = ended(process)

    assert code == 0, err
    assert content(out) == undisturbed
    (dashboard,) = re.findall(r"dashboard: (http://127\.0\.0\.1:\d+/status)", err)
    page = httpx.get(dashboard, timeout=DEADLINE).raise_for_status()
    assert "needs bokeh" not in page.text  # as Dask answers where there is none


def test_a_run_whose_scheduler_goes_away_says_so_and_is_continued(
    source: Path, tiny_model: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with dask_cluster(1, tmp_path) as cluster:
        with held(tmp_path):
            process = extracting(source, out, tiny_model, "--scheduler", cluster.address)
            until_held(process, out)
            cluster.scheduler.kill()
        code, _, err = ended(process)
    assert code == 1
    assert "error: the scheduler is gone\n  remedy: " in err
    assert "Traceback" not in err

    again, _, _ = ended(extracting(source, out, tiny_model, "--workers", "1"))

    assert again == 0
    assert content(out) == undisturbed
