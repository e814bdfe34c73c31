"""Two readers to hold the CRF against: dictionary look-up, and a classifier of single tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import SGDClassifier

from clinical_ner.core.span import LABEL_OF_KIND, Span
from clinical_ner.ner import bio
from clinical_ner.ner.abbreviations import definitions
from clinical_ner.ner.gazetteer import Gazetteer, Match
from clinical_ner.ner.tokenize import Token, sentences
from clinical_ner.ner.training import Example, example, example_features

HASHED_FEATURES = 2**18
EPOCHS = 8


def readers(
    examples: Sequence[Example], partial: Gazetteer, gazetteer: Gazetteer, groups: Collection[str], seed: int
) -> dict[str, Callable[[str], list[Span]]]:
    """The systems that the CRF is compared with, by name; the dictionary is the gazetteer that is served."""
    return {
        "dictionary": dictionary_reader(gazetteer),
        "token_classifier": token_classifier_reader(examples, (partial, gazetteer), groups, seed),
    }


def dictionary_reader(gazetteer: Gazetteer) -> Callable[[str], list[Span]]:
    """A reader that marks the longest known terms; what is also a symptom or a substance is left alone."""

    def read(text: str) -> list[Span]:
        return [span for sentence in sentences(text) for span in _look_up(sentence, gazetteer)]

    return read


def _look_up(sentence: Sequence[Token], gazetteer: Gazetteer) -> list[Span]:
    taken: set[int] = set()
    spans = []
    for match in sorted(gazetteer.matches([token.text for token in sentence]), key=_longest_first):
        positions = set(range(match.first, match.past))
        if positions & taken:
            continue
        taken |= positions
        if match.kind in LABEL_OF_KIND:
            spans.append(Span(sentence[match.first].start, sentence[match.past - 1].end, LABEL_OF_KIND[match.kind]))
    return sorted(spans)


def _longest_first(match: Match) -> tuple[int, bool, int]:
    return (match.first - match.past, match.kind in LABEL_OF_KIND, match.first)


def token_classifier_reader(
    examples: Sequence[Example], gazetteers: tuple[Gazetteer, Gazetteer], groups: Collection[str], seed: int
) -> Callable[[str], list[Span]]:
    """A reader that classifies every token by itself: the CRF's features without the CRF's sequence.

    Args:
        gazetteers: the one to train with and the one to read with.
    """
    hasher = FeatureHasher(HASHED_FEATURES, input_type="string")
    classifier = SGDClassifier(loss="hinge", max_iter=EPOCHS, tol=None, random_state=seed)
    rows = [row for known in examples for row in example_features(known, gazetteers[0], groups)]
    classifier.fit(hasher.transform(rows), [tag for known in examples for tag in known.tags])

    def read(text: str) -> list[Span]:
        lines, defined = sentences(text), definitions(text)
        rows = [row for line in lines for row in example_features(example(line, [], defined), gazetteers[1], groups)]
        tags = iter(classifier.predict(hasher.transform(rows)) if rows else ())
        return [span for line in lines for span in bio.decode(line, [str(next(tags)) for _ in line])]

    return read
