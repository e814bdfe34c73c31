"""Whatever comes, the service answers as its OpenAPI document says, and never with a failure of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from clinical_ner.core.seeds import stream
from clinical_ner.serving.local import Server
from clinical_ner.serving.settings import Settings

BODIES = 1_000
PATHS = ("/extract", "/extract/fhir", "/feedback")
ROUNDS = 4  # each of as many bodies; what leaks grows in each, what memory is kept for the next request does not
GROWTH_BYTES = 8_000_000  # of a worker that has seen as many bodies before; a leak of the bodies would be 20 times it
# What the document cannot state is left out: that a span starts before it ends, and that of two keys the first counts.
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method"),
    "allow_header_conformance",
)


def test_what_the_openapi_document_allows_is_answered_as_it_says(
    keyed: Server, secrets: dict[str, str], tmp_path: Path
) -> None:
    headers = {"X-API-Key": secrets["admin"]}
    document = tmp_path / "openapi.json"
    document.write_text(httpx.get(f"{keyed.url}/openapi.json", headers=headers).text)
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(document), "--url", keyed.url]
    options = ["--checks", ",".join(CHECKS), "-n", "50", "--seed", "1", "--continue-on-failure", "--no-color"]

    done = subprocess.run(
        [*command, *options, "-H", f"X-API-Key: {secrets['admin']}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"\b[1-9]\d{2,} passed", done.stdout)


# --- hostile bodies ---------------------------------------------------------------------------------
Draws = np.random.Generator


def noise(draws: Draws) -> bytes:
    return draws.bytes(int(draws.integers(0, 5000)))


def deep(draws: Draws) -> bytes:
    opening = [b"[", b'{"text":', b'{"notes":[', b'[{"":'][draws.integers(4)]
    return opening * int(draws.integers(100, 20_000))


def numbers(draws: Draws) -> bytes:
    digits = b"9" * int(draws.integers(1, 20_000))
    return b'{"text": ' + [digits, b"-" + digits, b"1e" + digits, b"NaN", b"-Infinity"][draws.integers(5)] + b"}"


def keys(draws: Draws) -> bytes:
    return json.dumps({"text": "gout"} | {f"k{n}": n for n in range(int(draws.integers(1, 3000)))}).encode()


def repeated(draws: Draws) -> bytes:
    return b'{"text": "gout"' + b', "text": "asthma"' * int(draws.integers(1, 2000)) + b"}"


def escapes(draws: Draws) -> bytes:
    units = draws.integers(0, 0xFFFF, int(draws.integers(1, 1500)))
    return b'{"text": "' + b"".join(b"\\u%04x" % unit for unit in units.tolist()) + b'"}'


def code_points(draws: Draws) -> bytes:
    points = draws.integers(0, 0x10FFFF, int(draws.integers(1, 4000))).tolist()
    return json.dumps(
        {"text": "".join(map(chr, points)).encode("utf-8", "ignore").decode()}, ensure_ascii=False
    ).encode()


def runs(draws: Draws) -> bytes:
    """Texts that a careless regular expression would read for ever."""
    sign = ["a", " ", ".", "-", "(", "\n", "1", "\u0301", "aA", "a-", "no ", "PMH:\n", "A.", "mg/"][draws.integers(14)]
    return json.dumps({"text": (sign * 5000)[: int(draws.integers(1, 5000))]}).encode()


def wrong_types(draws: Draws) -> bytes:
    value: Any = [None, True, 7, 1.5, [], {}, [[]], "gout", [{"text": 1}]][draws.integers(9)]
    return json.dumps([{"text": value}, {"notes": value}, {"id": value, "text": ""}, value][draws.integers(4)]).encode()


def spans(draws: Draws) -> bytes:
    offsets = draws.integers(-(2**62), 2**62, (int(draws.integers(1, 100)), 2)).tolist()
    found = [{"start": start, "end": end, "label": "DISEASE"} for start, end in offsets]
    return json.dumps({"prediction_id": "0" * 32, "spans": found}).encode()


KINDS: tuple[Callable[[Draws], bytes], ...] = (
    *(noise, deep, numbers, keys, repeated),
    *(escapes, code_points, runs, wrong_types, spans),
)


def hostile_bodies() -> Iterator[bytes]:
    draws = stream(1, "tests/hostile")
    for place in range(BODIES):
        yield KINDS[place % len(KINDS)](draws)


def answered(server: Server) -> list[int]:
    """Each body goes to two of the paths, and each kind of body to all of them."""
    with httpx.Client(headers={"Content-Type": "application/json"}, timeout=60) as client:
        return [
            client.post(server.url + PATHS[number % len(PATHS)], content=body).status_code
            for place, body in enumerate(hostile_bodies())
            for number in (place, place + 1)
        ]


def resident(server: Server) -> int:
    return max(child.memory_info().rss for child in psutil.Process(server.pid).children(recursive=True))


def test_a_thousand_hostile_bodies_are_answered_and_leave_nothing_behind(server: Server) -> None:
    rounds = [(answered(server), resident(server)) for _ in range(ROUNDS)]

    statuses = rounds[0][0]
    assert len(statuses) == 2 * BODIES
    assert set(statuses) == {200, 400}
    assert all(again == statuses for again, _ in rounds)
    assert min(after - before for (_, before), (_, after) in pairwise(rounds)) < GROWTH_BYTES


# --- a body as large as may be, wrong throughout ----------------------------------------------------
LARGEST = Settings().max_body_bytes
PEAK_BYTES = 200_000_000  # more than before; an error object for each thing that is wrong would be 1,100,000,000
FULL_SIZE = {
    "notes that are none": b'{"notes":[' + b"1," * 990_000 + b"1]}",
    "unknown fields": b'{"text":"",' + b",".join(b'"%d":1' % n for n in range(190_000)) + b"}",
    "unknown fields of a note": b'{"notes":[{"text":"",' + b",".join(b'"%d":1' % n for n in range(190_000)) + b"}]}",
}


def peak(server: Server) -> int:
    """The most memory that a worker ever held."""
    status = [
        Path(f"/proc/{child.pid}/status").read_text() for child in psutil.Process(server.pid).children(recursive=True)
    ]
    return max(1024 * int(found[1]) for text in status if (found := re.search(r"VmHWM:\s*(\d+)", text)))


@pytest.mark.parametrize("path", ["/extract", "/feedback"])
@pytest.mark.parametrize("body", FULL_SIZE.values(), ids=FULL_SIZE)
def test_a_body_that_is_wrong_in_a_hundred_thousand_places_is_refused_as_one(
    server: Server, body: bytes, path: str
) -> None:
    before = peak(server)

    answer = httpx.post(server.url + path, content=body, headers={"Content-Type": "application/json"}, timeout=60)

    assert 0.9 * LARGEST < len(body) < LARGEST
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")
    assert len(answer.content) < 2_000
    assert peak(server) - before < PEAK_BYTES
