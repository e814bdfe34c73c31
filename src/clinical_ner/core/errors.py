"""The user's kind of error: one line that names the thing, the place and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_CODE = 2


class UserError(Exception):
    """Something the user can mend: printed without a traceback, exit code 2.

    The message never holds the text of a note: it may end up in a log.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}\n  remedy: {remedy}" if remedy else message)


def closest(word: str, choices: Iterable[str]) -> str:
    """The choice a mistyped word most likely meant, as a question, or an empty string.

    >>> closest("max_iteratons", ["max_iterations", "c1"])
    "did you mean 'max_iterations'?"
    """
    found = difflib.get_close_matches(word, sorted(choices), n=1)
    return f"did you mean '{found[0]}'?" if found else ""
