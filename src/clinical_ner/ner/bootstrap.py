"""How sure a difference of two F1 is: the paired bootstrap over documents.

Both models read the same documents, so a resample takes the counts of both from each document drawn: what makes a
document hard for both is no noise between them (Efron and Tibshirani 1993, percentile intervals).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical_ner.core.seeds import stream

AT_ONCE = 2_000_000  # draws: bounds the memory, whatever the number of documents
COUNTS = 3  # of a reading of a document: true positives, predicted, gold


class Interval(NamedTuple):
    """A figure and what it may as well be, by chance of the documents."""

    value: float
    low: float
    high: float


def resampled_sums(
    counts: NDArray[np.int64], seed: int, name: str, resamples: int
) -> NDArray[np.int64]:  # (resamples, columns)
    """The sums of the columns over as many documents as there are, drawn with replacement, `resamples` times.

    All columns share the draws, so their sums stay paired. `counts` has a row a document, at least one.
    """
    documents = len(counts)
    chance = stream(seed, name)
    sums = np.empty((resamples, counts.shape[1]), dtype=np.int64)
    step = max(1, AT_ONCE // documents)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        drawn = chance.integers(0, documents, size=(rows, documents)) + documents * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * documents).reshape(rows, documents)
        sums[first : first + rows] = np.rint(times.astype(np.float64) @ counts.astype(np.float64))
    return sums


def f1(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """The F1 of each row of true positives, predicted and gold; 0/0 is 0.0.

    >>> f1(np.array([[1, 2, 2], [0, 0, 0]])).tolist()
    [0.5, 0.0]
    """
    right, predicted, gold = sums[..., 0], sums[..., 1], sums[..., 2]
    shares: NDArray[np.float64] = np.zeros(right.shape)
    np.divide(2.0 * right, predicted + gold, out=shares, where=predicted + gold > 0)
    return shares


def interval(value: float, resampled: NDArray[np.float64], confidence: float) -> Interval:
    """The value between the quantiles of its resamples that leave equal parts out on both sides."""
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(round(value, 6), round(float(low), 6), round(float(high), 6))
