"""The two readers that the CRF is held against."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clinical_ner.core.params import TrainParams
from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.baselines import dictionary_reader, readers, token_classifier
from clinical_ner.ner.evaluation import Reader
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Example

GAZETTEER = Gazetteer.build(
    [
        ("heart failure", "disease"),
        ("failure", "symptom"),
        ("lung cancer", "disease"),
        ("cancer surgery", "procedure"),
        ("aspirin", "drug"),
        ("statins", "drug_class"),
        ("fever", "disease"),
        ("fever", "symptom"),
        ("glucose", "drug"),
        ("glucose", "substance"),
        ("glucose monitoring device", "procedure"),
        ("creatinine", "substance"),
    ]
)
GROUPS = ("word", "affix", "shape", "context", "gazetteer")


def found(text: str) -> list[tuple[str, str]]:
    return [(text[span.start : span.end], span.label) for span in dictionary_reader(GAZETTEER)(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Heart failure: aspirin.", [("Heart failure", DISEASE), ("aspirin", TREATMENT)]),
        ("A statin, no lung cancers", [("statin", TREATMENT), ("lung cancers", DISEASE)]),
        ("Liver failure", []),
        ("Fever and creatinine", []),
        ("glucose 5.1", []),
        ("a glucose monitoring device", [("glucose monitoring device", TREATMENT)]),
        ("lung cancer surgery", [("lung cancer", DISEASE)]),
        ("heart\n\nfailure", []),
        ("", []),
    ],
)
def test_the_dictionary_marks_the_longest_terms_and_leaves_symptoms_and_substances_alone(
    text: str, expected: list[tuple[str, str]]
) -> None:
    assert found(text) == expected


def test_the_dictionary_counts_offsets_in_the_whole_text() -> None:
    assert dictionary_reader(GAZETTEER)("Well. 😀 Aspirin.\nAspirin") == [
        Span(8, 15, TREATMENT),
        Span(17, 24, TREATMENT),
    ]


@pytest.fixture
def classified(tiny: Tagger, examples: list[Example], train_params: TrainParams) -> Callable[..., Reader]:
    """The token classifier, trained with the terms of a gazetteer and read with those of the tiny model."""

    def build(gazetteer: Gazetteer, seed: int) -> Reader:
        return readers(tiny, examples, gazetteer, train_params, seed)["token_classifier"]

    return build


def test_the_token_classifier_learns_a_toy_example(classified: Callable[..., Reader]) -> None:
    read = classified(GAZETTEER, seed=1)

    assert read("She has asthma and takes aspirin. No type 2 diabetes was found today.") == [
        Span(8, 14, DISEASE),
        Span(25, 32, TREATMENT),
        Span(37, 52, DISEASE),
    ]
    assert read("The patient slept.") == []


def test_the_token_classifier_is_the_same_for_the_same_seed(classified: Callable[..., Reader]) -> None:
    text = "Metformin for gout, aspirin for heart failure and penicillin G for asthma, pneumonia or flu."
    one, other = (classified(GAZETTEER, seed=7) for _ in range(2))

    assert one(text) == other(text) != []


def test_the_token_classifier_knows_no_order_of_tags(examples: list[Example]) -> None:
    weights = token_classifier(examples, GAZETTEER, GROUPS, seed=1)

    assert set(weights.tags) == {"O", "B-DISEASE", "I-DISEASE", "B-TREATMENT", "I-TREATMENT"}
    assert not weights.transitions.any()
    assert weights.states.shape == (len(weights.attributes), 5)


def test_of_two_tags_the_token_classifier_has_both_sides() -> None:
    examples = [Example(["gout"], ["B-DISEASE"]), Example(["rest"], ["O"])]

    weights = token_classifier(examples, GAZETTEER, GROUPS, seed=1)

    assert weights.tags == ("B-DISEASE", "O")
    assert (weights.states[:, 0] == -weights.states[:, 1]).all()
    assert weights.states[weights.attributes["w=gout"], 0] > 0


def test_both_read_with_the_gazetteer_that_is_served(
    tiny: Tagger, examples: list[Example], train_params: TrainParams
) -> None:
    found = readers(tiny, examples, Gazetteer.build([]), train_params, seed=1)

    assert list(found) == ["dictionary", "token_classifier"]
    assert found["dictionary"]("asthma, aspirin, fever") == [Span(0, 6, DISEASE), Span(8, 15, TREATMENT)]
