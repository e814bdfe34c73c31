"""Of whom a note is: what it says of age and sex, as broad groups; a change of who is seen shows here first."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from clinical_ner.core.figures import AGES, UNSAID

HEAD = 2_000  # characters in which a note introduces its patient
AGE = re.compile(
    r"\b(?P<months>\d{1,2})[- ](?i:(?:day|week|wk|month|mo)s?[- ](?:old|o\b))"
    r"|(?<![\d.])\b(?P<years>\d{1,3})(?:(?i:[- ]?(?:year|yr)s?[- ](?:old|o\b)| ?y/?o\b| (?:years|yrs) of age)| ?[MF]\b)"
    r"|\b(?i:aged?):? (?P<age>\d{1,3})\b"
)
FULL = r"(?:\d{1,2}[/.-]\d{1,2}[/.-](?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d)"
BORN = re.compile(
    rf"\b(?i:d\.?o\.?b\b\.?|date of birth)[\s:(-]*(?P<birth>{FULL}|(?:19|20)\d\d\b)|\bborn (?:on )?(?P<born>{FULL})"
    rf"|\A[^\n/\d]+ / (?P<line>{FULL}) / {FULL}[ \t]*$",  # name / born / seen
    re.MULTILINE,
)
DATE = re.compile(
    r"\b(?:(?P<month>\d{1,2})[/.-](?P<day>\d{1,2})[/.-](?P<year>(?:19|20)\d\d)\b"
    r"|(?P<iso>(?:19|20)\d\d-\d\d-\d\d)\b|(?P<alone>(?:19|20)\d\d)\b)"
)
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
    """The completed years that the text gives first, as an age or by a date of birth.

    By a date of birth they are those on the latest date beside it, before any age; a date of birth alone says nothing.
    """
    stated, born = AGE.search(text), BORN.search(text)
    if born and not (stated and stated.start() < born.start()):
        dates = _dates(text[: stated.start()] if stated else text)
        if len(dates) > 1:
            [birth] = _dates(born["birth"] or born["born"] or born["line"])
            seen = max(dates)
            return seen[0] - birth[0] - (seen[1] > 0 and seen[1:] < birth[1:])
    if stated:
        return 0 if stated["months"] else int(stated["years"] or stated["age"])
    return None


def _dates(text: str) -> list[tuple[int, int, int]]:
    """Year, month and day of its dates; of years alone, without the others, if it has fewer than two whole dates."""
    found = list(DATE.finditer(text))
    whole = [date for date in found if not date["alone"]]
    return [_date(date) for date in (whole if len(whole) > 1 else found)]


def _date(found: re.Match[str]) -> tuple[int, int, int]:
    if found["alone"]:
        return int(found["alone"]), 0, 0
    year, month, day = found["iso"].split("-") if found["iso"] else found.group("year", "month", "day")
    return int(year), int(month), int(day)


def sex(words: Iterable[str]) -> str:
    """Of which sex more of the words, in lower case, are; there is no answer where they are as many."""
    balance = sum(SEX_OF.get(word, 0) for word in words)
    return "female" if balance > 0 else "male" if balance < 0 else UNSAID
