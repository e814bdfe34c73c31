"""The container's image: built by whichever builder is here, asked one question, and its bill of materials."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from programs import DEPLOY

ROOT = DEPLOY.parent
CONTAINER = DEPLOY / "container"
WANTED = "CLINICAL_NER_TEST_CONTAINER"  # `make test-container` sets it: a build takes minutes
INVENTORY = ["python bentoml 1.4.39", "python typing_extensions 4.15.0", "deb libc6 2.36-9+deb12u13 amd64", ""]


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
def sbom() -> ModuleType:
    specification = importlib.util.spec_from_file_location("sbom", CONTAINER / "sbom.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_bill_names_every_package_by_where_it_comes_from(sbom: ModuleType) -> None:
    bill = sbom.bill("clinical-ner:latest", "clinical_ner:abc", INVENTORY)

    assert {str(component.purl) for component in bill.components} == {
        "pkg:pypi/bentoml@1.4.39",
        "pkg:pypi/typing-extensions@4.15.0",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64",
    }


def test_the_bill_is_cyclonedx(sbom: ModuleType) -> None:
    bill = sbom.bill("clinical-ner:latest", "clinical_ner:abc", INVENTORY)

    written = sbom.make_outputter(bill, sbom.OutputFormat.JSON, sbom.SchemaVersion.V1_6).output_as_string()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None


def test_without_a_builder_the_user_is_told_what_to_do(tmp_path: Path) -> None:
    bentoml = tmp_path / "bentoml"
    bentoml.write_text("#!/bin/sh\necho /store/clinical_ner/abc\n")
    bentoml.chmod(0o755)

    done = subprocess.run(
        [CONTAINER / "build.sh"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "BUILDER": "no-such-builder"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "error: none of no-such-builder works here" in done.stderr
    assert "remedy:" in done.stderr


@pytest.mark.skipif(WANTED not in os.environ, reason="builds an image: make test-container")
def test_the_image_is_built_answers_and_its_bill_has_what_is_inside(tmp_path: Path) -> None:
    if not any(map(shutil.which, ("docker", "podman", "buildah"))):
        pytest.skip("neither docker, podman nor buildah is installed")

    done = subprocess.run(
        ["make", "container", f"SBOM={tmp_path / 'sbom.json'}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the container answers:" in done.stderr
    purls = [component["purl"] for component in json.loads((tmp_path / "sbom.json").read_text())["components"]]
    for start in ("pkg:pypi/clinical-ner@", "pkg:pypi/bentoml@", "pkg:deb/debian/libc6@"):
        assert any(purl.startswith(start) for purl in purls)
    assert not any(purl.startswith(("pkg:pypi/pandas@", "pkg:pypi/scikit-learn@")) for purl in purls)
