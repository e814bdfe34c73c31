"""Of whom a note is: what it says of age and sex, as broad groups; a change of who is seen shows here first."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from clinical_ner.core.figures import AGES, UNSAID

HEAD = 2_000  # characters in which a note introduces its patient
AGE = re.compile(
    r"\b(?P<months>\d{1,2})[- ](?i:(?:day|week|wk|month|mo)s?[- ](?:old|o\b))"
    r"|\b(?P<years>\d{1,3})(?:(?i:[- ]?(?:year|yr)s?[- ](?:old|o\b)| ?y/?o\b| (?:years|yrs) of age)| ?[MF]\b)"
    r"|\b(?i:aged?):? (?P<age>\d{1,3})\b"
)
BORN = re.compile(
    r"\b(?:DOB|[Bb]orn|[Dd]ate of birth):? *(?:on )?(?:\d{1,2}[/.-]\d{1,2}[/.-])?(?P<year>(?:19|20)\d\d)\b"
    r"| / (?:\d{1,2}[/.-]\d{1,2}[/.-])?(?P<before>(?:19|20)\d\d)\b[-\d]* / \d"  # of a line "name / born / seen"
)
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
BELOW = (5, 18, 45, 65, 75, 130)  # years at which the next group of AGES begins
FEMALE = frozenset(["she", "her", "hers", "woman", "female", "girl", "mrs", "ms", "f"])
MALE = frozenset(["he", "his", "him", "man", "male", "boy", "mr", "m"])
SEX_OF = dict.fromkeys(FEMALE, 1) | dict.fromkeys(MALE, -1)


def age_band(text: str) -> str:
    """The group of the age that a note gives first, in words or by the year of birth.

    >>> age_band("A 58-year-old woman"), age_band("3 y/o M"), age_band("She came.")
    ('45_to_64', 'under_5', 'unsaid')
    """
    years = stated_years(text[:HEAD])
    return UNSAID if years is None else AGES[bisect_right(BELOW, years)]


def stated_years(text: str) -> int | None:
    """The age that the text gives first; by the year of birth it is that of the latest year in the text.

    Whichever of the two comes first; a year of birth alone does not say when the note was written.
    """
    stated, born, years = AGE.search(text), BORN.search(text), [int(year) for year in YEAR.findall(text)]
    if born and len(years) > 1 and (stated is None or born.start() < stated.start()):
        return max(years) - int(born["year"] or born["before"])
    if stated:
        return 0 if stated["months"] else int(stated["years"] or stated["age"])
    return None


def sex(words: Iterable[str]) -> str:
    """Of which sex more of the words, in lower case, are; there is no answer where they are as many."""
    balance = sum(SEX_OF.get(word, 0) for word in words)
    return "female" if balance > 0 else "male" if balance < 0 else UNSAID
