"""`clinical-ner ingest` as a user runs it: what it says, how it ends, and that no word of a note is said."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest
from tests.test_architecture import ROOT
from typer.testing import CliRunner

from clinical_ner.cli import app
from clinical_ner.core.errors import UserError
from clinical_ner.intake.contract import Reason

MARK = "Quokkafieber"  # stands for what must not leave a note
GOOD = {"id": "1", "written_on": "2026-03-01", "text": f"{MARK}, on aspirin."}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / ".hidden").mkdir(parents=True)
    (folder / ".hidden/c.csv").write_text("nothing")
    (folder / "a.jsonl").write_text(f'{json.dumps(GOOD)}\n{json.dumps(GOOD | {"id": "2", MARK: 1})}\n{{"{MARK}\n')
    (folder / "b.csv").write_text(f'id,written_on,text\n3,2026-03-01,{MARK}\n1,2026-03-01,"other {MARK}"\n')
    return folder


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["ingest", *map(str, arguments), "--params", str(ROOT / "params.yaml")])
    if isinstance(done.exception, UserError):
        return 2, done.output + str(done.exception)
    return done.exit_code, done.output


def test_it_counts_what_it_kept_and_what_not_and_ends_with_three(tmp_path: Path, inputs: Path) -> None:
    code, said = run(inputs, "--out", tmp_path / "out")

    report = json.loads((tmp_path / "out/report.json").read_text())
    assert code == 3
    assert {name: report[name] for name in ("kept", "known", "quarantined", "unreadable_files", "reasons")} == {
        "kept": 2,
        "known": 0,
        "quarantined": 3,
        "unreadable_files": 0,
        "reasons": {"conflict": 1, "malformed": 1, "unknown_field": 1},
    }
    assert [one["kept"] for one in report["files"]] == [1, 1]
    assert "quarantined, unknown_field: 1" in said


def test_neither_the_terminal_nor_the_report_nor_the_metrics_hold_a_word_of_a_note(
    tmp_path: Path, inputs: Path
) -> None:
    _, said = run(inputs, "--out", tmp_path / "out", "--metrics", tmp_path / "ingest.prom")

    texts = [said, (tmp_path / "out/report.json").read_text(), (tmp_path / "ingest.prom").read_text()]
    assert [MARK in text for text in texts] == [False, False, False]
    assert (tmp_path / "out/quarantine/rows.jsonl").read_text().count(MARK) == 4


def test_it_ends_with_zero_if_every_row_is_good_and_again_when_all_are_known(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(GOOD))

    codes = [run(tmp_path / "a.jsonl", "--out", tmp_path / "out")[0] for _ in range(2)]

    assert codes == [0, 0]


def test_a_file_that_is_named_twice_is_counted_once(tmp_path: Path, inputs: Path) -> None:
    (other := tmp_path / "again").symlink_to(inputs)

    run(inputs, inputs / "a.jsonl", other, "--out", tmp_path / "twice")
    run(inputs, "--out", tmp_path / "once")

    reports = [json.loads((tmp_path / out / "report.json").read_text()) for out in ("twice", "once")]
    assert reports[0]["quarantined"] == reports[1]["quarantined"] > 0
    assert [each["file"] for each in reports[0]["files"]] == [each["file"] for each in reports[1]["files"]]


def test_it_ends_with_two_if_nothing_can_be_read_and_with_three_if_something_can(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    (tmp_path / "good.jsonl").write_text(json.dumps(GOOD))

    nothing, said = run(tmp_path / "bad.parquet", "--out", tmp_path / "out")
    something, _ = run(tmp_path / "bad.parquet", tmp_path / "good.jsonl", "--out", tmp_path / "out")

    assert (nothing, something) == (2, 3)
    assert "bad.parquet is unreadable: no Parquet" in said


def test_the_metrics_count_each_outcome_and_each_reason_for_anybody_to_read(tmp_path: Path, inputs: Path) -> None:
    run(inputs, "--out", tmp_path / "out", "--metrics", tmp_path / "ingest.prom")

    text = (tmp_path / "ingest.prom").read_text()
    found = dict(
        re.findall(r'^clinical_ner_ingest_(?:rows|quarantined_rows)\{\w+="(\w+)"\} (\d+)\.0$', text, re.MULTILINE)
    )
    assert found == {"kept": "2", "known": "0", "quarantined": "3"} | {
        reason.value: str(int(reason in {Reason.CONFLICT, Reason.MALFORMED, Reason.UNKNOWN_FIELD})) for reason in Reason
    }
    assert stat.S_IMODE((tmp_path / "ingest.prom").stat().st_mode) == 0o644


def test_a_place_that_cannot_be_written_is_one_message(tmp_path: Path, inputs: Path) -> None:
    code, said = run(inputs, "--out", tmp_path / "out", "--metrics", tmp_path / "no/such/ingest.prom")

    assert code == 2
    assert "cannot be written" in said
