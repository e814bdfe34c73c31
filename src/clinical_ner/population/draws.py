"""The uniforms of a stretch of the population, by name and position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinical_ner.core.seeds import uniforms, uniforms_at
from clinical_ner.population.catalogue import Floats

ROWS_A_PATIENT = 1 << 20  # more than any person has of anything


@dataclass(frozen=True)
class Draws:
    """The people at the positions from `start` to `start + size`: what each draws depends on nobody else.

    >>> whole, part = Draws(7, 0, 5), Draws(7, 3, 2)
    >>> bool((whole("age")[3:] == part("age")).all())
    True
    """

    seed: int
    start: int
    size: int

    def __call__(self, name: str) -> Floats:
        """One uniform a person from the named stream."""
        return uniforms(self.seed, name, self.size, self.start)

    def of_rows(self, name: str, patient: NDArray[np.int64], row: NDArray[np.int64] | int = 0) -> Floats:
        """One uniform a row from the named stream, by the person's place in the stretch and the row's number."""
        return uniforms_at(self.seed, name, (self.start + patient) * ROWS_A_PATIENT + row)
