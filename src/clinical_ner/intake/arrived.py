"""What a reader hands on: rows as they came, and what could not be read at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinical_ner.intake.contract import Fault


class Arrived(NamedTuple):
    """A row: where it stands, as it came, and its fields in the contract's names, or why it has none."""

    place: str
    original: Any
    fields: Mapping[str, Any] | Fault


class UnreadableError(Exception):
    """A file, or the rest of one, cannot be read; the message says why and holds nothing of it."""
