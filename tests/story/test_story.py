"""The whole story with the real parts: drift is noticed, corrections become a better model, and only that goes out.

The service, its store, the commands as processes, git with a remote, DVC with a remote, GTO and, where it is installed,
Prometheus with the project's rules; only the population and the training are small. It takes some minutes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from programs import DEPLOY, is_up, running, wait_until
from tests.repositories import commit, copy_of_sources, outcome, run, set_params
from tests.story.ward import Gold, f1, notes_of_the_new_ward, usual_notes

from clinical_ner.core.span import Span
from clinical_ner.serving import keys, local
from clinical_ner.serving.clock import now
from clinical_ner.serving.keys import Role
from clinical_ner.serving.store import Store

SERVICE = "clinical_ner.serving.service:Service"
SOURCES = (
    *(".dvc", ".dvcignore", ".gitignore", "data", "dvc.yaml", "models", "params.yaml", "pipelines", "src"),
    "tests/golden",
)
SMALL: dict[str, dict[str, Any]] = {
    "vocabulary": {"max_words": 3},
    "population": {"patients": 150},
    "notes": {"literature_texts": 300},
    "train": {"max_iterations": 30, "rehearsed_sentences": 10_000},  # as docs/corrections.md advises
    "evaluate": {"ablation_iterations": 2, "ablation_sentences": 60, "sample_texts": 3},
    "drift": {"reference_patients": 250, "windows": [100, 200], "resamples": 300, "splits": 6},
    "promote": {"speed_rounds": 5},
}
PEOPLE = 80  # three notes each
CORRECTED = 120  # notes
SHARED = 10  # of them, corrected by both annotators
SECONDS = 60.0


class Project:
    """The repository of a hospital: every change of it is committed, and pushed to git's and to DVC's remote."""

    def __init__(self, folder: Path) -> None:
        self.root = copy_of_sources(folder / "repository", *SOURCES)
        self.store = f"sqlite:///{folder / 'store.sqlite'}"
        set_params(self.root, SMALL)
        run(folder, "git", "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
        run(self.root, "git", "remote", "add", "origin", "../origin.git")

    def train(self, *stages: str) -> None:
        """`dvc repro` of the stages, and what the documents say comes after it."""
        run(self.root, "dvc", "repro", "--quiet", *stages)
        commit(self.root)
        run(self.root, "dvc", "push", "--quiet")
        run(self.root, "git", "push", "--quiet", "origin", "main")

    def ask(self, *arguments: str, code: int = 0) -> str:
        """What the command says, if it ends with this code."""
        ended, out, err = outcome(self.root, "clinical-ner", *arguments, CLINICAL_NER_STORE=self.store)
        assert ended == code, out + err
        return out

    def monitored(self, since: datetime, code: int) -> Path:
        """The folder with the reports on what the service has read since then."""
        self.ask("monitor", "run", "--out", "monitoring", "--since", since.isoformat(), code=code)
        return self.root / "monitoring"

    def in_production(self) -> list[str]:
        listed = json.loads(self.ask("versions", "--json"))
        return [row["version"] for row in listed if "prod" in row["stages"]]


class Hospital:
    """Two people who let the service read notes, and correct it."""

    def __init__(self, server: local.Server, secrets: list[str], store: str) -> None:
        self.url, self._store = server.url, store
        self._people = [httpx.Client(base_url=server.url, headers={"X-API-Key": own}, timeout=30) for own in secrets]

    def release(self) -> str | None:
        found: str | None = self._people[0].get("/model").raise_for_status().json()["release"]
        return found

    def read(self, notes: list[Gold], who: int = 0) -> list[dict[str, Any]]:
        """The answers, once the store has them."""
        since, texts = now(), [{"text": note.text} for note in notes]
        found = [self._people[who].post("/extract", json=text).raise_for_status().json() for text in texts]
        opened = Store.open(self._store)
        wait_until(lambda: len(opened.predictions(since, now())) == len(notes), SECONDS, "all predictions are stored")
        opened.close()
        return found

    def correct(self, notes: list[Gold], answers: list[dict[str, Any]], who: int) -> None:
        for note, answer in zip(notes, answers, strict=True):
            said = {"prediction_id": answer["prediction_id"], "feedback_id": str(uuid4()), "rating": 3}
            said |= {"text": note.text, "spans": [span._asdict() for span in note.spans]}
            self._people[who].post("/feedback", json=said).raise_for_status()

    def figure(self, line: str) -> bool:
        return line in self._people[0].get("/metrics").text.splitlines()


def spans(answer: dict[str, Any]) -> set[Span]:
    return {Span(one["start"], one["end"], one["label"]) for one in answer["entities"]}


@contextmanager
def deployed(project: Project, folder: Path) -> Iterator[Hospital]:
    """The service with the model that is in production now, fetched as a deployment does it."""
    project.ask("fetch", "--stage", "prod", "--out", str(folder / "model"))
    file = folder / "keys.json"
    roles = [Role.EXTRACT, Role.FEEDBACK, Role.METRICS]
    secrets = [keys.create(file, name, roles, now())[1] for name in ("first", "second")]
    (folder / "key").write_text(secrets[0])
    settings = {"MODEL": str(folder / "model/tagger.crfsuite"), "KEYS": str(file), "STORE": project.store}
    named = {f"CLINICAL_NER_{name}": value for name, value in settings.items()}
    with local.running(SERVICE, project.root, folder / "home", **named) as server:
        yield Hospital(server, secrets, project.store)


@contextmanager
def prometheus(hospital: Hospital, folder: Path) -> Iterator[str | None]:
    """Its URL: it asks the service every second and has the project's rules; none where it is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        yield None
        return
    target = {"targets": [hospital.url.removeprefix("http://")]}
    key = {"credentials_file": str(folder / "key")}
    job = {"job_name": "clinical-ner", "static_configs": [target], "authorization": key}
    rules = [str(path) for path in sorted((DEPLOY / "prometheus/rules").glob("*.yml"))]
    often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": often, "rule_files": rules, "scrape_configs": [job]}))
    address = f"127.0.0.1:{local.free_port()}"
    command = [program, f"--config.file={config}", f"--web.listen-address={address}"]
    command.append(f"--storage.tsdb.path={folder / 'tsdb'}")
    with running(command, is_up(f"http://{address}/-/ready"), folder / "prometheus.log"):
        yield f"http://{address}"


