"""Measure batches: notes a second and memory with 1 and 2 processes and on a Dask cluster, beside the bare tagger.

    python docs/batch_speed.py                  100,000 short notes: ten minutes
    python docs/batch_speed.py --long 10000000    also so many of a line each in one run: an hour; memory must not grow
    python docs/batch_speed.py --notes 2000 --of-notes    the notes of data/notes, again and again

Speed is told twice: in notes a second of the clock, on which everything else that the machine does weighs, and in
processor time a note, on which it hardly does. The bare tagger and the engines take turns; of each the run with the
median rate is told. A short note is a sentence or two; time goes by tokens, so notes of the usual length take longer. A
worker reads its first thousands more slowly, as it meets every word for the first time, and fewer notes tell mostly of
that. Writes docs/capacity.json and, of it, docs/capacity.md; without `--long` the long run that is there stays. A
missed bar ends it with 1: SPEEDUP, SHARE, MOST_MEGABYTES, MOST_GROWTH.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from typer import Exit, Option

from clinical_ner.core import files, io
from clinical_ner.core.commands import run
from clinical_ner.core.schema import NOTES
from clinical_ner.ner.extraction import understand, understand_all
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.tokenize import blocks

ROOT = Path(__file__).parents[1]
DATA, MODEL, PAGE = ROOT / "data", ROOT / "models/tagger.crfsuite", ROOT / "docs/capacity.md"
ROUNDS = 3  # in which the engines take turns
SPEEDUP, SHARE = 1.8, 0.85  # of two processes: times one; of the bare tagger's speed times the processes
MOST_MEGABYTES, MOST_GROWTH = 400, 1.1  # of a process; and at the end of the long run, times what it had at first
SHORT = 260  # characters of a short note, about
LINE = (20, 120)  # characters of a line that is a note of the long run
BARE = 3_000  # notes that the bare tagger reads
MARKS = (100_000, 1_000_000, 10_000_000)  # notes; memory is told up to each, and up to the last
PRICE = 0.04  # US dollars an hour of a virtual processor, about what clouds ask
PEOPLE, NOTES_A_YEAR = 340_000_000, 4  # of the United States; of each of them
PLANNED = (1_000_000, 10_000_000, 100_000_000, PEOPLE * NOTES_A_YEAR)  # notes
POLL = 0.5  # seconds
MEGABYTE = 1_000_000
MET, MISSED, NOT_SHOWN = "met", "missed", "not shown"
LONG_ENGINE = "2 processes"
GENERATED = {"population": 40_000, "notes": 4_000}  # command -> people
COMMAND = [sys.executable, "-c", "from clinical_ner.cli import main\nif __name__ == '__main__': main()"]


class Measured(NamedTuple):
    """A batch."""

    engine: str
    workers: int
    notes: int
    characters: float  # of a note
    seconds: float  # from the first shard on: starting up is apart
    processor_seconds: float  # of the workers, from then on
    start_up: float
    megabytes: float  # of the largest worker
    asking_megabytes: float  # of the process that asks
    output_bytes: int
    growth: dict[str, float]  # of the largest worker from each mark of MARKS to the next: notes at its end, megabytes

    @property
    def rate(self) -> float:
        """Notes a second."""
        return self.notes / self.seconds


class Made(NamedTuple):
    """People, or notes about them, written by two processes."""

    noun: str
    number: int
    seconds: float  # of the clock, with starting up
    processor_seconds: float
    output_bytes: int


class Found(NamedTuple):
    """All that a bench measures."""

    bare: float  # seconds of processor time a note, one by one
    together: float  # the same, all at once
    speedup: float  # of two processes
    engines: list[Measured]  # one process, two, Dask
    generation: list[Made]
    longest: Measured | None
    circumstances: dict[str, str]


def main(
    notes: Annotated[int, Option(min=100, help="How many.")] = 100_000,
    long: Annotated[int, Option(min=0, help="So many of a line each as well, on two processes.")] = 0,
    of_notes: Annotated[bool, Option(help="Notes of the usual length instead of short ones.")] = False,
    out: Annotated[Path, Option(help="The page to write.")] = PAGE,
) -> None:
    """Print a line a batch, and write the page."""
    whole: list[str] = io.read(NOTES, DATA / "notes")["text"].tolist()
    texts = whole if of_notes else [short(text) for text in whole]
    with tempfile.TemporaryDirectory() as scratch:
        source = written(texts, notes, Path(scratch) / "notes.parquet")
        before = load()
        rounds, bares = [], []
        for number in range(ROUNDS):
            bares.append(bare_seconds(texts))
            own = [batch(f"{n} process{'es' * (n > 1)}", n, source, ["--workers", str(n)]) for n in (1, 2)]
            with cluster(2, Path(scratch) / f"cluster-{number}") as address:
                own.append(batch("Dask, 2 workers", 2, source, ["--scheduler", address]))
            rounds.append(own)
        found = Found(
            median(bare.alone for bare in bares),
            median(bare.together for bare in bares),
            median(two.rate / one.rate for one, two, _ in rounds),
            [sorted(runs, key=lambda run: run.rate)[len(runs) // 2] for runs in zip(*rounds, strict=True)],
            [generated(noun, people, Path(scratch) / noun) for noun, people in GENERATED.items()],
            longest_of(out.with_suffix(".json")),
            {"before": before, "after": load(), "tokens": f"{mean_tokens(texts):,.0f}"},
        )
        lines = told(found, out)
        if long:
            large = written(lines_of(whole), long, Path(scratch) / "large.parquet")
            lines = told(found._replace(longest=batch(LONG_ENGINE, 2, large, ["--workers", "2"])), out)
    if any(line.endswith(MISSED) for line in lines):
        raise Exit(1)


def told(found: Found, out: Path) -> list[str]:
    """Print the tables and the bars, and write the page and what it is made of; the lines of the bars."""
    lines = judged(found.bare, found.speedup, found.engines, found.longest)
    batches = found.engines + ([found.longest] if found.longest else [])
    figures = {
        "table": "\n".join(row(each, found.bare) for each in batches),
        "generation": "\n".join(generation_row(each) for each in found.generation),
        "bars": "\n".join(lines),
        "bare": f"{found.bare * 1e3:.2f}",
        "together": f"{found.together * 1e3:.2f}",
    }
    print(*figures.values(), sep="\n")
    measured = {"batches": [each._asdict() for each in batches], "generation": [e._asdict() for e in found.generation]}
    files.write_json(out.with_suffix(".json"), {"bare_seconds": found.bare, **measured})
    out.write_text(page(batches, figures | found.circumstances), encoding="utf-8")
    return lines


def longest_of(file: Path) -> Measured | None:
    """The long run that an earlier bench wrote, if one did: on two processes, of more notes than its other batches."""
    written = files.read_json(file)["batches"] if file.is_file() else []
    batches = [Measured(**each) for each in written if each.keys() == set(Measured._fields)]
    usual = max(MARKS[0], min((each.notes for each in batches), default=0))
    return next((each for each in batches if each.engine == LONG_ENGINE and each.notes > usual), None)


def judged(bare: float, speedup: float, engines: list[Measured], longest: Measured | None) -> list[str]:
    """A line for each bar: what was measured, what is wanted, and whether it is met."""
    two = engines[1]
    share = two.rate * bare / two.workers
    largest = max(max(each.megabytes, each.asking_megabytes) for each in (*engines, longest or two))
    lines = [
        verdict(f"2 processes: {speedup:.2f} times one", speedup >= SPEEDUP, f"at least {SPEEDUP}"),
        verdict(f"2 processes: {share:.1%} of twice the bare tagger's speed", share >= SHARE, f"at least {SHARE:.0%}"),
        verdict(f"the largest process: {largest:.0f} MB", largest < MOST_MEGABYTES, f"under {MOST_MEGABYTES} MB"),
    ]
    if longest:
        sizes = list(longest.growth.values())
        times = sizes[-1] / sizes[0]
        text = f"memory at the end of {longest.notes:,} notes: {times:.2f} times that of the first {MARKS[0]:,}"
        met = MET if longest.notes >= MARKS[-1] else NOT_SHOWN
        lines.append(verdict(text, times <= MOST_GROWTH, f"at most {MOST_GROWTH}, of {MARKS[-1]:,}", met))
    return lines


def verdict(measured: str, is_met: bool, wanted: str, met: str = MET) -> str:
    """What was measured, what is wanted, and whether it is met."""
    return f"- {measured} ({wanted}): {met if is_met else MISSED}"


# --- what is read -----------------------------------------------------------------------------------
def short(text: str) -> str:
    """The beginning of the text up to the end of a line or sentence."""
    cut = re.match(rf".{{1,{SHORT}}}[.\n]", text, re.DOTALL)
    return cut[0] if cut else text[:SHORT]


def lines_of(texts: list[str]) -> list[str]:
    """Every line or sentence of the texts that is neither very short nor long: the notes of the long run.

    >>> lines_of(["Plan. Start aspirin for the angina. Return."])
    ['Start aspirin for the angina.']
    """
    pieces = [piece.strip() for text in texts for piece in re.split(r"(?<=[.\n])\s", text)]
    return [piece for piece in pieces if LINE[0] <= len(piece) <= LINE[1]]


def written(texts: list[str], count: int, path: Path) -> Path:
    """So many notes as Parquet, a row group at a time; a number at the end makes each its own."""
    schema = pa.schema([("note_id", pa.string()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, 100_000):
            rows = range(start, min(start + 100_000, count))
            frame = pd.DataFrame(
                {"note_id": [f"n{n:09d}" for n in rows], "text": [f"{texts[n % len(texts)]} {n}" for n in rows]}
            )
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
    return path


class Bare(NamedTuple):
    """Processor time a note of the tagger with all that it says of it, in this process, without reading or writing."""

    alone: float  # seconds, note by note
    together: float  # seconds, given all of them at once


def bare_seconds(texts: list[str]) -> Bare:
    """Of a tagger that has met the words."""
    tagger = Tagger.load(MODEL)
    some = [f"{texts[n % len(texts)]} {n}" for n in range(BARE)]
    for text in some[: BARE // 4]:
        understand(tagger, text)
    start = time.process_time()
    for text in some:
        understand(tagger, text)
    between = time.process_time()
    for _ in understand_all(tagger, some):
        pass
    return Bare((between - start) / len(some), (time.process_time() - between) / len(some))


def load() -> str:
    """Of the machine, over the last five minutes."""
    return f"{os.getloadavg()[1]:.1f}"


# --- batches ----------------------------------------------------------------------------------------
def batch(engine: str, count: int, source: Path, options: list[str]) -> Measured:
    """Run the command and watch its processes."""
    notes = pq.read_metadata(source).num_rows
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        words = [*COMMAND, "extract-batch", str(source), str(out), "--model", str(MODEL), *options]
        start = time.perf_counter()
        process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        begun, peaks, spent, importing, asking = 0.0, defaultdict[int, int](int), dict[int, float](), 0.0, 0
        while process.poll() is None:
            done = len(list(out.glob("_shards/*.json")))
            asking = max(asking, memory(psutil.Process(process.pid)))
            for worker in workers():
                peaks[done] = max(peaks[done], memory(worker))
                spent[worker.pid] = max(spent.get(worker.pid, 0.0), processor_seconds(worker))
            if not begun and list(out.glob("*/.unfinished-*")):
                begun, importing = time.perf_counter() - start, sum(spent.values())
            time.sleep(POLL)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"{engine}: exit code {process.returncode}")
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    shards = manifest["shards"]
    size = sum(file["bytes"] for shard in shards for file in shard["files"].values())
    growth = by_range({done * notes // len(shards): peak for done, peak in peaks.items()}, notes)
    took = sum(spent.values()) - importing
    largest = max(peaks.values(), default=0) / MEGABYTE
    length = mean_characters(source)
    return Measured(
        engine, count, notes, length, seconds - begun, took, begun, largest, asking / MEGABYTE, size, growth
    )


def mean_characters(source: Path) -> float:
    """The mean length of its first notes, in characters."""
    texts = next(pq.ParquetFile(source).iter_batches(1_000, columns=["text"]))["text"]
    return sum(len(text.as_py()) for text in texts) / len(texts)


def by_range(peaks: dict[int, int], notes: int) -> dict[str, float]:
    """Megabytes at most up to each of MARKS within the batch and up to its end, from the mark before on.

    >>> by_range({0: 5_000_000, 90_000: 7_000_000, 110_000: 6_000_000, 200_000: 8_000_000}, 200_000)
    {'100000': 7.0, '200000': 8.0}
    """
    ranges = {}
    for low, high in pairwise((0, *(mark for mark in MARKS if mark < notes), notes)):
        within = [peak for done, peak in peaks.items() if low <= done < high or done == notes == high]
        ranges[str(high)] = max(within, default=0) / MEGABYTE
    return ranges


def workers() -> list[psutil.Process]:
    """The processes below this one that were spawned to work."""
    below = psutil.Process().children(recursive=True)
    return [process for process in below if "spawn_main" in " ".join(_words(process))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def memory(process: psutil.Process) -> int:
    """Bytes that the process holds; 0 if it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def processor_seconds(process: psutil.Process) -> float:
    """That the process has had; 0 if it has ended."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def cluster(size: int, folder: Path) -> Iterator[str]:
    """The address of a scheduler with workers of one thread, as an operator starts them."""
    folder.mkdir()
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    to = ["--scheduler-file", str(file), "--no-dashboard"]
    started = [
        subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *to], stderr=subprocess.DEVNULL)
    ]
    try:
        wait_for(file)
        here = ["--nthreads", "1", "--nworkers", str(size), "--local-directory", str(folder / "dask")]
        started.append(subprocess.Popen([*dask, "worker", *to, *here], stderr=subprocess.DEVNULL))
        yield json.loads(file.read_text(encoding="utf-8"))["address"]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def wait_for(file: Path, seconds: float = 60.0) -> None:
    """Until the file is there and whole."""
    deadline = time.monotonic() + seconds
    while not file.exists() or not file.read_bytes().endswith(b"}"):
        if time.monotonic() > deadline:
            raise SystemExit("the scheduler does not start")
        time.sleep(0.1)


# --- generation -------------------------------------------------------------------------------------
def generated(noun: str, people: int, out: Path) -> Made:
    """Run `clinical-ner NOUN generate` for so many people."""
    start, spent = time.perf_counter(), os.times()
    words = [*COMMAND, noun, "generate", str(out), "--size", str(people), "--workers", "2"]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, os.times()
    took = after.children_user - spent.children_user + after.children_system - spent.children_system
    notes = sum(pq.read_metadata(path).num_rows for path in (out / "notes").glob("*.parquet"))
    size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    return Made(noun, notes if noun == "notes" else people, seconds, took, size)


def generation_row(made: Made) -> str:
    """A row of the table of generation, and what a nation would take."""
    each = made.processor_seconds / made.number
    nation = PEOPLE * (NOTES_A_YEAR if made.noun == "notes" else 1)
    hours, size = nation * each / 3600, nation * made.output_bytes / made.number / 1e9
    return (
        f"| {made.noun} | {made.number:,} | {made.number / made.seconds:,.0f} | {each * 1e3:.2f} | {hours:,.0f}"
        f" | {hours * PRICE:,.0f} | {size:,.0f} |"
    )


# --- the page ---------------------------------------------------------------------------------------
def page(found: list[Measured], figures: dict[str, str]) -> str:
    """docs/capacity.md."""
    two = found[1]
    template = (ROOT / "docs/capacity_template.md").read_text(encoding="utf-8")
    figures = {
        **figures,
        "rounds": str(ROUNDS),
        "people": f"{PEOPLE:,}",
        "processors": str(os.cpu_count()),
        "arithmetic": "\n".join(arithmetic(count, two) for count in PLANNED),
        "price": f"{PRICE:.2f}",
        "growth": growth(max(found, key=lambda measured: measured.notes)),
        "most": f"{max(of.notes for of in found):,}",
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda name: figures[name[1]], template)


def mean_tokens(texts: list[str]) -> float:
    """Of a note."""
    some = texts[:500]
    return sum(len(block.words) for text in some for block in blocks(text)) / len(some)


def row(measured: Measured, bare: float) -> str:
    """A row of the table of what was measured."""
    a_note = measured.processor_seconds / measured.notes
    return (
        f"| {measured.engine} | {measured.notes:,} | {measured.characters:,.0f} | {measured.rate:,.0f}"
        f" | {a_note * 1e3:.2f} | {bare / a_note:.0%}"
        f" | {a_note * 1e6 / 3600 * PRICE:.3f} | {measured.megabytes:.0f} | {measured.asking_megabytes:.0f}"
        f" | {measured.start_up:.1f} |"
    )


def growth(measured: Measured) -> str:
    """How large the largest worker was as a long batch went on; nothing of a short one."""
    if len(measured.growth) < 2:
        return ""
    ranges = [f"{megabytes:.0f} MB until note {int(mark):,}" for mark, megabytes in measured.growth.items()]
    held = f"The largest worker of {measured.notes:,} notes held at most {', '.join(ranges)}"
    return f"{held}, each from the mark before it on.\n\n"


def arithmetic(notes: int, measured: Measured) -> str:
    """A row of what many notes would take."""
    core_hours = notes * measured.processor_seconds / measured.notes / 3600
    output = notes * measured.output_bytes / measured.notes / 1e9
    return f"| {notes:,} | {core_hours:,.1f} | {core_hours / 64:,.1f} | {core_hours * PRICE:,.2f} | {output:,.1f} |"


if __name__ == "__main__":
    run(main)
