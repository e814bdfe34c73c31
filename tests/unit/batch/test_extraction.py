"""What comes out of a batch is what the tagger says of each note, whatever the format and the cut."""

from __future__ import annotations

import errno
import gzip
import os
import re
import stat
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.batch.conftest import COLUMNS, Extract, content, notes, quarantined, read_table, write
from tests.unit.batch.running import ended, extracting

from clinical_ner.batch import shards
from clinical_ner.batch.contract import Columns, Note, judged
from clinical_ner.batch.extraction import entity_frames, extraction
from clinical_ner.batch.places import Place
from clinical_ner.batch.reading import rows
from clinical_ner.batch.shards import plan
from clinical_ner.batch.sources import Source, looked_through, refuse_output_within
from clinical_ner.batch.spark import ENTITY_SCHEMA, REJECTED_SCHEMA, of_partitions, rejected_of_partitions
from clinical_ner.commands.batch import extract_batch
from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import EXTRACTED_ENTITIES
from clinical_ner.ner.extraction import interpret, understand
from clinical_ner.ner.tagger import Tagger

NAMES = ("notes.parquet", "notes.jsonl", "notes.csv", "notes.jsonl.gz", "notes.csv.gz")


def test_a_note_has_the_entities_that_the_tagger_finds_in_it(tiny: Tagger) -> None:
    frame = notes(3)

    found = extraction(tiny, frame)

    expected = [
        (i, *m.span, m.confidence, m.assertion)
        for i, text in frame.itertuples(index=False)
        for m in understand(tiny, text).mentions
    ]
    columns = ["note_id", "start", "end", "label", "confidence", "assertion"]
    assert len(expected) > 3
    assert list(found.entities[columns].itertuples(index=False, name=None)) == expected
    assert found.notes["entities"].tolist() == found.entities.groupby("note_id").size().tolist()


def test_a_treatment_names_the_disease_that_it_is_for(tiny: Tagger) -> None:
    frame = pd.DataFrame([("a", "She has asthma and takes aspirin for asthma.")], columns=["note_id", "text"])

    found = extraction(tiny, frame).entities

    treatment = found[found["label"] == "TREATMENT"].iloc[0]
    assert treatment["disease_start"] in set(found.loc[found["label"] == "DISEASE", "start"])


def test_a_note_without_entities_is_among_the_notes_alone(tiny: Tagger) -> None:
    frame = pd.DataFrame([("a", "She."), ("b", "takes")], columns=["note_id", "text"])

    found = extraction(tiny, frame)

    assert found.notes["note_id"].tolist() == ["a", "b"]
    assert found.entities.dtypes.to_dict() == extraction(tiny, notes(3)).entities.dtypes.to_dict()
    assert len(found.entities) == 0


def test_the_cut_into_frames_changes_nothing(tiny: Tagger) -> None:
    whole = notes(10)

    cut = pd.concat(entity_frames(tiny, (whole[:3], whole[3:4], whole[4:])), ignore_index=True)

    pd.testing.assert_frame_equal(cut, extraction(tiny, whole).entities)


@pytest.mark.parametrize("name", NAMES)
def test_every_format_gives_the_same_entities(name: str, tiny: Tagger, extract: Extract, tmp_path: Path) -> None:
    source = write(notes(25), tmp_path / name)

    ended, unreadable = extract(tmp_path / "out", source)

    assert unreadable == {}
    assert sum(outcome.rows for outcome in ended) == 25
    found = read_table(tmp_path / "out", "extracted_entities")
    expected = extraction(tiny, notes(25)).entities
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_a_packed_file_is_unpacked_however_its_name_is_written(tmp_path: Path) -> None:
    source = write(notes(3), tmp_path / "notes.jsonl.gz").rename(tmp_path / "NOTES.JSONL.GZ")

    (shard,) = plan(looked_through([str(source)]).sources, COLUMNS).shards

    assert [judged(row, COLUMNS)[0] for row in rows(shard, COLUMNS)] == ["n000000", "n000001", "n000002"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_the_mark_with_which_csv_may_begin_is_no_part_of_a_quoted_name(suffix: str, tmp_path: Path) -> None:
    source, text = tmp_path / f"notes{suffix}", b'\xef\xbb\xbf"note_id","text"\r\n"a","asthma"\r\n'
    source.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)

    (shard,) = plan(looked_through([str(source)]).sources, COLUMNS).shards

    assert [judged(row, COLUMNS) for row in rows(shard, COLUMNS)] == [Note("a", "asthma", None)]


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view(), pa.large_string(), pa.large_binary()], ids=str)
def test_text_of_any_kind_of_parquet_is_read_and_what_is_not_utf_8_is_rejected(
    kind: pa.DataType, tmp_path: Path
) -> None:
    texts = (
        pa.array([b"asthma of a length that a view does not hold", b"\xff"]).cast(pa.string(), safe=False).cast(kind)
    )
    pq.write_table(pa.table({"note_id": ["a", "b"], "text": texts}), tmp_path / "notes.parquet")

    (shard,) = plan(looked_through([str(tmp_path / "notes.parquet")]).sources, COLUMNS).shards

    found = [judged(row, COLUMNS) for row in rows(shard, COLUMNS)]
    assert found[0] == Note("a", "asthma of a length that a view does not hold", None)
    assert found[1][1] == "the text is not UTF-8"


