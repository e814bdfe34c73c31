"""What the workflows say on GitHub, against a stand-in for `gh` that keeps GitHub's state in a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import github

ROOT = Path(__file__).parents[3]
FOUND = {"comment.md": "## Verdict: better\n\n![Curve](plots/curve.png)\n", "verdict.json": '{"verdict": "better"}'}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with GitHub's state."""
    gh = tmp_path / "programs/gh"
    gh.parent.mkdir()
    shutil.copy(ROOT / "tests/workflows/fake_gh.py", gh)
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", str(gh.parent), prepend=":")
    monkeypatch.setenv("GITHUB_REPOSITORY", "Somebody/Project")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("FAKE_GITHUB", str(tmp_path / "state.json"))
    return tmp_path / "state.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `make comment` writes."""
    made = tmp_path / "comment"
    (made / "plots").mkdir(parents=True)
    for name, content in FOUND.items():
        (made / name).write_text(content, "utf-8")
    (made / "plots/curve.png").write_bytes(b"picture")
    return made


def read(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(state.read_text("utf-8"))
    return found


def change(state: Path, **entries: Any) -> None:
    if not state.exists():
        github.pages("issues/7/comments")
        list(github.pages("issues/7/comments"))
    state.write_text(json.dumps(read(state) | entries), "utf-8")


def test_a_comment_is_written_once_and_then_rewritten(state: Path, folder: Path) -> None:
    github.comment("7", folder)
    (folder / "comment.md").write_text("## Verdict: worse\n", "utf-8")
    (folder / "plots/curve.png").unlink()
    github.comment("7", folder)

    (comment,) = read(state)["comments"]
    assert comment["body"] == f"{github.MARK}\n## Verdict: worse\n"


def test_the_pictures_are_shown_from_a_commit_of_their_own(state: Path, folder: Path) -> None:
    github.comment("7", folder)
    github.comment("7", folder)

    found = read(state)
    sha = found["refs"]["refs/plots/pull-request-7"]
    assert f"![Curve](https://github.com/Somebody/Project/raw/{sha}/curve.png)" in found["comments"][0]["body"]
    assert found["commits"][sha]["parents"] == []
    assert set(found["refs"]) == {"refs/heads/main", "refs/plots/pull-request-7"}


def test_a_comment_of_somebody_who_writes_the_same_mark_is_left_alone(state: Path, folder: Path) -> None:
    theirs = {"id": 1, "user": {"type": "User"}, "body": f"{github.MARK} ha"}
    change(state, comments=[theirs])

    github.comment("7", folder)

    comments = read(state)["comments"]
    assert comments[0] == theirs
    assert len(comments) == 2


def test_the_comment_is_found_behind_a_hundred_others(state: Path, folder: Path) -> None:
    others = [{"id": number, "user": {"type": "User"}, "body": "Hm."} for number in range(1, 251)]
    change(state, comments=others)

    github.comment("7", folder)
    github.comment("7", folder)

    assert len(read(state)["comments"]) == 251


@pytest.mark.parametrize("verdict", ["better", "same"])
def test_what_is_not_worse_is_accepted(folder: Path, verdict: str) -> None:
    (folder / "verdict.json").write_text(json.dumps({"verdict": verdict}), "utf-8")

    github.accepted("7", folder)


def test_what_is_worse_is_accepted_with_the_label_alone(state: Path, folder: Path) -> None:
    (folder / "verdict.json").write_text('{"verdict": "worse"}', "utf-8")
    with pytest.raises(SystemExit, match=r"worse beyond noise(?s:.*)remedy: .*worse-accepted"):
        github.accepted("7", folder)

    change(state, labels=["documentation", github.ACCEPTED])

    github.accepted("7", folder)


def test_there_is_one_open_issue_with_a_label(state: Path, tmp_path: Path) -> None:
    body = tmp_path / "body.md"
    for text in ("first", "second"):
        body.write_text(text, "utf-8")
        github.issue("drift", "Drift", body)

    (issue,) = read(state)["issues"]
    assert (issue["body"], issue["labels"]) == ("second", ["drift"])


def test_a_proposal_is_one_pull_request_whose_branch_begins_anew_from_the_default_branch(
    state: Path, folder: Path
) -> None:
    (folder / "files/metrics").mkdir(parents=True)
    (folder / "files/metrics/train.json").write_text("{}", "utf-8")

    github.propose("retraining", "Retrain", folder)
    github.propose("retraining", "Retrain again", folder)

    found = read(state)
    (proposed,) = found["pulls"]
    commit = found["commits"][found["refs"]["refs/heads/retraining"]]
    assert (proposed["head"], proposed["base"], proposed["title"]) == ("retraining", "main", "Retrain again")
    assert commit["parents"] == [found["refs"]["refs/heads/main"]] == ["c0"]
    tree = found["trees"][commit["tree"]]
    assert tree["base_tree"] == "tree of c0"
    assert [entry["path"] for entry in tree["tree"]] == ["metrics/train.json"]


def test_a_refusal_of_github_ends_the_command_and_names_the_request() -> None:
    with pytest.raises(SystemExit, match="GitHub refused DELETE issues/7"):
        github.gh("DELETE", "issues/7")
