"""A small project with its results, built once, and stages to run its workflows on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.repositories import run
from tests.workflows.stage import Stage, small_project


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project on its branch main; read only."""
    return small_project(tmp_path_factory.mktemp("built"))


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(built, tmp_path / "project", symlinks=True))


@pytest.fixture
def stage(built: Path, tmp_path: Path) -> Stage:
    """A stage whose cache holds the results of the branch main."""
    return Stage(tmp_path / "stage", built / ".dvc/cache/files")


@pytest.fixture
def pull_request(project: Path) -> Callable[..., dict[str, object]]:
    """The event of a pull request, from the commit on which it began."""
    base = run(project, "git", "rev-parse", "HEAD").strip()

    def event(head: str = "Somebody/Project") -> dict[str, object]:
        of_base = {"sha": base, "ref": "main"}
        found = {"number": 7, "base": of_base, "head": {"ref": "change", "repo": {"full_name": head}}}
        return {"pull_request": found, "repository": {"full_name": "Somebody/Project", "default_branch": "main"}}

    return event