def firing(url: str) -> set[str]:
    alerts = httpx.get(f"{url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def figures(indicators: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for one in indicators["indicators"] for figure in one["figures"]}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """With a first model, trained and calibrated."""
    made = Project(tmp_path)
    made.train("evaluate", "drift")
    return made


def test_drift_is_noticed_corrections_make_a_better_model_and_only_that_goes_out(
    project: Project, tmp_path: Path
) -> None:
    usual, other = usual_notes(project.root, PEOPLE), notes_of_the_new_ward(project.root, PEOPLE)
    corrected, unseen = other[:CORRECTED], other[CORRECTED:]

    # The first model goes out, and reads what it was made for.
    project.ask("promote")
    with deployed(project, tmp_path / "first") as hospital, prometheus(hospital, tmp_path / "first") as watch:
        assert hospital.release() == "v1.0.0"
        began = now()
        f1_usual = f1(usual, map(spans, hospital.read(usual)))
        assert not (project.monitored(began, code=0) / "retraining_request.json").exists()

        # A ward opens whose terms the model has never seen: an alert, and a request to retrain.
        opened = now()
        answers = hospital.read(other)
        f1_before = f1(unseen, map(spans, answers[CORRECTED:]))
        request = json.loads((project.monitored(opened, code=20) / "retraining_request.json").read_text())
        assert request["verdict"] == "alert"
        assert "out_of_vocabulary_rate" in request["figures"]
        wait_until(lambda: hospital.figure("clinical_ner_drift_verdict 2.0"), SECONDS, "the service shows the drift")
        if watch:
            wait_until(lambda: "Drift" in firing(watch), SECONDS, "Prometheus sounds the alert")

        # People correct, each one half of the notes, and both of them some.
        middle = CORRECTED // 2
        hospital.correct(corrected[:middle], answers[:middle], who=0)
        hospital.correct(corrected[middle - SHARED :], answers[middle - SHARED : CORRECTED], who=1)

    # The corrections are a new version of the data, which has an author and a provenance.
    project.ask("feedback", "export", "--out", "review", "--since", began.date().isoformat())
    project.ask("feedback", "review", "review")
    project.ask("feedback", "accept", "review", "--name", "ward", "--hold-back", "0.2", "--dvc")
    provenance = json.loads((project.root / "data/annotated/ward/provenance.json").read_text())
    (batch,) = provenance["batches"]
    assert batch["notes"] + batch["left_out"]["held back"] == CORRECTED
    assert (len(batch["annotators"]), batch["agreement"]["all"]["notes"]) == (2, SHARED)

    # The challenger is better on notes that it has not seen, worse nowhere, and goes out.
    project.train("evaluate")
    project.ask("promote")
    with deployed(project, tmp_path / "second") as hospital:
        assert hospital.release() == "v1.1.0"
        f1_after = f1(unseen, map(spans, hospital.read(unseen)))
    print(f"F1: usual {f1_usual:.3f}, before {f1_before:.3f}, after {f1_after:.3f}")
    assert f1_before < f1_usual
    assert f1_after - f1_before >= 0.5 * (f1_usual - f1_before)

    # A worse one does not.
    set_params(project.root, {"train": {"max_iterations": 2}})
    project.train("evaluate")
    decision = json.loads(project.ask("promote", "--json", code=1))
    assert decision["reasons"]
    assert project.in_production() == ["v1.1.0"]

    # One command takes the new one back.
    project.ask("rollback")
    with deployed(project, tmp_path / "third") as hospital:
        assert hospital.release() == "v1.0.0"

    # What came of it is counted.
    told = figures(json.loads(project.ask("kpi", "--last", "1d", "--json")))
    gained = [name for name in told if name.startswith("F1 gained by a release")]
    asked = ["F1", "days from drift to a new model, median", "new terms learnt", *gained]
    assert {told[name]["basis"] for name in asked} == {"measured"}
    assert told["F1 gained by a release, held_back/ward"]["value"] > 0
