"""The same content is the same bytes, in UTF-8, with a folder of its own if need be."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ner.core import files

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@settings(max_examples=40)
@given(JSON)
def test_json_is_read_as_it_was_written(content: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new" / "figures.json"

        files.write_json(path, content)

        assert files.read_json(path) == content


def test_json_is_sorted_indented_readable_and_ends_with_a_newline(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"b": "Sjögren", "a": 1})

    assert (tmp_path / "a.json").read_bytes() == '{\n  "a": 1,\n  "b": "Sjögren"\n}\n'.encode()


@given(st.binary())
def test_the_hash_is_that_of_the_bytes(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()

        assert files.sha256(Path(file.name)) == hashlib.sha256(content).hexdigest()
