"""A sweep as the Makefile runs it, from params.yaml to a branch on the server; training alone, on few sentences."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import vl_convert
import yaml
from tests.repositories import ROOT, commit, copy_of_sources, environment, keep_stages, outcome, run, set_params

from clinical_ner.core.io import read, write
from clinical_ner.core.schema import CALIBRATION, LEXICON, TOKENS, Table
from clinical_ner.ner.dataset import examples_of, token_table

SOURCES = (".ci/workflows.mk", ".dvc/config", ".dvcignore", ".gitignore", "Makefile", "dvc.yaml", "params.yaml")
SOURCES = (*SOURCES, "pipelines", "src", "pyproject.toml", "requirements.txt", "data/annotated")
SOURCES = (*SOURCES, "data/.gitignore", "models/.gitignore")
SMALL = {"train": {"max_iterations": 6, "min_frequency": 1, "feature_groups": ["word", "gazetteer"]}}
SENTENCES = 150
NAMES = ("train.c2-0.5", "train.c2-2")
PNG = b"\x89PNG"


def make(repository: Path, *words: str, **variables: str) -> str:
    """As a user calls it; the environment of the tests is taken as installed."""
    return run(repository, "make", "--silent", "--old-file=.venv/.installed", *words, **variables)


def few_sentences(table: Table, dataset: Path) -> None:
    examples = examples_of(read(table, ROOT / "data/dataset"))[:SENTENCES]
    write(table, token_table(examples), dataset)


def trainable(repository: Path) -> Path:
    """A repository whose only stage is `train`; what it reads, DVC tracks."""
    copy_of_sources(repository, *SOURCES)
    keep_stages(repository, "train")
    set_params(repository, SMALL)
    shutil.copytree(ROOT / "data/vocabulary", repository / "data/vocabulary")
    few_sentences(TOKENS, repository / "data/dataset")
    few_sentences(CALIBRATION, repository / "data/dataset")
    write(LEXICON, read(LEXICON, ROOT / "data/dataset"), repository / "data/dataset")
    (repository / "data/.gitignore").unlink()
    run(repository, "dvc", "add", "--quiet", "data/vocabulary", "data/dataset")
    return repository


@pytest.fixture(scope="session")
def swept(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of a server's repository in which somebody called `make exp`; read only."""
    folder = tmp_path_factory.mktemp("experiments")
    written = trainable(folder / "written")
    run(written, "dvc", "repro", "--quiet")
    run(written, "dvc", "push", "--quiet")
    commit(written)
    run(folder, "git", "clone", "--quiet", "--bare", str(written), str(folder / "server.git"))
    run(folder, "git", "clone", "--quiet", str(folder / "server.git"), str(folder / "clone"))
    clone = folder / "clone"
    (clone / ".venv").symlink_to(ROOT / ".venv")
    (clone / ".git/info/exclude").write_text(".venv\n", "utf-8")  # .gitignore means a folder, not a link
    run(clone, "dvc", "pull", "--quiet")
    (clone / "data/annotated/mine").mkdir()  # git ignores it, and so would an experiment beside the workspace
    (clone / "data/annotated/mine/a.txt").write_text("Gout.", "utf-8")
    make(clone, "exp", "SWEEP=train.c2=0.5,2")
    assert model_path.is_file()
    return clone


def experiments(repository: Path) -> dict[str, Any]:
    """The figures and parameters of each experiment on the last commit, by name."""
    (_, on_commit) = json.loads(run(repository, "dvc", "exp", "show", "--json"))
    return {found["name"]: found["revs"][0]["data"] for found in on_commit["experiments"]}


def test_a_sweep_is_an_experiment_a_value_with_its_own_model_and_leaves_the_workspace_alone(swept: Path) -> None:
    found = experiments(swept)

    changed = {name: data["params"]["params.yaml"]["data"]["train"]["c2"] for name, data in found.items()}
    losses = {data["metrics"]["metrics/train.json"]["data"]["loss"] for data in found.values()}
    assert changed == dict(zip(NAMES, (0.5, 2), strict=True))
    assert len(losses) == len(NAMES)
    assert run(swept, "git", "status", "--short") == ""


def test_exp_show_has_a_row_an_experiment_and_only_columns_that_differ(swept: Path) -> None:
    head, _, *rows = [line for line in make(swept, "exp-show").splitlines() if line]

    assert [column.strip() for column in head.strip("|").split("|")] == ["Experiment", "loss", "train.c2"]
    assert ["main" in rows[0], *(any(name in row for row in rows[1:]) for name in NAMES)] == [True] * 3


