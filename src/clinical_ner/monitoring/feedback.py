"""How far what was predicted agrees with what people corrected: counts, added, and only then divided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clinical_ner.ner.bootstrap import Interval, f1, interval, resampled_sums


class Judged(NamedTuple):
    """A note whose entities somebody corrected or confirmed: how many are right, were predicted, and are true."""

    at: datetime
    true_positives: int
    predicted: int
    gold: int


class Agreement(NamedTuple):
    """Entities of judged notes: found and confirmed, found and taken back, and missed."""

    notes: int
    confirmed: int
    invented: int
    missed: int


def judged_notes(feedback: Iterable[Mapping[str, Any]]) -> list[Judged]:
    """The notes of which both the predicted and the corrected spans are known; the last word on a prediction counts.

    A row has `prediction_id`, `created_at`, the corrected `spans` and the `predicted` ones; rows without either are
    left out: nobody judged the entities, or the prediction is no longer known.
    """
    last: dict[Any, Judged] = {}
    for row in sorted(feedback, key=lambda row: row["created_at"]):
        if row["spans"] is not None and row["predicted"] is not None:
            gold = {(span["start"], span["end"], span["label"]) for span in row["spans"]}
            found = set(map(tuple, row["predicted"]))
            last[row["prediction_id"]] = Judged(row["created_at"], len(gold & found), len(found), len(gold))
    return sorted(last.values())


def telling(judged: Iterable[Judged]) -> list[Judged]:
    """The notes in which something was found or is to be found: the others say nothing of F1."""
    return [note for note in judged if note.predicted or note.gold]


def counts(judged: Sequence[Judged]) -> NDArray[np.int64]:
    """A row a note of true positives, predicted and gold."""
    return np.array([note[1:] for note in judged], dtype=np.int64)


def f1_interval(judged: Sequence[Judged], seed: int, resamples: int, confidence: float) -> Interval:
    """The strict F1 over `telling` notes, one at least, and what it may as well be by chance of the notes."""
    own = counts(judged)
    resampled = f1(resampled_sums(own, seed, "accuracy", resamples))
    return interval(float(f1(own.sum(axis=0))), resampled, confidence)


def agreement(judged: Iterable[Judged]) -> Agreement:
    """The agreement of the predicted spans with the corrected ones, over all notes."""
    notes = list(judged)
    return Agreement(
        notes=len(notes),
        confirmed=sum(note.true_positives for note in notes),
        invented=sum(note.predicted - note.true_positives for note in notes),
        missed=sum(note.gold - note.true_positives for note in notes),
    )
