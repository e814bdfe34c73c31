"""The hooks of .pre-commit-config.yaml in a real `git commit`; make's targets only leave a mark here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.repositories import ROOT, outcome, run

MAKEFILE = "format check:\n\t@echo $@ >> ../called\n\t@test $@ != '$(FAILING)'\n"


@pytest.fixture
def hooked(tmp_path: Path) -> Path:
    """A repository with the hooks and one staged file of Python."""
    repository = tmp_path / "repository"
    repository.mkdir()
    run(repository, "git", "init", "--quiet")
    shutil.copyfile(ROOT / ".pre-commit-config.yaml", repository / ".pre-commit-config.yaml")
    (repository / "Makefile").write_text(MAKEFILE, "utf-8")
    (repository / "module.py").write_text("ONE = 1\n", "utf-8")
    run(repository, "git", "add", "--all")
    run(repository, "pre-commit", "install", PRE_COMMIT_HOME=str(tmp_path / "hooks"))
    return repository


def commit(repository: Path, **variables: str) -> int:
    home = str(repository.parent / "hooks")
    return outcome(repository, "git", "commit", "--message", "Add a module", PRE_COMMIT_HOME=home, **variables)[0]


def test_a_commit_runs_the_format_and_the_check_of_the_makefile(hooked: Path) -> None:
    code = commit(hooked)

    assert code == 0
    assert (hooked.parent / "called").read_text("utf-8").split() == ["format", "check"]


@pytest.mark.parametrize("target", ["format", "check"])
def test_a_target_that_fails_stops_the_commit(hooked: Path, target: str) -> None:
    code = commit(hooked, FAILING=target)

    assert code != 0
    assert outcome(hooked, "git", "rev-parse", "--verify", "HEAD")[0] != 0
