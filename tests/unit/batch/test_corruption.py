"""A thousand ways to damage an input, and more: the figures add up, and no row beside the damage is lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.batch.conftest import COLUMNS, Extract, notes, quarantined, write

from clinical_ner.batch import reading
from clinical_ner.batch.contract import Note, Rejected, judged
from clinical_ner.batch.places import Place
from clinical_ner.batch.reading import LONGEST_LINE, UnreadableShardError, rows
from clinical_ner.batch.shards import plan
from clinical_ner.batch.sources import looked_through

CASES = 100  # of each kind of damage
COUNT = 12
GROUP = 4  # rows of Parquet that are damaged together
Draws = np.random.Generator


class Damaged(NamedTuple):
    """A file's content, and the ids of the rows that the damage does not touch."""

    content: bytes
    unharmed: set[str]


def ids(*but: int) -> set[str]:
    return {f"n{number:06d}" for number in range(COUNT) if number not in but}


# --- JSON Lines -----------------------------------------------------------------------------------
def json_lines() -> list[bytes]:
    return [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in notes(COUNT).to_dict("records")]


def flipped_json(draws: Draws) -> Damaged:
    """A byte of a line, but its ending, is another; not a line feed, which would make two of it."""
    lines, number = json_lines(), int(draws.integers(COUNT))
    line = bytearray(lines[number])
    line[draws.integers(len(line) - 1)] = draws.choice([byte for byte in range(256) if byte != 10])
    return Damaged(b"".join([*lines[:number], bytes(line), *lines[number + 1 :]]), ids(number))


def cut_json(draws: Draws) -> Damaged:
    content = b"".join(json_lines())
    at = int(draws.integers(len(content)))
    return Damaged(content[:at], ids(*range(content[:at].count(b"\n"), COUNT)))


def wrong_types_json(draws: Draws) -> Damaged:
    rows: list[Any] = notes(COUNT).to_dict("records")
    number, name = int(draws.integers(COUNT)), str(draws.choice(["note_id", "text"]))
    values: list[Any] = [None, 1.5, True, [], {}, ["asthma"], {"text": "asthma"}, "", "   ", float("nan")]
    rows[number][name] = values[draws.integers(len(values))]
    return Damaged("".join(json.dumps(row) + "\n" for row in rows).encode(), ids(number))


def missing_column_json(draws: Draws) -> Damaged:
    rows, number = notes(COUNT).to_dict("records"), int(draws.integers(COUNT))
    del rows[number][str(draws.choice(["note_id", "text"]))]
    return Damaged("".join(json.dumps(row) + "\n" for row in rows).encode(), ids(number))


# --- CSV --------------------------------------------------------------------------------------------
def csv_rows() -> list[bytes]:
    pages = []
    for row in notes(COUNT).itertuples(index=False):
        page = io.StringIO()
        csv.writer(page, lineterminator="\n").writerow(row)
        pages.append(page.getvalue().encode())
    return pages


def of_csv(rows: list[bytes]) -> bytes:
    return b"".join([b"note_id,text\n", *rows])


def bad_bytes_csv(draws: Draws) -> Damaged:
    rows, number = csv_rows(), int(draws.integers(COUNT))
    at = int(draws.integers(10, len(rows[number]) - 3))
    rows[number] = rows[number][:at] + bytes([int(draws.integers(0x80, 0x100)), 0xFF]) + rows[number][at:]
    return Damaged(of_csv(rows), ids(number))


def other_columns_csv(draws: Draws) -> Damaged:
    rows, number = csv_rows(), int(draws.integers(COUNT))
    rows[number] = [b"one\n", b"one,two,three\n", b",,\n", b'"one"\n'][draws.integers(4)]
    return Damaged(of_csv(rows), ids(number))


