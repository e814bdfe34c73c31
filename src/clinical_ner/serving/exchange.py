"""One HTTP request and its answer, as the routes see them: a thin layer over ASGI."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any, NamedTuple
from uuid import uuid4

from pydantic_core import to_json
from starlette.types import Receive, Scope

from clinical_ner.serving.keys import Key
from clinical_ner.serving.problems import BODY_TOO_LARGE, NOT_JSON, Problem, RefusedError

Headers = tuple[tuple[bytes, bytes], ...]
SAFE_ID = re.compile(r"[0-9A-Fa-f-]{16,64}")  # of a request, such as a UUID; anything else might be somebody's words
JSON = "application/json"
MAX_DIGITS = 18


class DisconnectedError(Exception):
    """The client went away before its request was complete."""


class Reply(NamedTuple):
    """The answer to a request."""

    status: int
    content: bytes
    media_type: str = JSON
    headers: Headers = ()
    problem: Problem | None = None


class Exchange:
    """A request in hand: what came, and what has been found out about it."""

    __slots__ = ("_headers", "_receive", "complete", "key", "method", "path", "request_id", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.request_id = _request_id(self.header(b"x-request-id"))
        self.key: Key | None = None
        self.complete = False

    def header(self, name: bytes) -> str:
        """The header of this lower-case name, or an empty string; of several the last."""
        return self._headers.get(name, b"").decode("latin-1")

    @property
    def client_ip(self) -> str | None:
        """The address that the request came from; none, if it is not known or a proxy says what is no address."""
        client = self.scope.get("client")
        try:
            return str(ip_address(client[0])) if client else None
        except ValueError:
            return None

    def leaves_unread(self, limit: int) -> bool:
        """Whether more than `limit` bytes of a body may still come."""
        promised = self.header(b"content-length")
        return not self.complete and (bool(self.header(b"transfer-encoding")) or _is_more(promised, limit))

    async def json_body(self, limit: int) -> bytes:
        """The whole body, declared as JSON; it is counted as it comes, whatever its headers promise.

        Raises:
            RefusedError: it is larger than `limit` bytes, or not declared as JSON; it is not read then.
            DisconnectedError: the client went away.
        """
        if self.header(b"content-type").partition(";")[0].strip().lower() != JSON:
            raise RefusedError(NOT_JSON)
        if _is_more(self.header(b"content-length"), limit):
            raise RefusedError(BODY_TOO_LARGE, [("", f"more than {limit} bytes")])
        parts: list[bytes] = []
        room = limit
        while not self.complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            part = message.get("body", b"")
            room -= len(part)
            if room < 0:
                raise RefusedError(BODY_TOO_LARGE, [("", f"more than {limit} bytes")])
            parts.append(part)
            self.complete = not message.get("more_body", False)
        return b"".join(parts)


def _is_more(promised: str, limit: int) -> bool:
    """Whether a Content-Length promises more than this; one that is no number is for the server to refuse."""
    return promised.isascii() and promised.isdigit() and (len(promised) > MAX_DIGITS or int(promised) > limit)


def _request_id(given: str) -> str:
    """The client's, if it can be no piece of a note by its form; else a new one."""
    return given if SAFE_ID.fullmatch(given) else uuid4().hex


def dump(content: Any) -> bytes:
    """The content as JSON in UTF-8."""
    return to_json(content)
