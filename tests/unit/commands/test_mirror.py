"""The last run in a real tracking store of MLflow: once, whole, and with the model registered."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from clinical_ner.commands import mirror
from clinical_ner.core.errors import UserError
from clinical_ner.ner.model import read_manifest

ROOT = Path(__file__).parents[3]
METRICS = {"crf": {"f1": 0.9, "by label": {"DISEASE": 1}}, "labels": ["a"], "drifted": False}


def write_lock() -> None:
    """A `dvc.lock` of the files that are there."""
    files = [path for folder in ("metrics", "models", "plots") for path in Path(folder).iterdir()]
    outs = [{"path": str(path), "md5": hashlib.md5(path.read_bytes()).hexdigest()} for path in sorted(files)]  # noqa: S324 - as DVC
    outs.append({"path": "data/notes", "md5": "0" * 32 + ".dir"})
    mirror.LOCK.write_text(yaml.safe_dump({"stages": {"train": {"outs": outs}}}), "utf-8")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a store whose tables are made once: that takes seconds."""
    pytest.importorskip("mlflow")
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def client(store: str, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of an empty experiment; the working folder holds a run that its lock names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(mirror.URI, store)
    monkeypatch.setattr(mirror, "NAME", tmp_path.name)
    for folder in ("metrics", "models", "plots"):
        Path(folder).mkdir()
    Path("metrics/evaluate.json").write_text(json.dumps(METRICS), "utf-8")
    mirror.CURVE.write_text("iteration,loss\n1,30.5\n2,20.25\n", "utf-8")
    mirror.PARAMS.write_text("train:\n  c2: 1.5\n  feature_groups: [word]\n", "utf-8")
    for suffix in (".crfsuite", ".manifest.json"):
        shutil.copyfile(model_path.with_suffix(suffix), mirror.MODEL.with_suffix(suffix))
    write_lock()
    return mirror._client()[0]


def runs(client: Any) -> list[Any]:
    found: list[Any] = client.search_runs([client.get_experiment_by_name(mirror.NAME).experiment_id])
    return found


def versions(client: Any) -> list[Any]:
    found: list[Any] = client.search_model_versions(f"name = '{mirror.NAME}'")
    return found


def test_a_run_has_the_parameters_figures_curve_and_files_of_the_lock(client: Any) -> None:
    mirror.mirror()

    (run,) = runs(client)
    curve = client.get_metric_history(run.info.run_id, "training.loss")
    listed = {file.path for folder in ("models", "plots") for file in client.list_artifacts(run.info.run_id, folder)}
    assert run.info.status == "FINISHED"
    assert run.data.params == {"train.c2": "1.5", "train.feature_groups": "['word']"}
    assert run.data.metrics == {"evaluate.crf.f1": 0.9, "evaluate.crf.by label.DISEASE": 1.0, "training.loss": 20.25}
    assert [(point.step, point.value) for point in curve] == [(1, 30.5), (2, 20.25)]
    assert listed == {"models/tagger.crfsuite", "models/tagger.manifest.json", "plots/training.csv"}


def test_the_same_lock_twice_is_one_run_and_one_version_of_the_model(client: Any) -> None:
    mirror.mirror()
    mirror.mirror()

    (version,) = versions(client)
    assert [run.info.run_id for run in runs(client)] == [version.run_id]
    assert version.tags == {"model_version": read_manifest(mirror.MODEL).version}
    assert version.source.endswith("/models")


def test_another_lock_is_another_run_and_version(client: Any) -> None:
    mirror.mirror()
    mirror.CURVE.write_text("iteration,loss\n1,29.0\n", "utf-8")
    write_lock()
    mirror.mirror()

    assert len(runs(client)) == len(versions(client)) == 2


def test_a_run_that_broke_off_makes_room_for_a_whole_one(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_off(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(mirror, "_register", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            mirror.mirror()
    mirror.mirror()

    assert [run.info.status for run in runs(client)] == ["FINISHED"]
    assert len(versions(client)) == 1


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_text("{}", "utf-8")], ids=["gone", "another"])
def test_a_file_that_the_lock_does_not_name_is_refused(client: Any, change: Any) -> None:
    change(Path("metrics/evaluate.json"))

    with pytest.raises(UserError, match=r"metrics/evaluate\.json is not the file that dvc\.lock names"):
        mirror.mirror()

    assert client.get_experiment_by_name(mirror.NAME) is None


def test_without_an_address_the_user_is_told_how_to_give_one(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.delenv(mirror.URI)

    with pytest.raises(UserError, match=r"MLFLOW_TRACKING_URI is not set\n.*sqlite:///"):
        mirror.mirror()


def test_a_folder_of_files_which_mlflow_no_longer_writes_is_refused(
    client: Any,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(mirror.URI, (tmp_path / "mlruns").as_uri())

    with pytest.raises(UserError, match="remedy: name a database or a server"):
        mirror.mirror()
