"""Two readers to hold the CRF against: dictionary look-up, and a classifier of single tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import SGDClassifier

from clinical_ner.core.params import TrainParams
from clinical_ner.core.span import LABEL_OF_KIND, Span
from clinical_ner.ner.evaluation import Reader, span_reader
from clinical_ner.ner.features import EVERYWHERE
from clinical_ner.ner.gazetteer import Gazetteer, Match
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.tokenize import Token, sentences
from clinical_ner.ner.training import Example, example_features, groups_for
from clinical_ner.ner.weights import Weights

EPOCHS = 8


def readers(
    tagger: Tagger, examples: Sequence[Example], gazetteer: Gazetteer, params: TrainParams, seed: int
) -> dict[str, Reader]:
    """The systems that the CRF is compared with, by name; both read with the gazetteer that is served.

    Args:
        gazetteer: the terms that the features know in training.
    """
    classifier = token_classifier(examples, gazetteer, groups_for(examples, params), seed)
    return {
        "dictionary": dictionary_reader(tagger.gazetteer),
        "token_classifier": span_reader(tagger.reweighted(classifier, params)),
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


def token_classifier(examples: Sequence[Example], gazetteer: Gazetteer, groups: Collection[str], seed: int) -> Weights:
    """A linear classifier of single tokens: the CRF's features without the CRF's sequence."""
    rows = [row for known in examples for row in example_features(known, gazetteer, groups)]
    table = CountVectorizer(analyzer=list, binary=True)  # a row is its features already
    classifier = SGDClassifier(loss="hinge", max_iter=EPOCHS, tol=None, random_state=seed)
    classifier.fit(table.fit_transform(rows), [tag for known in examples for tag in known.tags])
    states, constants = classifier.coef_.T, classifier.intercept_
    if len(classifier.classes_) == 2:  # scikit-learn keeps what speaks for the second alone
        states, constants = np.hstack([-states, states]), np.hstack([-constants, constants])
    attributes = {str(name): int(row) for name, row in table.vocabulary_.items()}
    states[attributes[EVERYWHERE]] += constants
    tags = tuple(map(str, classifier.classes_))
    return Weights(tags, attributes, np.ascontiguousarray(states), np.zeros((len(tags), len(tags))))
