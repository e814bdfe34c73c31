"""Whoever waits sees how far it is: a bar at a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from functools import partial
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

from clinical_ner.batch import progress


class Screen(SimpleNamespace):
    """A clock that the test sets, whether a terminal is there, and what is written."""

    now: float
    at_terminal: bool
    page: io.StringIO


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    found = Screen(now=0.0, at_terminal=False, page=io.StringIO())

    def console(*, stderr: bool) -> Console:
        assert stderr
        return Console(
            file=found.page,
            force_terminal=found.at_terminal or None,
            width=100,
            get_time=lambda: found.now,
            _environ={},
        )

    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: found.now))
    monkeypatch.setattr(progress, "Pace", partial(progress.Pace, clock=lambda: found.now))
    monkeypatch.setattr(progress, "Console", console)
    return found


def four_of_five(screen: Screen, *, at_terminal: bool) -> str:
    """What is written of five jobs a hundred of whose rows take six seconds, when four have ended."""
    screen.at_terminal = at_terminal
    with progress.shown("notes", 50) as advance:
        for _ in range(4):
            screen.now += 6
            advance(10, 100)
    return screen.page.getvalue()


def test_a_terminal_has_a_bar_with_the_rate_and_the_time_left(screen: Screen) -> None:
    last = Text.from_ansi(four_of_five(screen, at_terminal=True).rsplit("\r", 1)[-1]).plain

    assert last.split(maxsplit=1)[0].strip("━╸╺") == ""
    assert last.split(maxsplit=1)[1].rstrip() == "80 % 400 notes, 17/s 0:00:24 0:00:06"


def test_what_is_no_terminal_has_a_plain_line_every_ten_seconds(screen: Screen) -> None:
    lines = four_of_five(screen, at_terminal=False).splitlines()

    assert lines == [
        "40 %: 200 notes, 17 a second, 0:00:18 left",
        "80 %: 400 notes, 17 a second, 0:00:06 left",
    ]


def test_what_is_taken_one_by_one_is_followed(screen: Screen) -> None:
    taken = []
    for item in progress.followed("files", ["a", "b", "c"]):
        taken.append(item)
        screen.now += 8

    assert taken == ["a", "b", "c"]
    assert screen.page.getvalue().splitlines() == ["67 %: 2 files, 0 a second, 0:00:08 left"]


def test_a_bar_is_there_before_the_first_has_ended(screen: Screen) -> None:
    screen.at_terminal = True

    next(progress.followed("files", ["a"]))

    assert "0 % files" in Text.from_ansi(screen.page.getvalue()).plain
