"""Everything that an answer can complain about: one shape, a stable code each, and never a piece of what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MAX_DETAILS = 20
MAX_ERRORS = 1_000  # more are not even looked at: each takes a kilobyte
SHORTER = {"uuid_parsing": "Input should be a valid UUID"}  # pydantic's own message quotes a character


class Problem(NamedTuple):
    """A kind of problem: its HTTP status, its code for programs, and what to say."""

    status: int
    code: str
    message: str
    remedy: str


MALFORMED = Problem(400, "malformed_json", "the body is not JSON in UTF-8", "send one JSON object")
INVALID = Problem(400, "invalid", "the body is not what the contract states", "see details and GET /openapi.json")
NO_KEY = Problem(401, "key_missing", "there is no API key", "send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")
UNKNOWN_KEY = Problem(401, "key_unknown", "the API key is not known, or revoked", "ask the operator for one")
NO_ROLE = Problem(403, "role_missing", "the API key may not do this", "ask the operator for a key with the role")
NOT_LOCAL = Problem(
    403, "local_only", "the service is for clients on its own machine", "the operator can configure keys"
)
NOT_FOUND = Problem(404, "not_found", "there is nothing at this path", "GET /openapi.json lists the paths")
NOT_ALLOWED = Problem(405, "method_not_allowed", "the path has no such method", "see the header Allow")
TOO_SLOW = Problem(408, "body_too_slow", "the body did not arrive in time", "send it faster, or in parts")
TAKEN = Problem(409, "feedback_id_taken", "other feedback has this feedback_id", "send it under a new one")
BODY_TOO_LARGE = Problem(413, "body_too_large", "the body is too large", "send fewer or shorter notes in a request")
NOTE_TOO_LONG = Problem(413, "note_too_long", "a note is too long", "divide it, for instance at its headings")
TOO_MANY_NOTES = Problem(413, "too_many_notes", "there are too many notes", "send them in several requests")
NOT_JSON = Problem(415, "media_type", "the body is not declared as JSON", "send 'Content-Type: application/json'")
BUSY = Problem(429, "too_many_requests", "the service has as much in hand as it may", "try again later")
INTERNAL = Problem(500, "internal", "the service failed", "report the request id to the operator")
NO_STORE = Problem(503, "store_unavailable", "the store does not take feedback now", "send the same feedback again")
NO_KEYS = Problem(503, "keys_unreadable", "the service cannot read its file of keys", "report it to the operator")
NOT_READY = Problem(503, "not_ready", "the service is starting or stopping", "try again later")
TIMEOUT = Problem(504, "timeout", "the answer was not ready in time", "send fewer or shorter notes in a request")
PROBLEMS: tuple[Problem, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Problem))


class RefusedError(Exception):
    """The request is answered with this problem; `details` are (place, what is wrong there)."""

    def __init__(self, problem: Problem, details: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.details = tuple(details)


def body(problem: Problem, details: Sequence[tuple[str, str]], request_id: str, version: str | None) -> dict[str, Any]:
    """The problem as `contract.ErrorAnswer`."""
    return {
        "error": {
            **problem._asdict(),
            "details": [{"place": place, "problem": what} for place, what in details[:MAX_DETAILS]],
        },
        "request_id": request_id,
        "model_version": version,
    }


def refusal(error: ValidationError, model: type[BaseModel]) -> RefusedError:
    """The refusal of a body that does not validate; pydantic's own messages name no input, only names are checked."""
    if error.error_count() > MAX_ERRORS:
        return RefusedError(INVALID, [("", "too much is wrong to list it")])
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return RefusedError(MALFORMED)
    return RefusedError(INVALID, [_detail(one, model) for one in found])


def _detail(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """Where and what; an unknown field is not named, as its name is the sender's words."""
    place = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    known = f"unknown field; known: {', '.join(model.model_fields)}"
    what = known if error["type"] == "extra_forbidden" and not place else SHORTER.get(error["type"], error["msg"])
    return ".".join(map(str, place)), what.removeprefix("Value error, ")
