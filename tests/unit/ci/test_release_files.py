"""Of which model `make release-files` is, with programs in the place of those that take long."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[3] / ".ci/workflows.mk"


@pytest.mark.parametrize(
    ("tags", "stage"),
    [
        (["clinical-ner@v1.0.0", "clinical-ner#dev#1"], "STAGE="),
        (["clinical-ner@v1.0.0", "clinical-ner#dev#1", "clinical-ner#prod#2"], "STAGE=prod"),
    ],
)
def test_a_release_is_of_the_model_in_prod_as_soon_as_there_is_one(tmp_path: Path, tags: list[str], stage: str) -> None:
    for command in (
        ["init", "--quiet"],
        ["commit", "--quiet", "--allow-empty", "-m", "x"],
        *(["tag", t] for t in tags),
    ):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    for name in ("python", "bentoml", "docker", "make-container"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/called"\n', encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    given = {"PYTHON": tmp_path / "python", "BIN": tmp_path, "MAKE": tmp_path / "make-container", "IMAGE": "i"}
    own = os.environ | {"PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]])}

    subprocess.run(
        ["make", "--silent", f"--file={RULES}", "release-files", *(f"{k}={v}" for k, v in given.items())],
        cwd=tmp_path,
        env=own | {"STAGE": "of somebody else"},
        check=True,
    )

    (built,) = [line for line in (tmp_path / "called").read_text().splitlines() if line.startswith("make-container")]
    assert built == f"make-container container SBOM=build/release/sbom.json {stage} REGISTRY="
