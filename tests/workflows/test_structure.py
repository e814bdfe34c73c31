"""What holds of every workflow, without running it: permissions, pins, and who may see secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PATHS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONS = [*PATHS, *(ROOT / ".github/actions").rglob("action.yml")]
NAMES = {"pull-request", "night", "monitoring", "release"}
Job = dict[str, Any]


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


JOBS = [(path.stem, name, job) for path in PATHS for name, job in content(path)["jobs"].items()]
each_job = pytest.mark.parametrize("job", [job for *_, job in JOBS], ids=[f"{flow}-{name}" for flow, name, _ in JOBS])
each_file = pytest.mark.parametrize("path", ACTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")


def commands(job: Job) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def may_write(job: Job) -> bool:
    return "write" in job["permissions"].values()


def runs_code_of_the_project(job: Job) -> bool:
    """Whether more than `.ci` is checked out."""
    return any("checkout" in s.get("uses", "") and "sparse-checkout" not in s["with"] for s in job["steps"])


def test_every_workflow_is_here() -> None:
    assert {path.stem for path in PATHS} == NAMES


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_workflow_may_do_nothing_but_what_its_jobs_say(path: Path) -> None:
    assert content(path)["permissions"] == {}
    assert all(job["permissions"] and job["timeout-minutes"] for job in content(path)["jobs"].values())


@each_file
def test_every_action_is_pinned_by_commit_with_its_version_beside(path: Path) -> None:
    uses = re.findall(r"uses: (.+)$", path.read_text("utf-8"), re.MULTILINE)

    assert uses
    assert [
        u for u in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/actions/\w+", u)
    ] == []


def test_an_action_has_one_pin() -> None:
    pins = {use for path in ACTIONS for use in re.findall(r"uses: (\S+@\w+)", path.read_text("utf-8"))}

    assert len({pin.split("@")[0] for pin in pins}) == len(pins)


@each_job
def test_a_job_runs_make_targets_and_nothing_else(job: Job) -> None:
    assert [line for line in commands(job) if not re.match(r"(make [\w-]|make --silent |\.ci/run$)", line)] == []


def test_every_make_target_of_a_workflow_exists() -> None:
    text = (ROOT / "Makefile").read_text("utf-8") + (ROOT / ".ci/workflows.mk").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    words = {w for *_, job in JOBS for line in commands(job) for w in line.split(" >>")[0].removeprefix("make").split()}

    assert {word for word in words if re.fullmatch("[a-z][a-z-]*", word)} <= targets


@each_job
def test_no_text_of_an_event_or_a_secret_stands_in_a_shell_line(job: Job) -> None:
    assert [line for line in commands(job) if "${{" in line] == []


@each_job
def test_a_checkout_leaves_no_credentials_behind(job: Job) -> None:
    checkouts = [step for step in job["steps"] if "actions/checkout" in step.get("uses", "")]

    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@each_job
def test_a_job_that_may_write_runs_the_scripts_of_ci_alone(job: Job) -> None:
    assert not (may_write(job) and runs_code_of_the_project(job))


def test_of_a_pull_request_only_the_base_meets_secrets_or_a_token_that_writes() -> None:
    jobs = content(ROOT / ".github/workflows/pull-request.yml")["jobs"]
    privileged = {name: job for name, job in jobs.items() if may_write(job) or "secrets." in str(job)}

    assert set(privileged) == {"fetch", "comment"}
    for job in privileged.values():
        base, *more = [step["with"] for step in job["steps"] if "actions/checkout" in step.get("uses", "")]
        assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
        assert base["ref"] == "${{ github.event.pull_request.base.sha }}"
        assert "path" not in base
        assert all((of["path"], of["sparse-checkout"]) == ("build/head", "data/annotated") for of in more)


def test_the_release_restores_nothing_that_another_run_has_written() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text("utf-8")

    assert "actions/cache" not in text
    assert "actions/prepare" not in text


def test_the_release_has_the_tags_that_say_what_is_in_prod() -> None:
    steps = content(ROOT / ".github/workflows/release.yml")["jobs"]["build"]["steps"]

    assert steps[0]["with"]["fetch-depth"] == 0  # otherwise the tag of the release comes alone


def test_retraining_follows_the_policy_and_the_issue_hears_of_every_verdict() -> None:
    jobs = content(ROOT / ".github/workflows/monitoring.yml")["jobs"]

    assert jobs["retrain"]["if"] == "needs.watch.outputs.retrain == 'true'"
    assert "if" not in jobs["issue"]
    assert jobs["issue"]["steps"][-1]["env"]["DECISION"] == "${{ needs.watch.outputs.decision }}"
    assert set(jobs["watch"]["outputs"]) == {"decision", "retrain"}


def test_dependabot_moves_the_pins_of_workflows_and_of_the_action_of_ours() -> None:
    updates = content(ROOT / ".github/dependabot.yml")["updates"]
    folders = [update["directories"] for update in updates if update["package-ecosystem"] == "github-actions"]

    assert folders == [["/", "/.github/actions/*"]]
