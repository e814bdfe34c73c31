"""A run: a folder that says what it is a run of, receipts of what is done, and at the end a manifest of all.

    OUT/_run.json           what the run is of: another run is refused
    OUT/TABLE/part-N.*      what shard N became; it appears when it is whole. N is the number of the source among the
                            inputs and that of the shard in the source: a source out of reach moves no other
    OUT/_quarantine/        rows that could not be read, with their text: the owner's alone
    OUT/_shards/N.json      the receipt of shard N, written last: figures, sizes and SHA-256 of its files
    OUT/manifest.json       the receipts in order, and what was set aside

Nothing in it depends on the time, the machine or who worked: a run that was killed and continued ends with the bytes
of one that was not.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from clinical_ner.batch.engine import Engine, Lost, results
from clinical_ner.batch.places import UNFINISHED, Place, out_of_reach, writable
from clinical_ner.batch.progress import Advance
from clinical_ner.batch.work import RECEIPTS, Job, Outcome, encoded, guarded
from clinical_ner.core.errors import UserError

DESCRIPTION, MANIFEST = "_run.json", "manifest.json"
LOST = "its worker was lost each time, perhaps for want of memory"

JobType = TypeVar("JobType", bound=Job)


@dataclass(frozen=True)
class Run(Generic[JobType]):
    """What is to be done: the function and its jobs, in which folder, what they count, and what cannot be read."""

    work: Callable[[JobType], Outcome]  # of a module, so that it can be sent
    jobs: Sequence[JobType]
    out: Place
    description: Mapping[str, Any]
    what: str
    unreadable: Mapping[str, str] = field(default_factory=dict)


class StoppedError(Exception):
    """The run cannot go on; what is done is kept."""


class Summary(NamedTuple):
    """How a run ended."""

    shards: int
    rows: dict[str, int]  # by table
    quarantined: dict[str, int]  # by reason
    set_aside: dict[str, str]  # by shard or source

    @property
    def is_whole(self) -> bool:
        """Whether every row was read."""
        return not self.quarantined and not self.set_aside


def carry_out(run: Run[JobType], jobs: Sequence[JobType], engine: Engine, advance: Advance) -> Summary:
    """Do these jobs of the run, and write the manifest of all; `advance` is told of each that has ended.

    Raises:
        StoppedError: the output cannot be written or read, or a worker has another model.
        EngineDownError: nobody is there to work.
    """
    set_aside = dict(run.unreadable)
    for job, result in results(engine, partial(guarded, run.work), jobs):
        outcome = Outcome(set_aside=LOST) if isinstance(result, Lost) else result
        if outcome.stop:
            raise StoppedError(outcome.stop)
        if outcome.set_aside:
            set_aside[job.about] = outcome.set_aside
        advance(job.weight, outcome.rows)
    _sweep(run.out)
    return _conclude(run.out, set_aside)


def unfinished(jobs: Sequence[JobType], out: Place) -> list[JobType]:
    """The jobs without a receipt, or whose files are not as long as it says.

    Raises:
        StoppedError: the folder is out of reach.
    """
    with _reached(out):
        done = {receipt["shard"] for receipt in receipts(out) if _is_there(out, receipt)}
    return [job for job in jobs if job.part not in done]


def receipts(out: Place) -> Iterator[dict[str, Any]]:
    """What is done, in the order of the shards; what has become illegible is not."""
    folder = out / RECEIPTS
    if folder.exists():
        yield from filter(_is_receipt, (_parsed(place) for place in folder.files() if place.name.endswith(".json")))


def _parsed(place: Place) -> Any:
    try:
        return json.loads(place.read())
    except ValueError:
        return None


def _is_receipt(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("shard"), str):
        return False
    rows, files = found.get("rows"), found.get("files")
    return isinstance(rows, dict) and isinstance(files, dict) and all(map(_is_file, files.values()))


def _is_file(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("bytes"), int)


@contextmanager
def _reached(out: Place) -> Iterator[None]:
    """Say that the folder of the run is out of reach."""
    try:
        yield
    except out_of_reach() as error:
        why = getattr(error, "strerror", "") or type(error).__name__
        raise StoppedError(f"{out} cannot be read: {why}") from None


def _is_there(out: Place, receipt: Mapping[str, Any]) -> bool:
    try:
        return all((out / name).size() == file["bytes"] for name, file in receipt["files"].items())
    except FileNotFoundError:
        return False


def _conclude(out: Place, set_aside: dict[str, str]) -> Summary:
    with _reached(out):
        found = list(receipts(out))
    summary = Summary(
        len(found),
        added(receipt["rows"] for receipt in found),
        added(receipt.get("quarantined", {}) for receipt in found),
        dict(sorted(set_aside.items())),
    )
    (out / MANIFEST).write(encoded({**summary._asdict(), "shards": found}))
    return summary


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The counts of all, by name."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


# --- whose folder it is -----------------------------------------------------------------------------
@contextmanager
def folder_of(out: Place, description: Mapping[str, Any]) -> Iterator[bool]:
    """The folder of the run, new or begun before with the same description; whether it was begun before.

    On this machine it is locked: two runs cannot be in one folder. An object store has no locks.

    Raises:
        UserError: it holds something else, another run, or a run that is under way.
        StoppedError: it is out of reach.
    """
    with _locked(out):
        with _reached(out):
            continued = _begun(out, description)
            _sweep(out)
        yield continued


def _begun(out: Place, description: Mapping[str, Any]) -> bool:
    """Whether the run was begun before; now it is."""
    begun, now = out / DESCRIPTION, json.loads(encoded(description))
    if begun.exists():
        before = _parsed(begun)
        if not isinstance(before, dict):
            raise UserError(f"{begun} has become illegible", "name a new folder")
        told = _with_content(before, now)
        _compare(out, told, _with_content(now, before))
        if told != before:
            begun.write(encoded(told))
        return True
    if out.exists() and any(not _is_draft(out, place) for place in out.files()):
        raise UserError(f"{out} holds something that is no run", "name a new folder")
    begun.write(encoded(now))
    return False


def _is_draft(out: Place, place: Place) -> bool:
    """Whether it is what a run that was killed while it began has left."""
    return place.name.startswith(f"{out}/{UNFINISHED}")


def _with_content(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The description with the fingerprints that only the other has: what cannot be read has none, and no shard."""
    return one | {"content": other["content"] | one["content"]} if "content" in one.keys() & other.keys() else one


def _compare(out: Place, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differing = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if differing:
        raise UserError(
            f"{out} holds a run that differs in: {', '.join(sorted(differing))}",
            "name another folder, or go on with what it was begun with",
        )


@contextmanager
def _locked(out: Place) -> Iterator[None]:
    if out.local is None:
        yield
        return
    import fcntl

    with writable(out.name):
        out.local.mkdir(parents=True, exist_ok=True)
        folder = os.open(out.local, os.O_RDONLY)
    try:
        with writable(out.name):
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{out} has a run that is under way", "wait, or end it") from None
        yield
    finally:
        os.close(folder)


def _sweep(out: Place) -> None:
    """Remove what killed workers were writing."""
    if out.local:
        for path in sorted(out.local.rglob(f"{UNFINISHED}*")):
            path.unlink(missing_ok=True)
