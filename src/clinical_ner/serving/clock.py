"""The service's clock, and identifiers in the order of time."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID


def now() -> datetime:
    """The time, aware."""
    return datetime.fromtimestamp(time.time(), UTC)


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562): one of a later millisecond is greater, so that an index grows at its end.

    Of random ones every row would be written to another page.
    """
    milliseconds, chance = time.time_ns() // 1_000_000, secrets.randbits(74)
    return UUID(int=milliseconds << 80 | 7 << 76 | chance >> 62 << 64 | 2 << 62 | chance & (1 << 62) - 1)
