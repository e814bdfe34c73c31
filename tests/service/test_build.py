"""A Bento is built with its model and its wheel, or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clinical_ner.ner.extraction import extract
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import build, local, logs
from clinical_ner.serving.build import MODEL_FILES, PACKED, pack, packed
from clinical_ner.serving.places import METRICS, WHEEL

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^[\w.-]+==[\w.]+|--hash=\S+", re.MULTILINE)  # versions and hashes; markers are reformatted
TEXT = "Hypertension was treated with lisinopril. 😀 Asthma needed albuterol."


@pytest.fixture
def root(model_path: Path, tmp_path: Path) -> Path:  # noqa: ARG001 - the model must be there
    """A folder with everything a build reads except the code."""
    for path in PACKED:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
    return tmp_path


def assert_nothing_is_built(root: Path, message: str) -> None:
    home = root / "home"
    done = subprocess.run(
        [sys.executable, "-m", "clinical_ner.serving.build"],
        cwd=root,
        env=os.environ | {"BENTOML_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(home.rglob("bento.yaml"))


@pytest.mark.parametrize("path", MODEL_FILES, ids=str)
def test_without_its_model_nothing_is_built(root: Path, path: Path) -> None:
    (root / path).unlink()

    assert_nothing_is_built(root, f"{path} does not exist")


def test_bentoml_itself_builds_nothing_without_a_model(root: Path) -> None:
    (root / MODEL_FILES[-1]).unlink()
    home = root / "home"

    done = subprocess.run(
        [str(Path(sys.executable).with_name("bentoml")), "build"],
        cwd=root,
        env=os.environ | {"BENTOML_HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert f"{MODEL_FILES[-1]} does not exist" in done.stdout + done.stderr
    assert not list(home.rglob("bento.yaml"))


def test_a_link_that_leads_nowhere_is_no_model(root: Path) -> None:
    model = MODEL_FILES[0]
    (root / model).unlink()
    (root / model).symlink_to("nowhere")

    assert_nothing_is_built(root, f"{model} is a link that leads nowhere")


@pytest.mark.parametrize("path", MODEL_FILES[:2], ids=str)
def test_an_altered_model_is_not_built(root: Path, path: Path) -> None:
    content = bytearray((root / path).read_bytes())
    content[len(content) // 2] ^= 1
    (root / path).write_bytes(content)

    assert_nothing_is_built(root, path.name)


def test_links_to_the_model_are_packed_as_files(root: Path, tmp_path: Path) -> None:
    for path in MODEL_FILES:
        (root / path).rename(root / path.name)
        (root / path).symlink_to(root / path.name)
    context = tmp_path / "context"

    pack(packed(root), context)

    assert not any((context / path).is_symlink() for path in MODEL_FILES)
    assert [(context / path).read_bytes() for path in MODEL_FILES] == [(root / p).read_bytes() for p in MODEL_FILES]


def test_of_a_release_the_model_its_scores_and_its_version_are_packed_and_nothing_else(
    root: Path, tmp_path: Path
) -> None:
    sources = packed(root, tmp_path)

    own = {path for path, source in sources.items() if source == root / path}
    assert own == {Path("bentofile.yaml"), Path("requirements-serving.txt")}
    assert sources[Path("models/version.json")] == tmp_path / "version.json"
    assert sources[METRICS] == tmp_path / "evaluate.json"
    assert {sources[path] for path in MODEL_FILES} == {tmp_path / path.name for path in MODEL_FILES}


def test_the_bento_holds_the_model_the_wheel_and_nothing_more(bento: Path) -> None:
    packed = {path.relative_to(bento / "src") for path in (bento / "src").rglob("*") if path.is_file()}

    assert packed == {Path("bentofile.yaml"), Path(WHEEL), METRICS, *MODEL_FILES}
    assert all((bento / "src" / path).read_bytes() == (ROOT / path).read_bytes() for path in MODEL_FILES)


def test_the_image_installs_the_wheel_and_the_locked_packages(bento: Path) -> None:
    installed = (bento / "env/python/requirements.txt").read_text()
    locked = (ROOT / "requirements-serving.txt").read_text()

    assert f"./{WHEEL}\n" in installed
    assert len(PINNED.findall(locked)) > 100
    assert set(PINNED.findall(locked)) <= set(PINNED.findall(installed))


def test_the_bento_answers_from_an_empty_folder_with_its_own_wheel_and_model(
    bento: Path, tagger: Tagger, tmp_path: Path
) -> None:
    moved, code, empty = tmp_path / "bento", tmp_path / "code", tmp_path / "empty"
    shutil.copytree(bento, moved)
    shutil.unpack_archive(moved / "src" / WHEEL, code, "zip")
    empty.mkdir()

    with local.running(str(moved), empty, tmp_path / "home", PYTHONPATH=str(code)) as server:
        answer = server.ask(TEXT)

    assert answer == extract(tagger, TEXT)


def test_each_line_that_a_bento_logs_is_of_the_elastic_common_schema(bento: Path, tmp_path: Path) -> None:
    with local.running(str(bento), tmp_path, tmp_path / "home") as server:
        server.ask(TEXT)

    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert "POST /extract 200" in {line["message"] for line in lines}
    assert {line["ecs.version"] for line in lines} == {logs.ECS_VERSION}


def test_a_bento_that_answers_differently_is_no_success(
    bento: Path, tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(bento, tmp_path / "bento")
    monkeypatch.setattr(build, "extract", lambda _tagger, _text: {"entities": [], "treatments": {}})

    with pytest.raises(RuntimeError, match="answers differently"):
        build.compare(tagger, tmp_path / "bento")


def test_a_bento_whose_model_is_damaged_does_not_start(bento: Path, tmp_path: Path) -> None:
    moved = tmp_path / "bento"
    shutil.copytree(bento, moved)
    (moved / "src" / MODEL_FILES[1]).write_bytes(b"")

    with pytest.raises(RuntimeError, match="did not become ready"), local.running(str(moved), moved, tmp_path / "home"):
        pass


def test_the_code_of_an_unpacked_wheel_comes_before_the_installed_one(bento: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(bento / "src" / WHEEL, tmp_path / "code", "zip")
    command = [sys.executable, "-c", "import clinical_ner.serving.contract as c; print(c.__file__)"]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=local.environment(tmp_path, PYTHONPATH=str(tmp_path / "code")),
        capture_output=True,
        text=True,
        check=True,
    )

    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "code")
