"""The resources beside this module: sentence templates, layouts, authors, headings, words to fill slots with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from clinical_ner.core.errors import UserError
from clinical_ner.notes.syntax import ECHO, ENTITY_SLOTS, NONE_OF, REFERS_TO, Piece, Template, check, parse

RESOURCES = Path(__file__).with_name("resources")
CLINICAL = ("prose", "shorthand")  # the two ways of writing about a patient, with the same sections
# Slots that are no entity and no list of words: from the record, drawn as numbers, about the person, and others.
DETAILS = (
    *("patient_name", "surname", "birth_date", "note_date", "provider"),
    *("smoking", "alcohol", "etoh", "weeks", "weeks_at_birth"),
)
NUMBERS = ("adult_age", "bp", "code", "duration", "interval", "n", "pack_years", "percent", "ratio", "size")
PERSONAL = ("age", "sex", "sex_letter", "he", "his", "him", "honorific")
COMPUTED = ("value", "lab", "marker", "year", "past_date", "healthy_relative", *REFERS_TO, *NONE_OF)
OWN_HEADING = re.compile(r"([A-Z][A-Za-z /&-]+): ?")


class Part(NamedTuple):
    """A section of a layout: how many sentences it has, and what may stand there as a list instead."""

    section: str
    low: int
    high: int
    items: str  # the section whose templates are the items; empty: there is no list
    low_items: int
    high_items: int
    whole: str  # the slot of which all that the record has is listed; empty: so many sentences or items


class Author(NamedTuple):
    """A way of writing: each share is the probability of what it names."""

    weight: float  # among the authors
    shorthand: float  # of the sentences and terms
    headings: float  # that sections have any
    upper: float  # headings in capitals
    short: float  # headings abbreviated
    inline: float  # the text on the line of its heading
    listed: float  # a section as a list where it can be one
    lines: float  # each sentence on a line of its own
    wrapped: float  # lines of about 80 columns
    capitals: float  # the whole note in capitals
    sentences: float  # how many, against the layout
    typos: float  # how many, against the parameter
    repeats: float  # sections taken over from an earlier note


class Kind(NamedTuple):
    """A kind of note about a patient."""

    weight: float  # among those that can be written
    at: frozenset[str]  # kinds of encounters


class Gauge(NamedTuple):
    """A measurement: what is written of it, and where the record has it."""

    range: tuple[float, float]  # of anybody
    decimals: int
    usual: tuple[float, float] | None = None  # of a patient of whom the record does not say it
    child: tuple[float, float] | None = None  # the same of a child
    loinc: str = ""
    days: int = 0  # for which a value is told
    analytes: tuple[str, ...] = ()  # names of what is measured


class Genre(NamedTuple):
    """A kind of literature."""

    weight: float  # among them
    headed: float  # probability of headings
    of_one: bool  # about one person, not a study of many


class Heading(NamedTuple):
    """What may stand above a section of a layout, and the section of a note that it opens."""

    section: str | None
    full: tuple[str, ...]
    short: tuple[str, ...]


@cache
def templates(style: str) -> dict[str, tuple[Template, ...]]:
    """The templates of a style (case_report, abstract, genetics, drug_safety, prose, shorthand) by section.

    Raises:
        UserError: a template is malformed.
    """
    content = read_templates(RESOURCES / f"{style}.yaml")
    if style not in literature():
        return content
    return {
        section: tuple(replace(each, pieces=without_heading(each.pieces)) for each in found)
        for section, found in content.items()
    }


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


def without_heading(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces of a sentence that begins with a heading of its own, without it: the layout writes headings."""
    first = pieces[0]
    found = OWN_HEADING.match(first) if isinstance(first, str) else None
    if not found or found[1].lower() not in _all_headings():
        return pieces
    rest = first[found.end() :] if isinstance(first, str) else ""
    return (rest, *pieces[1:]) if rest else pieces[1:]


@cache
def _all_headings() -> frozenset[str]:
    return frozenset(words.lower() for heading in headings().values() for words in (*heading.full, *heading.short))


@cache
def known_slots() -> frozenset[str]:
    """The name of every slot that can be filled."""
    return frozenset({*ENTITY_SLOTS, ECHO, *fillers(), *ranges(), *DETAILS, *NUMBERS, *PERSONAL, *COMPUTED})


@cache
def layout(kind: str) -> tuple[Part, ...]:
    """The sections of a kind of text in order."""
    return tuple(_part(section, **row) for section, row in _content("layouts")[kind].items())


def _part(section: str, sentences: list[int], items: dict[str, list[int]] | None = None, whole: str = "") -> Part:
    low, high = sentences
    name, (low_items, high_items) = next(iter((items or {"": [0, 0]}).items()))
    return Part(section, low, high, name, low_items, high_items, whole)


@cache
def kinds() -> dict[str, Kind]:
    """The kinds of notes about a patient."""
    return {name: Kind(row["weight"], frozenset(row["at"])) for name, row in _content("authors")["kinds"].items()}


@cache
def literature() -> dict[str, Genre]:
    """The kinds of literature."""
    return {name: Genre(**row) for name, row in _content("authors")["literature"].items()}


@cache
def authors() -> dict[str, Author]:
    """The ways of writing a note about a patient."""
    return {name: Author(**row) for name, row in _content("authors")["authors"].items()}


@cache
def headings() -> dict[str, Heading]:
    """What may stand above each section of the layouts."""
    return {
        name: Heading(row["section"], tuple(row["full"]), tuple(row.get("short", row["full"])))
        for name, row in _content("headings").items()
    }


@cache
def unfit(sex: str, *, child: bool, expecting: bool) -> re.Pattern[str]:
    """Finds the words that are never said of such a person."""
    groups = (
        f"unfit_{sex}",
        "unfit_child" if child else "unfit_adult",
        *(() if expecting else ("unfit_not_pregnant",)),
    )
    return re.compile(
        rf"\b({'|'.join(re.escape(word) for group in groups for word in fillers()[group])})", re.IGNORECASE
    )


@cache
def fit_anyway() -> re.Pattern[str]:
    """Finds phrases in which an unfit word is not about the person."""
    return re.compile("|".join(map(re.escape, fillers()["fit_anyway"])), re.IGNORECASE)


@cache
def fillers() -> dict[str, tuple[str, ...]]:
    """What is neither a disease nor a treatment, by slot name."""
    return {name: tuple(map(str, choices)) for name, choices in _content("fillers").items()}


@cache
def ranges() -> dict[str, Gauge]:
    """Measurements by slot name."""
    return {name: _gauge(**row) for name, row in _content("ranges").items()}


@cache
def gauged() -> frozenset[str]:
    """The analytes that have a measurement of their own, in lower case."""
    return frozenset(name.casefold() for gauge in ranges().values() for name in gauge.analytes)


def _gauge(**row: Any) -> Gauge:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Gauge(**values)


@cache
def short_names() -> dict[str, tuple[str, ...]]:
    """How clinicians also write the treatments of the record: brands and abbreviations."""
    return {name: tuple(forms) for name, forms in _content("short_names").items()}


def _content(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((RESOURCES / f"{name}.yaml").read_text(encoding="utf-8"))
    return content
