"""API keys: 256 random bits, shown once, kept as SHA-256 in a file that the service reads again when it changes.

A slow hash protects passwords, which people choose and attackers guess; nobody guesses 256 random bits, so a fast one
is as good here, and a request does not pay for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from clinical_ner.core.errors import UserError, closest

KEY_PREFIX = "cner_"  # by which a scanner of secrets knows one
KEY_BYTES = 32
MOST = 0o640  # that a file of keys lets its owner, its group and everybody do
MAX_NAME_CHARACTERS = 200
MAX_KEY_CHARACTERS = 200  # a longer one is no key of ours, and is not hashed


class Role(StrEnum):
    """What a key may do; `admin` may do all."""

    EXTRACT = "extract"
    FEEDBACK = "feedback"
    METRICS = "metrics"
    ADMIN = "admin"


class Key(BaseModel):
    """An API key as it is kept: everything but the key."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: str = Field(pattern=r"^[\w.-]{1,64}$", description="for people, logs and the store")
    name: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS, description="whose it is")
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    created: AwareDatetime
    revoked: AwareDatetime | None = None

    def may(self, role: Role | None) -> bool:
        """Whether it has the role; none asked for: any key will do."""
        return role is None or role in self.roles or Role.ADMIN in self.roles


class Keys(BaseModel):
    """The content of a file of keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keys: tuple[Key, ...] = ()

    @property
    def valid(self) -> tuple[Key, ...]:
        """Those that are not revoked."""
        return tuple(key for key in self.keys if key.revoked is None)

    def find(self, secret: str) -> Key | None:
        """The key with this secret, valid or not; all are compared, each in constant time: the time tells nothing."""
        digest = fingerprint(secret[:MAX_KEY_CHARACTERS])
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found


def fingerprint(secret: str) -> str:
    """What is kept of a key: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def read(path: Path) -> Keys:
    """The keys in the file; a file that is not there holds none.

    Raises:
        UserError: it cannot be read or is no file of keys; the message holds nothing of it.
    """
    try:
        return Keys.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Keys()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", "let the service's user read it") from None
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "the whole file"
        raise UserError(
            f"{path} is no file of keys: {place}: {error.errors()[0]['msg']}",
            "restore it, or make keys anew with 'clinical-ner keys create'",
        ) from None


def roles(names: Sequence[str]) -> tuple[Role, ...]:
    """The roles of these names.

    Raises:
        UserError: one of them is unknown.
    """
    known = [role.value for role in Role]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"unknown role '{unknown[0]}'", closest(unknown[0], known) or f"choose from {', '.join(known)}")
    return tuple(Role(name) for name in names)


def create(path: Path, name: str, roles: Iterable[Role], created: datetime) -> tuple[Key, str]:
    """Add a key to the file; returns what is kept, and the key, for the last time.

    Only its owner may read a new file.

    Raises:
        UserError: the name says nothing or too much, or the file cannot be changed.
    """
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS:
        raise UserError(f"the name of a key has 1 to {MAX_NAME_CHARACTERS} characters", "say whose the key is")
    secret = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    wanted = tuple(sorted(set(roles)))
    key = Key(id=f"key-{secrets.token_hex(4)}", name=name, roles=wanted, sha256=fingerprint(secret), created=created)
    with _changing(path) as keys:
        _write(path, Keys(keys=(*keys.keys, key)))
    return key, secret


def revoke(path: Path, key_id: str, revoked: datetime) -> Key:
    """Mark a key as revoked; one that was already keeps its time.

    Raises:
        UserError: there is no such key.
    """
    with _changing(path) as keys:
        known = {key.id: key for key in keys.keys}
        if key_id not in known:
            hint = closest(key_id, known) or "'clinical-ner keys list' lists them"
            raise UserError(f"{path} has no key '{key_id}'", hint)
        gone = known[key_id].model_copy(update={"revoked": known[key_id].revoked or revoked})
        _write(path, Keys(keys=tuple((known | {key_id: gone}).values())))
    return gone


@contextmanager
def _changing(path: Path) -> Iterator[Keys]:
    """The keys of the file, which nobody else changes meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield read(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}", "name a file you may write") from None


def _write(path: Path, keys: Keys) -> None:
    """Replace the file at once: a service that reads it meanwhile sees the old keys or the new ones.

    Whose it is and who may read it stays, so that the service's user still may; everybody never may.
    """
    scratch = path.with_name(f"{path.name}.new")
    scratch.touch(mode=0o600)
    scratch.chmod(0o600)
    with scratch.open("w", encoding="utf-8") as content:
        content.write(keys.model_dump_json(indent=2) + "\n")
        content.flush()
        os.fsync(content.fileno())
    if path.exists():
        _let_read_as(path.stat(), scratch)
    scratch.replace(path)


def _let_read_as(model: os.stat_result, path: Path) -> None:
    made = path.stat()
    if (made.st_uid, made.st_gid) != (model.st_uid, model.st_gid):
        os.chown(path, model.st_uid, model.st_gid)
    path.chmod(model.st_mode & MOST)
