"""Whoever waits sees how far it is: a bar at a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

from clinical_ner.batch import progress

Shown = Callable[[bool], str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What is written, at a terminal or not, of five jobs a hundred of whose rows take six seconds; four have ended."""
    now, page = [0.0], io.StringIO()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(progress, "Pace", partial(progress.Pace, clock=lambda: now[0]))

    def console(at_terminal: bool, *, stderr: bool) -> Console:
        assert stderr
        return Console(file=page, force_terminal=at_terminal or None, width=100, get_time=lambda: now[0], _environ={})

    def write(at_terminal: bool) -> str:
        monkeypatch.setattr(progress, "Console", partial(console, at_terminal))
        with progress.shown("notes", 50) as advance:
            for _ in range(4):
                now[0] += 6
                advance(10, 100)
        return page.getvalue()

    return write


def test_a_terminal_has_a_bar_with_the_rate_and_the_time_left(shown: Shown) -> None:
    last = Text.from_ansi(shown(True).rsplit("\r", 1)[-1]).plain

    assert last.split(maxsplit=1)[0].strip("━╸╺") == ""
    assert last.split(maxsplit=1)[1].rstrip() == "80 % 400 notes, 17/s 0:00:24 0:00:06"


def test_what_is_no_terminal_has_a_plain_line_every_ten_seconds(shown: Shown) -> None:
    lines = shown(False).splitlines()

    assert lines == [
        "40 %: 200 notes, 17 a second, 0:00:18 left",
        "80 %: 400 notes, 17 a second, 0:00:06 left",
    ]
