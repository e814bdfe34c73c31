"""How far annotators of the same notes agree: Cohen's kappa on tokens, and F1 between their spans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from sklearn.metrics import cohen_kappa_score

from clinical_ner.core.span import Span
from clinical_ner.corrections.records import Correction
from clinical_ner.ner.bio import encode_text
from clinical_ner.ner.metrics import Counts, token_labels

DIGITS = 4


class Reading(NamedTuple):
    """A note as one annotator has it: spans of whole tokens, and the label of each token."""

    spans: frozenset[Span]
    labels: tuple[str, ...]


class Note(NamedTuple):
    """A note and how each of its annotators, in the order of their names, reads it."""

    id: str
    text: str
    readings: Mapping[str, Reading]
    widened: int
    dropped: int


def notes(corrections: Iterable[Correction]) -> list[Note]:
    """The notes of the corrections, in the order of their ids; spans are widened as the reader of corpora does it."""
    by_note: defaultdict[str, list[Correction]] = defaultdict(list)
    for one in corrections:
        by_note[one.note].append(one)
    return [_note(sorted(by_note[name], key=lambda one: one.annotator)) for name in sorted(by_note)]


def _note(corrections: Sequence[Correction]) -> Note:
    text = corrections[0].text
    encoded = {one.annotator: encode_text(text, one.spans) for one in corrections}
    tokens = [(token.start, token.end) for sentence, _ in encode_text(text, ()).sentences for token in sentence]
    readings = {
        name: Reading(frozenset(own.spans()), tuple(token_labels(tokens, own.spans()))) for name, own in encoded.items()
    }
    widened, dropped = sum(own.widened for own in encoded.values()), sum(own.dropped for own in encoded.values())
    return Note(corrections[0].note, text, readings, widened, dropped)


class Compared(NamedTuple):
    """What two annotators say of the notes that both have, note after note."""

    pairs: Sequence[tuple[Reading, Reading]]

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of the tokens' labels; none where chance alone explains all, as if nobody marks anything."""
        first = [label for one, _ in self.pairs for label in one.labels]
        second = [label for _, other in self.pairs for label in other.labels]
        if len({*first, *second}) < 2:
            return None
        return round(float(cohen_kappa_score(first, second)), DIGITS)

    @property
    def strict(self) -> Counts:
        """Spans that both have, boundaries and label."""
        return sum((Counts(len(a.spans & b.spans), len(a.spans), len(b.spans)) for a, b in self.pairs), Counts())

    @property
    def overlap_f1(self) -> float | None:
        """The share of all spans that overlap one of the same label of the other's; none without spans."""
        marked = sum(len(a.spans) + len(b.spans) for a, b in self.pairs)
        met = sum(_met(a, b) + _met(b, a) for a, b in self.pairs)
        return round(met / marked, DIGITS) if marked else None

    def figures(self) -> dict[str, Any]:
        """The agreement in numbers."""
        strict = self.strict
        return {
            "notes": len(self.pairs),
            "tokens": sum(len(one.labels) for one, _ in self.pairs),
            "kappa": self.kappa,
            "strict_f1": round(strict.f1, DIGITS) if strict.predicted + strict.gold else None,
            "overlap_f1": self.overlap_f1,
        }


def _met(one: Reading, other: Reading) -> int:
    return sum(any(span.label == far.label and span.overlaps(far) for far in other.spans) for span in one.spans)


def agreement(notes: Iterable[Note]) -> dict[str, Any]:
    """The agreement of each pair of annotators on the notes that both have, and of all pairs together."""
    pairs: defaultdict[tuple[str, str], list[tuple[Reading, Reading]]] = defaultdict(list)
    for note in notes:
        for first, second in combinations(sorted(note.readings), 2):
            pairs[first, second].append((note.readings[first], note.readings[second]))
    return {
        "all": Compared([pair for name in sorted(pairs) for pair in pairs[name]]).figures(),
        "pairs": [{"annotators": list(name), **Compared(pairs[name]).figures()} for name in sorted(pairs)],
    }
