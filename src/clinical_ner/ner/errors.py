"""Why a span is wrong: every false positive and every false negative has exactly one cause.

A cause is decided from the spans, the words of the text and the known terms alone, so the same code serves synthetic
and real text, and what it counts holds no text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from clinical_ner.core.span import DISEASE, LABEL_OF_KIND, Span
from clinical_ner.core.text import on_one_line
from clinical_ner.ner.abbreviations import is_abbreviation, singular
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.evaluation import Reading
from clinical_ner.ner.gazetteer import Gazetteer, fold
from clinical_ner.ner.tokenize import tokens

WRONG_LABEL, WRONG_LABEL_AND_BOUNDARIES = "wrong_label", "wrong_label_and_boundaries"
NESTED = "overlaps_a_right_one"  # gold of several layers, of which one reading finds at most one
CONTEXT = 40  # characters on either side of an error that is shown
SHIFTED = "shifted"  # too long at one end and too short at the other
DETERMINERS = frozenset(
    {"a", "an", "any", "another", "both", "each", "her", "his", "its", "my", "no", "our", "some", "that", "the"}
    | {"their", "these", "this", "those", "your"}
)
COORDINATION = frozenset({"and", "or", "nor", "but", "/", ",", ";", "&", "+", "plus", "with", "versus", "vs"})
PREPOSITIONS = frozenset(
    {"of", "in", "for", "to", "by", "on", "at", "from", "due", "secondary", "involving", "after", "during", "under"}
    | {"against", "per", "via"}
)
BRACKETS = frozenset("()[]")
GENERIC = frozenset(  # words that name no disease and no treatment, alone or with each other
    {"abnormality", "agent", "care", "case", "change", "complication", "condition", "diagnosis", "disease", "disorder"}
    | {"dose", "drug", "episode", "finding", "history", "illness", "infusion", "injection", "intervention", "lesion"}
    | {"management", "medication", "medicine", "operation", "outcome", "problem", "procedure", "recurrence", "regimen"}
    | {"relapse", "surgery", "symptom", "syndrome", "tablet", "therapy", "treatment"}
    | {"additional", "acute", "chronic", "clinical", "conservative", "current", "first", "further", "initial", "long"}
    | {"medical", "multiple", "new", "operative", "other", "pharmacological", "previous", "primary", "prior", "recent"}
    | {"secondary", "severe", "standard", "surgical", "term", "underlying", "-"}
)


class Error(NamedTuple):
    """A gold span that was missed, or a span found that is not gold, and why."""

    document: Document
    span: Span
    is_missed: bool
    cause: str


class Causes(NamedTuple):
    """How many errors have a cause."""

    false_positives: int
    false_negatives: int


def errors(readings: Iterable[Reading], gazetteer: Gazetteer) -> Iterator[Error]:
    """Every false negative and false positive of the readings with its cause, document by document."""
    for document, predicted in readings:
        gold, found = set(document.spans), set(predicted)
        for span in sorted(gold - found):
            yield Error(document, span, True, _cause(document.text, span, found, gold, gazetteer, is_missed=True))
        for span in sorted(found - gold):
            yield Error(document, span, False, _cause(document.text, span, gold, found, gazetteer, is_missed=False))


def error_causes(found: Iterable[Error]) -> dict[str, Causes]:
    """The number of errors by cause, the most frequent first: together all false positives and false negatives."""
    counts: dict[str, Causes] = {}
    for error in found:
        positives, negatives = counts.get(error.cause, Causes(0, 0))
        counts[error.cause] = Causes(positives + (not error.is_missed), negatives + error.is_missed)
    return dict(sorted(counts.items(), key=lambda row: (-sum(row[1]), row[0])))


def _cause(
    text: str, span: Span, others: Collection[Span], own: Collection[Span], gazetteer: Gazetteer, *, is_missed: bool
) -> str:
    """Why a span of one side, `own`, is not on the other."""
    met = [other for other in others if other.overlaps(span)]
    if not met:
        kind = term_kind([token.text for token in tokens(text[span.start : span.end])], span.label, gazetteer)
        return f"{'missed' if is_missed else 'invented'}_{kind}"
    other = max(met, key=lambda other: (other.label == span.label, _shared(span, other), -other.start))
    if other in own:
        return NESTED
    if other.label != span.label:
        return WRONG_LABEL if other[:2] == span[:2] else WRONG_LABEL_AND_BOUNDARIES
    return _boundary_cause(text, *((span, other) if is_missed else (other, span)))


def _shared(a: Span, b: Span) -> int:
    return min(a.end, b.end) - max(a.start, b.start)


def _boundary_cause(text: str, gold: Span, found: Span) -> str:
    """How the boundaries of a found span differ, and by which kind of words."""
    inner, outer = sorted((gold, found), key=lambda span: span.end - span.start)
    if inner.start < outer.start or outer.end < inner.end:
        return SHIFTED
    before, after = _words(text[outer.start : inner.start]), _words(text[inner.end : outer.end])
    return f"{'too_long' if found == outer else 'too_short'}_by_{_words_kind(before, after)}"


def _words(text: str) -> list[str]:
    return [fold(token.text) for token in tokens(text)]


def _words_kind(before: Sequence[str], after: Sequence[str]) -> str:
    """What kind of words a boundary is wrong by; the first that applies."""
    words = {*before, *after}
    if BRACKETS & words:
        return "brackets"
    if COORDINATION & words:
        return "coordination"
    if not any(map(str.isalpha, words)):
        return "number_or_sign"
    if words <= DETERMINERS:
        return "determiner"
    if PREPOSITIONS & words:
        return "phrase"
    if before and after:
        return "both_ends"
    return "modifier" if before else "word_after"


def term_kind(words: Sequence[str], label: str, gazetteer: Gazetteer) -> str:
    """What kind of term the words of a span with this label are, by their form and by the known terms."""
    if {fold(word) for word in words} <= GENERIC | DETERMINERS:
        return "generic_word"
    if len(words) == 1 and is_abbreviation(singular(words[0])):
        return "abbreviation"
    matches = gazetteer.matches(words)
    whole = {match.kind for match in matches if (match.first, match.past) == (0, len(words))}
    last = {match.kind for match in matches if match.past == len(words)}
    if any(LABEL_OF_KIND.get(kind) == label for kind in whole):
        return "known_term"
    if label == DISEASE and "symptom" in last:
        return "symptom"
    if "substance" in last:
        return "substance"
    if whole:
        return "term_of_another_kind"
    return "variant_of_known_term" if any(LABEL_OF_KIND.get(kind) == label for kind in last) else "unknown_term"


def shown(error: Error) -> str:
    """The error on one line with its text in square brackets: for the owner of the text alone."""
    document, span, is_missed, cause = error
    cuts = (max(0, span.start - CONTEXT), span.start, span.end, span.end + CONTEXT)
    before, inside, after = (on_one_line(document.text[start:end]) for start, end in pairwise(cuts))
    side = "missed" if is_missed else "found"
    return f"{document.id}:{span.start}-{span.end} {side} {span.label}, {cause}: {before} [{inside}] {after}".strip()
