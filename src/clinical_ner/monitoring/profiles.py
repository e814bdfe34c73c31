"""A note as the tagger sees it, in figures: nothing of its text is kept."""

from __future__ import annotations

from collections.abc import Sequence

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.ner.tagger import Sentence, Tagger

UNSURE = 0.9  # a token is unsure when the probability of its tag is below
FIGURES = (
    "characters",
    "tokens",
    "tokens_per_sentence",
    "diseases_per_100_tokens",
    "treatments_per_100_tokens",
    "out_of_vocabulary_rate",
    "mean_confidence",
    "unsure_token_rate",
)


def profile(tagger: Tagger, text: str) -> dict[str, float]:
    """The figures of one note, as the tagger reads it now."""
    return figures(tagger, text, tagger.read(text))


def figures(tagger: Tagger, text: str, read: Sequence[Sentence]) -> dict[str, float]:
    """The figures of a note that was read, named as in FIGURES; rates are shares of the tokens, rounded to 6 digits.

    A note without tokens has rates of 0 and a confidence of 1. The pipeline and the service both take them from here.
    """
    words = [token.text for sentence in read for token in sentence.tokens]
    marginals = [marginal for sentence in read for marginal in sentence.marginals]
    unknown = sum(word[0].isalpha() and not tagger.knows(word) for word in words)
    rates = {
        "tokens_per_sentence": len(words) / max(1, len(read)),
        "diseases_per_100_tokens": _per_hundred(read, DISEASE, len(words)),
        "treatments_per_100_tokens": _per_hundred(read, TREATMENT, len(words)),
        "out_of_vocabulary_rate": unknown / max(1, len(words)),
        "mean_confidence": min(1.0, sum(marginals) / len(words)) if words else 1.0,
        "unsure_token_rate": sum(marginal < UNSURE for marginal in marginals) / max(1, len(words)),
    }
    rounded = {name: round(value, 6) for name, value in rates.items()}
    return {"characters": len(text), "tokens": len(words), **rounded}


def _per_hundred(read: Sequence[Sentence], label: str, tokens: int) -> float:
    found = sum(entity.label == label for sentence in read for entity in sentence.entities)
    return 100 * found / max(1, tokens)
