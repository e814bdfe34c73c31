"""The same content is the same bytes, in UTF-8, with a folder of its own if need be."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import tempfile
import threading
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


# --- files that are whole or not there ------------------------------------------------------------
def test_a_file_is_replaced_only_when_it_is_whole_and_is_its_owners_from_the_first_byte_on(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text("old")

    with pytest.raises(ZeroDivisionError), files.whole_file(path, 0o600) as partial:
        partial.write_text(str(1 / 0))
    with files.whole_file(path, 0o600) as partial:
        mode = stat.S_IMODE(partial.stat().st_mode)
        partial.write_text("new")
        before = path.read_text()

    assert (mode, before, path.read_text()) == (0o600, "old", "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.jsonl"]


def test_a_text_is_written_whole_in_utf_8_with_its_mode(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "notes.jsonl", "Sjögren\n", files.OWNER_ONLY)

    assert (tmp_path / "notes.jsonl").read_bytes() == "Sjögren\n".encode()
    assert stat.S_IMODE((tmp_path / "notes.jsonl").stat().st_mode) == 0o600


def test_what_a_killed_process_left_of_a_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".notes.jsonl.partial").write_text("a long rest of something else")

    with files.whole_file(tmp_path / "notes.jsonl", 0o600) as partial:
        partial.write_text("new")

    assert (tmp_path / "notes.jsonl").read_text() == "new"


def test_a_file_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"), files.whole_file(tmp_path / "no/such", 0o600):
        pytest.fail("there is nothing to write to")


def test_git_leaves_a_folder_for_text_of_patients_aside(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    with files.alone_in(tmp_path / "inbox"):
        (tmp_path / "inbox/notes.jsonl").write_text("Gout")

    listed = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, check=True, capture_output=True, text=True)

    assert listed.stdout == ""
    assert stat.S_IMODE((tmp_path / "inbox").stat().st_mode) == 0o700


def test_two_who_write_into_one_folder_take_turns(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with files.alone_in(tmp_path / "inbox"):
            order.append("second")

    thread = threading.Thread(target=second)
    with files.alone_in(tmp_path / "inbox"):
        thread.start()
        assert waiting.wait(10)
        thread.join(0.2)
        order.append("first")
    thread.join(10)

    assert order == ["first", "second"]
