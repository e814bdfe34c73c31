"""A corpus that only the remote has: what make calls fetches it, and no stage runs on what is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.repositories import ROOT, commit, copy_of_sources, outcome, run

SOURCES = (".ci/workflows.mk", ".dvc/config", ".dvcignore", "Makefile", "data/annotated", "pyproject.toml")
PIPELINE = """
stages:
  dataset:
    cmd: cat data/annotated/*/notes.txt > learnt.txt
    deps: [data/annotated]
    outs: [learnt.txt]
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone of a repository that has learnt from a corpus, beside the remote that holds both."""
    author = copy_of_sources(tmp_path / "author", *SOURCES)
    (author / "dvc.yaml").write_text(PIPELINE, "utf-8")
    (author / "data/annotated/mine").mkdir()
    (author / "data/annotated/mine/notes.txt").write_text("Gout.", "utf-8")
    (author / ".gitignore").write_text(".venv\nlearnt.txt\n", "utf-8")
    run(author, "dvc", "add", "--quiet", "data/annotated/mine")
    run(author, "dvc", "repro", "--quiet")
    run(author, "dvc", "push", "--quiet")
    commit(author)
    run(tmp_path, "git", "clone", "--quiet", str(author), "clone")
    (tmp_path / "clone/.venv").symlink_to(ROOT / ".venv")
    return tmp_path / "clone"


def make(repository: Path, target: str) -> tuple[int, str, str]:
    """The environment of the tests is taken as installed."""
    return outcome(repository, "make", "--silent", "--old-file=.venv/.installed", target)


def test_a_fresh_clone_learns_from_the_corpus_that_the_remote_has(clone: Path) -> None:
    code, _, err = make(clone, "data")

    assert (code, err) == (0, "")
    assert (clone / "learnt.txt").read_text("utf-8") == "Gout."
    assert run(clone, "git", "status", "--short") == ""


def test_a_corpus_that_cannot_be_had_stops_make_and_is_named(clone: Path) -> None:
    (clone.parent / "dvc-storage").rename(clone.parent / "elsewhere")

    code, _, err = make(clone, "data")

    assert code == 2
    assert "data/annotated/mine" in err
    assert not (clone / "learnt.txt").exists()
