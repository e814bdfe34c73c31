"""What the workflows say on GitHub, by way of `gh api`. Standard library only, and no code of a pull request is run.

    python .ci/github.py comment NUMBER FOLDER    write or rewrite the one comment of a pull request
    python .ci/github.py accepted NUMBER FOLDER   fail if its verdict is worse and nobody has accepted that
    python .ci/github.py issue LABEL TITLE BODY   open the one open issue with this label, or rewrite it
    python .ci/github.py news LABEL TITLE BODY    put it before the last alarm of the open issue, if there is one
    python .ci/github.py propose BRANCH TITLE FOLDER   open or renew a pull request: FOLDER/files over the checkout

The repository is GITHUB_REPOSITORY, and `gh` finds its token in GH_TOKEN.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MARK = "<!-- figures of this pull request -->"
ACCEPTED = "worse-accepted"  # the label that lets a worse model pass
PROPOSED = "Proposed by the workflow"  # how its commits end
ALARM = "\n---\n\nBefore that:\n\n"  # the last alarm
LONGEST = 65_000  # characters that a comment may have, less a margin
FILE, PICTURES = "100644", re.compile(r"\]\(plots/([\w.-]+\.png)\)")


# --- one call --------------------------------------------------------------------------------------
def repository() -> str:
    return os.environ["GITHUB_REPOSITORY"]


def gh(method: str, path: str, body: Any = None) -> Any:
    """What GitHub answers to one request about the repository."""
    command = ["gh", "api", "--method", method, f"repos/{repository()}/{path}"]
    sent = None if body is None else json.dumps(body)
    done = subprocess.run(
        [*command, *(["--input", "-"] if sent else [])], input=sent, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"error: GitHub refused {method} {path}")
    return json.loads(done.stdout or "null")


def pages(path: str) -> Iterator[Any]:
    """Every entry of a list, page by page."""
    joint = "&" if "?" in path else "?"
    number, found = 0, [None] * 100
    while len(found) == 100:
        number += 1
        found = gh("GET", f"{path}{joint}per_page=100&page={number}")
        yield from found


# --- files, without a clone and without git's credentials ------------------------------------------
def blob(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    return str(gh("POST", "git/blobs", {"content": content, "encoding": "base64"})["sha"])


def commit(files: dict[str, Path], message: str, parent: str | None = None) -> str:
    """A commit of these files, upon those of its parent if it has one."""
    entries = [{"path": name, "mode": FILE, "type": "blob", "sha": blob(path)} for name, path in sorted(files.items())]
    upon = {"base_tree": gh("GET", f"git/commits/{parent}")["tree"]["sha"]} if parent else {}
    tree = gh("POST", "git/trees", {"tree": entries} | upon)["sha"]
    parents = [parent] if parent else []
    return str(gh("POST", "git/commits", {"message": message, "tree": tree, "parents": parents})["sha"])


def point(reference: str, sha: str) -> None:
    """Let a reference name a commit, whether it is there or not."""
    there = [found["ref"] for found in pages(f"git/matching-refs/{reference}")]
    if f"refs/{reference}" in there:
        gh("PATCH", f"git/refs/{reference}", {"sha": sha, "force": True})
    else:
        gh("POST", "git/refs", {"ref": f"refs/{reference}", "sha": sha})


# --- the comment -------------------------------------------------------------------------------------
def with_addresses(text: str, address: str) -> str:
    """The comment with its pictures at an address instead of in the folder beside it."""
    return PICTURES.sub(lambda found: f"]({address}/{found[1]})", text)


def host(pictures: list[Path], number: str) -> str:
    """Where the pictures can be seen: a commit without history, which no branch shows and no clone fetches."""
    sha = commit({path.name: path for path in pictures}, f"Show the plots of pull request {number}")
    point(f"plots/pull-request-{number}", sha)
    return f"{os.environ['GITHUB_SERVER_URL']}/{repository()}/raw/{sha}"


def comment(number: str, folder: Path) -> None:
    """Write the comment, or rewrite the one that is there."""
    text = (folder / "comment.md").read_text("utf-8")
    pictures = sorted((folder / "plots").glob("*.png"))
    body = f"{MARK}\n{with_addresses(text, host(pictures, number)) if pictures else text}"[:LONGEST]
    mine = [found["id"] for found in pages(f"issues/{number}/comments") if is_mine(found)]
    if mine:
        gh("PATCH", f"issues/comments/{mine[0]}", {"body": body})
    else:
        gh("POST", f"issues/{number}/comments", {"body": body})


def is_mine(found: dict[str, Any]) -> bool:
    """Whether a comment is the workflow's: anybody can write the mark, a bot alone has its type."""
    return found["user"]["type"] == "Bot" and str(found["body"]).startswith(MARK)


