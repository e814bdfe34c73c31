"""A damaged row costs no other row, and a damaged file no other file."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinical_ner.intake.admission import Admission, admit
from clinical_ner.intake.arrived import Arrived, UnreadableError
from clinical_ner.intake.contract import Fault, Limits, Reason
from clinical_ner.intake.readers import Format, rows

LIMITS = Limits(characters=1_000, earliest=date(2000, 1, 1), latest=date(2026, 3, 2))
NOTE = {"id": "1", "written_on": "2026-03-01", "text": "Gout"}
HEADER = "id,written_on,text\n"


def read(path: Path, file_format: Format = Format.AUTO) -> list[Arrived]:
    return list(rows(path, file_format))


def reasons(found: list[Arrived]) -> list[str | None]:
    return [row.fields.reason if isinstance(row.fields, Fault) else None for row in found]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    def write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


Writer = Callable[[str, bytes | str], Path]


# --- CSV ------------------------------------------------------------------------------------------
def test_a_note_of_several_lines_with_quotes_and_commas_is_one_row(written: Writer) -> None:
    path = written("a.csv", '\ufeffid,written_on,text\r\n1,2026-03-01,"Gout,\r\nso ""called"""\r\n2,2026-03-01,Asthma')

    found = read(path)

    assert [row.fields for row in found] == [
        NOTE | {"text": 'Gout,\r\nso "called"'},
        NOTE | {"id": "2", "text": "Asthma"},
    ]
    assert [row.place for row in found] == ["line 2", "line 4"]


def test_a_quote_that_nobody_closes_costs_its_own_line_and_no_other(written: Writer) -> None:
    path = written(
        "a.csv", f'{HEADER}1,2026-03-01,"Gout\n2,2026-03-01,"Asthma"\n3,2026-03-01,Angina\n4,2026-03-01,"COPD'
    )

    found = read(path)

    assert reasons(found) == ["malformed", None, None, "malformed"]
    assert [row.place for row in found] == ["line 2", "line 3", "line 4", "line 5"]
    assert found[0].original == '1,2026-03-01,"Gout\n'


def test_a_row_with_a_column_too_many_and_one_that_is_not_utf8_are_told_apart(written: Writer) -> None:
    path = written("a.csv", HEADER.encode() + b"1,2026-03-01,Gout, acute\n2,2026-03-01,41 \xb0C\n3,2026-03-01,Asthma\n")

    found = admit(read(path), {}, LIMITS)

    assert [row.fault.reason for row in found.quarantined] == [Reason.MALFORMED, Reason.NOT_UTF8]
    assert [note.note_id for note in found.kept] == ["3"]


def test_a_note_far_beyond_what_csv_readers_take_is_refused_for_its_length(written: Writer) -> None:
    path = written("a.csv", f"{HEADER}1,2026-03-01,{'x' * 200_000}\n")

    found = admit(read(path), {}, LIMITS)

    assert found.reasons == {"text_too_long": 1}


@pytest.mark.parametrize(
    "header", ["", "id,text\n", "Mr Miller,has,gout\n", "id,written_on,text,text\n", "id,note_id,written_on\n"]
)
def test_a_table_without_its_columns_is_unreadable_and_the_message_holds_none_of_it(
    written: Writer, header: str
) -> None:
    with pytest.raises(UnreadableError) as raised:
        read(written("a.csv", f"{header}1,2026-03-01,Gout\n"))

    assert "Miller" not in str(raised.value)


# --- JSON lines, gzip, names ----------------------------------------------------------------------
def test_each_line_of_json_stands_for_itself(written: Writer) -> None:
    lines = [json.dumps(NOTE), "", "{", "[1]", "[" * 100_000, json.dumps(NOTE | {"id": "2"})]

    found = read(written("a.jsonl", "\n".join(lines)))

    assert reasons(found) == [None, "malformed", "malformed", "malformed", None]
    assert [row.place for row in found] == ["line 1", "line 3", "line 4", "line 5", "line 6"]


