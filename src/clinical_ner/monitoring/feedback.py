"""How far what was predicted agrees with what people corrected: counts, added, and only then divided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Agreement(NamedTuple):
    """Entities of judged notes: found and confirmed, found and taken back, and missed."""

    notes: int
    confirmed: int
    invented: int
    missed: int

    @property
    def f1(self) -> float | None:
        """The strict F1 of the predictions against the corrections; none, if there is nothing to be right about."""
        marked = 2 * self.confirmed + self.invented + self.missed
        return round(2 * self.confirmed / marked, 4) if marked else None


def agreement(feedback: Iterable[Mapping[str, Any]]) -> Agreement:
    """The agreement of the predicted spans with the corrected ones; the last word on a prediction counts.

    A row has `prediction_id`, `created_at`, the corrected `spans` and the `predicted` ones; rows without either are
    left out: nobody judged the entities, or the prediction is no longer known.
    """
    judged = {
        row["prediction_id"]: (set(map(tuple, row["predicted"])), {corrected(span) for span in row["spans"]})
        for row in sorted(feedback, key=lambda row: row["created_at"])
        if row["spans"] is not None and row["predicted"] is not None
    }
    pairs = judged.values()
    return Agreement(
        notes=len(judged),
        confirmed=sum(len(found & true) for found, true in pairs),
        invented=sum(len(found - true) for found, true in pairs),
        missed=sum(len(true - found) for found, true in pairs),
    )


def corrected(span: Mapping[str, Any]) -> tuple[int, int, str]:
    """A span of feedback as predictions have theirs."""
    return span["start"], span["end"], span["label"]
