"""How far a long run is: a bar with rate and time left, or plain lines where no terminal is."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0
T = TypeVar("T")
Advance = Callable[[int, int], None]  # the weight of what has ended, and how many rows it had


class Pace:
    """Counts what has ended: the rate, and how long the rest will take at it."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._clock, self._start = max(total, 1), clock, clock()
        self.done, self.rows = 0, 0

    def advance(self, weight: int, rows: int) -> None:
        """Something has ended."""
        self.done += weight
        self.rows += rows

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / max(self._clock() - self._start, 1e-9)

    def line(self, what: str) -> str:
        """The state in words.

        >>> pace = Pace(200, clock=iter([0.0, 10.0, 10.0]).__next__)
        >>> pace.advance(50, 1000)
        >>> pace.line("notes")
        '25 %: 1,000 notes, 100 a second, 0:00:30 left'
        """
        share = self.done / self._total
        rate = f"{self.rows:,} {what}, {self.rate:,.0f} a second"
        left = (self._clock() - self._start) * (1 - share) / share if share else 0.0
        return f"{share:.0%}: {rate}, {timedelta(seconds=round(left))} left".replace("%:", " %:")


@contextmanager
def shown(what: str, total: int) -> Iterator[Advance]:
    """Show on the error output how far the work is, whose weight is `total`."""
    console = Console(stderr=True)
    with _bar(what, total, console) if console.is_terminal else _lines(what, total, console) as advance:
        yield advance


def followed(what: str, items: Collection[T]) -> Iterator[T]:
    """The items, and on the error output how many of them have been taken."""
    with shown(what, len(items)) as advance:
        for item in items:
            yield item
            advance(1, 1)


@contextmanager
def _bar(what: str, total: int, console: Console) -> Iterator[Advance]:
    pace = Pace(total)
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(what, total=total, rate=what)

        def advance(weight: int, rows: int) -> None:
            pace.advance(weight, rows)
            progress.update(task, advance=weight, rate=f"{pace.rows:,} {what}, {pace.rate:,.0f}/s")

        yield advance


@contextmanager
def _lines(what: str, total: int, console: Console) -> Iterator[Advance]:
    pace, last = Pace(total), time.monotonic()

    def advance(weight: int, rows: int) -> None:
        nonlocal last
        pace.advance(weight, rows)
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            console.print(pace.line(what), highlight=False)

    yield advance
