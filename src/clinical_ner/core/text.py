"""What is done to a text without moving an offset."""

from __future__ import annotations

from collections.abc import Callable


def recased(change: Callable[[str], str], text: str) -> str:
    """The text in another case, of the same length: a character that has it only as several stays as it is.

    >>> recased(str.upper, "Weiß and blue")
    'WEIß AND BLUE'
    """
    changed = change(text)
    if len(changed) == len(text):
        return changed
    return "".join(new if len(new := change(c)) == 1 else c for c in text)
