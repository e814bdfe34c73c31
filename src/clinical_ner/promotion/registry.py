"""The registry: versions and stages as tags of git, made by GTO; what was decided is the text of the tag.

A tag is made whole or not at all, and pushing one twice is pushing it once: whatever is killed can be run again.
GTO orders assignments by seconds, so a new one waits until its second is later than that of the last one.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from clinical_ner.core.errors import UserError

ARTIFACT: Final = "clinical-ner"  # as in dvc.yaml
DEV, PROD = STAGES = ("dev", "prod")
FIRST: Final = "v1.0.0"
MOST_SKEW_SECONDS = 5
CLOBBER = "would clobber existing tag"  # git's words
MARK = "\n\n{"  # where the decision begins in the text of a tag


class Event(NamedTuple):
    """A tag: a version was registered, or assigned to a stage."""

    tag: str
    version: str
    stage: str | None  # of an assignment
    commit: str
    at: datetime
    author: str
    decision: dict[str, Any] | None  # as `decision.as_json` made it; none where GTO was called by hand


class Registry:
    """The versions of the model, in the tags of one clone and of the remote that it is pushed to."""

    def __init__(self, root: Path, remote: str | None) -> None:
        self.root = root
        self.remote = remote

    @classmethod
    def open(cls, root: Path, remote: str) -> Registry:
        """The registry of the clone at `root`, up to date with its remote; without such a remote it is alone.

        Raises:
            UserError: it is no clone, or the remote does not answer, so somebody else may have promoted meanwhile.
        """
        if git(root, "rev-parse", "--show-cdup", "--is-inside-work-tree").splitlines() != ["", "true"]:
            raise UserError(f"{root} is not the top of a git repository", "run from the top of the repository")
        if remote not in git(root, "remote").splitlines():
            return cls(root, None)
        try:
            git(root, "fetch", "--tags", remote)
        except UserError as error:
            if CLOBBER not in str(error):
                raise
            raise UserError(
                f"{remote} has other tags of the same names: somebody else promoted first",
                f"see what 'git fetch --tags {remote}' rejects, and delete it here: 'git tag --delete'",
            ) from None
        return cls(root, remote)

    def events(self) -> list[Event]:
        """All that was registered and assigned, the oldest first."""
        from gto import api

        with _explained():
            found = api.history(str(self.root), artifact=ARTIFACT, ascending=True)
        return sorted(
            (_event(row) for row in found if row["event"] in {"registration", "assignment"}),
            key=lambda event: (event.at, event.stage is not None, _number(event.tag)),
        )

    def current(self, stage: str) -> Event | None:
        """The assignment in force, none if the stage never had one."""
        return next((event for event in reversed(self.events()) if event.stage == stage), None)

    def version_at(self, commit: str) -> str | None:
        """The version that is registered on this commit."""
        return next((event.version for event in self.events() if not event.stage and event.commit == commit), None)

    def register(self, commit: str, text: str, version: str | None = None) -> str:
        """Register the commit as the next minor version, or as the one named; once: the version that it has stays.

        Raises:
            UserError: the commit has another version already, or another commit has this one.
        """
        from gto import api

        present = self.version_at(commit)
        if present and version in {None, present}:
            return present
        if present:
            raise UserError(f"the commit is {present} already", "a commit has one version: commit something new first")
        with _explained():
            named = version or (None if self.events() else FIRST)
            api.register(str(self.root), ARTIFACT, commit, version=named, bump_minor=not named, message=text)
        registered = self.version_at(commit)
        assert registered  # noqa: S101 # GTO has just done so
        return registered

    def assign(self, version: str, stage: str, text: str) -> bool:
        """Put the version into the stage; whether it was not there already."""
        from gto import api

        present = self.current(stage)
        if present and present.version == version:
            return False
        if present:
            _wait_for_a_later_second(present.at)
        with _explained():
            api.assign(str(self.root), ARTIFACT, stage, version=version, message=text, force=True)
        return True

    def push(self) -> list[str]:
        """Push the tags that the remote does not have; returns them. Without a remote there is nothing to do."""
        waiting = self.unpushed()
        if waiting and self.remote:
            git(self.root, "push", "--quiet", "--atomic", self.remote, *(f"refs/tags/{tag}" for tag in waiting))
        return waiting

    def unpushed(self) -> list[str]:
        """The tags of the registry that the remote does not have, as after a command that was killed."""
        if not self.remote:
            return []
        there = {
            line.rpartition("refs/tags/")[2] for line in git(self.root, "ls-remote", "--tags", self.remote).splitlines()
        }
        return [event.tag for event in self.events() if event.tag not in there]


def previous(events: Sequence[Event], stage: str) -> str | None:
    """The version that the current one of the stage took the place of; none if there is none.

    What was rolled back is not gone back to: after v1, v2, v3 and a rollback to v2 it is v1.
    """
    stack = _one_upon_another(events, stage)
    return stack[-2] if len(stack) > 1 else None


def taken_back(events: Sequence[Event], stage: str) -> set[str]:
    """The versions that were in the stage until an earlier one was put back."""
    return {event.version for event in events if event.stage == stage} - {*_one_upon_another(events, stage)}


def _one_upon_another(events: Sequence[Event], stage: str) -> list[str]:
    """The versions of the stage that each took the place of the one before, the present one last."""
    stack: list[str] = []
    for event in events:
        if event.stage == stage:
            stack = [*itertools.takewhile(lambda version: version != event.version, stack), event.version]  # noqa: B023
    return stack


def tag_text(title: str, decision: dict[str, Any] | None) -> str:
    """The text of a tag: a line for people, then the decision for programs."""
    return title if decision is None else f"{title}\n\n{json.dumps(decision, sort_keys=True)}"


def _event(row: dict[str, Any]) -> Event:
    return Event(
        row["ref"],
        row["version"],
        row["stage"],
        row["commit"],
        row["timestamp"].astimezone(UTC),
        row["author"],
        _decision(row["message"]),
    )


def _decision(text: str) -> dict[str, Any] | None:
    """The decision in the text of a tag, if this program wrote one."""
    _, mark, rest = text.partition(MARK)
    try:
        found = json.loads(mark.strip() + rest) if mark else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _number(tag: str) -> int:
    """The number that GTO gives an assignment; registrations have none."""
    number = tag.rpartition("#")[2]
    return int(number) if number.isdecimal() else 0


def _wait_for_a_later_second(at: datetime, clock: Callable[[], float] = time.time) -> None:
    latest = at.timestamp()
    if latest > clock() + MOST_SKEW_SECONDS:
        raise UserError(
            "the newest tag of the registry is of the future", "set the clock of this machine, or of that one"
        )
    while int(clock()) <= latest:
        time.sleep(0.05)


@contextmanager
def _explained() -> Iterator[None]:
    """GTO's own complaints are the user's to mend."""
    from gto.exceptions import GTOException

    try:
        yield
    except GTOException as error:
        raise UserError(f"the registry refuses: {str(error).strip()}", "see 'clinical-ner versions'") from None


def git(root: Path, *arguments: str) -> str:
    """What git prints.

    Raises:
        UserError: it fails; the message is git's own.
    """
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {done.stderr.strip()}", f"mend it and run the command again in {root}")
    return done.stdout.rstrip("\n")
