"""The section each part of a note stands in, by what its headings say.

A heading is a known phrase that starts a line or a sentence and ends with a colon or with the line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from clinical_ner.core.text import on_one_line

RESOURCE = Path(__file__).with_name("resources") / "sections.yaml"
LONGEST_HEADING = 60  # characters
LONGEST_ABBREVIATION = 5  # so that "BNP: 300" does not end a section


class Heading(NamedTuple):
    """`text[start:end]` opens a section, or None: a heading of no section of ours, or the end of a paragraph."""

    start: int
    end: int
    section: str | None


@cache
def _resource() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(RESOURCE.read_text(encoding="utf-8"))
    return content


@cache
def _known(*, abstract: bool) -> dict[str, str]:
    """Section by folded heading; some headings of a note say something else in an abstract."""
    sections = _resource()["sections"]
    meaning: dict[str, str] = _resource()["abstract_meaning" if abstract else "note_meaning"]
    return {heading: name for name in sections for heading in sections[name]["headings"]} | meaning


@cache
def _candidate() -> re.Pattern[str]:
    bare = "|".join(_resource()["without_colon"])
    return re.compile(
        rf"""^[ \t]*(?:[-*#•>]+[ \t]*)?(?P<line>[A-Za-z][A-Za-z/&'’,() \t-]{{0,{LONGEST_HEADING}}}?)[ \t]*(?::|\r?$)
        | (?<=[.;!?][ ])(?P<inline>[A-Z][A-Za-z/&]*(?:[ ][A-Za-z/&]+){{0,4}}):
        | (?:^|(?<=[.;][ ]))(?P<bare>(?i:{bare}))(?=[ ])
        | (?:^|(?<=[.;])[ \t]*)\r?\n(?=[^\sa-z])""",
        re.MULTILINE | re.VERBOSE,
    )


def loinc(section: str) -> str | None:
    """The LOINC code of a section, where there is one of which we are sure."""
    code: str | None = _resource()["sections"][section].get("loinc")
    return code


def headings(text: str) -> list[Heading]:
    """What opens and closes the sections of a text, in order.

    >>> [heading.section for heading in headings("PMH: gout. FH: lupus. Plan: rest")]
    ['past_medical_history', 'family_history', 'plan']
    """
    candidates = list(_candidate().finditer(text))
    folded = {_folded(match[match.lastgroup]) for match in candidates if match.lastgroup}
    abstract = len(folded.intersection(_resource()["abstract_headings"])) > 1
    return list(_marks(text, candidates, _known(abstract=abstract)))


def _folded(phrase: str) -> str:
    return on_one_line(phrase.lower())


def _marks(text: str, candidates: Iterable[re.Match[str]], known: dict[str, str]) -> Iterator[Heading]:
    """Known headings, those that open nothing, and the ends of paragraphs where they matter."""
    is_brief = False
    for match in candidates:
        name = match.lastgroup
        if name is None:
            if is_brief:
                yield Heading(match.start(), match.start(), None)
                is_brief = False
        elif (section := known.get(_folded(match[name]))) and _stands_out(match):
            yield Heading(match.start(name), match.end(), section)
            is_brief = section in _resource()["one_paragraph"] and not _ends_line(text, match)
        elif _closes(text, match, name):
            yield Heading(match.start(name), match.end(), None)


def _stands_out(match: re.Match[str]) -> bool:
    """A line without a colon is a heading only if it is more than a letter and starts with a capital."""
    if match.lastgroup != "line" or _has_colon(match):
        return True
    return len(match["line"]) > 1 and match["line"][0].isupper()


def _closes(text: str, match: re.Match[str], name: str) -> bool:
    """Whether a heading of no section of ours ends the one before.

    One of `closing` does, with a colon; one that is unknown if it is in capitals and no item, or ends its line with a
    colon.
    """
    if _has_colon(match) and _folded(match[name]) in _resource()["closing"]:
        return True
    if name != "line":
        return False
    in_capitals = match["line"].isupper() and max(map(len, match["line"].split())) > LONGEST_ABBREVIATION
    return (in_capitals and match[0][0] == match["line"][0]) or (_has_colon(match) and _ends_line(text, match))


def _has_colon(match: re.Match[str]) -> bool:
    return match[0].endswith(":")


def _ends_line(text: str, match: re.Match[str]) -> bool:
    return text[match.end() : match.end() + 1] in {"", "\n", "\r"}


def heading_at(found: Sequence[Heading], position: int) -> Heading | None:
    """The heading of the section that the position lies in; None before the first and after an unknown one."""
    place = bisect_right(found, position, key=lambda heading: heading.start) - 1
    return found[place] if place >= 0 and found[place].section else None
