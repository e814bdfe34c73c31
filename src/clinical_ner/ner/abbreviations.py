"""Abbreviations that a text defines itself: "chronic obstructive pulmonary disease (COPD)".

The algorithm of Schwartz and Hearst (Pacific Symposium on Biocomputing 2003): every letter of the short form is found
from right to left in the words before the bracket, and the first begins a word.
"""

from __future__ import annotations

import re

BRACKET = re.compile(r"(?<=[\w’'-])[ \n]\(([A-Za-z][\w/&.-]{1,9})\)")


def definitions(text: str) -> dict[str, str]:
    """The long form of each short form, as first defined.

    >>> definitions("Known heart failure (HF) and asthma (mild).")
    {'HF': 'heart failure'}
    """
    found: dict[str, str] = {}
    for match in BRACKET.finditer(text):
        short = match[1]
        if short not in found and (
            long := _long_form(short, text[_earliest(text, match.start(), short) : match.start()])
        ):
            found[short] = long
    return found


def _earliest(text: str, end: int, short: str) -> int:
    """Where the words begin that may belong to a short form: at most twice its letters, or five more than it has."""
    words = min(len(short) + 5, 2 * len(short))
    window = max(0, end - 20 * words)
    starts = [window + match.start() for match in re.finditer(r"(?<!\w)\w", text[window:end])]
    sentence = max(text.rfind(mark, window, end) for mark in (". ", "\n\n", ";", "(", ")")) + 1
    return max(starts[-words] if len(starts) > words else window, sentence)


def _long_form(short: str, before: str) -> str | None:
    """The shortest end of the text that holds the letters in order, the first at the start of a word."""
    if not any(map(str.isupper, short)):
        return None
    letters = [letter for letter in short.lower() if letter.isalnum()]
    place, lowered = len(before), before.lower()
    for number, letter in reversed(list(enumerate(letters))):
        place = lowered.rfind(letter, 0, place)
        while number == 0 and place > 0 and lowered[place - 1].isalnum():
            place = lowered.rfind(letter, 0, place)
        if place < 0:
            return None
    long = before[place:].strip()
    return long if len(long) > len(short) else None