def flipped_csv(draws: Draws) -> Damaged:
    """A byte of a row, but its ending, is another; if it is a quotation mark, it is missing or one too many."""
    rows, number = csv_rows(), int(draws.integers(COUNT))
    row, mark = bytearray(rows[number]), bool(draws.integers(2))
    places = [at for at, byte in enumerate(row[:-1]) if mark == (byte == ord('"'))]
    row[draws.choice(places)] = draws.choice([*range(256), *[ord('"')] * 256 * (not mark)])
    return Damaged(of_csv([*rows[:number], bytes(row), *rows[number + 1 :]]), ids(number))


def long_line_csv(draws: Draws) -> Damaged:
    """A line of a row is longer than any may be."""
    rows, number = csv_rows(), int(draws.integers(COUNT))
    rows[number] = b'"%s",asthma\n' % (b"x" * LONGEST_LINE)
    return Damaged(of_csv(rows), ids(number))


def cut_csv(draws: Draws) -> Damaged:
    rows = csv_rows()
    whole, at = of_csv(rows), int(draws.integers(len(of_csv(rows))))
    starts = np.cumsum([len(b"note_id,text\n"), *map(len, rows)])
    return Damaged(whole[:at], ids(*range(int(np.searchsorted(starts, at, side="right")) - 1, COUNT)) if at else set())


# --- Parquet ----------------------------------------------------------------------------------------
def parquet(frame: pd.DataFrame) -> bytes:
    page = io.BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, page, row_group_size=GROUP, write_page_checksum=True, use_dictionary=False)
    return page.getvalue()


def cut_parquet(draws: Draws) -> Damaged:
    content = parquet(notes(COUNT))
    return Damaged(content[: draws.integers(len(content))], set())


