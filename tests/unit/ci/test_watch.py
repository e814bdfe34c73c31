"""What `make watch` says to the workflow, with a program in the place of the monitor."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[3] / ".ci/workflows.mk"
MONITOR = """#!/bin/sh
case "$2" in
    run)
        while [ "$1" != --out ]; do shift; done
        {} "$2/retraining_request.json"
        exit {} ;;
    summary) echo "The notes" ;;
esac
"""


def watched(folder: Path, verdict: int, *, asks: bool) -> tuple[int, str]:
    """The exit code of `make watch` and what it hands to the jobs that follow."""
    (folder / "data").mkdir(exist_ok=True)  # built already
    program = folder / "clinical-ner"
    program.write_text(MONITOR.format("echo '{}' >" if asks else "rm -f", verdict), encoding="utf-8")
    program.chmod(0o755)
    told = folder / "told"
    told.write_text("", encoding="utf-8")
    command = ["make", "--silent", "--file", str(RULES), "watch", f"BIN={folder}"]
    own = os.environ | {"GITHUB_OUTPUT": str(told)}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    return done.returncode, told.read_text(encoding="utf-8")


@pytest.mark.parametrize("verdict", [0, 10, 20])
@pytest.mark.parametrize("asks", [True, False])
def test_retraining_follows_the_request_and_not_the_verdict(tmp_path: Path, verdict: int, asks: bool) -> None:
    told = watched(tmp_path, verdict, asks=asks)

    assert told == (0, f"decision={verdict}\nretrain={str(asks).lower()}\n")


@pytest.mark.parametrize("code", [1, 2])
def test_a_monitor_that_fails_tells_nothing(tmp_path: Path, code: int) -> None:
    returned, told = watched(tmp_path, code, asks=False)

    assert returned != 0
    assert told == ""
