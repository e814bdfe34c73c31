"""Named random streams: randomness has a name, not an order.

Every column draws from its own stream. A value depends on the seed, the stream's name and the row's
position alone, so the first rows of a large table are the rows of a small one, whatever the chunks.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


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


def unit_hash(seed: int, name: str, key: str) -> float:
    """A uniform in [0, 1) fixed by seed, name and key: membership of a split, say.

    >>> unit_hash(1, "patients", "P1") == unit_hash(1, "patients", "P1")
    True
    """
    return entropy(seed, f"{name}/{key}") / 2**128
