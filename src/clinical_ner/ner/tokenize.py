"""The one tokeniser and sentence splitter: offsets into the original text, which is never changed.

A text is read once, from left to right, as pieces: what separates, and the token after it. Only where a sentence may
end - at a line break, or after a closing sign - is anything else looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, islice, pairwise
from typing import NamedTuple

LONGEST_SENTENCE = 200  # tokens; a longer run without a boundary is cut, so that time and memory stay bounded
BLOCK = 4096  # tokens read at a time
WRAPPED = range(60, 133)  # characters of a line that an editor has wrapped; a shorter or longer one was ended
SHORT = 45  # characters; a line with fewer is an item of a list, also before one in lower case

INVISIBLE = r"\s\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
TOKEN = rf"""
      [^\W\d_][^\W_]+ (?:[\u0300-\u036f]+[^\W_]* | \u00ad+[^\W_]+)*  # words, T2DM, accents, soft hyphens
    | (?:[^\W\d_]\.)+ [^\W\d_](?![^\W_]) \.?                               # b.i.d.  i.v  U.S.
    | [^\W\d_][\u0300-\u036f]*
    | \d+ (?:[.,]\d+)*                                                    # 2.5  1,200   (so 2.5mg is two tokens)
    | ['’]s\b                                                              # the possessive
    | [^{INVISIBLE}]                                                       # every other visible character stands alone
    """
# No possessive quantifier: Python before 3.11.5 misreads them inside groups. Nothing here has a reason to backtrack.
PIECE = re.compile(rf"([{INVISIBLE}]*) ({TOKEN} | \Z)", re.VERBOSE)  # matches wherever it is tried: linear time

LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
LIST_ITEM = re.compile(r"[-*•·◦‣▪●–—#>]|(?:\d{1,2}|[a-zA-Z])[.)][^\S\n]")
HEADING = re.compile(r"[^\W\d_][^\n.:;,]{0,40}:")
ENDS = frozenset(".!?")
CLOSING = frozenset(".!?)]\"”’'")
ABBREVIATIONS = frozenset(
    {"al", "approx", "ca", "cf", "dept", "dr", "drs", "etc", "fig", "figs", "inc", "jr", "mr", "mrs", "ms", "mt"}
    | {"no", "nos", "prof", "pt", "pts", "ref", "refs", "resp", "rev", "sr", "st", "tab", "vol", "vs"}
)
TIMES_AND_ROUTES = frozenset(
    {"a.m.", "b.d.", "b.i.d.", "h.s.", "i.m.", "i.v.", "o.d.", "p.m.", "p.o.", "p.r.n.", "q.d.", "q.h.s.", "q.i.d."}
    | {"q.o.d.", "s.c.", "t.d.s.", "t.i.d."}
)
LETTERED = frozenset({"class", "factor", "grade", "group", "hepatitis", "influenza", "stage", "type", "vitamin"})
GO_ON = frozenset(
    {",", "-", "/", "(", "&", "+", "a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "no", "not"}
    | {"of", "on", "or", "the", "to", "was", "were", "with", "without"}
)
LEFT_OPEN = GO_ON | {  # nor is an item of a list at an end after these
    *("after", "any", "are", "be", "because", "been", "before", "but", "denied", "denies", "due", "had", "has", "have"),
    *("he", "her", "his", "if", "into", "nor", "per", "she", "since", "than", "that", "their", "they", "this", "which"),
    *("while", "who"),
}


class Token(NamedTuple):
    """`text[start:end]` is the token; code points, half-open."""

    start: int
    end: int
    text: str


class Block(NamedTuple):
    """Whole sentences of a text: sentence `i` is the tokens `bounds[i]` to `bounds[i + 1]`."""

    words: list[str]
    starts: list[int]  # offset of each token in the text
    bounds: list[int]

    def spans(self) -> list[tuple[int, int]]:
        """First token, and one past the last, of each sentence."""
        return list(pairwise(self.bounds))

    def tokens(self, first: int, past: int) -> list[Token]:
        """These tokens of the block."""
        pairs = zip(self.starts[first:past], self.words[first:past], strict=True)
        return [Token(start, start + len(word), word) for start, word in pairs]


def joined(parts: Sequence[Block]) -> Block:
    """The sentences of several texts as one block; each offset stays that in its own text."""
    lengths = (past - first for part in parts for first, past in part.spans())
    words = [word for part in parts for word in part.words]
    starts = [start for part in parts for start in part.starts]
    return Block(words, starts, list(accumulate(lengths, initial=0)))


class _Pieces(NamedTuple):
    """Consecutive pieces of a text, from the start of a sentence on."""

    text: str
    gaps: Sequence[str]
    words: Sequence[str]
    starts: Sequence[int]


def tokens(text: str, start: int = 0) -> list[Token]:
    """All tokens of `text`, with offsets counted from `start`.

    >>> [token.text for token in tokens("T2DM/HTN, 2.5mg b.i.d.")]
    ['T2DM', '/', 'HTN', ',', '2.5', 'mg', 'b.i.d.']
    """
    spans = (match.span(2) for match in PIECE.finditer(text))
    return [Token(start + first, start + past, text[first:past]) for first, past in spans if past > first]


def sentences(text: str) -> list[list[Token]]:
    """The text's tokens, grouped into sentences; every token is in exactly one.

    >>> [[token.text for token in sentence] for sentence in sentences("Seen by Dr. Lee. No fever.")]
    [['Seen', 'by', 'Dr', '.', 'Lee', '.'], ['No', 'fever', '.']]
    """
    return [block.tokens(first, past) for block in blocks(text) for first, past in block.spans()]


def blocks(text: str) -> Iterator[Block]:
    """The sentences of the text in blocks of bounded size; where a block ends changes no sentence."""
    scanner = PIECE.finditer(text)
    pieces, offset, is_last = list[tuple[str, ...]](), 0, False
    while not is_last:
        fresh = [match.groups() for match in islice(scanner, BLOCK)]
        is_last = len(fresh) < BLOCK
        found = _pieces(text, [*pieces, *fresh], offset)
        bounds = _bounds(found)
        kept = bounds if is_last or not found.words else bounds[:-1]  # the last sentence may go on in the next block
        if len(kept) > 1:
            yield Block(list(found.words[: kept[-1]]), list(found.starts[: kept[-1]]), kept)
        pieces = list(zip(found.gaps[kept[-1] :], found.words[kept[-1] :], strict=True))
        offset = found.starts[kept[-1]] - len(pieces[0][0]) if pieces else offset


def _pieces(text: str, pieces: list[tuple[str, ...]], offset: int) -> _Pieces:
    while pieces and not pieces[-1][1]:  # what follows the last token
        pieces.pop()
    gaps, words = zip(*pieces, strict=True) if pieces else ((), ())
    ends = islice(accumulate(map(len, chain.from_iterable(pieces)), initial=offset), 1, None, 2)  # of the gaps
    return _Pieces(text, gaps, words, list(ends))


def _bounds(found: _Pieces) -> list[int]:
    """Where sentences start, and where the last one ends."""
    bounds = [0]
    for position in _candidates(found):
        _cut_long(bounds, position)
        if _is_boundary(found, bounds[-1], position):
            bounds.append(position)
    _cut_long(bounds, len(found.words))
    return [*bounds, len(found.words)] if found.words else bounds


def _cut_long(bounds: list[int], past: int) -> None:
    while past - bounds[-1] > LONGEST_SENTENCE:
        bounds.append(bounds[-1] + LONGEST_SENTENCE)


def _candidates(found: _Pieces) -> list[int]:
    """The positions before which something other than one space, or a closing sign, stands."""
    pairs = enumerate(zip(found.gaps[1:], found.words, strict=False), 1)
    return [position for position, (gap, last) in pairs if gap and (gap != " " or last[-1] in CLOSING)]


def _is_boundary(found: _Pieces, first: int, position: int) -> bool:
    """Whether the sentence that starts at `first` ends before the token at `position`."""
    breaks = len(LINE_BREAK.findall(found.gaps[position]))
    if breaks:
        return breaks > 1 or _ends_line(found, position)
    last = found.words[position - 1]
    if last in "!?":
        return True
    if found.words[position][0].islower():
        return False
    if last == ".":
        return not _is_abbreviation(found, first, position - 1)
    return last in TIMES_AND_ROUTES or (last in CLOSING and found.words[position - 2] in ENDS and position - first > 2)


def _ends_line(found: _Pieces, position: int) -> bool:
    """A wrapped line goes on; a list item, a heading, and what follows a short line starts anew."""
    text, start = found.text, found.starts[position]
    last, following = found.words[position - 1], found.words[position]
    if last in ".!?:;" or LIST_ITEM.match(text, start):
        return True
    if last in GO_ON or not (following.isalnum() or following in "(["):
        return False
    width = _width(text, start - len(found.gaps[position]))
    if following.islower():
        return width < SHORT and last.lower() not in LEFT_OPEN
    return width not in WRAPPED or HEADING.match(text, start) is not None


def _width(text: str, past: int) -> int:
    """How many characters the line that ends at `past` has, as far as it matters."""
    shown = text[max(0, past - WRAPPED.stop) : past]
    return len(LINE_BREAK.split(shown)[-1])


def _is_abbreviation(found: _Pieces, first: int, dot: int) -> bool:
    """Whether the full stop at `dot` belongs to the word before it, or to the number of a list item."""
    if dot == first:
        return True
    if found.gaps[dot]:
        return False
    word = found.words[dot - 1]
    if dot - first == 1 and (word.isdigit() or len(word) == 1):
        return len(word) < 3
    is_initial = len(word) == 1 and word.isupper() and found.words[dot - 2].lower() not in LETTERED
    return is_initial or word.lower() in ABBREVIATIONS