def flipped_parquet(draws: Draws) -> Damaged:
    """A byte of the pages of a row group: checksums tell, so the other groups are read and this one is not."""
    content = bytearray(parquet(notes(COUNT)))
    group = int(draws.integers(COUNT // GROUP))
    column = pq.ParquetFile(io.BytesIO(bytes(content))).metadata.row_group(group).column(int(draws.integers(2)))
    at = column.data_page_offset + int(draws.integers(column.total_compressed_size))
    content[at] ^= int(draws.integers(1, 256))
    return Damaged(bytes(content), ids(*range(group * GROUP, group * GROUP + GROUP)))


def footer_parquet(draws: Draws) -> Damaged:
    """A byte of the footer, which no checksum guards: any row may be another, but none may go unsaid."""
    content = bytearray(parquet(notes(COUNT)))
    footer = int.from_bytes(content[-8:-4], "little") + 8
    content[-int(draws.integers(1, footer + 1))] ^= int(draws.integers(1, 256))
    return Damaged(bytes(content), set())


def bad_bytes_parquet(draws: Draws) -> Damaged:
    """Text that is not UTF-8, as a column of bytes and as one that says that it is text."""
    frame, number = notes(COUNT), int(draws.integers(COUNT))
    texts = [text.encode() for text in frame["text"]]
    at = int(draws.integers(len(texts[number])))
    texts[number] = texts[number][:at] + b"\xff" + texts[number][at:]
    column = pa.array(texts, pa.binary())
    if draws.integers(2):
        column = column.view(pa.string())
    page = io.BytesIO()
    pq.write_table(pa.table({"note_id": pa.array(frame["note_id"]), "text": column}), page, row_group_size=GROUP)
    return Damaged(page.getvalue(), ids(number))


def wrong_types_parquet(draws: Draws) -> Damaged:
    """Texts that are numbers, times or lists: nothing of the file can be read."""
    values: list[Any] = [list(range(COUNT)), [0.5] * COUNT, [pd.Timestamp("2024-01-01")] * COUNT, [["a"]] * COUNT]
    return Damaged(parquet(notes(COUNT).assign(text=values[draws.integers(len(values))])), set())


# --- packed -----------------------------------------------------------------------------------------
def cut_gzip(draws: Draws) -> Damaged:
    packed = gzip.compress(b"".join(json_lines()), mtime=0)
    return Damaged(packed[: draws.integers(1, len(packed))], set())


def nulls_parquet(draws: Draws) -> Damaged:
    frame, number = notes(COUNT), int(draws.integers(COUNT))
    frame.loc[number, str(draws.choice(["note_id", "text"]))] = None
    return Damaged(parquet(frame), ids(number))


DAMAGES: dict[Callable[[Draws], Damaged], str] = {
    **dict.fromkeys((flipped_json, cut_json, wrong_types_json, missing_column_json), "notes.jsonl"),
    **dict.fromkeys((bad_bytes_csv, other_columns_csv, flipped_csv, long_line_csv, cut_csv), "notes.csv"),
    **dict.fromkeys((cut_parquet, flipped_parquet, nulls_parquet, footer_parquet), "notes.parquet"),
    **dict.fromkeys((bad_bytes_parquet, wrong_types_parquet), "notes.parquet"),
    cut_gzip: "notes.jsonl.gz",
}


def judgements(source: Path) -> tuple[list[Note], list[Rejected], dict[str, str]]:
    """The notes of a file, what is rejected, and why it cannot be read at all."""
    shards, unreadable, _ = plan(looked_through([str(source)]).sources, COLUMNS, rows=5, size=300)
    judged_rows = [judged(row, COLUMNS) for shard in shards for row in rows(shard, COLUMNS)]
    found = [row for row in judged_rows if isinstance(row, Note)]
    return found, [row for row in judged_rows if isinstance(row, Rejected)], unreadable


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_no_row_beside_the_damage_is_lost(damage: Callable[[Draws], Damaged], tmp_path: Path) -> None:
    texts = dict(notes(COUNT).itertuples(index=False))
    source = tmp_path / DAMAGES[damage]
    for case in range(CASES):
        damaged = damage(np.random.default_rng(case))
        source.write_bytes(damaged.content)

        found, rejected, unreadable = judgements(source)

        if unreadable:
            assert damaged.unharmed == set(), case
            continue
        by_id = {note.note_id: note.text for note in found}
        assert {i: by_id.get(i) for i in damaged.unharmed} == {i: texts[i] for i in damaged.unharmed}, case
        count = len(found) + sum(row.rows for row in rejected)
        if damage in (bad_bytes_csv, flipped_csv):
            assert count >= COUNT, case  # of a row that cannot be parsed each line is rejected
        elif damage not in (cut_json, cut_csv, cut_parquet, cut_gzip):
            assert count == COUNT, case


def test_a_stray_quotation_mark_takes_its_own_line_alone(tmp_path: Path) -> None:
    source = tmp_path / "notes.csv"
    others = [f"n{number},asthma and gout\n" for number in range(2000)]
    source.write_text("".join(["note_id,text\n", 'a,"gout\n', *others, 'b,"gout"\n', 'c,"and no end\n', *others[:9]]))

    found, rejected, _ = judgements(source)

    assert [note.note_id for note in found] == [row.split(",")[0] for row in [*others, "b", *others[:9]]]
    assert [row.content for row in rejected] == [b'a,"gout\n', b'c,"and no end\n']


def test_lines_that_all_open_a_quotation_are_looked_through_a_few_times_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, parsed = tmp_path / "notes.csv", [0]
    source.write_text("note_id,text\n" + 'a",",x\n' * 3000)
    reader = csv.reader

    def counted(lines: Iterable[str], *, strict: bool) -> Iterator[list[str]]:
        return reader((parsed.__setitem__(0, parsed[0] + 1) or line for line in lines), strict=strict)

    monkeypatch.setattr(csv, "reader", counted)

    found, rejected, _ = judgements(source)

    assert (found, len(rejected)) == ([], 3000)
    assert parsed[0] < 10 * 3000


def test_a_line_of_csv_that_is_too_long_is_counted(tmp_path: Path) -> None:
    source = tmp_path / "notes.csv"
    source.write_bytes(b'note_id,text\na,asthma\nb,%s\nc,"gout\n%s"\nd,fever\n' % ((b"x" * LONGEST_LINE,) * 2))

    found, rejected, _ = judgements(source)

    too_long = f"the line has more than {LONGEST_LINE} bytes"
    assert [note.note_id for note in found] == ["a", "d"]
    assert [row.reason for row in rejected] == [too_long, "the row has not the columns of the first line", too_long]


def test_no_byte_of_a_footer_makes_rows_disappear_unsaid(tmp_path: Path) -> None:
    content, source = parquet(notes(COUNT)), tmp_path / "notes.parquet"
    footer = int.from_bytes(content[-8:-4], "little") + 8
    for place in range(len(content) - footer, len(content)):
        for flip in (1, 16, 64):
            damaged = bytearray(content)
            damaged[place] ^= flip
            source.write_bytes(damaged)

            found, rejected, unreadable = judgements(source)

            assert unreadable or len(found) + sum(row.rows for row in rejected) == COUNT, (place, flip)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_batch_of_damaged_notes_ends_with_figures_that_add_up(
    damage: Callable[[Draws], Damaged], extract: Extract, tmp_path: Path
) -> None:
    for case in range(0, CASES, CASES // 4):
        source, out = tmp_path / f"{case}" / DAMAGES[damage], tmp_path / f"{case}" / "out"
        source.parent.mkdir()
        source.write_bytes(damage(np.random.default_rng(case)).content)

        ended, unreadable = extract(out, source)

        found, rejected, _ = judgements(source)
        twice = len(found) - len({note.note_id for note in found})
        assert [outcome for outcome in ended if outcome.set_aside or outcome.stop] == []
        assert bool(ended) or bool(unreadable) or not source.read_bytes()
        assert sum(outcome.rows for outcome in ended) == len(found) - twice
        assert sum(outcome.quarantined for outcome in ended) == sum(row["rows"] for row in quarantined(out))
        assert sum(outcome.quarantined for outcome in ended) == sum(row.rows for row in rejected) + twice


# --- out of reach: no damage ------------------------------------------------------------------------
class Expiring(io.FileIO):
    """A file that cannot be read in its middle, as in a store whose token has expired."""

    def __init__(self, path: str, error: Exception) -> None:
        super().__init__(path)
        self.error, self.middle = error, Path(path).stat().st_size // 2

    def readinto(self, buffer: Any) -> int:
        if self.tell() <= self.middle < self.tell() + len(buffer):
            raise self.error
        return super().readinto(buffer) or 0

    def read(self, size: int | None = -1) -> bytes:
        content = bytearray(1 << 30 if size is None or size < 0 else size)
        return bytes(content[: self.readinto(content)])


# What s3fs raises has no number.
@pytest.mark.parametrize(
    "error", [PermissionError("expired"), TimeoutError(), FileNotFoundError("NoSuchKey")], ids=repr
)
@pytest.mark.parametrize("name", ["notes.jsonl", "notes.csv", "notes.parquet"])
def test_a_file_that_goes_out_of_reach_in_its_middle_is_no_damage(
    name: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(notes(6000), tmp_path / name)
    if name.endswith("parquet"):  # packed, it is so small that the footer is read with it
        pq.write_table(pq.read_table(source), source, compression="none", use_dictionary=False, row_group_size=500)
    (shard,) = plan(looked_through([str(source)]).sources, COLUMNS, rows=6000, size=1 << 30).shards
    monkeypatch.setattr(reading, "BUFFER", 1 << 10)
    monkeypatch.setattr(Place, "open", lambda place: Expiring(place.name, error))
    read = rows(shard, COLUMNS)

    assert judged(next(read), COLUMNS)[0] == "n000000"
    with pytest.raises(UnreadableShardError, match=type(error).__name__):
        list(read)
