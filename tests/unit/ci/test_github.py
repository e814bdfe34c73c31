"""What the workflows say on GitHub, against a stand-in for `gh` that keeps GitHub's state in a file."""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.workflows import fake_gh

import github

FOUND = {"comment.md": "## Verdict: better\n\n![Curve](plots/curve.png)\n", "verdict.json": '{"verdict": "better"}'}


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What GitHub knows."""
    stand_in = fake_gh.Github(copy.deepcopy(fake_gh.EMPTY))

    def gh(method: str, path: str, body: Any = None) -> Any:
        return stand_in.request(method, path, body)

    monkeypatch.setattr(github, "gh", gh)
    monkeypatch.setenv("GITHUB_REPOSITORY", "Somebody/Project")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    return stand_in.state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `make comment` writes."""
    made = tmp_path / "comment"
    (made / "plots").mkdir(parents=True)
    for name, content in FOUND.items():
        (made / name).write_text(content, "utf-8")
    (made / "plots/curve.png").write_bytes(b"picture")
    return made


def test_a_comment_is_written_once_and_then_rewritten(state: dict[str, Any], folder: Path) -> None:
    github.comment("7", folder)
    (folder / "comment.md").write_text("## Verdict: worse\n", "utf-8")
    (folder / "plots/curve.png").unlink()
    github.comment("7", folder)

    (comment,) = state["comments"]
    assert comment["body"] == f"{github.MARK}\n## Verdict: worse\n"


def test_the_pictures_are_shown_from_a_commit_of_their_own(state: dict[str, Any], folder: Path) -> None:
    github.comment("7", folder)
    github.comment("7", folder)

    sha = state["refs"]["refs/plots/pull-request-7"]
    assert f"![Curve](https://github.com/Somebody/Project/raw/{sha}/curve.png)" in state["comments"][0]["body"]
    assert state["commits"][sha]["parents"] == []
    assert set(state["refs"]) == {"refs/heads/main", "refs/plots/pull-request-7"}


def test_a_comment_of_somebody_who_writes_the_same_mark_is_left_alone(state: dict[str, Any], folder: Path) -> None:
    theirs = {"id": 1, "user": {"type": "User"}, "body": f"{github.MARK} ha"}
    state["comments"] = [theirs]

    github.comment("7", folder)

    comments = state["comments"]
    assert comments[0] == theirs
    assert len(comments) == 2


def test_the_comment_is_found_behind_a_hundred_others(state: dict[str, Any], folder: Path) -> None:
    others = [{"id": number, "user": {"type": "User"}, "body": "Hm."} for number in range(1, 251)]
    state["comments"] = others

    github.comment("7", folder)
    github.comment("7", folder)

    assert len(state["comments"]) == 251


@pytest.mark.parametrize("verdict", ["better", "same"])
def test_what_is_not_worse_is_accepted(folder: Path, verdict: str) -> None:
    (folder / "verdict.json").write_text(json.dumps({"verdict": verdict}), "utf-8")

    github.accepted("7", folder)


def test_what_is_worse_is_accepted_with_the_label_alone(state: dict[str, Any], folder: Path) -> None:
    (folder / "verdict.json").write_text('{"verdict": "worse"}', "utf-8")
    with pytest.raises(SystemExit, match=r"worse beyond noise(?s:.*)remedy: .*worse-accepted"):
        github.accepted("7", folder)

    state["labels"] = ["documentation", github.ACCEPTED]

    github.accepted("7", folder)


def test_there_is_one_open_issue_with_a_label(state: dict[str, Any], tmp_path: Path) -> None:
    body = tmp_path / "body.md"
    for text in ("first", "second"):
        body.write_text(text, "utf-8")
        github.issue("drift", "Drift", body)

    (issue,) = state["issues"]
    assert (issue["body"], issue["labels"]) == ("second", ["drift"])


@pytest.mark.parametrize(("written", "kept"), [(None, ""), ("quiet\r\n---\r\n\r\nBefore that:\r\n\r\nalarm", "alarm")])
def test_news_take_an_alarm_as_the_editor_left_it(
    state: dict[str, Any], tmp_path: Path, written: str | None, kept: str
) -> None:
    body = tmp_path / "body.md"
    body.write_text("alarm", "utf-8")
    github.main("issue", "drift", "Drift", str(body))
    state["issues"][0]["body"] = written

    github.main("news", "drift", "Drift", str(body))

    assert state["issues"][0]["body"] == f"alarm{github.ALARM}{kept}"


def test_news_open_no_issue_and_stand_before_the_last_alarm_of_an_open_one(
    state: dict[str, Any], tmp_path: Path
) -> None:
    body, bodies = tmp_path / "body.md", []
    for command, text in (
        ("news", "quiet"),
        ("issue", "alarm"),
        ("news", "quiet again"),
        ("news", "quiet still"),
        ("issue", "alarm again"),
    ):
        body.write_text(text, "utf-8")
        github.main(command, "drift", "Drift", str(body))
        bodies.append([issue["body"] for issue in state["issues"]])

    quiet = [f"{text}{github.ALARM}alarm" for text in ("quiet again", "quiet still")]
    assert bodies == [[], ["alarm"], quiet[:1], quiet[1:], ["alarm again"]]


def test_a_proposal_is_one_pull_request_whose_branch_begins_anew_from_the_default_branch(
    state: dict[str, Any], folder: Path
) -> None:
    (folder / "files/metrics").mkdir(parents=True)
    (folder / "files/metrics/train.json").write_text("{}", "utf-8")

    github.propose("retraining", "Retrain", folder)
    github.propose("retraining", "Retrain again", folder)

    (proposed,) = state["pulls"]
    commit = state["commits"][state["refs"]["refs/heads/retraining"]]
    assert (proposed["head"], proposed["base"], proposed["title"]) == ("retraining", "main", "Retrain again")
    assert commit["parents"] == [state["refs"]["refs/heads/main"]] == ["c0"]
    tree = state["trees"][commit["tree"]]
    assert tree["base_tree"] == "tree of c0"
    assert [entry["path"] for entry in tree["tree"]] == ["metrics/train.json"]


def test_a_proposal_that_people_have_added_to_stays_as_it_is(state: dict[str, Any], folder: Path) -> None:
    (folder / "files").mkdir()
    github.propose("retraining", "Retrain", folder)
    state["commits"]["theirs"] = {"message": "Add the corrections of March"}
    state["refs"]["refs/heads/retraining"] = "theirs"

    github.propose("retraining", "Retrain again", folder)

    assert state["refs"]["refs/heads/retraining"] == "theirs"
    assert [pull["title"] for pull in state["pulls"]] == ["Retrain"]


def test_a_refusal_of_github_ends_the_command_and_names_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    program = tmp_path / "gh"
    program.write_text(f"#!{sys.executable}\n" + Path(fake_gh.__file__).read_text("utf-8"), "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("GITHUB_REPOSITORY", "Somebody/Project")
    monkeypatch.setenv("FAKE_GITHUB", str(tmp_path / "state.json"))

    assert github.gh("POST", "issues", {"title": "Drift", "labels": []}) == {}
    assert github.gh("GET", "")["default_branch"] == "main"
    with pytest.raises(SystemExit, match="GitHub refused DELETE issues/7"):
        github.gh("DELETE", "issues/7")
