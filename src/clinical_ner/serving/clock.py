"""The service's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The time, aware."""
    return datetime.fromtimestamp(time.time(), UTC)
