"""Every workflow on this machine: act runs it on a small project, stubs play GitHub, its actions and docker.

Minutes, so only where CLINICAL_NER_TEST_WORKFLOWS is set: `make test-workflows`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.repositories import commit, run, set_params
from tests.workflows.stage import Outcome, Stage, write

pytestmark = pytest.mark.skipif("CLINICAL_NER_TEST_WORKFLOWS" not in os.environ, reason="minutes: make test-workflows")
Event = Callable[..., dict[str, Any]]
ALL_GREEN = dict.fromkeys(("check", "pipeline", "comment", "verdict"), "success")


def worse(project: Path) -> None:
    """Commit a model that has hardly learnt anything, with all that the pipeline makes of it."""
    set_params(project, {"train": {"max_iterations": 1}})
    run(project, "dvc", "repro", "--quiet")
    commit(project, "this commit will hold a worse model")


def opened(stage: Stage, project: Path, event: dict[str, Any], job: str = "") -> Outcome:
    return stage.act(project, "pull-request", "pull_request", event, job=job)


# --- pull requests -----------------------------------------------------------------------------------
def test_a_pull_request_that_changes_no_result_is_green_and_its_comment_says_so(
    project: Path, stage: Stage, pull_request: Event
) -> None:
    write(project / "README.md", "# Small\n")
    commit(project, "this commit will say less")

    outcome = opened(stage, project, pull_request())

    assert outcome.jobs == ALL_GREEN, outcome.printed
    (comment,) = stage.state()["comments"]
    assert "## Verdict: the same within noise" in comment["body"]
    assert "Running stage" not in outcome.printed


def test_a_worse_model_is_red_until_it_is_accepted_and_its_one_comment_shows_why(
    project: Path, stage: Stage, pull_request: Event
) -> None:
    worse(project)

    first = opened(stage, project, pull_request())
    stage.change(labels=["worse-accepted"])
    second = opened(stage, project, pull_request())

    assert first.jobs == ALL_GREEN | {"verdict": "failure"}, first.printed
    assert "a figure is worse beyond noise" in first.printed
    assert second.jobs == ALL_GREEN, second.printed
    state = stage.state()
    (comment,) = state["comments"]
    assert "## Verdict: **worse beyond noise** (" in comment["body"]
    assert "| train.max_iterations | 15 | 1 | -14 |" in comment["body"]
    assert re.search(r"\| models/tagger\.weights\.npy \| [\d,]+ \| [\d,]+ \| [+-][\d,]+ \|", comment["body"])
    addresses = re.findall(r"!\[.+\]\((.+)/(\w+\.png)\)", comment["body"])
    sha = state["refs"]["refs/plots/pull-request-7"]
    shown = {entry["path"] for entry in state["trees"][state["commits"][sha]["tree"]]["tree"]}
    assert {address for address, _ in addresses} == {f"https://github.com/Somebody/Project/raw/{sha}"}
    assert {name for _, name in addresses} == shown >= {"training.png"}


def test_a_broken_test_is_red(project: Path, stage: Stage, pull_request: Event) -> None:
    write(project / "tests/test_small.py", "def test_two_is_three() -> None:\n    assert 3 == 1 + 1\n")
    commit(project, "this commit will break a test")

    outcome = opened(stage, project, pull_request(), job="check")

    assert outcome.jobs == {"check": "failure"}, outcome.printed
    assert "test_two_is_three" in outcome.printed


def test_a_false_lock_is_red_and_the_comment_has_the_true_figures(
    project: Path, stage: Stage, pull_request: Event
) -> None:
    set_params(project, {"train": {"max_iterations": 14}})
    commit(project, "this commit will forget to run the pipeline")

    outcome = opened(stage, project, pull_request())

    assert {"check": "failure", "pipeline": "failure", "comment": "success"}.items() <= outcome.jobs.items()
    assert "dvc.lock is behind the code" in outcome.printed
    assert "dvc.lock is not that of this code" in outcome.printed
    assert "| train.iterations | 15 | 14 | -1 |" in stage.state()["comments"][0]["body"]


def test_a_fork_gets_the_summary_and_no_comment(project: Path, stage: Stage, pull_request: Event) -> None:
    write(project / "README.md", "# Small\n")
    commit(project, "this commit will say less")

    outcome = opened(stage, project, pull_request(head="Stranger/Project"), job="comment")

    assert outcome.jobs == {"check": "success", "pipeline": "success"} or outcome.jobs == {"pipeline": "success"}
    assert not stage.github.exists()
    assert "## Verdict: the same within noise" in (stage.folder / "artifacts/comment/summary.md").read_text("utf-8")


# --- monitoring ----------------------------------------------------------------------------------------
def looked(stage: Stage, project: Path, decision: int, *, retrain: bool = False) -> Outcome:
    write(stage.folder / "decision", str(decision))
    write(stage.folder / "retrain", str(retrain).lower())
    return stage.act(project, "monitoring", "schedule", {"repository": {"full_name": "Somebody/Project"}})


def files_on(stage: Stage, branch: str) -> set[str]:
    """The files that the last commit on a branch has written."""
    state = stage.state()
    tree = state["commits"][state["refs"][f"refs/heads/{branch}"]]["tree"]
    return {entry["path"] for entry in state["trees"][tree]["tree"]}


def test_monitoring_opens_nothing_one_issue_and_on_request_one_pull_request(project: Path, stage: Stage) -> None:
    quiet = looked(stage, project, 0)
    nothing = stage.state()["issues"]
    watched = looked(stage, project, 10)
    asked = looked(stage, project, 20, retrain=True)
    (unchanged,) = stage.state()["pulls"]
    set_params(project, {"train": {"max_iterations": 20}})
    commit(project, "this commit will bring an input that nothing has been trained on")
    again = looked(stage, project, 20, retrain=True)
    (alarm,) = stage.state()["issues"]
    over = looked(stage, project, 0)

    spoken = {"watch": "success", "issue": "success"}
    assert (quiet.jobs, watched.jobs, over.jobs) == (spoken, spoken, spoken), quiet.printed
    assert nothing == []
    everything = dict.fromkeys(("watch", "issue", "retrain", "propose"), "success")
    assert (asked.jobs, again.jobs) == (everything, everything), asked.printed
    (issue,), (proposed,) = stage.state()["issues"], stage.state()["pulls"]
    assert (issue["labels"], alarm["body"]) == (["drift"], "The notes have changed: 20\n")
    assert issue["body"].startswith("The notes have changed: 0\n")
    assert issue["body"].endswith("The notes have changed: 20\n")
    assert proposed["head"] == "retraining"
    assert "No input has changed since the last training" in unchanged["body"]
    assert "## Verdict: the same within noise" in unchanged["body"]
    assert "No input has changed" not in proposed["body"]
    assert "| models/tagger.weights.npy | 15 | 20 | +5 |" in proposed["body"]
    assert {"dvc.lock", "metrics/train.json", "reports/retraining_request.json"} <= files_on(stage, "retraining")
    assert stage.state()["refs"]["refs/heads/main"] == "c0"


def test_the_policy_asks_for_retraining_and_not_the_verdict(project: Path, stage: Stage) -> None:
    alarmed = looked(stage, project, 20)
    without = stage.state()
    eager = looked(stage, project, 10, retrain=True)

    assert alarmed.jobs == {"watch": "success", "issue": "success"}, alarmed.printed
    assert (len(without["issues"]), without["pulls"]) == (1, [])
    assert eager.jobs == dict.fromkeys(("watch", "issue", "retrain", "propose"), "success"), eager.printed
    assert len(stage.state()["pulls"]) == 1


def test_monitoring_that_cannot_look_is_red_and_tells_nobody_that_all_is_well(project: Path, stage: Stage) -> None:
    outcome = looked(stage, project, 2)

    assert outcome.jobs == {"watch": "failure"}, outcome.printed
    assert not stage.github.exists()


# --- the release -----------------------------------------------------------------------------------------
def test_a_tag_becomes_a_release_with_image_bento_contents_and_attestations(project: Path, stage: Stage) -> None:
    changelog = (project / "CHANGELOG.md").read_text("utf-8")
    write(project / "CHANGELOG.md", changelog.replace("## Unreleased", "## 9.1.0\n\n- It is small.\n\n## 9.0.0"))
    commit(project, "this commit will be a release")
    run(project, "git", "tag", "v9.1.0")

    outcome = stage.act(project, "release", "push", {"ref": "refs/tags/v9.1.0", "ref_name": "v9.1.0"})

    assert outcome.jobs == {"build": "success", "publish": "success"}, outcome.printed
    artifact = stage.folder / "artifacts/release"
    assert (artifact / "text.md").read_text("utf-8") == "- It is small.\n"
    assert json.loads((artifact / "sbom.json").read_bytes())["bomFormat"] == "CycloneDX"
    assert "push --quiet ghcr.io/somebody/project:v9.1.0" in (stage.folder / "docker").read_text("utf-8")
    assert "ghcr.io/somebody/project sha256:0123" in (stage.folder / "attested").read_text("utf-8")
    (release,) = stage.state()["releases"]
    assert release[0] == "v9.1.0"
    assert {"build/release/clinical_ner.bento", "build/release/sbom.json"} <= set(release)
    assert not (stage.folder / "fetched").exists()  # nothing was ever promoted


def test_a_release_is_of_the_model_in_prod(project: Path, stage: Stage) -> None:
    changelog = (project / "CHANGELOG.md").read_text("utf-8")
    write(project / "CHANGELOG.md", changelog.replace("## Unreleased", "## 9.1.0\n\n- It is small.\n\n## 9.0.0"))
    run(project, "git", "tag", "clinical-ner#prod#1")
    commit(project, "this commit will be a release")
    run(project, "git", "tag", "v9.1.0")

    outcome = stage.act(project, "release", "push", {"ref": "refs/tags/v9.1.0", "ref_name": "v9.1.0"}, job="build")

    assert outcome.jobs == {"build": "success"}, outcome.printed
    assert "fetch --stage prod" in (stage.folder / "fetched").read_text("utf-8")


# --- the night -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("job", ["tests", "reproducible", "workflows", "audit"])
def test_a_night_is_green(job: str, project: Path, stage: Stage) -> None:
    outcome = stage.act(project, "night", "schedule", {"repository": {"full_name": "Somebody/Project"}}, job=job)

    assert outcome.jobs == {job: "success"}, outcome.printed
