"""The run that `dvc.lock` records, copied to MLflow for teams that live there; the repository stays the truth."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import leaves, sha256
from clinical_ner.promotion.release import holds, locked_files
from clinical_ner.serving.places import MODEL

NAME = "clinical-ner"  # of the experiment and of the registered model
LOCK, PARAMS = Path("dvc.lock"), Path("params.yaml")
CURVE = Path("plots/training.csv")
URI, LOCK_TAG = "MLFLOW_TRACKING_URI", "dvc.lock.sha256"
LIMIT = 100  # parameters that a server of MLflow takes at a time; of metrics it takes more
NO_METRIC = re.compile(r"[^\w\-. /]")  # signs that MLflow refuses in a name


def figures(stage: str, metrics: Any) -> dict[str, float]:
    """The numbers of a stage's metrics by names that MLflow takes; the stage comes first."""
    return {
        NO_METRIC.sub("_", f"{stage}.{name}"): float(value)
        for name, value in leaves(metrics)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def require_as_locked(files: Mapping[str, str]) -> None:
    """Check that the files are those that `dvc.lock` names.

    Raises:
        UserError: one is missing or another one.
    """
    for path, content in files.items():
        if not holds(Path(path), content):
            raise UserError(f"{path} is not the file that {LOCK} names", "run 'make repro' or 'dvc checkout' first")


def mirror() -> None:
    """Copy the run of dvc.lock to the MLflow of MLFLOW_TRACKING_URI: once, however often it is called."""
    client, exceptions = _client()
    if not LOCK.is_file():
        raise UserError(f"{LOCK} does not exist", "run from the top of the repository, after 'make repro'")
    files = locked_files(LOCK.read_text(encoding="utf-8"))
    require_as_locked(files)
    try:
        run, is_new = _run(client, sha256(LOCK), sorted(files))
    except exceptions.MlflowException as error:
        raise UserError(f"MLflow: {error}", f"see that {URI} names a database or a server") from None
    typer.echo(f"run {run.info.run_id} {'is new' if is_new else 'was there already'}")


def _client() -> tuple[Any, Any]:
    if not os.environ.get(URI):
        raise UserError(f"{URI} is not set", f"export {URI}=sqlite:///mlflow.db, or the address of your server")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow import MlflowClient, exceptions
    except ImportError:
        raise UserError("MLflow is not installed", "install the extra: uv pip install -e '.[mlflow]'") from None
    try:
        return MlflowClient(), exceptions
    except exceptions.MlflowException as error:
        raise UserError(f"MLflow: {error}", f"name a database or a server in {URI}") from None


def _run(client: Any, lock: str, files: Sequence[str]) -> tuple[Any, bool]:
    """The finished run of this lock, and whether it was made now; one that broke off makes room for it."""
    experiment = client.get_experiment_by_name(NAME)
    where = experiment.experiment_id if experiment else client.create_experiment(NAME)
    for run in client.search_runs([where], f"tags.`{LOCK_TAG}` = '{lock}'"):
        if run.info.status == "FINISHED":
            return run, False
        client.delete_run(run.info.run_id)
    run = client.create_run(where, tags={LOCK_TAG: lock}, run_name=lock[:12])
    _log(client, run.info.run_id, files)
    _register(client, run)
    client.set_terminated(run.info.run_id)
    return run, True


def _log(client: Any, run: str, files: Sequence[str]) -> None:
    from mlflow.entities import Metric, Param

    params = [Param(name, str(value)) for name, value in leaves(yaml.safe_load(PARAMS.read_text(encoding="utf-8")))]
    made = client.get_run(run).info.start_time
    metrics = [
        Metric(name, value, made, 0)
        for path in map(Path, files)
        if path.parts[0] == "metrics"
        for name, value in figures(path.stem, json.loads(path.read_bytes())).items()
    ]
    with CURVE.open(encoding="utf-8", newline="") as rows:
        metrics += [
            Metric(f"training.{name}", float(value), made, int(row["iteration"]))
            for row in csv.DictReader(rows)
            for name, value in row.items()
            if name != "iteration"
        ]
    for start in range(0, len(params), LIMIT):
        client.log_batch(run, params=params[start : start + LIMIT])
    for start in range(0, len(metrics), LIMIT):
        client.log_batch(run, metrics=metrics[start : start + LIMIT])
    for path in [str(LOCK), str(PARAMS), *files]:
        client.log_artifact(run, path, str(Path(path).parent) if "/" in path else None)


def _register(client: Any, run: Any) -> None:
    from clinical_ner.ner.model import read_manifest

    if not client.search_registered_models(f"name = '{NAME}'"):
        client.create_registered_model(NAME)
    source = f"{run.info.artifact_uri}/{MODEL.parent}"
    tags = {"model_version": read_manifest(MODEL).version}
    client.create_model_version(NAME, source, run.info.run_id, tags=tags)