def test_exp_diff_tells_two_experiments_apart_by_what_was_changed(swept: Path) -> None:
    diff = json.loads(run(swept, "dvc", "exp", "diff", "--json", *NAMES))

    assert diff["params"] == {"params.yaml": {"train.c2": {"old": 0.5, "new": 2, "diff": 1.5}}}
    assert diff["metrics"]["metrics/train.json"]["loss"]["diff"] > 0


def test_plots_diff_draws_the_training_curves_of_two_experiments_into_one_picture(swept: Path) -> None:
    shown = json.loads(run(swept, "dvc", "plots", "diff", "--json", "--targets", "plots/training.csv", "--", *NAMES))

    (plot,) = shown["data"]["plots/training.csv"]
    values = plot["content"]["data"]["values"]
    assert {row["rev"] for row in values} == set(NAMES)
    assert len(values) == len(NAMES) * SMALL["train"]["max_iterations"]
    assert vl_convert.vegalite_to_png(plot["content"]).startswith(PNG)


def test_the_same_sweep_again_replaces_the_experiments(swept: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(swept, tmp_path / "clone", symlinks=True))
    before = experiments(again)

    make(again, "exp", "SWEEP=train.c2=2")

    assert experiments(again)["train.c2-2"]["metrics"] == before["train.c2-2"]["metrics"]
    assert experiments(again).keys() == before.keys()


def test_an_experiment_becomes_a_branch_on_the_server_whose_model_can_be_pulled(swept: Path, tmp_path: Path) -> None:
    stub = tmp_path / "bin/gh"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\necho "$@" > "$CALLED"\n', "utf-8")
    stub.chmod(0o755)
    path = os.pathsep.join([str(stub.parent), environment(swept)["PATH"]])

    clone = Path(shutil.copytree(swept, tmp_path / "clone", symlinks=True))

    make(clone, "exp-branch", f"EXP={NAMES[0]}", "BRANCH=weaker", PATH=path, CALLED=str(tmp_path / "called"))

    run(tmp_path, "git", "clone", "--quiet", "--branch", "weaker", str(swept.parent / "server.git"), "reviewed")
    reviewed = tmp_path / "reviewed"
    run(reviewed, "dvc", "pull", "--quiet")  # from the folder beside it, to which the clone pushed
    assert (tmp_path / "called").read_text("utf-8").split() == ["pr", "create", "--head", "weaker", "--fill"]
    assert run(reviewed, "git", "log", "-1", "--format=%s").strip() == "Set train.c2 to 0.5"
    assert yaml.safe_load((reviewed / "params.yaml").read_text("utf-8"))["train"]["c2"] == 0.5
    assert "up to date" in run(reviewed, "dvc", "status")


def test_without_the_program_of_github_the_command_for_the_pull_request_is_printed(swept: Path, tmp_path: Path) -> None:
    clone = Path(shutil.copytree(swept, tmp_path / "clone", symlinks=True))

    printed = make(clone, "exp-branch", f"EXP={NAMES[1]}", "BRANCH=stronger")

    assert "gh pr create --head stronger --fill" in printed


def test_an_experiment_has_the_annotated_notes_that_git_ignores(swept: Path, tmp_path: Path) -> None:
    clone = Path(shutil.copytree(swept, tmp_path / "clone", symlinks=True))
    stages = yaml.safe_load((clone / "dvc.yaml").read_text("utf-8"))
    stages["stages"]["train"]["cmd"] += " && test -f data/annotated/mine/a.txt"
    (clone / "dvc.yaml").write_text(yaml.safe_dump(stages, sort_keys=False), "utf-8")

    make(clone, "exp", "SWEEP=train.c2=3")

    assert "train.c2-3" in experiments(clone)


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        ("train.c3=1,2", "did you mean 'train.c2'?"),
        ("train.c2", "is no sweep"),
        ("train.c2=-1", "'dvc exp run' failed"),
    ],
)
def test_a_mistaken_sweep_is_refused_by_name_and_no_experiment_remains(swept: Path, sweep: str, told: str) -> None:
    code, _, err = outcome(swept, "clinical-ner", "sweep", sweep)

    assert code == 2
    assert told in err
    assert set(experiments(swept)) == set(NAMES)


def test_the_training_curve_has_a_row_an_iteration(swept: Path) -> None:
    with (swept / "plots/training.csv").open(encoding="utf-8", newline="") as rows:
        iterations = [int(row["iteration"]) for row in csv.DictReader(rows)]

    assert iterations == list(range(1, SMALL["train"]["max_iterations"] + 1))
