"""A batch from and to an S3 server, with the bytes of one on a disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.object_store import KEY, SECRET, serving
from tests.unit.batch.conftest import COLUMNS, content, notes, write
from tests.unit.batch.running import ended, extracting
from typer import Exit

from clinical_ner.batch import places
from clinical_ner.batch.shards import Shard, plan
from clinical_ner.batch.sources import Source, looked_through
from clinical_ner.batch.work import ExtractJob, extract_shard, guarded
from clinical_ner.commands.batch import extract_batch
from clinical_ner.core.errors import UserError
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving.local import free_port


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a bucket that an S3 server of its own serves to this process and those that it starts."""
    pytest.importorskip("s3fs")
    folder = tmp_path / "store/bucket"
    folder.mkdir(parents=True)
    with serving(folder.parent, tmp_path / "log") as address:
        with_credentials(monkeypatch, address)
        yield folder


def with_credentials(patched: pytest.MonkeyPatch, address: str) -> None:
    patched.setenv("AWS_ENDPOINT_URL", address)
    patched.setenv("AWS_ACCESS_KEY_ID", KEY)
    patched.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    patched.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_a_batch_on_s3_has_the_bytes_of_one_on_a_disk(bucket: Path, tiny_model: Path, tmp_path: Path) -> None:
    for folder in (bucket / "in", tmp_path / "in"):
        write(notes(30), folder / "a.parquet")
        write(notes(30, 30), folder / "deep/b.jsonl")
        write(notes(30, 60), folder / "c.csv.gz")

    here = ended(extracting(tmp_path / "in", tmp_path / "out", tiny_model, "--workers", "1"))
    there = ended(extracting("s3://bucket/in", "s3://bucket/out", tiny_model, "--workers", "2"))
    again = ended(extracting("s3://bucket/in", "s3://bucket/out", tiny_model, "--workers", "1"))

    assert (here[0], there[0], again[0]) == (0, 0, 0), there
    assert "3 of 3 shards are done" in again[2]
    stored, kept = content(bucket / "out"), content(tmp_path / "out")
    assert stored.pop("_run.json") != kept.pop("_run.json")  # the store has its own fingerprints
    assert stored == kept


def test_a_pattern_of_keys_is_expanded(bucket: Path) -> None:
    write(notes(1), bucket / "in/a.csv")
    write(notes(1), bucket / "in/b.jsonl")
    write(notes(1), bucket / "in/c.csv/part.csv")

    assert [source.name for source in looked_through(["s3://bucket/in/*.csv"]).sources] == ["a.csv", "c.csv/part.csv"]


def without_store(patched: pytest.MonkeyPatch) -> None:
    """Nobody answers at the address of the store."""
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()  # or the server of another test is asked
    with_credentials(patched, f"http://127.0.0.1:{free_port()}")
    patched.setenv("AWS_MAX_ATTEMPTS", "1")


def test_what_is_sent_to_a_store_lies_nowhere_under_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = places.Place("memory://bucket/a")

    with place.writing() as draft:
        draft.file.write(b"Quokkafieber")
        draft.file.flush()
        lying = list(tmp_path.iterdir())

    assert (lying, place.read()) == ([], b"Quokkafieber")
    assert draft.written == places.Written(hashlib.sha256(b"Quokkafieber").hexdigest(), 12)


def test_a_store_that_is_gone_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    without_store(monkeypatch)

    with pytest.raises(places.CannotWriteError, match=r"^s3://bucket/other/a cannot be written: \w+$"):
        places.Place("s3://bucket/other/a").write(b"a")


def test_an_output_in_a_store_that_is_gone_ends_the_run(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_store(monkeypatch)
    source = write(notes(1), tmp_path / "a.csv")

    with pytest.raises(Exit) as ending:
        extract_batch([str(source), "s3://bucket/out"], model=tiny_model)

    assert ending.value.exit_code == 1
    assert "error: s3://bucket/out cannot be read: EndpointConnectionError\n  remedy: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["s3://bucket/in", "s3://bucket/in/*.csv"])
def test_an_input_in_a_store_that_is_gone_is_the_users_to_mend(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_store(monkeypatch)

    with pytest.raises(UserError, match=rf"^{re.escape(name)} cannot be read: EndpointConnectionError\n  remedy: "):
        looked_through([name])


def test_a_store_that_goes_away_after_the_plan_sets_the_shard_aside(
    tiny_model: Path, tiny: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_store(monkeypatch)
    source = Source(places.Place("s3://bucket/in/a.csv"), "a.csv", "csv")
    shard = Shard("00000000-000000", source, 0, 100, 100, COLUMNS.names)
    job = ExtractJob(shard, places.Place(str(tmp_path)), COLUMNS, str(tiny_model), tiny.manifest.version, fhir=False)

    outcome = guarded(extract_shard, job)

    assert outcome.set_aside == "cannot be read: EndpointConnectionError"
    assert plan([source], COLUMNS).unreadable == {"a.csv": "cannot be read as csv (EndpointConnectionError)"}
