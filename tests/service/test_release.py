"""A service that runs a released model says which one."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from clinical_ner.core.files import write_json
from clinical_ner.ner.model import MANIFEST, PARTS, part, read_manifest
from clinical_ner.serving import local

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"


@pytest.fixture
def released(model_path: Path, tmp_path: Path) -> Path:
    model = tmp_path / "release" / model_path.name
    model.parent.mkdir()
    for suffix in (*PARTS, MANIFEST):
        shutil.copyfile(part(model_path, suffix), part(model, suffix))
    version = {"version": "v1.2.0", "model_version": read_manifest(model).version}
    write_json(model.with_name("version.json"), version)
    return model


def test_the_model_and_the_metrics_name_the_release(released: Path, tmp_path: Path) -> None:
    version = read_manifest(released).version

    with local.running(SERVICE, ROOT, tmp_path / "home", CLINICAL_NER_MODEL=str(released)) as server:
        answer = httpx.get(f"{server.url}/model").json()
        figures = httpx.get(f"{server.url}/metrics").text

    assert (answer["release"], answer["model_version"]) == ("v1.2.0", version)
    assert f'clinical_ner_model_info{{release="v1.2.0",version="{version}"}} 1.0' in figures
