"""A user's error is one message and exit code 2; ours is Python's own traceback, which shows no variable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clinical_ner.core.errors import EXIT_CODE, UserError, closest

NOTE_WORD = "Quokkafieber"  # stands for the text of a note
SCRIPT = """
import typer
from clinical_ner.core.commands import run
from clinical_ner.core.errors import UserError

def main(how: str) -> None:
    text = "Quokka" + "fieber"
    if how == "user":
        raise UserError("notes.txt is empty", "write something")
    if how == "ours":
        raise ZeroDivisionError(len(text))
    print(f"did {how}")

"""
AS_FUNCTION = "run(main)"
AS_APPLICATION = "app = typer.Typer()\napp.command()(main)\nrun(app)"


@pytest.fixture(params=[AS_FUNCTION, AS_APPLICATION], ids=["function", "application"])
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT + request.param)
    return path


def outcome(script: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_users_error_is_one_message_on_stderr_with_its_exit_code(script: Path) -> None:
    assert outcome(script, "user") == (2, "", "error: notes.txt is empty\n  remedy: write something\n")


def test_an_unexpected_error_is_a_plain_traceback_without_local_variables(script: Path) -> None:
    code, out, err = outcome(script, "ours")

    assert (code, out) == (1, "")
    assert "Traceback (most recent call last):" in err
    assert err.endswith("ZeroDivisionError: 12\n")
    assert NOTE_WORD not in err
    assert "─" not in err


def test_what_goes_well_ends_with_zero(script: Path) -> None:
    assert outcome(script, "well") == (0, "did well\n", "")


def test_a_missing_argument_is_the_users_error_too(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT + AS_FUNCTION)

    code, out, err = outcome(path)

    assert (code, out) == (EXIT_CODE, "")
    assert "Missing argument" in err
    assert "Traceback" not in err


def test_an_error_without_a_remedy_is_its_message() -> None:
    assert str(UserError("no such file")) == "no such file"


def test_a_word_unlike_every_choice_has_no_closest_one() -> None:
    assert closest("zzz", ["max_iterations", "c1"]) == ""
    assert closest("paitents", iter({"patients", "seed"})) == "did you mean 'patients'?"
