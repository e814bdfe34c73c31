"""The bench of batches judges what it measures, and its page says so."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.scripts import module

SCRIPT = Path(__file__).parents[3] / "docs/batch_speed.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    return module(SCRIPT)


def measured(bench: ModuleType, **changes: Any) -> Any:
    """A batch of two processes that read 2,000 notes a second."""
    usual = bench.Measured("2 processes", 2, 20_000, 215.0, 10.0, 19.0, 3.0, 280.0, 150.0, 1_000_000, {"20000": 280.0})
    return usual._replace(**changes)


def engines(bench: ModuleType, **changes: Any) -> list[Any]:
    """One process, two of which something differs, and Dask."""
    return [measured(bench), measured(bench, **changes), measured(bench)]


def long_run(bench: ModuleType, *megabytes: float) -> Any:
    marks = ("100000", "1000000", "10000000")
    return measured(bench, notes=10_000_000, growth=dict(zip(marks, megabytes, strict=True)), megabytes=max(megabytes))


@pytest.mark.parametrize(
    ("speedup", "changes", "missed"),
    [
        (1.8, {}, []),
        (1.79, {}, ["2 processes: 1.79 times one"]),
        (1.9, {"seconds": 12.0}, ["2 processes: 83.3% of twice the bare tagger's speed"]),
        (1.9, {"megabytes": 400.0}, ["the largest process: 400 MB"]),
        (1.9, {"asking_megabytes": 401.0}, ["the largest process: 401 MB"]),
    ],
)
def test_a_bar_that_is_missed_is_told(
    bench: ModuleType, speedup: float, changes: dict[str, float], missed: list[str]
) -> None:
    lines = bench.judged(0.001, speedup, engines(bench, **changes), None)

    assert [line.removeprefix("- ").split(" (")[0] for line in lines if line.endswith("missed")] == missed


def test_the_largest_process_is_that_of_any_engine(bench: ModuleType) -> None:
    one, two, dask = engines(bench)

    lines = bench.judged(0.001, 2.0, [one, two, dask._replace(megabytes=410.0)], None)

    assert lines[-1] == "- the largest process: 410 MB (under 400 MB): missed"


def test_memory_that_grows_over_a_long_run_is_missed(bench: ModuleType) -> None:
    flat, growing = (
        bench.judged(0.001, 2.0, engines(bench), long_run(bench, 270.0, last, last))[-1] for last in (290, 320)
    )

    assert flat.endswith(": met")
    assert growing.startswith("- memory at the end of 10,000,000 notes: 1.19 times that of the first 100,000")
    assert growing.endswith(": missed")


def test_a_run_that_is_shorter_than_the_longest_mark_does_not_show_that_memory_stays(bench: ModuleType) -> None:
    flat, growing = (
        measured(bench, notes=300_000, growth={"100000": 270.0, "300000": last}, megabytes=last) for last in (280, 320)
    )

    lines = [bench.judged(0.001, 2.0, engines(bench), run)[-1] for run in (flat, growing)]

    assert [line.rsplit(": ", 1)[1] for line in lines] == ["not shown", "missed"]


def test_a_usual_batch_of_many_notes_is_no_long_run(bench: ModuleType, tmp_path: Path) -> None:
    file, growth = tmp_path / "capacity.json", {"100000": 270.0, "200000": 280.0}
    one, two = (measured(bench, engine=name, notes=200_000, growth=growth) for name in ("1 process", "2 processes"))

    file.write_text(json.dumps({"batches": [one._asdict(), two._asdict()]}), encoding="utf-8")
    assert bench.longest_of(file) is None

    file.write_text(
        json.dumps({"batches": [one._asdict(), two._asdict(), long_run(bench, 1.0, 1.0, 1.0)._asdict()]}),
        encoding="utf-8",
    )
    assert bench.longest_of(file).notes == 10_000_000


def test_memory_is_told_by_stretches(bench: ModuleType) -> None:
    peaks = {0: 5_000_000, 90_000: 7_000_000, 110_000: 6_000_000, 200_000: 8_000_000}

    assert bench.by_range(peaks, 200_000) == {"100000": 7.0, "200000": 8.0}


def test_the_long_run_of_an_earlier_bench_stays(bench: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "capacity.json"
    assert bench.longest_of(file) is None
    batches = [measured(bench), long_run(bench, 270.0, 280.0, 290.0)]

    file.write_text(json.dumps({"batches": [each._asdict() for each in batches]}), encoding="utf-8")

    assert bench.longest_of(file) == batches[1]
