"""Uniforms of a named stream, one at a time: a call to numpy for each would cost more than the note."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, chain, repeat
from math import log
from typing import TypeVar

from clinical_ner.core.seeds import stream

BLOCK = 128  # about what a note asks for
Choice = TypeVar("Choice")


class Draws:
    """What is drawn depends on the seed, the name and the number of draws before, and on nothing else."""

    __slots__ = ("uniform",)

    def __init__(self, seed: int, name: str) -> None:
        source = stream(seed, name)
        blocks = (reversed(source.random(BLOCK).tolist()) for _ in repeat(None))
        self.uniform: Callable[[], float] = chain.from_iterable(blocks).__next__  # a number in [0, 1)

    def chance(self, share: float) -> bool:
        """True in this share of the draws."""
        return self.uniform() < share

    def below(self, limit: int) -> int:
        """An integer from 0 to just below the limit."""
        return int(self.uniform() * limit)

    def between(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices, each as likely."""
        return choices[int(self.uniform() * len(choices))]

    def weighted(self, choices: dict[Choice, float]) -> Choice:
        """One of the keys, as likely as its weight says."""
        names, steps = list(choices), list(accumulate(choices.values()))
        return names[bisect_right(steps, self.uniform() * steps[-1], hi=len(names) - 1)]

    def misses(self, share: float) -> int:
        """How many draws of `chance(share)` would fail before one succeeds."""
        return int(log(1 - self.uniform()) / log(1 - share)) if share < 1 else 0
