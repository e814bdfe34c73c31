"""Measure how fast people are made: full records a second and core, peak memory, and how both grow with their number.

    python docs/population_speed.py             1,000, 10,000 and 100,000 people
    python docs/population_speed.py --full      also a million
    python docs/population_speed.py --people 5000 --workers 2

Every size is written as Parquet, checked, by a process of its own into a folder that is removed. The rate a core is of
processor time, so that what else the machine does weighs less. Peak memory is that of the process that writes, and of
its largest worker.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, NamedTuple

from rich.console import Console
from rich.table import Table
from typer import Option

from clinical_ner.core import params
from clinical_ner.core.commands import run
from clinical_ner.population.writing import write_population

ROOT = Path(__file__).parents[1]
SIZES, FULL = (1_000, 10_000, 100_000), 1_000_000
# Patients a second and core; what their maintainers say, or what was measured with the released version.
PEERS = (
    ("Synthea", 1_000 / 60, "its maintainer: about 1,000 a minute"),
    ("carebundle", 62, "measured, processor time"),
    ("clinosim", 8.9, "measured, processor time"),
    ("a Python port of Synthea", 0.65, "measured, processor time"),
)
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of a step of ru_maxrss
MEGABYTE = 1_000_000
WIDTH = 100  # characters of the tables, a terminal or not


class Run(NamedTuple):
    """What one size took."""

    people: int
    rows: int
    seconds: float
    processor_seconds: float
    peak_bytes: int
    worker_peak_bytes: int
    written_bytes: int


def main(
    people: Annotated[
        list[int] | None, Option(min=1, help="How many, for each run; default: 1,000 to 100,000.")
    ] = None,
    full: Annotated[bool, Option(help="A million too: some minutes, and a few gigabytes of disk.")] = False,
    workers: Annotated[int, Option(min=1, help="Processes that sample.")] = 1,
    params_file: Annotated[Path, Option("--params")] = ROOT / "params.yaml",
) -> None:
    """Print a table of the runs, and the speed of others beside ours."""
    params.load(params_file)
    sizes = [*(people or SIZES), *([FULL] if full else [])]
    runs = [apart(size, workers, params_file) for size in sizes]
    console = Console(width=WIDTH)
    console.print(growth(runs), peers(runs[-1]))


def apart(size: int, workers: int, params_file: Path) -> Run:
    """A run in a process of its own, whose peak memory is nobody else's."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, size, workers, params_file).result()


def measured(size: int, workers: int, params_file: Path) -> Run:
    """Write so many people and say what it took."""
    section = params.load(params_file).population.model_copy(update={"patients": size})
    with tempfile.TemporaryDirectory() as folder:
        start, used = time.perf_counter(), processor_seconds()
        rows = write_population(section, Path(folder), workers=workers)
        seconds, processor = time.perf_counter() - start, processor_seconds() - used
        written = sum(path.stat().st_size for path in Path(folder).iterdir())
    peaks = (peak_bytes(resource.RUSAGE_SELF), peak_bytes(resource.RUSAGE_CHILDREN))
    return Run(size, sum(rows.values()), seconds, processor, *peaks, written)


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(of.ru_utime + of.ru_stime for of in used)


def peak_bytes(whose: int) -> int:
    """The most memory that was in use, of the largest process."""
    return resource.getrusage(whose).ru_maxrss * UNIT


def growth(runs: list[Run]) -> Table:
    """A row a size."""
    table = Table(title="Full records, checked, written as Parquet")
    for name in ("people", "rows", "seconds", "people/s", "people/s/core", "peak MB", "worker MB", "disk MB"):
        table.add_column(name, justify="right")
    for run_ in runs:
        rates = (run_.people / run_.seconds, run_.people / run_.processor_seconds)
        sizes = (run_.peak_bytes / MEGABYTE, run_.worker_peak_bytes / MEGABYTE, run_.written_bytes / MEGABYTE)
        figures = (f"{figure:,.0f}" for figure in (*rates, *sizes))
        table.add_row(f"{run_.people:,}", f"{run_.rows:,}", f"{run_.seconds:,.1f}", *figures)
    return table


def peers(largest: Run) -> Table:
    """Published speeds of other generators, and how many times as fast ours is."""
    own = largest.people / largest.processor_seconds
    table = Table(title="Other generators of patients")
    for name in ("generator", "people/s/core", "ours is faster", "source"):
        table.add_column(name, justify="left" if name in ("generator", "source") else "right")
    for name, rate, source in PEERS:
        table.add_row(name, f"{rate:,.4g}", f"{own / rate:,.0f} times", source)
    return table


if __name__ == "__main__":
    run(main)
