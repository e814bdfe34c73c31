"""What treatments are usually given for, by their names and by what operations are named after.

No released package has indications of drugs under an open licence; `resources/indications.yaml` has those of common
ones, by their names and by the stems that nonproprietary names end or begin with. It is not complete: that a disease is
not among what a treatment is given for says little by itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from clinical_ner.ner.concepts import LONGEST_NAME
from clinical_ner.ner.gazetteer import CACHED

RESOURCE = Path(__file__).with_name("resources") / "indications.yaml"
WORD = re.compile(r"[^\W_](?:[\w']|-(?=\w))*")
RANGE = re.compile(r"([A-Z])(\d\d)-[A-Z](\d\d)")
MOST_WORDS = 4  # of a name of the resource
OPERATION = re.compile(
    r"\b([a-z]{6,}?)(?:ectomy|otomy|ostomy|oplasty|plasty|pexy|orrhaphy|odesis|desis|osynthesis)\b"
    r"|\b(hernia|abscess|aneurysm|fistula|fracture|cataract|haematoma|hematoma)s? (?:\w+ )?"
    r"(?:repair|drainage|clipping|evacuation|fixation|surgery|extraction)\b"
)


class Uses(NamedTuple):
    """What a treatment is usually given for."""

    categories: frozenset[str]  # of ICD-10-CM, or beginnings of them; empty: not known
    roots: tuple[str, ...]  # that the names of what an operation is for begin a word with


NOTHING_KNOWN = Uses(frozenset(), ())


class Rule(NamedTuple):
    """The categories of ICD-10-CM that something is given for, and the words, or their ends, that it does not mean."""

    categories: frozenset[str]
    but: tuple[str, ...]


class _Rules(NamedTuple):
    names: dict[str, list[Rule]]
    ends: dict[str, list[Rule]]
    begins: dict[str, list[Rule]]
    stems: frozenset[int]  # how many letters they have


def uses(treatment: str) -> Uses:
    """What a treatment of this name is usually given for; of several names, such as a brand and its drug, any.

    >>> uses("appendectomy").roots, "I10" in uses("lisinopril").categories, uses("aloe") == NOTHING_KNOWN
    (('append',), True, True)
    """
    return _uses(treatment.lower()) if len(treatment) <= LONGEST_NAME else NOTHING_KNOWN


def is_for(known: Uses, disease: str, code: str | None) -> bool | None:
    """Whether a disease is among what a treatment is usually given for; None if it cannot be said.

    Args:
        known: of the treatment.
        disease: its name, in lower case.
        code: of ICD-10-CM.

    >>> is_for(uses("lisinopril"), "high blood pressure", "I10"), is_for(uses("lisinopril"), "gout", "M10.9")
    (True, False)
    >>> is_for(uses("laparoscopic cholecystectomy"), "acute cholecystitis", None), is_for(uses("aloe"), "gout", "M10.9")
    (True, None)
    """
    if code and (code[:3] in known.categories or code[:1] in known.categories):
        return True
    if any(f" {root}" in f" {disease}" for root in known.roots):
        return True
    return False if code and known.categories else None


@lru_cache(maxsize=CACHED)
def _uses(treatment: str) -> Uses:
    categories = frozenset[str]().union(*(rule.categories for rule in _found(treatment)))
    return Uses(
        categories, tuple(dict.fromkeys(root for found in OPERATION.findall(treatment) for root in found if root))
    )


def _found(treatment: str) -> Iterator[Rule]:
    """The rules that a treatment falls under; the words of a longer name are not looked at again."""
    rules, words = _rules(), WORD.findall(treatment)
    free = set(range(len(words)))
    for length in range(min(MOST_WORDS, len(words)), 1, -1):
        for first in range(len(words) - length + 1):
            own = range(first, first + length)
            known = rules.names.get(" ".join(words[first : first + length])) if free.issuperset(own) else None
            if known:
                free.difference_update(own)
                yield from known
    for position in sorted(free):
        for word in dict.fromkeys([words[position], *words[position].split("-")]):
            yield from rules.names.get(word, ())
            yield from _by_stem(rules, word)


def _by_stem(rules: _Rules, word: str) -> Iterator[Rule]:
    for length in rules.stems:
        if length < len(word):
            known = (*rules.ends.get(word[-length:], ()), *rules.begins.get(word[:length], ()))
            yield from (rule for rule in known if not word.endswith(rule.but))


@cache
def _rules() -> _Rules:
    names, ends, begins = (defaultdict[str, list[Rule]](list) for _ in range(3))
    content: list[dict[str, Any]] = yaml.safe_load(RESOURCE.read_text(encoding="utf-8"))
    for row in content:
        categories = frozenset(each for codes in row["codes"].split() for each in _expanded(codes))
        rule = Rule(categories, tuple(word.strip("-") for word in row.get("but", ())))
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
