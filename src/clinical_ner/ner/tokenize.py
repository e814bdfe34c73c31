"""The one tokeniser and sentence splitter: offsets into the original text, which is never changed."""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_SENTENCE = 200  # tokens; a longer run without a boundary is cut, so that time and memory stay bounded

TOKEN = re.compile(
    r"""(?:[^\W\d_]\.){2,}        # b.i.d.  i.v.  U.S.
    | \d+(?:[.,]\d+)*             # 2.5  1,200   (so 2.5mg is two tokens)
    | ['’]s\b                     # the possessive
    | [^\W\d_](?:[^\W_])*         # words, T2DM, BRCA1
    | [^\s\u200b-\u200f\u2060\ufeff\u00ad]  # every other visible character stands alone
    """,
    re.VERBOSE,
)
ABBREVIATIONS = frozenset(
    {"al", "approx", "ca", "cf", "dept", "dr", "e.g", "etc", "fig", "figs", "i.e", "inc", "jr", "mr", "mrs", "ms"}
    | {"no", "nos", "prof", "pt", "pts", "ref", "refs", "sr", "st", "tab", "vol", "vs"}
)
BULLETS = frozenset("-*•#>([")


class Token(NamedTuple):
    """`text[start:end]` is the token; code points, half-open."""

    start: int
    end: int
    text: str


def tokens(text: str, start: int = 0) -> list[Token]:
    """All tokens of `text`, with offsets counted from `start`.

    >>> [token.text for token in tokens("T2DM/HTN, 2.5mg b.i.d.")]
    ['T2DM', '/', 'HTN', ',', '2.5', 'mg', 'b.i.d.']
    """
    return [Token(start + match.start(), start + match.end(), match.group()) for match in TOKEN.finditer(text)]


def sentences(text: str) -> list[list[Token]]:
    """The text's tokens, grouped into sentences; every token is in exactly one.

    >>> [[token.text for token in sentence] for sentence in sentences("Seen by Dr. Lee. No fever.")]
    [['Seen', 'by', 'Dr', '.', 'Lee', '.'], ['No', 'fever', '.']]
    """
    found: list[list[Token]] = []
    current: list[Token] = []
    for token in tokens(text):
        if current and (_is_boundary(text, current, token) or len(current) >= LONGEST_SENTENCE):
            found.append(current)
            current = []
        current.append(token)
    return [*found, current] if current else found


def _is_boundary(text: str, current: list[Token], following: Token) -> bool:
    last = current[-1]
    gap = text[last.end : following.start]
    if not gap:
        return False
    if "\n" in gap or "\r" in gap:
        return _is_line_boundary(gap, last, following)
    if last.text in "!?":
        return True
    return last.text == "." and _starts_sentence(following) and not _is_abbreviation(current)


def _is_line_boundary(gap: str, last: Token, following: Token) -> bool:
    """A wrapped line goes on with a lower-case word; anything else starts anew."""
    if gap.count("\n") > 1 or last.text in ".!?:;":
        return True
    starts = following.text[0].isdigit() or following.text[0] in BULLETS or any(map(str.isupper, following.text))
    return starts and last.text not in ",-/("


def _starts_sentence(token: Token) -> bool:
    return not token.text[0].islower()


def _is_abbreviation(current: list[Token]) -> bool:
    if len(current) < 2:
        return True
    before = current[-2].text
    attached = current[-2].end == current[-1].start
    return attached and (before.lower() in ABBREVIATIONS or (len(before) == 1 and before.isupper()))
