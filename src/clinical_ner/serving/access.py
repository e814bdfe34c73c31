"""Who may do what: the key of a request, and whether it has the role that the route asks for."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from contextlib import suppress
from pathlib import Path

from clinical_ner.core.errors import UserError
from clinical_ner.serving import keys
from clinical_ner.serving.exchange import Exchange
from clinical_ner.serving.keys import Key, Keys, Role
from clinical_ner.serving.logs import logger
from clinical_ner.serving.problems import NO_KEY, NO_KEYS, NO_ROLE, NOT_LOCAL, UNKNOWN_KEY, RefusedError
from clinical_ner.serving.settings import Settings

# A page of elsewhere, whose name was made to lead here, is asked for under that name.
LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)

Stamp = tuple[int, int, int]  # of a file: when it was written, its size, its number


class KeyRing:
    """The keys in the file as it is now: a change is seen with the next request, without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._stamp_now()
        self._keys: Keys | None = keys.read(path)

    def find(self, secret: str) -> Key | None:
        """The key with this secret, also one that is revoked.

        Raises:
            RefusedError: as of `current`.
        """
        return self.current().find(secret)

    def current(self) -> Keys:
        """The keys.

        Raises:
            RefusedError: the file can no longer be read; then no key is let in, as a revoked one might be among them.
        """
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp, self._keys = stamp, self._read_again(stamp)
        if self._keys is None:
            raise RefusedError(NO_KEYS)
        return self._keys

    def _read_again(self, stamp: Stamp | None) -> Keys | None:
        with suppress(UserError):
            if stamp:  # a file that is gone would be read as one without keys
                return keys.read(self._path)
        logger.error("the file of keys cannot be read any more: no key is let in")
        return None

    def _stamp_now(self) -> Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


class LocalUse:
    """No keys: whoever is on this machine may do all, and nobody else anything."""

    def authorise(self, exchange: Exchange, role: Role | None) -> None:  # noqa: ARG002
        """Let the request pass, or raise `RefusedError`."""
        if not (_is_here(exchange.client_ip) and LOCAL_HOST.fullmatch(exchange.header(b"host"))):
            raise RefusedError(NOT_LOCAL)

    def check(self) -> None:
        """Nothing can go wrong."""


def _is_here(address: str | None) -> bool:
    return address is not None and ipaddress.ip_address(address).is_loopback


class KeyNeeded:
    """A valid key with the role."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def authorise(self, exchange: Exchange, role: Role | None) -> None:
        """Let the request pass and note whose key it is, or raise `RefusedError`."""
        secret = presented(exchange)
        if not secret:
            raise RefusedError(NO_KEY)
        exchange.key = self._ring.find(secret)
        if exchange.key is None or exchange.key.revoked:
            raise RefusedError(UNKNOWN_KEY)
        if not exchange.key.may(role):
            raise RefusedError(NO_ROLE, [("", f"the role '{role}' is needed")])

    def check(self) -> None:
        """Raise `RefusedError` if no key can be judged now."""
        self._ring.current()


def presented(exchange: Exchange) -> str:
    """The key in the header `X-API-Key`, else in `Authorization`: as a bearer token, or as the password of any user.

    A gateway may keep `Authorization` for a login of its own and send the key in the other.
    """
    named = exchange.header(b"x-api-key")
    if named:
        return named
    scheme, _, value = exchange.header(b"authorization").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        return _password(value.strip())
    return ""


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def gate(settings: Settings) -> LocalUse | KeyNeeded:
    """What stands before every route but the probes.

    Raises:
        UserError: nobody could use the service, or everybody: there is no valid key and it is not for local use.
    """
    if settings.local and settings.keys:
        raise UserError("CLINICAL_NER_LOCAL and CLINICAL_NER_KEYS exclude each other", "unset one of them")
    if settings.local:
        return LocalUse()
    if settings.keys is None:
        raise UserError(
            "no API keys are configured: CLINICAL_NER_KEYS is not set",
            "make one with 'clinical-ner keys create', or set CLINICAL_NER_LOCAL=true for use on this machine alone",
        )
    if not keys.read(settings.keys).valid:
        raise UserError(f"{settings.keys} holds no valid API key", "make one with 'clinical-ner keys create'")
    return KeyNeeded(KeyRing(settings.keys))
