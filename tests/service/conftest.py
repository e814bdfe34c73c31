"""One server of the repository's service and one Bento, each with a BentoML home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import local

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tagger(model_path: Path) -> Tagger:
    return Tagger.load(model_path)


@pytest.fixture(scope="session")
def server(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.Server]:
    home = tmp_path_factory.mktemp("server")
    target = "clinical_ner.serving.service:Service"
    with local.running(target, ROOT, home, CLINICAL_NER_MODEL=str(model_path)) as running:
        yield running


@pytest.fixture(scope="session")
def bento(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - the model must be there
    """The folder of a Bento built by the command, in a store of its own."""
    home = tmp_path_factory.mktemp("store")
    done = subprocess.run(
        [sys.executable, "-m", "clinical_ner.serving.build"],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return home / "bentos" / done.stdout.strip().replace(":", "/")
