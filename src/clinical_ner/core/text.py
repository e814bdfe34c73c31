"""What is done to the letters and the spaces of a text."""

from __future__ import annotations

from collections.abc import Callable


def on_one_line(text: str) -> str:
    """The words with single spaces.

    >>> on_one_line(" heart\\r\\n  failure ")
    'heart failure'
    """
    return " ".join(text.split())


def recased(change: Callable[[str], str], text: str) -> str:
    """The text in another case, of the same length: a character that has it only as several stays as it is.

    >>> recased(str.upper, "Weiß and blue")
    'WEIß AND BLUE'
    """
    changed = change(text)
    if len(changed) == len(text):
        return changed
    return "".join(new if len(new := change(c)) == 1 else c for c in text)
