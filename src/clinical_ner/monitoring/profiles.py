"""A note as the tagger sees it, in figures: nothing of its text is kept.

The service and the pipeline both take a note's row from `figures`. A row holds numbers and mixes, which count the
note's entities by assertion, section and concept and say of whom it is; `flat` makes it columns of PROFILES.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clinical_ner.core.figures import MIXES, NONE, NUMBERS, RATES, SHARES
from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.monitoring.subjects import age_band, sex
from clinical_ner.ner.concepts import Concept
from clinical_ner.ner.extraction import Mention, interpret
from clinical_ner.ner.tagger import Sentence, Tagger

UNSURE = 0.9  # a token is unsure when the probability of its tag is below
LETTERS = {  # of the codes of ICD-10-CM, and their chapters
    "A": "infection",
    "B": "infection",
    "C": "neoplasm",
    "E": "metabolic",
    "F": "mental",
    "G": "nervous",
    "I": "circulatory",
    "J": "respiratory",
    "K": "digestive",
    "L": "skin",
    "M": "musculoskeletal",
    "N": "genitourinary",
    "O": "pregnancy",
    "P": "perinatal",
    "Q": "congenital",
    "R": "sign",
    "S": "injury",
    "T": "injury",
    "Z": "status",
}
TWO_CHAPTERS = {"D": ("neoplasm", "blood"), "H": ("eye", "ear")}  # from D50 and H60 on it is the second
SECOND_FROM = {"D": "5", "H": "6"}
OTHER = "other"
FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "for",
        "from",
        "had",
        "has",
        "have",
        "he",
        "her",
        "his",
        "in",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "she",
        "that",
        "the",
        "this",
        "to",
        "was",
        "were",
        "which",
        "who",
        "will",
        "with",
    ]
)
BROKEN = re.compile(  # what decoding by the wrong table, or not at all, leaves behind
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd\ufffe\uffff\ud800-\udfff\ue000-\uf8ff]"
    r"|[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
    r"|[a-z]\?+[a-z]|&(?:#\d+|#x[0-9a-f]+|[a-z]{2,8});|=(?:\n|20|0[AD]|3D|C[23]|E2)|%(?:20|0[AD]|C[23]|E2)"
    r"|\\(?:[nrt]|u[0-9a-f]{4}|x[0-9a-f]{2}|par\b|'[0-9a-f]{2})",
)


def profile(tagger: Tagger, text: str) -> dict[str, Any]:
    """The figures of one note, as the tagger reads it now."""
    read = tagger.read(text)
    found = interpret(text, [(sentence.tokens, sentence.entities) for sentence in read], tagger.concepts)
    return figures(tagger, text, read, found.mentions)


def figures(tagger: Tagger, text: str, read: Sequence[Sentence], mentions: Sequence[Mention]) -> dict[str, Any]:
    """The figures of a note that was read, named as in NUMBERS and MIXES; rates are rounded to 6 digits.

    Rates are shares of the tokens where their names say nothing else. A note without tokens has rates of 0 and a
    confidence of 1, and so has one without entities of theirs.
    """
    words = [token.text for sentence in read for token in sentence.tokens]
    lower, initials = [word.lower() for word in words], [word[0] for word in words]
    marginals = [marginal for sentence in read for marginal in sentence.marginals]
    labels = Counter(mention.span.label for mention in mentions)
    known = sum(tagger.knows(word) for word, initial in zip(words, initials, strict=True) if initial.isalpha())
    count = max(1, len(words))
    rates = {
        "tokens_per_sentence": len(words) / max(1, len(read)),
        "diseases_per_100_tokens": 100 * labels[DISEASE] / count,
        "treatments_per_100_tokens": 100 * labels[TREATMENT] / count,
        "lines_per_100_tokens": 100 * text.count("\n") / count if words else 0.0,
        "broken_per_1000_characters": 1000 * len(BROKEN.findall(text)) / max(1, len(text)),
        "out_of_vocabulary_rate": (sum(map(str.isalpha, initials)) - known) / count,
        "mean_confidence": min(1.0, sum(marginals) / count) if words else 1.0,
        "unsure_token_rate": sum(map(UNSURE.__gt__, marginals)) / count,
        "entity_confidence": sum(mention.confidence for mention in mentions) / len(mentions) if mentions else 1.0,
        "capital_rate": sum(map(str.isupper, words)) / count,
        "number_rate": sum(map(str.isdigit, initials)) / count,
        "punctuation_rate": (len(words) - sum(map(str.isalnum, initials))) / count,
        "function_word_rate": sum(map(FUNCTION_WORDS.__contains__, lower)) / count,
        "non_ascii_rate": 0.0 if text.isascii() or not words else sum(map("\x7f".__lt__, text)) / len(text),
        "empty_rate": float(bool(words) and not mentions),
    }
    rounded = {name: round(rates[name], 6) for name in (*RATES, *SHARES)}
    patient = {"ages": {age_band(text): 1}, "sexes": {sex(lower): 1}}
    return {"characters": len(text), "tokens": len(words), **rounded, **entity_mixes(mentions), **patient}


def entity_mixes(mentions: Iterable[Mention]) -> dict[str, dict[str, int]]:
    """How many entities there are by assertion, by section and by the group of their concept."""
    found = [(each.assertion, each.section or NONE, group(each.concept)) for each in mentions]
    names = ("assertions", "sections", "concepts")
    return {mix: dict(Counter(each[place] for each in found)) for place, mix in enumerate(names)}


def group(concept: Concept | None) -> str:
    """The chapter of a disease's code, or the kind of what has no code; `none` where no concept is known.

    >>> group(Concept("D006073", "Gout", "disease", "M10.9", 1.0)), group(None)
    ('musculoskeletal', 'none')
    """
    if concept is None:
        return NONE
    code = concept.icd10cm
    if not code:
        return concept.kind
    letter = code[0]
    two = TWO_CHAPTERS.get(letter)
    return two[code[1] >= SECOND_FROM[letter]] if two else LETTERS.get(letter, OTHER)


def flat(row: Mapping[str, Any]) -> dict[str, float]:
    """The row of a note as FIGURES: each mix as shares of the note's entities, all 0 if it has none."""
    shares = {
        f"{mix}_{name}": round(row[mix].get(name, 0) / max(1, sum(row[mix].values())), 6)
        for mix, names in MIXES.items()
        for name in names
    }
    return {name: row[name] for name in NUMBERS} | shares
