"""Tables come back from disk as they were written, or an error says which table, column and row is wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from clinical_ner.core import io
from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import DISEASES, ENTITIES, NOTES, RELATIONS, Table

NOTE_WORD = "Quokkafieber"  # stands for the text of a note: no message may hold it
DIGITS = st.integers(0, 9_999_999)


@st.composite
def notes(draw: st.DrawFn) -> pd.DataFrame:
    ids = sorted(draw(st.sets(DIGITS, max_size=5)))
    texts = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: not text[0].isspace())
    days = st.dates(date(1900, 1, 1), date(2200, 1, 1))
    rows = [
        (
            f"N{number:09d}",
            draw(st.none() | DIGITS.map("P{:07d}".format)),
            "progress",
            pd.Timestamp(draw(days)),
            draw(texts),
        )
        for number in ids
    ]
    frame = pd.DataFrame(rows, columns=list(NOTES.schema.columns))
    return frame.astype({"written_on": "datetime64[ns]"}).astype(
        {name: object for name in frame if name != "written_on"}
    )


@pytest.fixture
def pairs() -> pd.DataFrame:
    return pd.DataFrame(
        {"note_id": ["N000000002", "N000000001"], "treatment_start": [1, 2], "disease_start": [3, 4]}, index=[7, 7]
    )


def refusal(table: Table, frame: pd.DataFrame, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        io.write(table, frame, folder)
    return str(caught.value)


@settings(max_examples=30, deadline=None)
@given(notes())
def test_a_table_is_read_as_it_was_written(frame: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        io.write(NOTES, frame, Path(folder))

        assert_frame_equal(io.read(NOTES, Path(folder)), frame)


def test_a_table_is_sorted_by_its_key(tmp_path: Path, pairs: pd.DataFrame) -> None:
    io.write(RELATIONS, pairs, tmp_path)

    assert_frame_equal(io.read(RELATIONS, tmp_path), pairs.iloc[[1, 0]].reset_index(drop=True))


def test_the_order_of_the_rows_does_not_change_the_bytes(tmp_path: Path, pairs: pd.DataFrame) -> None:
    io.write(RELATIONS, pairs, tmp_path / "a")
    io.write(RELATIONS, pairs.iloc[::-1], tmp_path / "b")

    assert (tmp_path / "a/relations.parquet").read_bytes() == (tmp_path / "b/relations.parquet").read_bytes()


def test_writing_leaves_the_frame_alone(tmp_path: Path, pairs: pd.DataFrame) -> None:
    before = pairs.copy()

    io.write(RELATIONS, pairs, tmp_path)

    assert_frame_equal(pairs, before)


def test_folders_are_made(tmp_path: Path, pairs: pd.DataFrame) -> None:
    io.write(RELATIONS, pairs, tmp_path / "new/folder")

    assert (tmp_path / "new/folder/relations.parquet").is_file()


def test_a_wrong_value_is_named_by_table_column_row_and_rule(tmp_path: Path, pairs: pd.DataFrame) -> None:
    told = refusal(RELATIONS, pairs.assign(disease_start=[3, -1]), tmp_path)

    assert (
        "relations.parquet: table 'relations', column 'disease_start', row 1: fails 'greater_than_or_equal_to(0)'"
        in told
    )
    assert "(1 failures in all)" in told
    assert "remedy: compare with RELATIONS in clinical_ner/core/schema.py" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"treatment_start": [1.5, 2]}, "column 'treatment_start': fails 'dtype('int64')'"),
        ({"treatment_start": ["a", "b"]}, "column 'treatment_start', row 0: fails 'dtype('int64')'"),
        ({"note_id": ["N000000001", None]}, "column 'note_id', row 1: fails 'not_nullable'"),
        ({"note_id": ["N000000001", 3]}, "column 'note_id', row 1: fails 'dtype('str')'"),
        ({"extra": [1, 2]}, "column 'extra': fails 'column_in_schema'"),
        ({"note_id": "N000000001", "treatment_start": 1, "disease_start": 1}, "fails 'multiple_fields_uniqueness'"),
    ],
)
def test_a_wrong_type_a_null_a_stranger_and_a_repeated_key_are_named(
    tmp_path: Path, pairs: pd.DataFrame, change: dict[str, object], told: str
) -> None:
    assert told in refusal(RELATIONS, pairs.assign(**change), tmp_path)


@pytest.mark.parametrize("missing", RELATIONS.schema.columns)
def test_a_missing_column_is_named_be_it_of_the_key_or_not(tmp_path: Path, pairs: pd.DataFrame, missing: str) -> None:
    told = refusal(RELATIONS, pairs.drop(columns=missing), tmp_path)

    assert f"table 'relations', column '{missing}': fails 'column_in_dataframe'" in told


def test_columns_in_another_order_are_refused(tmp_path: Path, pairs: pd.DataFrame) -> None:
    assert "fails 'column_ordered'" in refusal(RELATIONS, pairs[list(pairs)[::-1]], tmp_path)


def test_a_failing_comparison_of_columns_is_named(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        [("N000000001", 3, 3, "DISEASE", "D1", "present", None)],
        columns=list(ENTITIES.schema.columns),
    )

    assert "row 0: fails 'start < end'" in refusal(ENTITIES, frame, tmp_path)


def test_a_missing_column_is_told_before_what_is_wrong_in_others(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"note_id": ["N000000001"], "start": [-1], "end": [0], "label": ["DISEASE"], "concept_id": ["D1"]}
    )

    assert "column 'assertion': fails 'column_in_dataframe'" in refusal(ENTITIES, frame, tmp_path)


def test_no_message_holds_the_text_of_a_note(tmp_path: Path) -> None:
    frame = pd.DataFrame({name: [NOTE_WORD] for name in NOTES.schema.columns})

    assert NOTE_WORD not in refusal(NOTES, frame, tmp_path)


def test_nothing_is_written_when_the_check_fails(tmp_path: Path, pairs: pd.DataFrame) -> None:
    io.write(RELATIONS, pairs, tmp_path / "old")
    before = (tmp_path / "old/relations.parquet").read_bytes()

    for folder in ("old", "new"):
        refusal(RELATIONS, pairs.assign(disease_start=-1), tmp_path / folder)

    assert (tmp_path / "old/relations.parquet").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_the_disk_is_not_trusted_when_read(tmp_path: Path, pairs: pd.DataFrame) -> None:
    pairs.assign(disease_start=[3, -1]).to_parquet(tmp_path / "relations.parquet", index=False)

    with pytest.raises(UserError, match="table 'relations', column 'disease_start', row 1"):
        io.read(RELATIONS, tmp_path)


def test_a_missing_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)relations\.parquet does not exist.*remedy: .*dvc repro"):
        io.read(RELATIONS, tmp_path)


@pytest.mark.parametrize("keep", [0, 3, -20])
def test_a_damaged_file_is_named_with_a_remedy(tmp_path: Path, pairs: pd.DataFrame, keep: int) -> None:
    io.write(RELATIONS, pairs, tmp_path)
    path = tmp_path / "relations.parquet"
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(UserError, match=r"(?s)relations\.parquet cannot be read as Parquet.*remedy: delete it"):
        io.read(RELATIONS, tmp_path)


def test_the_vocabulary_is_its_four_tables(tmp_path: Path) -> None:
    rows = {
        "diseases": ("asthma", "D001249", "Asthma", False, "J45", True),
        "drugs": ("aspirin", "MESH:D001241", "aspirin", False, True),
        "procedures": ("surgery", "OWN:surgery", "procedure", True),
        "substances": ("CRP", "OWN:crp", True),
    }
    for table in io.VOCABULARY:
        io.write(table, pd.DataFrame([rows[table.name]], columns=list(table.schema.columns)), tmp_path)

    vocabulary = io.read_vocabulary(tmp_path)

    assert {name: table["term"].tolist() for name, table in vocabulary._asdict().items()} == {
        name: [row[0]] for name, row in rows.items()
    }


def test_a_vocabulary_without_one_of_its_tables_is_refused(tmp_path: Path) -> None:
    columns = list(DISEASES.schema.columns)
    io.write(DISEASES, pd.DataFrame([("asthma", "D001249", "Asthma", False, None, True)], columns=columns), tmp_path)

    with pytest.raises(UserError, match=r"drugs\.parquet does not exist"):
        io.read_vocabulary(tmp_path)


@settings(max_examples=20, deadline=None)
@given(notes(), st.integers(1, 4))
def test_a_table_that_is_read_in_batches_is_the_whole(frame: pd.DataFrame, rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        io.write(NOTES, frame, Path(folder))

        batches = list(io.read_batches(NOTES, Path(folder), rows))

        assert [row for batch in batches for row in batch.to_pylist()] == frame.to_dict("records")
        assert all(batch.num_rows <= rows for batch in batches)
        assert io.row_count(NOTES, Path(folder)) == len(frame)


def test_a_wrong_row_of_a_later_batch_is_named_by_its_number_in_the_file(tmp_path: Path, pairs: pd.DataFrame) -> None:
    three = pd.concat([pairs, pairs.assign(disease_start=-1).head(1)], ignore_index=True)
    three.to_parquet(tmp_path / "relations.parquet", index=False)

    with pytest.raises(UserError, match="column 'disease_start', row 2: fails"):
        list(io.read_batches(RELATIONS, tmp_path, 2))


@pytest.mark.parametrize(
    "read", [lambda folder: list(io.read_batches(NOTES, folder, 9)), lambda folder: io.row_count(NOTES, folder)]
)
def test_what_is_no_parquet_is_no_table_in_batches_either(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "notes.parquet").write_bytes(b"no table")

    with pytest.raises(UserError, match=r"notes\.parquet cannot be read as Parquet"):
        read(tmp_path)
