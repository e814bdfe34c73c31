"""The same text as others would have typed it: perturbations that keep the gold spans on their words."""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from clinical_ner.core.seeds import stream
from clinical_ner.core.span import Span
from clinical_ner.core.text import recased
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.evaluation import Reader, read_all, scores
from clinical_ner.ner.tokenize import tokens

Spans = tuple[Span, ...]
Perturbation = Callable[[str, Spans], tuple[str, Spans]]

AS_WRITTEN = "as_written"
WORD = re.compile(r"[^\W\d_]+")
LONG_WORD = re.compile(r"[^\W\d_]{5,}")
LINE = 72  # characters, as a mail program or an old terminal wraps
TOO_LONG = re.compile(rf"(?=[^\n]{{{LINE + 1}}})([^\n]{{1,{LINE}}}) (?=\S)")
SIGNS = frozenset('.,;:!?()[]{}"“”')
TYPOGRAPHY = {"-": "\N{EN DASH}", "'": "’", "fi": "\N{LATIN SMALL LIGATURE FI}", "fl": "\N{LATIN SMALL LIGATURE FL}"}
ACCENTS = dict(zip("aeiou", "áéíóú", strict=True))


class Edit(NamedTuple):
    """`text[start:end]` becomes `new`."""

    start: int
    end: int
    new: str


def perturbations(seed: int, typo_rate: float) -> dict[str, Perturbation]:
    """Every perturbation by name; `typo_rate` is the share of the longer words with a typo, or with an accent."""
    return {
        AS_WRITTEN: lambda text, spans: (text, spans),
        "lower_case": partial(_recased, str.lower),
        "upper_case": partial(_recased, str.upper),
        "title_case": _title_case,
        "typos": partial(_slips, _misspelt, seed, typo_rate),
        "accents": partial(_slips, _accented, seed, typo_rate),
        "typography": _typography,
        "no_punctuation": _no_punctuation,
        "spaced_punctuation": _spaced_punctuation,
        "wrapped_lines": lambda text, spans: (TOO_LONG.sub(r"\1\n", text), spans),
    }


def perturbed(document: Document, perturbation: Perturbation) -> Document:
    """The document with its text and gold spans perturbed; the corpus's own tokens no longer fit and are left out."""
    text, spans = perturbation(document.text, document.spans)
    return Document(document.id, text, tuple(sorted(spans)), None)


def robustness(
    reader: Reader, documents: Sequence[Document], labels: Collection[str], ways: Mapping[str, Perturbation]
) -> dict[str, Any]:
    """The strict micro scores of the documents in each way of writing them."""
    return {
        name: scores(read_all(reader, (perturbed(document, way) for document in documents), labels))["micro"]
        for name, way in ways.items()
    }


# --- edits -------------------------------------------------------------------------------------
def edited(text: str, spans: Spans, edits: Iterable[Edit]) -> tuple[str, Spans]:
    """The text with the edits, which are in order and apart, and the spans around the same words as before.

    An edit across the end of a span is left out; what is inserted at its ends stays outside; of a span nothing
    remains of there is none.

    >>> edited("(gout)", (Span(1, 5, "DISEASE"),), [Edit(1, 1, " "), Edit(1, 2, "G"), Edit(5, 5, " ")])
    ('( Gout )', (Span(start=2, end=6, label='DISEASE'),))
    """
    cuts = sorted({cut for span in spans for cut in span[:2]})
    kept = [edit for edit in edits if not _cuts_across(edit, cuts)]
    shifts = list(accumulate((len(edit.new) - edit.end + edit.start for edit in kept), initial=0))
    starts, ends = [edit.start for edit in kept], [edit.end for edit in kept]
    moved = (
        Span(start + shifts[bisect_right(ends, start)], end + shifts[bisect_left(starts, end)], label)
        for start, end, label in spans
    )
    return "".join(_pieces(text, kept)), tuple(span for span in moved if span.start < span.end)


def _cuts_across(edit: Edit, cuts: Sequence[int]) -> bool:
    return bisect_right(cuts, edit.start) < bisect_left(cuts, edit.end)


def _pieces(text: str, edits: Iterable[Edit]) -> Iterator[str]:
    done = 0
    for edit in edits:
        yield text[done : edit.start]
        yield edit.new
        done = edit.end
    yield text[done:]


# --- ways of writing ---------------------------------------------------------------------------
def _recased(change: Callable[[str], str], text: str, spans: Spans) -> tuple[str, Spans]:
    """All in the other case; no offset moves."""
    return recased(change, text), spans


def _title_case(text: str, spans: Spans) -> tuple[str, Spans]:
    return WORD.sub(lambda word: recased(str.upper, word[0][0]) + word[0][1:], text), spans


def _slips(slip: Callable[[str, float], str], seed: int, rate: float, text: str, spans: Spans) -> tuple[str, Spans]:
    """A share of the longer words with a slip; which ones depends on the seed and the text alone."""
    words = list(LONG_WORD.finditer(text))
    name = f"{slip.__name__}/{zlib.crc32(text.encode('utf-8', 'surrogatepass'))}"
    draws = stream(seed, name).random((len(words), 2))
    chosen = [(words[i], float(draws[i, 1])) for i in np.flatnonzero(draws[:, 0] < rate)]
    return edited(text, spans, [Edit(*word.span(), slip(word[0], draw)) for word, draw in chosen])


def _misspelt(word: str, draw: float) -> str:
    """Two letters swapped, one dropped or one doubled, never the first; the draw says which and where."""
    which, rest = divmod(draw * 3, 1)
    place = 1 + int(rest * (len(word) - 2))
    if which == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + word[place + 1 :] if which == 1 else word[:place] + word[place] + word[place:]


def _accented(word: str, _: float) -> str:
    """An accent on the first vowel after the first letter."""
    place = next((place for place, letter in enumerate(word) if place and letter in ACCENTS), None)
    return word if place is None else word[:place] + ACCENTS[word[place]] + word[place + 1 :]


def _typography(text: str, spans: Spans) -> tuple[str, Spans]:
    """Dashes, apostrophes and ligatures as typesetters have them."""
    found = re.finditer("|".join(TYPOGRAPHY), text)
    return edited(text, spans, [Edit(*match.span(), TYPOGRAPHY[match[0]]) for match in found])


def _no_punctuation(text: str, spans: Spans) -> tuple[str, Spans]:
    """No sentence marks, brackets or dots of abbreviations; a space where two words would run together."""
    edits = []
    for start, end, word in tokens(text):
        if word in SIGNS:
            glued = text[max(start - 1, 0) : start].isalnum() and text[end : end + 1].isalnum()
            edits.append(Edit(start, end, " " if glued else ""))
        elif "." in word and word[0].isalpha():
            edits.append(Edit(start, end, word.replace(".", "")))
    return edited(text, spans, edits)


def _spaced_punctuation(text: str, spans: Spans) -> tuple[str, Spans]:
    """A space between all tokens, as tokenised corpora have it."""
    neighbours = pairwise(tokens(text))
    return edited(text, spans, [Edit(a.end, a.end, " ") for a, b in neighbours if a.end == b.start])
