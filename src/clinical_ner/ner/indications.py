"""Whether a treatment is usually given for a disease: by the disease's code, or by what an operation is named after.

No released package has indications of drugs under an open licence; `resources/indications.yaml` has those of common
ones, by their names and by the stems that nonproprietary names end or begin with.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from clinical_ner.ner.gazetteer import CACHED

RESOURCE = Path(__file__).with_name("resources") / "indications.yaml"
WORD = re.compile(r"[^\W_](?:[\w']|-(?=\w))*")
RANGE = re.compile(r"([A-Z])(\d\d)-[A-Z](\d\d)")
LONGEST_NAME = 4  # words
OPERATION = re.compile(r"\b([a-z]{5,}?)(?:ectomy|otomy|ostomy|oplasty|plasty|pexy|orrhaphy|odesis|desis|osynthesis)\b")
OF_WHAT = re.compile(
    r"\b(\w{5,})s? (?:repair|drainage|excision|removal|closure|ligation|clipping|evacuation|surgery)\b"
)


class Rule(NamedTuple):
    """The categories of ICD-10-CM that something is given for, and the words that it does not mean."""

    categories: frozenset[str]
    but: frozenset[str]


class _Rules(NamedTuple):
    names: dict[str, list[Rule]]
    ends: dict[str, list[Rule]]
    begins: dict[str, list[Rule]]
    stems: frozenset[int]  # how many letters they have


def is_indicated(treatment: str, disease: str, code: str | None) -> bool | None:
    """Whether the treatment is usually given for the disease; None if that is not known.

    Args:
        treatment: its names, as the text and as the vocabulary have them.
        disease: the same of the disease.
        code: of ICD-10-CM.

    >>> is_indicated("lisinopril", "high blood pressure", "I10"), is_indicated("lisinopril", "gout", "M10.9")
    (True, False)
    >>> is_indicated("laparoscopic cholecystectomy", "acute cholecystitis", None), is_indicated("aloe", "gout", "M10.9")
    (True, None)
    """
    if any(root in disease.lower() for root in _operated(treatment)):
        return True
    known = _categories(treatment)
    if not known or not code:
        return None
    return code[:3] in known or code[:1] in known


@lru_cache(maxsize=CACHED)
def _operated(treatment: str) -> tuple[str, ...]:
    """What an operation is named after: the beginning of an organ's name, or all of what is repaired or removed."""
    words = treatment.lower()
    return tuple({*OPERATION.findall(words), *OF_WHAT.findall(words)})


@lru_cache(maxsize=CACHED)
def _categories(treatment: str) -> frozenset[str]:
    return frozenset().union(*(rule.categories for word, rule in _found(treatment.lower()) if word not in rule.but))


def _found(treatment: str) -> Iterator[tuple[str, Rule]]:
    """The rules that a treatment falls under, each with the word or words that say so."""
    rules, whole = _rules(), WORD.findall(treatment)
    for first in range(len(whole)):
        for past in range(first + 1, min(first + LONGEST_NAME, len(whole)) + 1):
            name = " ".join(whole[first:past])
            yield from ((name, rule) for rule in rules.names.get(name, ()))
    for word in (part for each in whole for part in {each, *each.split("-")}):
        yield from ((word, rule) for rule in rules.names.get(word, ()) if word not in whole)
        for length in rules.stems:
            if length < len(word):
                yield from ((word, rule) for rule in rules.ends.get(word[-length:], ()))
                yield from ((word, rule) for rule in rules.begins.get(word[:length], ()))


@cache
def _rules() -> _Rules:
    names, ends, begins = (defaultdict[str, list[Rule]](list) for _ in range(3))
    content: list[dict[str, Any]] = yaml.safe_load(RESOURCE.read_text(encoding="utf-8"))
    for row in content:
        categories = frozenset(each for codes in row["codes"].split() for each in _expanded(codes))
        rule = Rule(categories, frozenset(row.get("but", ())))
        for name in row["names"]:
            kind = ends if name.startswith("-") else begins if name.endswith("-") else names
            kind[name.strip("-").lower()].append(rule)
    return _Rules(dict(names), dict(ends), dict(begins), frozenset(map(len, (*ends, *begins))))


def _expanded(codes: str) -> list[str]:
    """The categories of a range, or the beginning of codes that it is."""
    if found := RANGE.fullmatch(codes):
        letter, low, high = found.groups()
        return [f"{letter}{number:02d}" for number in range(int(low), int(high) + 1)]
    return [codes]
