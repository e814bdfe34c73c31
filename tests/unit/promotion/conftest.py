"""A project with real git, DVC and GTO: a clone, the bare repository that it is pushed to, and DVC's remote."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.unit.conftest import KNOBS, LEARNT

from clinical_ner.core.params import PromoteParams, TrainParams
from clinical_ner.ner import model
from clinical_ner.ner.training import train
from clinical_ner.promotion import release

Models = dict[str, Path]
ROOT = Path(__file__).parents[3]
DATA = ("data/dataset", "data/notes", "data/vocabulary")  # that models are judged by


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Three tiny models, none like another."""
    made = {}
    for number, name in enumerate(("first", "second", "third"), 1):
        made[name] = tmp_path_factory.mktemp(name) / "tagger.crfsuite"
        knobs = TrainParams(**KNOBS, max_iterations=2 * number, feature_groups=("word", "shape", "context"))
        train(LEARNT, [], knobs, made[name], {})
    return made


@pytest.fixture
def params() -> PromoteParams:
    return PromoteParams(
        seed=1,
        resamples=200,
        confidence=0.95,
        least_gain=0.01,
        most_loss=0.02,
        most_loss_of_slice=0.05,
        least_support=3,
        least_speed_ratio=0.8,
        speed_texts=5,
        speed_rounds=3,
        least_f1={"golden": 0.5},
    )


def call(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def dvc(folder: Path, *arguments: str) -> str:
    return call(folder, sys.executable, "-m", "dvc", *arguments)


class Project:
    """The clone: models are trained into it by copying, committed and pushed."""

    def __init__(self, root: Path, models: Models) -> None:
        self.root = root
        self._models = models

    def train(self, name: str, *, push: bool = True) -> Path:
        """Put a model in, as a stage of DVC, and commit it; returns its path."""
        for suffix in release.SUFFIXES:
            source = self.root / "source" / f"tagger{suffix}"
            source.parent.mkdir(exist_ok=True)
            shutil.copyfile(model.part(self._models[name], suffix), source)
        dvc(self.root, "repro", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Train {name}")
        if push:
            dvc(self.root, "push", "--quiet")
            self.git("push", "--quiet", "origin", "main")
        return self.root / release.MODEL

    def git(self, *arguments: str) -> str:
        return call(self.root, "git", *arguments)

    def dvc(self, *arguments: str) -> str:
        return dvc(self.root, *arguments)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def remote_tags(self) -> set[str]:
        listed = self.git("ls-remote", "--tags", "--refs", "origin").splitlines()
        return {line.rpartition("refs/tags/")[2] for line in listed}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Path:
    """A project with one model, to be copied: it takes seconds to make."""
    top = tmp_path_factory.mktemp("project")
    call(top, "git", "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    call(top, "git", "clone", "--quiet", "origin.git", "clone")
    clone = top / "clone"
    for setting in (("user.name", "A"), ("user.email", "a@example.org"), ("checkout.defaultRemote", "origin")):
        call(clone, "git", "config", *setting)
    call(clone, "git", "checkout", "--quiet", "-b", "main")
    call(clone, "git", "remote", "set-url", "origin", "../origin.git")
    dvc(clone, "init", "--quiet")
    dvc(clone, "config", "core.analytics", "false")
    dvc(clone, "remote", "add", "--quiet", "--default", "storage", "../storage")
    stage = {"cmd": "mkdir -p models && cp source/* models/", "deps": ["source"], "outs": list(release.FILES)}
    artifact = {"path": "models", "type": "model"}
    rows = " ".join(f"{name}/rows" for name in DATA)
    made = {"cmd": f"mkdir -p {' '.join(DATA)} && touch {rows}", "outs": list(DATA)}
    pipeline = {"artifacts": {"clinical-ner": artifact}, "stages": {"data": made, "train": stage}}
    (clone / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    shutil.copyfile(ROOT / "params.yaml", clone / "params.yaml")
    (clone / "metrics").mkdir()
    (clone / "metrics/evaluate.json").write_text('{"f1": 1}\n')
    Project(clone, models).train("first")
    return top


@pytest.fixture
def project(template: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the test's own, in which it works."""
    shutil.copytree(template, tmp_path / "own", symlinks=True)
    monkeypatch.chdir(tmp_path / "own/clone")
    return Project(tmp_path / "own/clone", models)
