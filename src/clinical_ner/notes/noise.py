"""What happens to a text between the author's mind and the screen: typing errors, wrapped lines, capitals.

Typing errors come before a span is recorded; the others change no offset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from clinical_ner.core.span import Extent
from clinical_ner.notes.draws import Draws

WORD = re.compile(r"\b[a-z]{5,}\b")
NEIGHBOURS = {
    key: row[max(at - 1, 0) : at] + row[at + 1 : at + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for at, key in enumerate(row)
}
NEVER = 10**9


class Typos:
    """Misspells this share of the longer lower-case words, in the order in which they are written."""

    __slots__ = ("_draws", "_right", "_share")

    def __init__(self, draws: Draws, share: float) -> None:
        self._draws = draws
        self._share = share
        self._right = draws.misses(share) if share else NEVER  # words until the next error

    def applied(self, words: str) -> str:
        """The words, perhaps with errors."""
        count = _long_words(words)
        if count <= self._right:
            self._right -= count
            return words
        return WORD.sub(self._next, words)

    def _next(self, match: re.Match[str]) -> str:
        if self._right:
            self._right -= 1
            return match.group()
        self._right = self._draws.misses(self._share)
        return misspelt(match.group(), self._draws)


@cache
def _long_words(words: str) -> int:
    return len(WORD.findall(words))


def misspelt(word: str, draws: Draws) -> str:
    """The word with two letters swapped, one dropped or one key missed; never its first."""
    i = draws.between(1, len(word) - 2)
    slip = draws.below(5)
    if slip < 2:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if slip < 4:
        return word[:i] + word[i + 1 :]
    return word[:i] + draws.pick(NEIGHBOURS[word[i]]) + word[i + 1 :]


def wrapped(text: str, width: int, spans: Sequence[Extent]) -> str:
    """The text with some spaces turned into line breaks, so that few lines are longer than `width`.

    Inside a span a line breaks only before a lower-case word: what stands before and after is read as one sentence.
    """
    inside = {place for span in spans for place in range(span.start, span.end)}
    parts, done = [], 0
    for place in _breaks(text, width, inside):
        parts += [text[done:place], "\n"]
        done = place + 1
    return "".join([*parts, text[done:]])


def _breaks(text: str, width: int, inside: set[int]) -> Iterator[int]:
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        while end - start > width:
            place = _space(text, start, width, end, inside)
            if place is None:
                break
            yield place
            start = place + 1
        start = end + 1


def _space(text: str, start: int, width: int, end: int, inside: set[int]) -> int | None:
    """The last space up to the width at which the line may break, else the first one after it."""
    places = (*range(start + width, start, -1), *range(start + width + 1, end))
    return next((place for place in places if text[place] == " " and _may_break(text, place, inside)), None)


def _may_break(text: str, place: int, inside: set[int]) -> bool:
    """Between two words, not in a column; within a span only where it is sure to be read on."""
    before, after = text[place - 1], text[place + 1 : place + 2]
    if before.isspace() or not after or after.isspace():
        return False
    return place not in inside or _goes_on(text, place)


def _goes_on(text: str, place: int) -> bool:
    return text[place - 1].isalpha() and text[place + 1 :].split(None, 1)[0].islower() and text[place + 1].isalpha()
