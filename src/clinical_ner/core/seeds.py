"""Named random streams: randomness has a name, not an order.

Every column draws from its own stream. A value depends on the seed, the stream's name and the row's
position alone, so the first rows of a large table are the rows of a small one, whatever the chunks.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=1 << 12)  # of streams that are drawn from again and again
def entropy(seed: int, name: str) -> int:
    """A 128-bit number fixed by the seed and the name, the same in every process and version."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "big")


def stream(seed: int, name: str, skip: int = 0) -> np.random.Generator:
    """The generator of a named stream, advanced by `skip` draws of 64 bits."""
    bits = np.random.PCG64(entropy(seed, name))
    if skip:
        bits.advance(skip)
    return np.random.Generator(bits)


def uniforms(seed: int, name: str, size: int, start: int = 0) -> NDArray[np.float64]:
    """`size` uniforms in [0, 1) of the named stream, from position `start` on.

    >>> bool((uniforms(1, "age", 5)[2:] == uniforms(1, "age", 3, start=2)).all())
    True
    """
    return stream(seed, name, start).random(size)


def uniforms_at(seed: int, name: str, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """A uniform in [0, 1) for each position of the named stream, for positions in any order (SplitMix64).

    >>> both = uniforms_at(1, "age", np.array([3, 7, 3]))
    >>> bool(both[0] == both[2] != both[1])
    True
    """
    offset = np.uint64(entropy(seed, name) & (2**64 - 1))
    bits = (positions.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + offset
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits ^= bits >> np.uint64(shift)
        bits *= np.uint64(factor)
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def unit_hash(seed: int, name: str, key: str) -> float:
    """A uniform in [0, 1) fixed by seed, name and key: membership of a split, say.

    >>> unit_hash(1, "patients", "P1") == unit_hash(1, "patients", "P1")
    True
    """
    return entropy(seed, f"{name}/{key}") / 2**128
