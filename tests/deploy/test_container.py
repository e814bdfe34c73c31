"""The container's image: built by whichever builder is here, asked one question, and its bill of materials."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from cyclonedx.model.component import ComponentType
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from programs import DEPLOY
from tests.scripts import module

from clinical_ner.ner.model import MANIFEST, part, read_manifest

ROOT = DEPLOY.parent
CONTAINER = DEPLOY / "container"
WANTED = "CLINICAL_NER_TEST_CONTAINER"  # `make test-container` sets it: a build takes minutes
BUILDERS = ("docker", "podman", "buildah")
Build = Callable[..., subprocess.CompletedProcess[str]]
DIGEST = "ab" * 32
INVENTORY = [
    "generic python 3.11.9",
    "python bentoml 1.4.39",
    "python typing_extensions 4.15.0",
    "deb libc6 2.36-9+deb12u13 amd64",
    f"model clinical-ner 0123456789ab {DIGEST}",
    "",
]


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile and their arguments, each on one line."""
    text = (CONTAINER / "Containerfile").read_text().replace("\\\n", " ")
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#"))
    return [(name, argument) for name, argument in lines]


def test_the_image_does_not_run_as_root() -> None:
    users = [argument for name, argument in instructions() if name == "USER"]

    assert users[-1].split(":")[0] not in {"root", "0"}


def test_the_image_has_one_worker() -> None:
    variables = [variable for name, argument in instructions() if name == "ENV" for variable in argument.split()]

    assert "CLINICAL_NER_WORKERS=1" in variables


def test_the_health_check_asks_whether_the_service_is_ready() -> None:
    (check,) = [argument for name, argument in instructions() if name == "HEALTHCHECK"]

    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert "'http://127.0.0.1:3000/readyz'" in check
    assert ["CMD", *json.loads(check.partition("CMD")[2])] == compose["services"]["service"]["healthcheck"]["test"]


@pytest.fixture(scope="module")
def inventory() -> ModuleType:
    return module(CONTAINER / "inventory.py")


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    return module(CONTAINER / "sbom.py")


def test_the_interpreter_and_what_is_installed_for_it_are_listed(inventory: ModuleType, tmp_path: Path) -> None:
    for path in (
        "app/.venv/lib/python3.11/site-packages/bentoml-1.4.39",
        "usr/local/lib/python3.11/site-packages/pip-24.0",
        "usr/lib/python3/dist-packages/six-1.16.0",  # a package of Debian
    ):
        name, version = Path(path).name.rsplit("-", 1)
        folder = tmp_path / f"{path}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    listed = list(inventory.python(tmp_path))
    interpreter = f"generic python {sys.version.split()[0]}"
    assert listed == [interpreter, "python bentoml 1.4.39", "python pip 24.0"]


def test_the_model_is_listed_by_its_version_and_the_digest_of_its_manifest(
    inventory: ModuleType, model_path: Path, tmp_path: Path
) -> None:
    manifest = part(model_path, MANIFEST)
    (tmp_path / "src/models").mkdir(parents=True)
    shutil.copy(manifest, tmp_path / "src/models")

    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert inventory.model(tmp_path) == f"model clinical-ner {read_manifest(model_path).version} {digest}"


def test_the_bill_names_everything_by_where_it_comes_from(sbom: ModuleType) -> None:
    bill = sbom.bill("clinical-ner:latest", "clinical_ner:abc", INVENTORY)

    assert {str(component.purl): component.type for component in bill.components} == {
        "pkg:generic/python@3.11.9": ComponentType.PLATFORM,
        "pkg:pypi/bentoml@1.4.39": ComponentType.LIBRARY,
        "pkg:pypi/typing-extensions@4.15.0": ComponentType.LIBRARY,
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64": ComponentType.LIBRARY,
        "pkg:generic/clinical-ner@0123456789ab": ComponentType.MACHINE_LEARNING_MODEL,
    }
    assert [one.content for component in bill.components for one in component.hashes] == [DIGEST]


