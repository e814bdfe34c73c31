"""The uniforms of a stretch of the population, by name and position."""

from __future__ import annotations

from dataclasses import dataclass

from clinical_ner.core.seeds import uniforms
from clinical_ner.population.catalogue import Floats


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