def test_a_column_of_subjects_without_bundles_is_the_users_mistake(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--subject-column is of --fhir"):
        extract_batch([str(tmp_path), str(tmp_path / "out")], subject_column="person", model=tiny_model)


def test_bundles_are_those_of_the_single_command(tiny: Tagger, extract: Extract, tmp_path: Path) -> None:
    frame = notes(3).assign(person=["Patient/1", "Patient/2", "Patient/3"])
    source = write(frame, tmp_path / "notes.parquet")

    extract(tmp_path / "out", source, fhir=True, columns=Columns("note_id", "text", "person"))

    lines = (tmp_path / "out/fhir/part-00000000-000000.ndjson").read_text().splitlines()
    assert lines == extraction(tiny, frame.rename(columns={"person": "subject"}), fhir=True).bundles
    assert ['"reference":"Patient/2"' in line for line in lines] == [False, True, False]


def test_the_command_writes_bundles_beside_the_tables(tiny: Tagger, tiny_model: Path, tmp_path: Path) -> None:
    source, out = write(notes(3), tmp_path / "notes.parquet"), tmp_path / "out"

    code, _, err = ended(extracting(source, out, tiny_model, "--workers", "1", "--fhir"))

    assert code == 0, err
    assert (out / "fhir/part-00000000-000000.ndjson").read_text().splitlines() == extraction(
        tiny, notes(3), fhir=True
    ).bundles
    assert len(read_table(out, "extracted_notes")) == 3


# --- shards -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
@given(count=st.integers(0, 60), size=st.integers(1, 3000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shards_cover_a_source_without_gap_or_overlap(name: str, count: int, size: int, tmp_path: Path) -> None:
    source = write(notes(count), tmp_path / f"{count}-{name}")

    shards = plan(looked_through([str(source)]).sources, COLUMNS, rows=size, size=size).shards

    assert [shard.part for shard in shards] == [f"00000000-{number:06d}" for number in range(len(shards))]
    assert all(before.stop == after.start for before, after in pairwise(shards))
    if not name.endswith(".gz") and count:
        assert shards[-1].stop == (count if name.endswith(".parquet") else source.stat().st_size)


@pytest.mark.parametrize("name", ["notes.parquet", "notes.jsonl", "notes.csv"])
@given(size=st.integers(1, 2000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_note_is_read_exactly_once_however_large_the_shards(name: str, size: int, tmp_path: Path) -> None:
    source = write(notes(12), tmp_path / name)

    shards = plan(looked_through([str(source)]).sources, COLUMNS, rows=size, size=size).shards

    read = [judged(row, COLUMNS) for shard in shards for row in rows(shard, COLUMNS)]
    assert [note[:2] for note in read] == list(notes(12).itertuples(index=False, name=None))


def test_a_long_line_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, asked = tmp_path / "notes.jsonl", list[int]()
    source.write_bytes(b"x" * 100_000 + b"\n" + b"y" * 500)
    next_line = shards._next_line
    monkeypatch.setattr(shards, "_next_line", lambda file, at: asked.append(at) or next_line(file, at))

    found = plan(looked_through([str(source)]).sources, COLUMNS, size=100).shards

    assert [(shard.start, shard.stop) for shard in found] == [(0, 100_001), (100_001, 100_501)]
    assert asked[0] == 100
    assert len(asked) < 10


def test_a_row_group_is_not_held_whole(tmp_path: Path) -> None:
    letters = np.random.default_rng(1).integers(97, 123, (20_000, 500), np.uint8)
    ids, drawn = [f"n{n}" for n in range(len(letters))], [row.tobytes().decode() for row in letters]
    source = tmp_path / "notes.parquet"
    pages = {"data_page_size": 1 << 16, "write_batch_size": 100, "use_dictionary": False}  # small: one is held at least
    pq.write_table(pa.table({"note_id": ids, "text": drawn}), source, **pages)
    shard = plan(looked_through([str(source)]).sources, COLUMNS).shards[0]
    read, before = rows(shard, COLUMNS), pa.total_allocated_bytes()

    tracemalloc.start()
    next(read)
    of_python, of_arrow = tracemalloc.get_traced_memory()[1], pa.total_allocated_bytes() - before
    tracemalloc.stop()

    assert source.stat().st_size > 10_000_000
    assert of_python + of_arrow < 5_000_000


def test_sources_are_in_an_order_of_their_own_and_each_once(tmp_path: Path) -> None:
    for name in ("in/b.csv", "in/a.jsonl", "in/deep/c.parquet", "in/_SUCCESS", "in/.hidden.csv", "in/read.me"):
        write(notes(1), tmp_path / name) if "." in Path(name).name else (tmp_path / name).touch()

    found = looked_through([str(tmp_path / "in"), str(tmp_path / "in/*.csv")]).sources

    assert [source.name for source in found] == ["a.jsonl", "b.csv", "deep/c.parquet"]


def test_a_file_that_is_spelled_in_several_ways_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(notes(1), tmp_path / "in/a.csv")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    inputs = [
        str(source),
        f"file://{source}",
        "in/../in/a.csv",
        "./in//a.csv",
        "elsewhere/../in/a.csv",
        "in",
        "in/*.csv",
    ]

    found = looked_through([*inputs, f"file://{tmp_path}/in/../in", f"{source.parent}/"]).sources

    assert [(source.name, source.place.name) for source in found] == [("a.csv", str(source))]


def test_files_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("old/2023/p.csv", "2023/p.csv", "2024/p.csv", "2024/deep/q.csv", "more/q.csv"):
        write(notes(1), tmp_path / name)

    found = looked_through([str(tmp_path / name) for name in ("2023", "2024", "old/2023", "more")]).sources

    names = [source.name for source in found]
    assert names == [f"{tmp_path.name}/2023/p.csv", "deep/q.csv", "2024/p.csv", "old/2023/p.csv", "q.csv"]


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("in", "in"),
        ("in", "in/out"),
        ("in", "link/out"),
        ("in", "."),
        ("in/a.csv", "in"),
        ("in/a.csv", "in/a.csv"),
        ("i*", "in/out"),
        ("in/**", "in/deep/out"),
        ("in/*", "in"),
    ],
)
def test_an_output_that_is_in_an_input_or_above_one_is_refused(
    name: str, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(notes(1), tmp_path / "in/a.csv")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UserError, match=r"(lies within|holds) what is read: (.|\n)*remedy: name a folder elsewhere"):
        refuse_output_within([name], looked_through([name]).sources, Place(out))


@pytest.mark.parametrize(
    ("name", "out"), [("in/*.csv", "in/out"), ("in/a.csv", "in/out"), ("in", "in-out"), ("in", "s3://in")]
)
def test_an_output_beside_an_input_is_not_refused(
    name: str, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(notes(1), tmp_path / "in/a.csv")
    monkeypatch.chdir(tmp_path)

    refuse_output_within([name], looked_through([name]).sources, Place(out))


def test_an_output_within_a_prefix_of_a_store_is_refused() -> None:
    source = Source(Place("s3://bucket/in/a.csv"), "a.csv", "csv")

    for name, out in [("s3://bucket/in/", "s3://bucket/in/out"), ("s3://bucket/in/*.csv", "s3://bucket/")]:
        with pytest.raises(UserError, match="what is read"):
            refuse_output_within([name], [source], Place(out))
    refuse_output_within(["s3://bucket/in"], [source], Place("s3://bucket/in-out"))


def test_a_pattern_that_matches_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    for name in ("in/2024.parquet/part-0.parquet", "in/2025.parquet", "elsewhere/part-1.parquet"):
        write(notes(1), tmp_path / name)
    (tmp_path / "in/2026.parquet").symlink_to(tmp_path / "elsewhere")

    found = looked_through([str(tmp_path / "in/*.parquet")]).sources

    names = ["2024.parquet/part-0.parquet", "2025.parquet", "2026.parquet/part-1.parquet"]
    assert [source.name for source in found] == names


def test_a_pattern_that_is_none_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be looked through: Invalid pattern: '\*\*' can only be"):
        looked_through([f"{tmp_path}/**.csv"])


def test_a_file_that_is_called_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    for name in ("notes [1].csv", "notes 1.csv"):
        write(notes(1), tmp_path / name)

    assert [source.name for source in looked_through([str(tmp_path / "notes [1].csv")]).sources] == ["notes [1].csv"]


@pytest.mark.parametrize("closed", [False, True])
def test_a_file_that_cannot_be_opened_is_named_and_the_others_are_planned(
    closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(notes(1), tmp_path / "a.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "nowhere")

    def refuse(place: Place) -> str:
        if place.name.endswith("b.csv"):
            raise PermissionError(place.name)
        return "sha256"

    if closed:  # after it was looked into; root may read everything
        (tmp_path / "nowhere").write_bytes((tmp_path / "a.csv").read_bytes())
        monkeypatch.setattr(Place, "fingerprint", refuse)

    found = plan(looked_through([str(tmp_path / "*.csv")]).sources, COLUMNS)

    why = "cannot be read (PermissionError)" if closed else "cannot be read as csv (FileNotFoundError)"
    assert found.unreadable == {"b.csv": why}
    assert [shard.source.name for shard in found.shards] == list(found.fingerprints) == ["a.csv"]


def test_a_folder_below_an_input_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(notes(1), tmp_path / "in/a.csv")
    write(notes(1), tmp_path / "in/deep/closed/b.csv")
    closed, scandir = str(tmp_path / "in/deep/closed"), os.scandir

    def refusing(path: str) -> object:  # root may read everything
        if str(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)

    with pytest.raises(UserError, match=f"^{re.escape(closed)} cannot be read: PermissionError"):
        looked_through([str(tmp_path / "in")])


def test_files_of_no_known_format_are_named(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(notes(1), tmp_path / "in/deep/a.csv")
    for name in ("b.tsv", "deep/c.txt", "d.zip", "e.docx", "_SUCCESS"):
        (tmp_path / "in" / name).touch()
    monkeypatch.setattr("clinical_ner.commands.batch.carry_out", lambda *_: None)

    extract_batch([str(tmp_path / "in"), str(tmp_path / "out")], model=tiny_model)

    assert capsys.readouterr().err == "passed over: 4 files of no known format: b.tsv, d.zip, deep/c.txt, ...\n"


# --- quarantine -------------------------------------------------------------------------------------
def test_a_bad_row_is_quarantined_with_its_reason_and_the_others_are_read(extract: Extract, tmp_path: Path) -> None:
    lines = (
        b'{"note_id": "a", "text": "asthma"}\n'
        b"not JSON\n"
        b'{"note_id": "b"}\n'
        b'{"note_id": "c", "text": 7.5}\n'
        b'{"note_id": "d", "text": "\xff"}\n'
        b'{"note_id": "e", "text": "\\ud800"}\n'
        b'{"note_id": "a", "text": "gout"}\n'
        b"[1]\n\n"
        b'{"note_id": 8, "text": "gout"}\n'
    )
    (tmp_path / "notes.jsonl").write_bytes(lines)

    ended, _ = extract(tmp_path / "out", tmp_path / "notes.jsonl")

    assert [(outcome.rows, outcome.quarantined) for outcome in ended] == [(2, 7)]
    assert read_table(tmp_path / "out", "extracted_notes")["note_id"].tolist() == ["a", "8"]
    assert [row["reason"] for row in quarantined(tmp_path / "out")] == [
        "the line is not JSON",
        "the text is missing or not text",
        "the text is missing or not text",
        "the line is not UTF-8",
        "the text is not Unicode",
        "the id is that of an earlier row of the shard",
        "the line is not an object",
    ]


def test_the_quarantine_is_its_owners_alone(extract: Extract, tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_bytes(b"Quokkafieber\n")

    extract(tmp_path / "out", tmp_path / "notes.jsonl")

    holding = {name for name, found in content(tmp_path / "out").items() if b"Quokkafieber" in found}
    assert holding == {"_quarantine/part-00000000-000000.jsonl"}
    assert stat.S_IMODE((tmp_path / "out/_quarantine/part-00000000-000000.jsonl").stat().st_mode) == 0o600


def test_a_note_on_which_the_tagger_fails_takes_no_other_with_it(
    extract: Extract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(text: str, *rest: object) -> object:
        if "no. 3," in text:
            raise ValueError(text)
        return interpret(text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("clinical_ner.ner.extraction.interpret", fails)
    source = write(notes(6), tmp_path / "notes.parquet")

    ended, _ = extract(tmp_path / "out", source)

    assert [(outcome.rows, outcome.quarantined) for outcome in ended] == [(5, 1)]
    assert quarantined(tmp_path / "out")[0]["reason"].startswith("the tagger failed: ValueError at test_extraction.py:")


def test_no_words_of_an_exception_leave_a_worker(
    extract: Extract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("Quokkafieber")

    monkeypatch.setattr("clinical_ner.batch.work.rows", fails)
    source = write(notes(1), tmp_path / "notes.parquet")

    (outcome,), _ = extract(tmp_path / "out", source)

    assert outcome.set_aside.startswith("our fault: RuntimeError at ")
    assert content(tmp_path / "out") == {}


# --- sources that cannot be read --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (notes(2).rename(columns={"text": "body"}), "column 'text' is missing"),
        (notes(2).assign(text=[1, 2]), "column 'text' is int64, not text"),
    ],
)
def test_a_source_with_other_columns_is_named(frame: pd.DataFrame, reason: str, tmp_path: Path) -> None:
    source = write(frame, tmp_path / "notes.parquet")

    assert plan(looked_through([str(source)]).sources, COLUMNS).unreadable == {"notes.parquet": reason}


@pytest.mark.parametrize("name", ["notes.parquet", "notes.csv"])
def test_a_source_with_two_columns_of_the_same_name_is_named(name: str, tmp_path: Path) -> None:
    if name.endswith("csv"):
        (tmp_path / name).write_text("note_id,text,text\na,asthma,gout\n")
    else:
        arrays = [pa.array(["a"]), pa.array(["asthma"]), pa.array(["gout"])]
        pq.write_table(pa.Table.from_arrays(arrays, names=["note_id", "text", "text"]), tmp_path / name)

    found = plan(looked_through([str(tmp_path / name)]).sources, COLUMNS)

    assert found.unreadable == {name: "column 'text' is there more than once"}


def test_a_file_that_is_gone_is_set_aside(extract: Extract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(notes(2), tmp_path / "notes.parquet")
    before = plan
    monkeypatch.setattr("tests.unit.batch.conftest.plan", lambda *args: (before(*args), source.unlink())[0])

    (outcome,), _ = extract(tmp_path / "out", source)

    assert outcome.set_aside == "cannot be read: No such file or directory"


# --- Spark ------------------------------------------------------------------------------------------
def test_the_schema_for_spark_has_the_columns_of_the_table() -> None:
    named = [part.split()[0].strip("`") for part in ENTITY_SCHEMA.split(", ")]

    assert named == list(EXTRACTED_ENTITIES.schema.columns)


def test_a_bad_row_takes_no_partition_of_spark_with_it_and_is_named(tiny_model: Path, tiny: Tagger) -> None:
    bad = [("a", None), ("b", ""), ("n000001", "gout"), (None, "gout"), ("\ud800", "gout"), ("c", float("nan"))]
    rejected_rows = pd.DataFrame(bad, columns=["note_id", "text"])
    whole = pd.DataFrame([(7, "asthma")], columns=["note_id", "text"])
    frames = [notes(3), rejected_rows, whole, rejected_rows[:0]]

    found = pd.concat(of_partitions(str(tiny_model))(frames), ignore_index=True)
    rejected = pd.concat(rejected_of_partitions(frames), ignore_index=True)

    expected = pd.concat([notes(3), whole.astype({"note_id": str})], ignore_index=True)
    pd.testing.assert_frame_equal(found, extraction(tiny, expected).entities)
    assert list(rejected.itertuples(index=False, name=None)) == [
        ("a", "the text is missing or not text"),
        ("b", "the text is missing or not text"),
        ("n000001", "the id is that of an earlier row of the shard"),
        (None, "the id is missing or not text"),
        (None, "the id is not Unicode"),
        ("c", "the text is missing or not text"),
    ]
    assert [name.strip("`") for name in REJECTED_SCHEMA.replace(",", "").split()[::2]] == list(rejected)


def test_spark_gives_what_the_tagger_gives(tiny_model: Path, tiny: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)  # its workers find this package there
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    spark = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        rows = spark.createDataFrame(notes(20)).mapInPandas(of_partitions(str(tiny_model)), ENTITY_SCHEMA).toPandas()
    finally:
        spark.stop()

    ordered = rows.sort_values(["note_id", "start"], ignore_index=True)
    pd.testing.assert_frame_equal(ordered, extraction(tiny, notes(20)).entities, check_dtype=False)
