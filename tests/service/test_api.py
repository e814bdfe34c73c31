"""The API says what the tagger says, and never repeats a note in an error or in its log."""

from __future__ import annotations

import json
import subprocess
import sys
import typing
from typing import Any

import httpx
import pytest

from clinical_ner.core.span import ASSERTIONS, LABELS, SECTIONS
from clinical_ner.ner.concepts import KINDS
from clinical_ner.ner.extraction import extract
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving.contract import MAX_CHARACTERS, Concept, Entity, SectionName
from clinical_ner.serving.local import Server

MARK = "Zyxwvut"  # stands for a patient's words
TEXTS = {
    "a note": "Type 2 diabetes mellitus was treated with metformin. She has asthma and takes albuterol.",
    "nothing": "",
    "white space": " \n\t\r\n ",
    "no entity": "She came alone and left after an hour.",
    "beyond the basic plane": "😀 asthma 👩‍⚕️ — treated with 💊 albuterol, naïve café",
    "combining and right to left": "Cafe\u0301 שלום hypertension\u00a0treated with lisinopril\u2028and rest",
    "lines": "PMH:\n\n- asthma\n- chronic kidney disease\r\n- s/p appendectomy",
}
REFUSED: dict[str, Any] = {
    "an extra field": json.dumps({"text": MARK, "patient": MARK}),
    "text as a field's name": json.dumps({MARK: 1}),
    "text missing": json.dumps({"id": MARK}),
    "text null": json.dumps({"text": None, "id": MARK}),
    "text a list": json.dumps({"text": [MARK]}),
    "text an object": json.dumps({"text": {MARK: MARK}}),
    "id a number": json.dumps({"text": MARK, "id": 7}),
    "id too long": json.dumps({"text": MARK, "id": MARK * 100}),
    "text too long": json.dumps({"text": MARK * (MAX_CHARACTERS // len(MARK) + 1)}),
    "a list": json.dumps([{"text": MARK}]),
    "a string": json.dumps(MARK),
    "JSON that breaks off": f'{{"text": "{MARK}',
    "not JSON": MARK,
    "half a surrogate pair": f'{{"text": "{MARK} \\ud800"}}',
    "not UTF-8": f'{{"text": "{MARK}'.encode() + b'\xff"}',
    "an empty body": "",
}
OTHER_TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/vnd.bentoml+pickle",
)


def post(server: Server, body: str | bytes, kind: str = "application/json") -> httpx.Response:
    return httpx.post(f"{server.url}/extract", content=body, headers={"Content-Type": kind}, timeout=30)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_api_says_what_extract_says(server: Server, tagger: Tagger, text: str) -> None:
    assert server.ask(text) == extract(tagger, text)


def test_the_notes_above_have_entities_of_both_labels(server: Server) -> None:
    found = {entity["label"] for text in TEXTS.values() for entity in server.ask(text)["entities"]}

    assert found == set(LABELS)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_offsets_count_code_points(server: Server, text: str) -> None:
    entities = server.ask(text)["entities"]

    assert [text[entity["start"] : entity["end"]] for entity in entities] == [entity["text"] for entity in entities]


def test_the_id_comes_back_first(server: Server, tagger: Tagger) -> None:
    text = TEXTS["a note"]

    answer = post(server, json.dumps({"text": text, "id": "note 7"})).json()

    assert list(answer) == ["id", "entities", "treatments"]
    assert answer == {"id": "note 7", **extract(tagger, text)}


def test_the_longest_note_is_answered(server: Server) -> None:
    sentence = "Asthma was treated with albuterol. "
    text = (sentence * (MAX_CHARACTERS // len(sentence) + 1))[:MAX_CHARACTERS]

    assert post(server, json.dumps({"text": text})).status_code == 200


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_a_malformed_body_is_refused_without_repeating_it(server: Server, body: str | bytes) -> None:
    answer = post(server, body)

    assert answer.status_code == 400
    assert_error(answer, server)


@pytest.mark.parametrize("kind", OTHER_TYPES)
def test_a_body_that_is_not_declared_as_json_is_refused_unread(server: Server, kind: str) -> None:
    answer = post(server, json.dumps({"text": MARK}), kind)

    assert answer.status_code == 415
    assert_error(answer, server)


def test_a_note_that_is_answered_is_not_logged(server: Server) -> None:
    server.ask(f"{MARK} has asthma.")

    assert MARK not in server.log.read_text()


def assert_error(answer: httpx.Response, server: Server) -> None:
    """One shape for every error, and the marked words nowhere."""
    error = answer.json()
    assert list(error) == ["error", "detail"]
    assert all({"type", "loc", "msg"} <= set(detail) for detail in error["detail"])
    assert MARK not in answer.text
    assert "POST" in server.log.read_text()
    assert MARK not in server.log.read_text()


def test_the_contract_knows_the_labels_assertions_sections_and_kinds() -> None:
    assert typing.get_args(Entity.model_fields["label"].annotation) == LABELS
    assert typing.get_args(Entity.model_fields["assertion"].annotation) == ASSERTIONS
    assert typing.get_args(SectionName) == SECTIONS
    assert typing.get_args(Concept.model_fields["kind"].annotation) == KINDS


def test_the_service_imports_nothing_heavy() -> None:
    code = "import sys, clinical_ner.serving.service; print(*(name.partition('.')[0] for name in sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "bentoml" in done.stdout.split()
    assert not {"pandas", "pandera", "sklearn", "scipy", "evidently", "pyarrow", "dvc"} & set(done.stdout.split())