def test_the_rows_before_the_break_of_a_compressed_file_are_read(written: Writer) -> None:
    lines = "".join(
        json.dumps(NOTE | {"id": str(number), "text": f"{number * 7919}"}) + "\n" for number in range(5_000)
    )
    path = written("a.jsonl.gz", gzip.compress(lines.encode(), mtime=0)[:-2_000])

    found: list[Arrived] = []
    with pytest.raises(UnreadableError, match="damaged or cut off"):
        found.extend(rows(path, Format.AUTO))

    assert len(found) > 1_000


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv.gz", b"no gzip", "damaged"),
        ("a.parquet", b"PAR1 no more", "no Parquet"),
        ("a.parquet", b"", "no Parquet"),
        ("a.json", b'{"entry": ', "no JSON"),
        ("a.json", b"[1, 2]", "no FHIR resource"),
        ("a.doc", b"Gout", "--format"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(written: Writer, name: str, content: bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        read(written(name, content))


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        read(tmp_path / "a.csv")


# --- Parquet --------------------------------------------------------------------------------------
def test_a_table_of_parquet_is_read_with_its_dates_and_without_its_nulls(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "note_id": ["1", "2"],
            "written_on": pd.to_datetime(["2026-03-01", None]),
            "text": pd.Categorical(["Gout", "Asthma"]),
            "patient_id": ["p", None],
        }
    )
    table.to_parquet(tmp_path / "a.parquet")

    found = admit(read(tmp_path / "a.parquet"), {}, LIMITS)

    assert [(note.note_id, note.patient_id, note.text) for note in found.kept] == [("1", "p", "Gout")]
    assert [(row.place, *row.fault) for row in found.quarantined] == [("row 2", Reason.MISSING_FIELD, "written_on")]


def test_a_table_of_parquet_that_is_cut_off_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame([NOTE]).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(UnreadableError, match="no Parquet"):
        read(path)


# --- whatever is done to one row --------------------------------------------------------------
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60).filter(
    str.strip
)


def as_csv(text: str, number: int) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([number, "2026-03-01", text])
    return out.getvalue().encode()


def as_json(text: str, number: int) -> bytes:
    return json.dumps({"id": number, "written_on": "2026-03-01", "text": text}, ensure_ascii=False).encode() + b"\n"


def admitted(path: Path, content: bytes) -> Admission:
    path.write_bytes(content)
    return admit(read(path), {}, LIMITS)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    texts=st.lists(TEXTS.map(lambda text: text.replace("\r", " ").replace("\n", " ")), min_size=3, max_size=6),
)
@pytest.mark.parametrize(("suffix", "written_as", "head"), [("csv", as_csv, HEADER.encode()), ("jsonl", as_json, b"")])
def test_whatever_happens_to_the_bytes_of_one_row_every_other_row_is_kept(
    tmp_path: Path,
    suffix: str,
    written_as: Callable[[str, int], bytes],
    head: bytes,
    data: st.DataObject,
    texts: list[str],
) -> None:
    whole = [written_as(text, number) for number, text in enumerate(texts)]
    victim = data.draw(st.integers(0, len(texts) - 1))
    start = data.draw(st.integers(0, len(whole[victim]) - 1))
    end = data.draw(st.integers(start, len(whole[victim]) - 1))  # never the end of the line
    noise = data.draw(st.binary(max_size=5)).translate(None, b"\r\n")
    damaged = [*whole]
    damaged[victim] = whole[victim][:start] + noise + whole[victim][end:]

    found = admitted(tmp_path / f"a.{suffix}", head + b"".join(damaged))

    kept = {note.note_id: note.text for note in found.kept}
    others = {str(number): text for number, text in enumerate(texts) if number != victim}
    lost = {number: text for number, text in others.items() if kept.get(number) != text}
    in_quarantine = json.dumps([row.original for row in found.quarantined])
    taken = {number for number in lost if Reason.CONFLICT in {row.fault.reason for row in found.quarantined}}
    assert set(lost) == taken, (
        in_quarantine
    )  # only where the damaged row took the id of a good one, which is then a conflict
