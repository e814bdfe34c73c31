"""Entity and token scores: count, add, then divide. Counts stay integers until the last line."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import TypedDict

from clinical_ner.core.span import Span
from clinical_ner.ner.bio import OUTSIDE

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Counts:
    """How many spans were predicted, how many are gold, and how many are both; counts add up."""

    true_positives: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Counts) -> Counts:
        """The counts of both."""
        return Counts(
            self.true_positives + other.true_positives, self.predicted + other.predicted, self.gold + other.gold
        )

    @property
    def precision(self) -> float:
        """The share of the predicted that is right; 0/0 is 0.0."""
        return _ratio(self.true_positives, self.predicted)

    @property
    def recall(self) -> float:
        """The share of the gold that was found; 0/0 is 0.0."""
        return _ratio(self.true_positives, self.gold)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall, from the counts; 0/0 is 0.0."""
        return _ratio(2 * self.true_positives, self.predicted + self.gold)


class Scores(TypedDict):
    """Shares in [0, 1], rounded to 6 digits, and the number of gold spans."""

    precision: float
    recall: float
    f1: float
    support: int


class ScoreTable(TypedDict):
    """The scores over all labels, and of each."""

    micro: Scores
    per_label: dict[str, Scores]


def count_spans(gold: Iterable[Span], predicted: Iterable[Span]) -> dict[str, Counts]:
    """The strict counts of one document by label: a span is right if boundaries and label are.

    Only labels that occur are keys, in alphabetical order. A span given twice is counted once, on either side.

    >>> count_spans([Span(0, 4, "DISEASE")], [Span(0, 5, "DISEASE")])
    {'DISEASE': Counts(true_positives=0, predicted=1, gold=1)}
    """
    wanted, got = set(gold), set(predicted)
    right = Counter(span.label for span in wanted & got)
    predictions, golds = (Counter(span.label for span in spans) for spans in (got, wanted))
    return {label: Counts(right[label], predictions[label], golds[label]) for label in sorted(predictions | golds)}


def add_counts(documents: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """The counts by label, added over documents; labels in alphabetical order."""
    total: defaultdict[str, Counts] = defaultdict(Counts)
    for document in documents:
        for label, counts in document.items():
            total[label] += counts
    return dict(sorted(total.items()))


def score_table(counts_by_label: Mapping[str, Counts]) -> ScoreTable:
    """Precision, recall, F1 and support of each label, and micro: of the labels' counts added."""
    micro = sum(counts_by_label.values(), Counts())
    return {
        "micro": _scores(micro),
        "per_label": {label: _scores(counts) for label, counts in sorted(counts_by_label.items())},
    }


def _scores(counts: Counts) -> Scores:
    """The shares that the counts amount to."""
    return {
        "precision": round(counts.precision, _DIGITS),
        "recall": round(counts.recall, _DIGITS),
        "f1": round(counts.f1, _DIGITS),
        "support": counts.gold,
    }


def token_labels(tokens: Sequence[tuple[int, int]], spans: Iterable[Span]) -> list[str]:
    """The label of each token, without B and I; `O` if no span shares a character with it. Tokens are in order.

    Of several spans the one that covers most of the token decides, at a tie the one that starts first, then the longer.

    >>> token_labels([(0, 4), (5, 9)], [Span(6, 9, "DISEASE")])
    ['O', 'DISEASE']
    """
    labels, covered = [OUTSIDE] * len(tokens), [0] * len(tokens)
    ends = [end for _, end in tokens]
    for span in sorted(spans, key=lambda span: (span.start, -span.end, span.label)):
        for position in range(bisect_right(ends, span.start), len(tokens)):
            shared = min(span.end, tokens[position][1]) - max(span.start, tokens[position][0])
            if shared <= 0:
                break
            if shared > covered[position]:
                labels[position], covered[position] = span.label, shared
    return labels


def token_pairs(gold_labels: Iterable[str], predicted_labels: Iterable[str]) -> Counter[tuple[str, str]]:
    """How often each (gold, predicted) pair of labels occurs; the counters of several texts add up.

    Raises:
        ValueError: the two differ in length.
    """
    return Counter(zip(gold_labels, predicted_labels, strict=True))


def weighted_f1(pairs: Mapping[tuple[str, str], int]) -> float:
    """The mean of the classes' F1 weighted by gold support, `O` being a class; 0.0 without tokens.

    It is `f1_score(average="weighted")` of scikit-learn. With `O` counted it flatters: most tokens are `O`.
    """
    right, predicted, gold = Counter[str](), Counter[str](), Counter[str]()
    for (wanted, got), count in pairs.items():
        gold[wanted] += count
        predicted[got] += count
        right[wanted] += count if wanted == got else 0
    weighted = fsum(gold[label] * _ratio(2 * right[label], predicted[label] + gold[label]) for label in gold)
    return weighted / gold.total() if gold.total() else 0.0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
