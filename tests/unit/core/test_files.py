"""The same content is the same bytes, in UTF-8, with a folder of its own if need be."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ner.core import files
from clinical_ner.core.errors import UserError

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


@contextmanager
def interrupted(out: Path) -> Iterator[Path]:
    """A block that writes a file and then fails."""
    with files.whole_folder(out, replace=True) as partial:
        (partial / "half.csv").write_text("half", "utf-8")
        yield partial
        raise ValueError("in the middle")


def test_a_folder_appears_when_all_of_it_is_written(tmp_path: Path) -> None:
    with files.whole_folder(tmp_path / "new/out", replace=False) as partial:
        (partial / "a.csv").write_text("a", "utf-8")
        seen_while_writing = (tmp_path / "new/out").exists()

    assert not seen_while_writing
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["out", "a.csv"]


@pytest.mark.parametrize("before", [None, {}, {"other.txt": "kept", "half.csv": "whole"}])
def test_a_folder_is_as_it_was_when_writing_fails(tmp_path: Path, before: dict[str, str] | None) -> None:
    for name, content in (before or {}).items():
        files.write_text(tmp_path / "out" / name, content)

    with pytest.raises(ValueError, match="in the middle"), interrupted(tmp_path / "out"):
        pass

    assert {path.name: path.read_text("utf-8") for path in tmp_path.glob("out/*")} == (before or {})
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if before else [])


def test_a_folder_that_holds_something_is_only_added_to_when_asked(tmp_path: Path) -> None:
    files.write_text(tmp_path / "out/other.txt", "kept")

    with pytest.raises(UserError, match="out exists already"), files.whole_folder(tmp_path / "out", replace=False):
        pass
    with files.whole_folder(tmp_path / "out", replace=True) as partial:
        (partial / "a.csv").write_text("a", "utf-8")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "other.txt"]


def test_a_file_is_no_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", "utf-8")

    for replace in (False, True):
        with pytest.raises(UserError, match="out"), files.whole_folder(tmp_path / "out", replace=replace):
            pass

    assert (tmp_path / "out").read_text("utf-8") == "a file"
