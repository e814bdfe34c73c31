"""Abbreviations that a text defines itself: "chronic obstructive pulmonary disease (COPD)".

The algorithm of Schwartz and Hearst (Pacific Symposium on Biocomputing 2003): every letter of the short form is found
from right to left in the words before the bracket, and the first begins a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.tokenize import tokens

BRACKET = re.compile(r"(?<=[\w’'-])[ \n]\( ?([A-Za-z][\w/&.-]{1,9}) ?\)")
KINDS = ("disease", "drug", "procedure", "drug_class", "symptom", "substance")  # the first that applies
OTHER = "other"  # the long form is no known term
UNDEFINED = "undefined"  # the text does not say what the abbreviation stands for
LONGEST = 9  # characters of an abbreviation that is known by its form alone


def definitions(text: str) -> dict[str, str]:
    """The long form of each short form, as first defined.

    >>> definitions("Known heart failure (HF) and asthma (mild).")
    {'HF': 'heart failure'}
    """
    found: dict[str, str] = {}
    for match in BRACKET.finditer(text):
        short = match[1]
        if short not in found and (
            long := _long_form(short, text[_earliest(text, match.start(), short) : match.start()])
        ):
            found[short] = long
    return found


def kinds(long_forms: Mapping[str, str], gazetteer: Gazetteer) -> dict[str, str]:
    """What kind of term each abbreviation stands for: that of the known term which ends its long form, or `OTHER`."""
    return {short: _kind(long, gazetteer) for short, long in long_forms.items()}


def _kind(long: str, gazetteer: Gazetteer) -> str:
    words = [token.text for token in tokens(long)]
    found = {match.kind for match in gazetteer.matches(words) if match.past == len(words)}
    return next((kind for kind in KINDS if kind in found), OTHER)


def kind_of(word: str, kinds: Mapping[str, str]) -> str | None:
    """What kind of term the word stands for, `UNDEFINED` if it has but the form of an abbreviation, None for a word.

    >>> kind_of("SCCs", {"SCC": "disease"}), kind_of("MRI", {}), kind_of("Asthma", {})
    ('disease', 'undefined', None)
    """
    known = kinds.get(word) or kinds.get(singular(word))
    return known or (UNDEFINED if is_abbreviation(word) else None)


def singular(word: str) -> str:
    """An abbreviation without the s of its plural.

    >>> singular("SCCs"), singular("AIDS")
    ('SCC', 'AIDS')
    """
    return word[:-1] if word.endswith("s") and word[:-1].isupper() else word


def is_abbreviation(word: str) -> bool:
    """Whether the word has the form of an abbreviation: two capitals at least, and half of its characters.

    >>> [is_abbreviation(word) for word in ("T2DM", "mRNA", "pH", "Gout", "I")]
    [True, True, False, False, False]
    """
    if len(word) > LONGEST or word.islower():
        return False
    capitals = sum(map(str.isupper, word))
    return capitals >= 2 and 2 * capitals >= len(word) - 1


def _earliest(text: str, end: int, short: str) -> int:
    """Where the words begin that may belong to a short form: at most twice its letters, or five more than it has."""
    words = min(len(short) + 5, 2 * len(short))
    window = max(0, end - 20 * words)
    starts = [window + match.start() for match in re.finditer(r"(?<!\w)\w", text[window:end])]
    sentence = max(text.rfind(mark, window, end) for mark in (". ", "\n\n", ";", "(", ")")) + 1
    return max(starts[-words] if len(starts) > words else window, sentence)


def _long_form(short: str, before: str) -> str | None:
    """The shortest end of the text that holds the letters in order, the first at the start of a word."""
    if not any(map(str.isupper, short)):
        return _by_initials(short, before)
    letters = [letter for letter in short.lower() if letter.isalnum()]
    place, lowered = len(before), before.lower()
    for number, letter in reversed(list(enumerate(letters))):
        place = lowered.rfind(letter, 0, place)
        while number == 0 and place > 0 and lowered[place - 1].isalnum():
            place = lowered.rfind(letter, 0, place)
        if place < 0:
            return None
    long = before[place:].strip()
    return long if len(long) > len(short) else None


def _by_initials(short: str, before: str) -> str | None:
    """The last words if the short form, in small letters as of a text without capitals, is their initials."""
    words = list(re.finditer(r"\w+", before))[-len(short) :]
    initials = "".join(word.group()[0] for word in words).lower()
    return before[words[0].start() :].strip() if len(short) > 2 and initials == short else None