def test_the_bill_is_cyclonedx(sbom: ModuleType) -> None:
    bill = sbom.bill("clinical-ner:latest", "clinical_ner:abc", INVENTORY)

    written = sbom.make_outputter(bill, sbom.OutputFormat.JSON, sbom.SchemaVersion.V1_6).output_as_string()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Run build.sh among programs that only say yes; `working` builders start containers. It prints the one it took."""
    container, programs, bento = (tmp_path / name for name in ("container", "programs", "bento"))
    (bento / "env/docker").mkdir(parents=True)
    (bento / "env/docker/Dockerfile").write_text("# Generated\nFROM python:3.11-slim AS base-container\nRUN true\n")
    container.mkdir()
    shutil.copy(CONTAINER / "build.sh", container)

    def program(path: Path, text: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(working: set[str], **environment: str) -> subprocess.CompletedProcess[str]:
        for name in BUILDERS:
            broken = "" if name in working else f"if [ $1 = run ]; then echo {name}: no runtime >&2; exit 125; fi"
            program(programs / name, broken)
        program(programs / "bentoml", f"echo {bento}")
        program(programs / "python", "cat")
        program(container / "smoke.sh", "exit 0")
        program(container / "inventory.sh", 'echo "$BUILDER"')
        return subprocess.run(
            [container / "build.sh"],
            env={"PATH": f"{programs}:/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("taken", BUILDERS)
def test_a_builder_that_is_installed_and_cannot_start_a_container_is_passed_over(build: Build, taken: str) -> None:
    done = build(set(BUILDERS[BUILDERS.index(taken) :]))

    assert (done.returncode, done.stdout) == (0, f"{taken}\n"), done.stderr
    assert [line for line in done.stderr.splitlines() if "cannot start" in line] == [
        f"{name} cannot start a container of python:3.11-slim" for name in BUILDERS[: BUILDERS.index(taken)]
    ]


def test_the_environment_names_the_builder(build: Build) -> None:
    done = build(set(BUILDERS), BUILDER="buildah")

    assert (done.returncode, done.stdout) == (0, "buildah\n"), done.stderr


@pytest.mark.parametrize("named", ["podman", "no-such-builder"])
def test_no_other_builder_is_taken_for_the_one_that_was_named(build: Build, named: str) -> None:
    done = build({"docker", "buildah"}, BUILDER=named)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: none of {named} works here" in done.stderr


def test_without_a_builder_the_user_is_told_what_was_tried_and_what_to_do(build: Build) -> None:
    done = build(set())

    assert (done.returncode, done.stdout) == (2, "")
    assert "error: none of docker, podman and buildah works here" in done.stderr
    assert all(f"{name}: no runtime" in done.stderr for name in BUILDERS)
    assert "remedy:" in done.stderr


@pytest.mark.skipif(WANTED not in os.environ, reason="builds an image: make test-container")
def test_the_image_is_built_answers_and_its_bill_has_what_is_inside(tmp_path: Path) -> None:
    if not any(map(shutil.which, BUILDERS)):
        pytest.skip("neither docker, podman nor buildah is installed")

    done = subprocess.run(
        ["make", "container", f"SBOM={tmp_path / 'sbom.json'}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the container answers:" in done.stderr
    purls = [component["purl"] for component in json.loads((tmp_path / "sbom.json").read_text())["components"]]
    for start in (
        "pkg:generic/python@",
        "pkg:generic/clinical-ner@",
        "pkg:pypi/clinical-ner@",
        "pkg:pypi/bentoml@",
        "pkg:deb/debian/libc6@",
    ):
        assert any(purl.startswith(start) for purl in purls)
    assert not any(purl.startswith(("pkg:pypi/pandas@", "pkg:pypi/scikit-learn@")) for purl in purls)
