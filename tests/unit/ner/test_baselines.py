"""The two readers that the CRF is held against."""

from __future__ import annotations

import pytest

from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.baselines import dictionary_reader, token_classifier_reader
from clinical_ner.ner.gazetteer import Gazetteer
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


def test_the_token_classifier_learns_a_toy_example(examples: list[Example]) -> None:
    read = token_classifier_reader(examples, (GAZETTEER, GAZETTEER), GROUPS, seed=1)

    assert read("She has asthma and takes aspirin. No type 2 diabetes was found today.") == [
        Span(8, 14, DISEASE),
        Span(25, 32, TREATMENT),
        Span(37, 52, DISEASE),
    ]
    assert read("The patient slept.") == []


def test_the_token_classifier_is_the_same_for_the_same_seed(examples: list[Example]) -> None:
    text = "Metformin for gout, aspirin for heart failure and penicillin G for asthma, pneumonia or flu."
    one, other = (token_classifier_reader(examples, (GAZETTEER, GAZETTEER), GROUPS, seed=7) for _ in range(2))

    assert one(text) == other(text) != []


def test_the_token_classifier_reads_with_the_second_gazetteer(examples: list[Example]) -> None:
    nothing = Gazetteer.build([])
    known = Gazetteer.build((word, "drug") for word in ("aspirin", "metformin", "furosemide", "albuterol", "zyxomab"))

    with_it, without = (
        token_classifier_reader(examples, (known, gazetteer), ("gazetteer",), seed=1) for gazetteer in (known, nothing)
    )

    assert with_it("zyxomab") == [Span(0, 7, TREATMENT)]
    assert without("zyxomab") == []
