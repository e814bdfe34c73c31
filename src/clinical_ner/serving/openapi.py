"""The OpenAPI document of the service, made from the table of routes and the contract."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from clinical_ner.serving.contract import ErrorAnswer
from clinical_ner.serving.keys import Role
from clinical_ner.serving.problems import Problem
from clinical_ner.serving.routes import ROUTES, Route

REF = "#/components/schemas/{model}"
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "any user; the API key as password"},
}
HEADERS = {
    "X-Request-ID": {"schema": {"type": "string"}, "description": "the client's own if it sent one, else a new one"},
    "X-Model-Version": {"schema": {"type": "string"}, "description": "changes with any file of the model"},
}


def document(version: str) -> dict[str, Any]:
    """The document; the same model gives the same document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "clinical-ner",
            "version": version,
            "description": "Finds diseases and treatments in clinical text. The version is the model's.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": SCHEMES},
    }


def _schemas() -> dict[str, Any]:
    taken = [(model, "validation") for route in ROUTES for model in route.takes]
    given = [(model, "serialization") for route in ROUTES for model in route.gives]
    _, schemas = models_json_schema(
        [*taken, *given, (ErrorAnswer, "serialization")],  # type: ignore[list-item] # the modes are literals
        ref_template=REF,
    )
    return dict(schemas["$defs"])


def _operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": _operation_id(route.path),
        "summary": route.summary,
        "description": _who_may(route),
        "parameters": [_request_id(), *_path_parameters(route)],
        "responses": _responses(route),
        "security": [] if route.is_open else [{scheme: []} for scheme in SCHEMES],
    }
    if route.takes:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": _one_of(*route.takes)}}}
    return found


def _operation_id(path: str) -> str:
    """Words of the path in camel case."""
    first, *others = path.strip("/").removesuffix(".json").replace("{name}", "file").split("/")
    return (first or "page") + "".join(other.capitalize() for other in others)


def _who_may(route: Route) -> str:
    if route.is_open:
        return "Open to everybody."
    if route.role is None:
        return "Any key may."
    return f"Keys with the role {route.role}, or {Role.ADMIN}, may."


def _request_id() -> dict[str, Any]:
    return {
        "name": "X-Request-ID",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "16 to 64 hexadecimal digits and dashes, such as a UUID; anything else is replaced",
    }


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    named = "{name}" in route.path
    return [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}] if named else []


def _responses(route: Route) -> dict[str, Any]:
    schema = _one_of(*route.gives) if route.gives else {}
    good = {"description": route.summary, "headers": HEADERS, "content": {route.media_type: {"schema": schema}}}
    found: dict[str, Any] = {"200": good}
    if route.created:
        found["201"] = good
        found["200"] = good | {"description": "It had been stored before"}
    by_status = sorted(route.problems, key=lambda problem: problem.status)
    for status, same in groupby(by_status, key=lambda problem: problem.status):
        found[str(status)] = _error(list(same))
    return found


def _error(same: list[Problem]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"{problem.code}: {problem.message}" for problem in same),
        "headers": HEADERS,
        "content": {"application/json": {"schema": _one_of(ErrorAnswer)}},
    }


def _one_of(*models: type[BaseModel]) -> dict[str, Any]:
    refs = [{"$ref": REF.format(model=model.__name__)} for model in models]
    return refs[0] if len(refs) == 1 else {"oneOf": refs}
