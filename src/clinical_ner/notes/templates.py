"""Sentence templates: literal text with slots, read from the resources beside this module.

A slot is `{name}`, `{name:assertion}`, `{name#link}` or both. A capital first letter of the name
capitalises what fills it. Entities that share a link belong together: the treatment is for the disease.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

RESOURCES = Path(__file__).with_name("resources")
SLOT = re.compile(r"\{([A-Za-z_]+)(?::([a-z]+))?(?:#(\d))?\}")
DISEASE_SLOTS = frozenset({"disease", "problem"})
ECHO = "abbr"  # the initials of the entity named last, in the same sense
TREATMENT_SLOTS = frozenset({"drug", "drug_class", "procedure", "therapy", "treatment", "regimen"})


class Slot(NamedTuple):
    """A place to fill: what goes there, how it is meant, what it belongs to."""

    name: str
    capital: bool
    assertion: str
    link: str


class Template(NamedTuple):
    """A sentence: literal pieces and slots in order; the id changes with the wording."""

    template_id: str
    pieces: tuple[str | Slot, ...]

    @property
    def slots(self) -> list[Slot]:
        """The slots, in order."""
        return [piece for piece in self.pieces if isinstance(piece, Slot)]


def parse(section: str, text: str) -> Template:
    """A template from its line.

    >>> parse("plan", "Continue {drug}.").pieces
    ('Continue ', Slot(name='drug', capital=False, assertion='present', link=''), '.')
    """
    pieces: list[str | Slot] = []
    position = 0
    for match in SLOT.finditer(text):
        if match.start() > position:
            pieces.append(text[position : match.start()])
        name, assertion, link = match.groups()
        pieces.append(Slot(name.lower(), name[0].isupper(), assertion or "present", link or ""))
        position = match.end()
    if position < len(text):
        pieces.append(text[position:])
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Template(f"{section}/{digest}", tuple(pieces))


@cache
def templates(style: str) -> dict[str, tuple[Template, ...]]:
    """The templates of a style (case_report, abstract, clinical) by section."""
    content = yaml.safe_load((RESOURCES / f"{style}.yaml").read_text(encoding="utf-8"))
    return {section: tuple(parse(section, line) for line in lines) for section, lines in content.items()}


@cache
def layout(kind: str) -> tuple[tuple[str, int, int], ...]:
    """The sections of a kind of note in order, each with its fewest and most sentences."""
    content = yaml.safe_load((RESOURCES / "layouts.yaml").read_text(encoding="utf-8"))
    return tuple((section, low, high) for section, (low, high) in content[kind].items())


@cache
def unfit(sex: str, *, child: bool) -> re.Pattern[str]:
    """Finds the words that are never said of such a person."""
    groups = [f"unfit_{sex}", *(["unfit_child"] if child else [])]
    return re.compile(
        rf"\b({'|'.join(re.escape(word) for group in groups for word in fillers()[group])})", re.IGNORECASE
    )


@cache
def fillers() -> dict[str, tuple[str, ...]]:
    """What is neither a disease nor a treatment, by slot name."""
    content = yaml.safe_load((RESOURCES / "fillers.yaml").read_text(encoding="utf-8"))
    return {name: tuple(map(str, choices)) for name, choices in content.items()}