def accepted(number: str, folder: Path) -> None:
    """Fail if the verdict is worse, unless the pull request has the label that accepts it."""
    found = json.loads((folder / "verdict.json").read_text("utf-8"))["verdict"]
    if found != "worse":
        print(f"verdict: {found}")
    elif ACCEPTED in (label["name"] for label in pages(f"issues/{number}/labels")):
        print(f"verdict: worse, accepted by the label {ACCEPTED}")
    else:
        remedy = f"if the change is worth it, say why, set the label {ACCEPTED} and run this check again"
        sys.exit(f"error: a figure is worse beyond noise, see the comment\n  remedy: mend it; {remedy}")


# --- issues and pull requests ------------------------------------------------------------------------
def issue(label: str, title: str, body: Path, *, opens: bool = True) -> None:
    """Open an issue, or rewrite the open one with this label: there is one at most.

    What `opens` none is no alarm: it stands before the last one.
    """
    told = body.read_text("utf-8")
    opened = [found for found in pages(f"issues?labels={label}&state=open") if "pull_request" not in found]
    if opened and not opens:
        before = (opened[0]["body"] or "").replace("\r\n", "\n")  # as GitHub's editor writes, or nothing
        told += ALARM + before.rpartition(ALARM)[2]
    text = {"title": title, "body": told[:LONGEST]}
    if opened:
        gh("PATCH", f"issues/{opened[0]['number']}", text)
    elif opens:
        gh("POST", "issues", text | {"labels": [label]})


def propose(branch: str, title: str, folder: Path) -> None:
    """Open a pull request with the files of FOLDER/files and the text of FOLDER/comment.md, or renew the open one.

    The branch begins anew each time, unless people have added to it: what they pushed, they bring to its end.
    """
    base = gh("GET", "")["default_branch"]
    parent = gh("GET", f"git/ref/heads/{base}")["object"]["sha"]
    root = folder / "files"
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    owner = repository().split("/")[0]
    opened = [found["number"] for found in pages(f"pulls?head={owner}:{branch}&state=open")]
    if opened and not is_ours(branch):
        return print(f"pull request {opened[0]}: {branch} holds commits of others and stays as it is")
    point(f"heads/{branch}", commit(files, f"{title}\n\n{PROPOSED}", parent))
    body = (folder / "comment.md").read_text("utf-8")[:LONGEST]
    if opened:
        gh("PATCH", f"pulls/{opened[0]}", {"title": title, "body": body})
    else:
        gh("POST", "pulls", {"title": title, "body": body, "head": branch, "base": base})
    return None


def is_ours(branch: str) -> bool:
    """Whether the last commit of the branch is a proposal."""
    head = gh("GET", f"git/ref/heads/{branch}")["object"]["sha"]
    return str(gh("GET", f"git/commits/{head}")["message"]).endswith(PROPOSED)


def main(command: str, *words: str) -> None:
    commands: dict[str, Callable[..., None]] = {
        "comment": lambda number, folder: comment(number, Path(folder)),
        "accepted": lambda number, folder: accepted(number, Path(folder)),
        "issue": lambda label, title, body: issue(label, title, Path(body)),
        "news": lambda label, title, body: issue(label, title, Path(body), opens=False),
        "propose": lambda branch, title, folder: propose(branch, title, Path(folder)),
    }
    commands[command](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
