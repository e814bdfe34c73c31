"""The folder of new notes: the same input twice is the same bytes, a kill at any moment loses and doubles nothing."""

from __future__ import annotations

import json
import os
import stat
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.killing import was_killed_after

from clinical_ner.core import files, io
from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import INGESTED
from clinical_ner.intake import folder
from clinical_ner.intake.contract import Limits
from clinical_ner.intake.readers import Format

LIMITS = Limits(characters=1_000, earliest=date(2000, 1, 1), latest=date(2026, 3, 2))


def write_rows(path: Path, *rows: tuple[object, str]) -> Path:
    lines = (json.dumps({"id": note_id, "written_on": "2026-03-01", "text": text}) for note_id, text in rows)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def take_in(out: Path, *inputs: Path) -> list[folder.Taken]:
    with files.alone_in(out):
        return folder.take_in(inputs, out, Format.AUTO, LIMITS)


def content(out: Path) -> dict[str, bytes]:
    """Every file of the folder but the lock, which is empty, by its name."""
    found = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in sorted(found.items()) if name != ".lock"}


def quarantined(out: Path) -> list[dict[str, object]]:
    path = out / folder.QUARANTINE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "a.jsonl", ("2", "Asthma"), ("1", "Gout"), ("3", ""), ("1", "COPD"))


def test_good_rows_become_a_checked_table_and_bad_ones_are_kept_as_they_came(tmp_path: Path, mixed: Path) -> None:
    take_in(tmp_path / "out", mixed)

    notes = io.read(INGESTED, tmp_path / "out")
    assert list(zip(notes["note_id"], notes["text"], strict=True)) == [("1", "Gout"), ("2", "Asthma")]
    assert [(row["place"], row["reason"], row["field"]) for row in quarantined(tmp_path / "out")] == [
        ("line 3", "blank", "text"),
        ("line 4", "conflict", None),
    ]
    assert quarantined(tmp_path / "out")[1]["row"] == '{"id": "1", "written_on": "2026-03-01", "text": "COPD"}'


def test_only_its_owner_may_read_what_holds_text(tmp_path: Path, mixed: Path) -> None:
    take_in(tmp_path / "out", mixed)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*")}
    assert modes["ingested.parquet"] == modes["rows.jsonl"] == 0o600
    assert modes["quarantine"] == stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_the_same_input_twice_is_the_same_bytes_wherever_it_lies(tmp_path: Path, mixed: Path) -> None:
    take_in(tmp_path / "out", mixed)
    before = content(tmp_path / "out")

    moved = mixed.rename(tmp_path / "b.jsonl").rename(mixed)
    taken = take_in(tmp_path / "out", moved)

    assert content(tmp_path / "out") == before
    assert [(len(one.admission.kept), one.admission.known) for one in taken] == [(0, 2)]


def test_another_file_adds_to_what_is_there(tmp_path: Path, mixed: Path) -> None:
    take_in(tmp_path / "out", mixed)

    take_in(tmp_path / "out", write_rows(tmp_path / "b.jsonl", ("4", "Angina"), ("5", "")))

    assert list(io.read(INGESTED, tmp_path / "out")["note_id"]) == ["1", "2", "4"]
    assert sorted(str(row["file"]) for row in quarantined(tmp_path / "out")) == ["a.jsonl", "a.jsonl", "b.jsonl"]


def test_the_order_of_two_files_leaves_no_trace_where_they_do_not_conflict(tmp_path: Path, mixed: Path) -> None:
    other = write_rows(tmp_path / "b.jsonl", ("0", "Angina"), ("5", ""))

    take_in(tmp_path / "one", mixed, other)
    take_in(tmp_path / "two", other, mixed)

    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_file_given_twice_at_once_is_in_quarantine_once(tmp_path: Path, mixed: Path) -> None:
    take_in(tmp_path / "out", mixed, mixed)

    assert len(quarantined(tmp_path / "out")) == 2


def test_an_unreadable_file_is_named_and_the_others_go_on(tmp_path: Path, mixed: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")

    taken = take_in(tmp_path / "out", tmp_path / "bad.parquet", tmp_path / "gone.csv", mixed)

    assert [one.unreadable is not None for one in taken] == [True, True, False]
    assert len(io.read(INGESTED, tmp_path / "out")) == 2


def test_an_empty_file_leaves_an_empty_table(tmp_path: Path) -> None:
    take_in(tmp_path / "out", write_rows(tmp_path / "a.jsonl"))

    assert len(io.read(INGESTED, tmp_path / "out")) == 0


def test_a_quarantine_that_somebody_broke_is_named_by_its_line_and_left_alone(tmp_path: Path, mixed: Path) -> None:
    take_in(tmp_path / "out", mixed)
    path = tmp_path / "out" / folder.QUARANTINE
    path.write_text(path.read_text() + "Gout\n")

    with pytest.raises(UserError, match=r"rows\.jsonl:3") as raised:
        take_in(tmp_path / "out", write_rows(tmp_path / "b.jsonl", ("9", "")))

    assert "Gout" not in str(raised.value)
    assert path.read_text().endswith("Gout\n")


# --- killed at any moment -----------------------------------------------------------------------
class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


@pytest.mark.parametrize("step", range(7))
def test_a_fault_at_any_step_to_disk_and_a_second_run_are_as_one_run(
    tmp_path: Path, mixed: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(tmp_path / "whole", write_rows(tmp_path / "b.jsonl", ("9", "Angina"), ("8", "")))
    take_in(tmp_path / "whole", mixed)
    take_in(tmp_path / "out", tmp_path / "b.jsonl")
    steps = iter(range(100))

    def fail_at(name: str) -> None:
        real = getattr(os, name)

        def step_or_fail(*arguments: object) -> object:
            if next(steps) == step:
                raise Killed
            return real(*arguments)

        monkeypatch.setattr(os, name, step_or_fail)

    with monkeypatch.context():
        for name in ("fsync", "replace", "rename", "rmdir"):
            fail_at(name)
        with pytest.raises(Killed):
            take_in(tmp_path / "out", mixed)
        monkeypatch.undo()

    take_in(tmp_path / "out", mixed)

    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_processes_that_are_killed_at_any_moment_lose_and_double_nothing(tmp_path: Path) -> None:
    inputs = [
        write_rows(tmp_path / f"{part}.jsonl", *((f"{part}-{n}", "Gout " * (n % 7)) for n in range(200)))
        for part in range(6)
    ]

    def take_in_all(out: Path) -> None:
        for path in inputs:
            take_in(out, path)

    lifetimes = (3, 10, 25, 50, 75, 100, 150)
    killed = sum(was_killed_after(milliseconds, lambda: take_in_all(tmp_path / "out")) for milliseconds in lifetimes)
    for one in (tmp_path / "out", tmp_path / "whole"):
        take_in_all(one)

    assert killed >= 2
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert len(pd.read_parquet(tmp_path / "out/ingested.parquet")) == 6 * sum(n % 7 != 0 for n in range(200))
