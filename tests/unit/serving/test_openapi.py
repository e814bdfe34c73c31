"""The OpenAPI document is complete: every route, every status with its shape, every way to send a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from clinical_ner.serving import openapi
from clinical_ner.serving.routes import ROUTES, Route

DOCUMENT = openapi.document("0123456789ab")
ERROR = {"$ref": "#/components/schemas/ErrorAnswer"}


def test_every_route_is_there() -> None:
    assert {(route.method.lower(), route.path) for route in ROUTES} == {
        (method, path) for path, methods in DOCUMENT["paths"].items() for method in methods
    }


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_problem_of_a_route_is_stated_in_the_one_shape(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]

    errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
    assert {int(status) for status in errors} == {problem.status for problem in route.problems}
    assert all(answer["content"]["application/json"]["schema"] == ERROR for answer in errors.values())
    assert all({"X-Request-ID", "X-Model-Version"} == set(answer["headers"]) for answer in errors.values())
    assert bool(operation["security"]) != route.is_open


def test_extract_states_every_status_that_it_may_have() -> None:
    stated = set(DOCUMENT["paths"]["/extract"]["post"]["responses"])

    assert {"200", "400", "401", "403", "413", "415", "429", "500", "503", "504"} <= stated


def test_every_reference_leads_somewhere_and_names_are_unique() -> None:
    written = json.dumps(DOCUMENT)
    referred = {part.split('"')[0] for part in written.split("#/components/schemas/")[1:]}
    operations = [one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()]

    assert referred <= set(DOCUMENT["components"]["schemas"])
    assert len(set(operations)) == len(operations)


def test_every_object_says_what_it_holds() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert {"NoteAnswer", "NotesAnswer", "Extraction", "Entity", "Concept", "Fault"} <= set(schemas)
    assert [
        name for name, schema in schemas.items() if schema["type"] == "object" and not schema.get("properties")
    ] == []


@pytest.mark.parametrize(
    "asked",
    [{"text": "gout"}, {"text": "", "id": "7"}, {"notes": [{"text": "asthma"}, {"text": "gout", "id": "8"}]}],
    ids=["a note", "a note with an id", "notes"],
)
def test_an_answer_is_what_the_document_says_and_no_other(call: Callable[..., Any], asked: dict[str, Any]) -> None:
    content = DOCUMENT["paths"]["/extract"]["post"]["responses"]["200"]["content"]["application/json"]
    validator = Draft202012Validator(content["schema"] | {"components": DOCUMENT["components"]})

    answer = call("POST", "/extract", json=asked).json()

    assert list(validator.iter_errors(answer)) == []
    assert list(validator.iter_errors(answer | {"more": 1}))
    assert list(validator.iter_errors({name: answer[name] for name in answer if name != "request_id"}))
