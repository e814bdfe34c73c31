"""The resources beside this module: sentence templates by style and section, layouts, words to fill slots with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from clinical_ner.core.errors import UserError
from clinical_ner.notes.syntax import ECHO, ENTITY_SLOTS, Template, check, parse

RESOURCES = Path(__file__).with_name("resources")
DETAILS = ("patient_name", "birth_date", "note_date", "provider", "smoking", "weight", "bmi")  # quoted from the record
NUMBERS = ("adult_age", "bp", "code", "duration", "n", "pack_years", "percent", "ratio", "size", "temp", "value")
PERSONAL = ("age", "sex", "he", "his", "him")
COMPUTED = ("lab", "marker", "onset_year", "year", "regimen_dose")
ADULT = 18


@cache
def templates(style: str) -> dict[str, tuple[Template, ...]]:
    """The templates of a style (case_report, abstract, genetics, clinical) by section.

    Raises:
        UserError: a template is malformed.
    """
    return read_templates(RESOURCES / f"{style}.yaml")


def read_templates(path: Path) -> dict[str, tuple[Template, ...]]:
    """The templates of a file by section.

    Raises:
        UserError: a template is malformed, or stands twice in its section; the message names file, section and line.
    """
    root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{path.name} has no sections")
    return {key.value: tuple(_section(path, key.value, lines.value)) for key, lines in root.value}


def _section(path: Path, section: str, lines: list[yaml.ScalarNode]) -> Iterator[Template]:
    seen: set[str] = set()
    for line in lines:
        try:
            template = parse(section, line.value)
            check(template, known_slots())
            if template.template_id in seen:
                raise ValueError("the same sentence stands above")
        except ValueError as error:
            place = f"{path.name}, section '{section}', line {line.start_mark.line + 1}"
            raise UserError(f"{place}: {error}", "see clinical_ner/notes/syntax.py") from None
        seen.add(template.template_id)
        yield template


@cache
def known_slots() -> frozenset[str]:
    """The name of every slot that can be filled."""
    return frozenset({*ENTITY_SLOTS, ECHO, *fillers(), *DETAILS, *NUMBERS, *PERSONAL, *COMPUTED})


@cache
def layout(kind: str) -> tuple[tuple[str, int, int], ...]:
    """The sections of a kind of note in order, each with its fewest and most sentences."""
    content = yaml.safe_load((RESOURCES / "layouts.yaml").read_text(encoding="utf-8"))
    return tuple((section, low, high) for section, (low, high) in content[kind].items())


@cache
def unfit(sex: str, *, child: bool) -> re.Pattern[str]:
    """Finds the words that are never said of such a person."""
    groups = (f"unfit_{sex}", "unfit_child" if child else "unfit_adult")
    return re.compile(
        rf"\b({'|'.join(re.escape(word) for group in groups for word in fillers()[group])})", re.IGNORECASE
    )


@cache
def fillers() -> dict[str, tuple[str, ...]]:
    """What is neither a disease nor a treatment, by slot name."""
    content = yaml.safe_load((RESOURCES / "fillers.yaml").read_text(encoding="utf-8"))
    return {name: tuple(map(str, choices)) for name, choices in content.items()}
