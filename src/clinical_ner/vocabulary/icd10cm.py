"""The ICD-10-CM code of a disease, as near to billable as its name allows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import chain

from clinical_ner.core.text import on_one_line
from clinical_ner.vocabulary import sources

EXTERNAL_CAUSES = ("V", "W", "X", "Y")  # chapter 20: how somebody came to harm, not from what he suffers
# What a title says of what nobody told: ", unspecified", "of unspecified eye", "without coma", "not intractable".
LEFT_OPEN = re.compile(
    r",? (?:(?:not )?(?:un)?specified as [^,]*"
    r"|(?:without|not|uncomplicated)\b(?:(?! with )[^,])*"
    r"|(?:(?:of|in|to|due to|on) )?unspecified(?: (?!(?:with|without|and|as|not|or)\b)[\w-]+){0,2})(?=,| with|$)",
    re.IGNORECASE,
)


def icd10cm(mesh_id: str, name: str, terms: Iterable[str]) -> str | None:
    """The code of a MeSH descriptor with its name and all its terms; None if nothing says one.

    The first that has one: `icd10cm_common.csv`, a title that is the name, the Disease Ontology, an inclusion term that
    is the name, a title and then an inclusion term that is one of the terms. Of a category that is found so, the
    code that leaves open what the category divides.
    """
    own = normalise(" ".join(reversed(name.split(", "))))
    titles, inclusions = _by_title(), _by_inclusion_term()
    chosen = sources.csv_map("icd10cm_common.csv").get(mesh_id)
    found = [titles.get(own), sources.csv_map("mesh_icd10cm.csv").get(mesh_id), inclusions.get(own)]
    others = (known.get(normalise(term)) for known in (titles, inclusions) for term in terms)
    code = next(filter(None, chain(found, others)), None)
    return chosen or (code and unspecified(code))


def unspecified(code: str) -> str:
    """Of a category the code for when no more is known; the category if there is none, or if it is a code.

    >>> unspecified("I20"), unspecified("E87.2"), unspecified("I10"), unspecified("F10")
    ('I20.9', 'E87.20', 'I10', 'F10')
    """
    titles = _titles()
    if code not in titles:
        return code  # with its seventh character
    whole = _closed(re.sub("^Other (?:and )?", "", titles[code]))
    same = [child for child in _children().get(code, ()) if _closed(titles[child]) == whole]
    plainest = max(same, key=lambda child: ("nspecified" in titles[child], child), default=None)
    return unspecified(plainest) if plainest else code


def normalise(term: str) -> str:
    """Lower case, without possessives, commas, hyphens and 'unspecified'.

    >>> normalise("Crohn's disease, unspecified")
    'crohn disease'
    """
    words = re.sub(r"['’]s\b|[,()\[\]]|\bunspecified\b|\bnos\b", " ", term.lower()).replace("-", " ")
    return on_one_line(words)


def _closed(title: str) -> str:
    """The title without what it leaves open."""
    return normalise(LEFT_OPEN.sub("", title))


@cache
def _titles() -> dict[str, str]:
    return {diagnosis.code: diagnosis.title for diagnosis in sources.icd10cm()}


@cache
def _children() -> dict[str, list[str]]:
    """The codes right below each category."""
    found, above = defaultdict(list), list[str]()
    for code in sorted(_titles()):
        while above and not code.startswith(above[-1]):
            above.pop()
        if above:
            found[above[-1]].append(code)
        above.append(code)
    return dict(found)


@cache
def _by_title() -> dict[str, str]:
    return _first((normalise(title), code) for code, title in _titles().items())


@cache
def _by_inclusion_term() -> dict[str, str]:
    return _first((normalise(term), code) for code, _, terms in sources.icd10cm() for term in terms)


def _first(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of each term the first code, which is the most general, external causes aside."""
    found: dict[str, str] = {}
    for term, code in pairs:
        if not code.startswith(EXTERNAL_CAUSES):
            found.setdefault(term, code)
    return found
