"""The table of routes: who may ask what of which path, what it takes, gives and complains about."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel

from clinical_ner.serving import contract, problems
from clinical_ner.serving.keys import Role
from clinical_ner.serving.problems import Problem

OF_ALL = (problems.INTERNAL,)
OF_KEYS = (
    *(problems.NO_KEY, problems.UNKNOWN_KEY, problems.NO_ROLE, problems.NOT_LOCAL, problems.NO_KEYS),
    *(problems.BUSY, problems.TIMEOUT),
)
OF_BODIES = (*(problems.MALFORMED, problems.INVALID, problems.TOO_SLOW, problems.BODY_TOO_LARGE, problems.NOT_JSON),)


class Route(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    name: str  # of the function that answers, and of the operation in the OpenAPI document
    summary: str
    is_open: bool = False  # to everybody, without a key
    role: Role | None = None  # that the key must have; None: any key
    takes: tuple[type[BaseModel], ...] = ()
    gives: tuple[type[BaseModel], ...] = ()  # none: no JSON of the contract
    media_type: str = "application/json"
    complains: tuple[Problem, ...] = ()
    created: bool = False  # 201 when it made something new, else 200

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that its answer may complain about."""
        keyed = () if self.is_open else OF_KEYS
        bodied = OF_BODIES if self.takes else ()
        return (*OF_ALL, *keyed, *bodied, *self.complains)


TEXT = "text/plain; charset=utf-8"
FHIR = "application/fhir+json"
ROUTES = (
    Route(
        *("POST", "/extract", "extract", "The diseases and treatments of one note, or of several"),
        role=Role.EXTRACT,
        takes=(contract.Note, contract.Notes),
        gives=(contract.NoteAnswer, contract.NotesAnswer),
        complains=(problems.NOTE_TOO_LONG, problems.TOO_MANY_NOTES),
    ),
    Route(
        *("POST", "/extract/fhir", "extract_fhir", "The same of one note, as a FHIR R4 Bundle"),
        role=Role.EXTRACT,
        takes=(contract.NoteForFhir,),
        media_type=FHIR,
        complains=(problems.NOTE_TOO_LONG,),
    ),
    Route(
        *("POST", "/feedback", "feedback", "What a reader makes of a prediction"),
        role=Role.FEEDBACK,
        takes=(contract.Feedback,),
        gives=(contract.FeedbackAnswer,),
        complains=(problems.TAKEN, problems.NOTE_TOO_LONG, problems.NO_STORE),
        created=True,
    ),
    Route(*("GET", "/model", "model", "The model that answers"), gives=(contract.ModelAnswer,)),
    Route(*("GET", "/openapi.json", "openapi", "This document")),
    Route(*("GET", "/metrics", "metrics", "Figures for Prometheus"), role=Role.METRICS, media_type=TEXT),
    Route(*("GET", "/", "page", "The page"), role=Role.EXTRACT, media_type="text/html; charset=utf-8"),
    Route(
        *("GET", "/page/{name}", "page", "The page's other files"),
        role=Role.EXTRACT,
        media_type="*/*",
        complains=(problems.NOT_FOUND,),
    ),
    Route(*("GET", "/livez", "live", "Whether the process answers"), is_open=True, media_type=TEXT),
    Route(*("GET", "/healthz", "live", "The same as /livez"), is_open=True, media_type=TEXT),
    Route(
        *("GET", "/readyz", "ready", "Whether it may be sent requests"),
        is_open=True,
        media_type=TEXT,
        complains=(problems.NOT_READY, problems.NO_KEYS),
    ),
)
PROBES = frozenset(route.path for route in ROUTES if route.is_open)
PAGE_FILES = "/page/"


def find(method: str, path: str) -> Route | frozenset[str]:
    """The route, or the methods that the path has: none, if nothing is there."""
    by_method = _BY_PATH.get("/page/{name}" if path.startswith(PAGE_FILES) else path, {})
    return by_method.get(method) or frozenset(by_method)


def _by_path() -> dict[str, dict[str, Route]]:
    found: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.method] = route
    return found


_BY_PATH = _by_path()
