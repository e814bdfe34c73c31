"""A few notes as files of every kind, and what is found in them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.unit.batch.running import Dask, dask_cluster, holdable

from clinical_ner.batch.contract import Columns
from clinical_ner.batch.places import Place
from clinical_ner.batch.shards import plan
from clinical_ner.batch.sources import looked_through
from clinical_ner.batch.work import ExtractJob, Outcome, extract_shard, guarded
from clinical_ner.ner.tagger import Tagger

DISEASES, DRUGS = ("asthma", "gout", "pneumonia"), ("aspirin", "insulin", "metformin")
COLUMNS = Columns("note_id", "text")
Frame = pd.DataFrame


def notes(count: int, first: int = 0) -> pd.DataFrame:
    """Short notes of two lines, with commas and quotation marks."""
    rows = [
        (f"n{n:06d}", f'She has {DISEASES[n % 3]} and takes {DRUGS[n % 2]}.\nSaid, "well", by no. {n}, Zoë.')
        for n in range(first, first + count)
    ]
    return pd.DataFrame(rows, columns=["note_id", "text"])


def write_jsonl(frame: pd.DataFrame, path: Path) -> Path:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in frame.to_dict("records")]
    content = "".join(lines).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def write(frame: pd.DataFrame, path: Path) -> Path:
    """The notes in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if ".jsonl" in path.name:
        return write_jsonl(frame, path)
    frame.to_csv(path, index=False) if ".csv" in path.name else frame.to_parquet(path, index=False)
    return path


def read_table(out: Path, table: str) -> pd.DataFrame:
    """A table of a run, of all shards."""
    parts = [pd.read_parquet(path) for path in sorted((out / table).glob("*.parquet"))]
    return pd.concat(parts, ignore_index=True)


def quarantined(out: Path) -> list[dict[str, Any]]:
    lines = [line for path in sorted(out.glob("_quarantine/*")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def content(folder: Path) -> dict[str, bytes]:
    """Every file below the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


Extract = Callable[..., tuple[list[Outcome], dict[str, str]]]


@pytest.fixture
def extract(tiny_model: Path, tiny: Tagger) -> Extract:
    """Read files into a folder, in this process, in shards of so many rows or bytes."""

    def run(
        out: Path, *inputs: Path, rows: int = 10, size: int = 1000, fhir: bool = False, columns: Columns = COLUMNS
    ) -> tuple[list[Outcome], dict[str, str]]:
        shards, unreadable, _ = plan(looked_through(map(str, inputs)).sources, columns, rows, size)
        jobs = [ExtractJob(s, Place(str(out)), columns, str(tiny_model), tiny.manifest.version, fhir) for s in shards]
        return [guarded(extract_shard, job) for job in jobs], unreadable

    return run


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder by which `held` holds the workers of the commands that the test starts."""
    monkeypatch.setenv("PYTHONPATH", holdable(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """Of two workers; one that is killed comes back."""
    with dask_cluster(2, tmp_path_factory.mktemp("cluster")) as found:
        yield found
