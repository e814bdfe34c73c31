"""What a store holds, and how long a test waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine, func, select

PATIENCE = 30.0


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within the patience; it is asked again and again."""
    deadline = time.monotonic() + PATIENCE
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


def count(url: str, table: Any) -> int:
    """The rows of the table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found: int = connection.execute(select(func.count()).select_from(table)).scalar_one()
    engine.dispose()
    return found
