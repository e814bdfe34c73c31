"""Files that are no tables of ours: hashes, JSON, CSV, text; the service may import it."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from clinical_ner.core.errors import UserError

OWNER_ONLY = 0o600  # of what may hold text of patients
READABLE = 0o644  # by other users too, such as the collector of metrics


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def md5(file: BufferedIOBase) -> str:
    """By which DVC knows a content; it protects from no attacker."""
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write `as_json`."""
    write_text(path, as_json(content))


def as_json(content: Any) -> str:
    """JSON with sorted keys and a final newline: the same content is the same bytes."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_text(path: Path, content: str) -> None:
    """Write text as UTF-8, making the folder if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows under a line of column names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        table.writerows(rows)


def read_json(path: Path) -> Any:
    """The content of a JSON file that the project wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def leaves(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings by their dotted names.

    >>> list(leaves({"crf": {"f1": 0.9}, "labels": ["a", "b"]}))
    [('crf.f1', 0.9), ('labels', ['a', 'b'])]
    """
    if not isinstance(tree, Mapping):
        yield above, tree
        return
    for name, below in tree.items():
        yield from leaves(below, f"{above}.{name}" if above else str(name))


@contextmanager
def whole_folder(out: Path, *, replace: bool) -> Iterator[Path]:
    """A folder to write into that becomes `out` only when the block has ended well: all of it is there, or nothing.

    Where `out` holds files already, `replace` puts the new ones into their place and leaves the others.

    Raises:
        UserError: `out` exists and is not an empty folder, and `replace` is not set; or it cannot be written.
    """
    if not replace and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists already", "name another folder, or pass --force to replace its files")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as beside:
            partial = Path(beside) / "partial"
            partial.mkdir()
            yield partial
            _take_place(partial, out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}", "name a folder that can") from None


def _take_place(partial: Path, out: Path) -> None:
    if not out.exists() or not any(out.iterdir()):
        partial.replace(out)
        return
    for path in sorted(partial.iterdir()):
        path.replace(out / path.name)


@contextmanager
def whole_file(path: Path, mode: int) -> Iterator[Path]:
    """A file to write that becomes `path` when the block has ended well: whoever looks sees the old one or the new one.

    It has this mode from its first byte on. A process that is killed leaves `.NAME.partial`, which the next one
    replaces; that two of them write at a time is for `alone_in` to prevent.

    Raises:
        UserError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    with _writing(path):
        partial.unlink(missing_ok=True)
        partial.touch(mode=mode)
        partial.chmod(mode)
        yield partial
        _take_file(partial, path)


def write_whole(path: Path, content: str, mode: int) -> None:
    """Write text as UTF-8; otherwise as `whole_file`."""
    with whole_file(path, mode) as partial:
        partial.write_text(content, encoding="utf-8")


@contextmanager
def whole_file_of_folder(path: Path, mode: int) -> Iterator[Path]:
    """A folder to write a file of the name of `path` into; it becomes `path` when the block has ended well.

    For writers that choose the names of their files themselves; otherwise as `whole_file`.
    """
    folder = path.with_name(f".{path.name}.partial")
    with _writing(path):
        folder.mkdir(mode=0o700, exist_ok=True)
        yield folder
        (folder / path.name).chmod(mode)
        _take_file(folder / path.name, path)
        folder.rmdir()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder, for its owner alone if it is new, and wait until nobody else of ours writes into it.

    It is for text of patients: git leaves it aside, wherever it lies.

    Raises:
        UserError: the folder cannot be written.
    """
    with _writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}", "name a place that can") from None


def _take_file(partial: Path, path: Path) -> None:
    """Rename, in such an order that a loss of power leaves the old file or the whole new one."""
    _to_disk(partial)
    partial.replace(path)
    _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a loss of power."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
