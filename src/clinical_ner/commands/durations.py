"""Lengths of time as options have them: 24h, 90d."""

from __future__ import annotations

import re
from datetime import timedelta

from clinical_ner.core.errors import UserError

UNITS = {"h": "hours", "d": "days"}


def duration(option: str, written: str) -> timedelta:
    """The length of time, in hours or days, that was written for an option.

    >>> duration("--last", "36h")
    datetime.timedelta(days=1, seconds=43200)

    Raises:
        UserError: it is none.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})([hd])", written)
    if not found:
        raise UserError(f"{option}: not a number of hours or days", "write it as 24h or 90d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
