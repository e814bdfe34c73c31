"""A population is the same bytes however it is made, and is read back as it was sampled."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import sha256
from clinical_ner.core.params import PopulationParams
from clinical_ner.population import writing
from clinical_ner.population.checks import ImpossibleRecordError
from clinical_ner.population.sample import sample_population
from clinical_ner.population.tables import POPULATION
from clinical_ner.population.writing import read_population, write_population

PARAMS = PopulationParams(seed=3, patients=50, reference_date=date(2024, 12, 31), years_of_records=3)


@pytest.fixture(autouse=True)
def small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "ROW_GROUP", 20)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}


def test_the_bytes_are_the_same_for_every_number_of_workers_and_size_of_chunk(tmp_path: Path) -> None:
    write_population(PARAMS, tmp_path / "plain")
    for workers, chunk_size in ((1, 1), (1, 7), (1, 20), (2, 9)):
        other = tmp_path / f"{workers}-{chunk_size}"
        write_population(PARAMS, other, workers=workers, chunk_size=chunk_size)

        assert hashes(other) == hashes(tmp_path / "plain")


def test_what_is_read_is_what_was_sampled(tmp_path: Path) -> None:
    rows = write_population(PARAMS, tmp_path)

    for table, written, sampled in zip(POPULATION, read_population(tmp_path), sample_population(PARAMS), strict=True):
        assert rows[table.name] == len(sampled)
        assert_frame_equal(written, table.schema.validate(sampled))


def test_more_people_than_a_row_group_are_several_row_groups(tmp_path: Path) -> None:
    write_population(PARAMS, tmp_path)

    assert writing.pq.ParquetFile(tmp_path / "patients.parquet").num_row_groups == 3


@pytest.mark.parametrize(("workers", "chunk_size", "name"), [(0, 5, "workers"), (1, 0, "chunk_size"), (1, -3, "chunk")])
def test_fewer_than_one_is_refused_by_name(tmp_path: Path, workers: int, chunk_size: int, name: str) -> None:
    with pytest.raises(UserError, match=name):
        write_population(PARAMS, tmp_path, workers=workers, chunk_size=chunk_size)


def test_an_impossible_record_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ImpossibleRecordError("no_such_rule: 1 (P0000000)")

    monkeypatch.setattr(writing, "refuse_impossible_records", refuse)

    with pytest.raises(ImpossibleRecordError, match="no_such_rule"):
        write_population(PARAMS, tmp_path)
    assert list(tmp_path.iterdir()) == []
