"""The versions as people and programs want to see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clinical_ner.promotion.comparison import WHOLE
from clinical_ner.promotion.registry import Event


def rows(events: Sequence[Event]) -> list[dict[str, Any]]:
    """A row a version, the newest first: its stages now, its F1 by test set when it was registered."""
    now = {event.stage: event.version for event in events if event.stage}  # the last assignment holds
    return [
        {
            "version": event.version,
            "stages": sorted(stage for stage, version in now.items() if stage and version == event.version),
            "registered": event.at.isoformat(),
            "author": event.author,
            "commit": event.commit,
            "model_version": event.decision and event.decision["challenger"]["model_version"],
            "f1": f1_by_set(event),
        }
        for event in reversed(events)
        if event.stage is None
    ]


def f1_by_set(event: Event) -> dict[str, float]:
    """The F1 of the version on each test set, as its tag has it."""
    sets = event.decision["sets"] if event.decision else {}
    return {name: found["slices"][WHOLE]["challenger"] for name, found in sets.items()}


def table(found: Sequence[dict[str, Any]]) -> str:
    """The rows as plain text."""
    line = "{:<9} {:<9} {:<17} {:<8} {:<13} {}".format
    lines = [
        line(
            row["version"],
            ",".join(row["stages"]) or "-",
            row["registered"][:16].replace("T", " "),
            row["commit"][:7],
            row["model_version"] or "-",
            " ".join(f"{name} {value:.3f}" for name, value in row["f1"].items()) or "-",
        )
        for row in found
    ]
    head = line("version", "stages", "registered, UTC", "commit", "model", "F1")
    return "\n".join([head, *lines]) if lines else "no version yet: 'clinical-ner promote' registers the first"
