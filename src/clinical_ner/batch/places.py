"""Files here and in object stores by one name each: through fsspec, so that `s3://bucket/key` is as good as a path."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import OWNER_ONLY, READABLE, sha256

UNFINISHED = ".unfinished-"  # how the names of files begin that are being written
CHUNK = 1 << 20


class CannotWriteError(Exception):
    """The output cannot be written: there is nothing that a next shard could do."""


class Written(NamedTuple):
    """A file that is whole."""

    sha256: str
    bytes: int


class Place:
    """A file or folder, here or in an object store; its name is the same however it was spelled."""

    def __init__(self, name: str) -> None:
        self._fs, self._path = _located(name if "://" in name else str(_spelled(Path(name))))
        self.name = name.rstrip("/")
        if self.local:
            self.name = self._path = str(_spelled(self.local))

    def __reduce__(self) -> tuple[type[Place], tuple[str]]:
        return Place, (self.name,)

    def __truediv__(self, name: str) -> Place:
        return Place(f"{self.name.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.name

    @property
    def local(self) -> Path | None:
        """The path, if it is a file of this machine."""
        return Path(self._path) if "file" in _protocols(self._fs) else None

    def holds(self, other: Place) -> bool:
        """Whether the other is the same, or lies below it, through whatever links."""
        return f"{other._resolved}/".startswith(f"{self._resolved.rstrip('/')}/")

    @cached_property
    def _resolved(self) -> str:
        return str(self.local.resolve()) if self.local else self.name

    def open(self) -> Any:
        """The file, to be read as bytes."""
        return self._fs.open(self._path, "rb")

    def exists(self) -> bool:
        """Whether there is a file or a folder, also one that was made since it was last asked."""
        self._fs.invalidate_cache()
        return bool(self._fs.exists(self._path))

    def is_folder(self) -> bool:
        """Whether other files are below it."""
        return bool(self._fs.isdir(self._path))

    def size(self) -> int:
        """In bytes."""
        return int(self._fs.size(self._path))

    def fingerprint(self) -> str:
        """What changes with the content: the store's own tag, or the SHA-256."""
        tag = self._fs.info(self._path).get("ETag")
        if tag:
            return f"etag {str(tag).strip(chr(34))}"
        with self.open() as file:
            return f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"

    def files(self) -> list[Place]:
        """All files of the folder and those below it, in the order of their names; a link to a folder is one of them.

        Raises:
            OSError: a folder may not be read.
        """
        self._fs.invalidate_cache()
        found = _below(self.local) if self.local else self._fs.find(self._path)
        return [self._at(path) for path in sorted(found)]

    def matches(self) -> list[Place]:
        """The files that the name matches, if it is a pattern, and those of the folders that it does, as `files`."""
        found: list[Place] = []
        for path, info in sorted(self._fs.glob(self._path, detail=True).items()):
            place = self._at(path)
            # A store has said of what kind each is and is not asked again; here a link to a folder is one.
            is_folder = place.is_folder() if self.local else info["type"] == "directory"
            found += place.files() if is_folder else [place]
        return found

    def read(self) -> bytes:
        """The whole file."""
        content: bytes = self._fs.cat_file(self._path)
        return content

    @contextmanager
    def writing(self, *, private: bool = False) -> Iterator[Draft]:
        """A file to write that appears under its name, whole, when the block has ended well; or not at all.

        Raises:
            CannotWriteError: the disk is full, the folder may not be written, or the store is out of reach.
        """
        with writable(self.name):
            yield from self._beside(OWNER_ONLY if private else READABLE) if self.local else self._sent()

    def _beside(self, mode: int) -> Iterator[Draft]:
        """A file of another name in the same folder, which is given its own at the end."""
        path = Path(self._path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                draft = Draft(file)
                yield draft
                draft.conclude(Path(name))
            Path(name).chmod(mode)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)

    def _sent(self) -> Iterator[Draft]:
        """A file without a name, which is sent at the end; nothing is left of it, even if this process is killed."""
        with tempfile.TemporaryFile() as file:
            draft, name = Draft(file), f"/dev/fd/{file.fileno()}"
            yield draft
            draft.conclude(Path(name))
            try:
                self._fs.put_file(name, self._path)
            except Exception as error:  # every store has its own
                raise CannotWriteError(f"{self.name} cannot be written: {type(error).__name__}") from None

    def write(self, content: bytes) -> None:
        """Write the whole file at once; raises as `writing` does."""
        with self.writing() as draft:
            draft.file.write(content)

    def _at(self, path: str) -> Place:
        return Place(path if self.local else self._fs.unstrip_protocol(path))


class Draft:
    """A file that is being written, and what it is once it is whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.written = Written("", 0)

    def conclude(self, name: Path) -> None:
        """See that all is on the disk, under this name, and what it is."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.written = Written(sha256(name), name.stat().st_size)


def out_of_reach() -> tuple[type[Exception], ...]:
    """What reading raises where a file or its store cannot be reached; S3 has errors of its own."""
    botocore = sys.modules.get("botocore.exceptions")  # it is there if anything was read from S3
    return (OSError, botocore.BotoCoreError, botocore.ClientError) if botocore else (OSError,)


def _spelled(path: Path) -> Path:
    """The absolute path without `..`, which links to folders give another meaning than its letters."""
    if ".." not in path.parts:
        return path.absolute()
    return path.resolve() if path.name == ".." else path.parent.resolve() / path.name


def _below(folder: Path) -> Iterator[str]:
    """The files below a folder of this machine: fsspec leaves out what may not be read, and says nothing."""

    def refuse(error: OSError) -> None:
        raise error

    for path, folders, names in os.walk(folder, onerror=refuse):
        yield from (f"{path}/{name}" for name in names)
        yield from (f"{path}/{name}" for name in folders if Path(path, name).is_symlink())


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _located(name: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs

        fs, path = url_to_fs(name)
    except (ImportError, ValueError) as error:
        raise UserError(f"{name} cannot be reached: {error}", "install clinical-ner[scale], and see the name") from None
    return fs, str(path)


@contextmanager
def writable(name: str) -> Iterator[None]:
    """Say why the output cannot be written; what an object store raises is its own.

    Raises:
        CannotWriteError: of this machine's files.
    """
    try:
        yield
    except OSError as error:
        why = "no space is left" if error.errno == errno.ENOSPC else (error.strerror or type(error).__name__)
        raise CannotWriteError(f"{name} cannot be written: {why}") from None
