"""What a user gets out of a text."""

from __future__ import annotations

import json

import pytest

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT
from clinical_ner.ner.extraction import extract
from clinical_ner.ner.tagger import Entity, Sentence, Tagger
from clinical_ner.ner.tokenize import Token, sentences

KNOWN = dict.fromkeys(("asthma", "gout", "straße", "strasse"), DISEASE) | dict.fromkeys(
    ("aspirin", "albuterol"), TREATMENT
)


class WordList:
    """Reads as the tagger does, and knows a few words for certain."""

    def read(self, text: str) -> list[Sentence]:
        return [
            Sentence(
                sentence, [], [], [Entity(*token[:2], label, 0.75) for token in sentence if (label := known(token))]
            )
            for sentence in sentences(text)
        ]


def known(token: Token) -> str | None:
    return KNOWN.get(token.text.lower())


def treatments(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = extract(WordList(), text)["treatments"]  # type: ignore[arg-type]
    return found


def test_an_entity_has_offsets_label_confidence_and_its_words() -> None:
    assert extract(WordList(), "😀 Has asthma.")["entities"] == [  # type: ignore[arg-type]
        {"start": 6, "end": 12, "label": DISEASE, "confidence": 0.75, "text": "asthma"}
    ]


@pytest.mark.parametrize(
    "text", ["", "\n", "She has ASTHMA,\n\n🙂 takes aspirin.\r\nNo gout\u200b was found today. Gout!"]
)
def test_the_words_are_the_slice_of_the_text(tiny: Tagger, text: str) -> None:
    for entity in extract(tiny, text)["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
        assert entity["label"] in LABELS


def test_the_answer_is_json_and_says_what_the_tagger_says(tiny: Tagger) -> None:
    text = "She has asthma and takes aspirin. No gout was found today."

    answer = extract(tiny, text)

    assert json.loads(json.dumps(answer)) == answer
    assert [(e["start"], e["end"], e["label"], e["confidence"]) for e in answer["entities"]] == tiny.tag(text)
    assert answer["treatments"] == {"asthma": ["aspirin"], "gout": []}


def test_a_disease_lists_its_treatments_in_order_and_one_without_lists_none() -> None:
    text = "Asthma: takes albuterol and aspirin. Also gout."

    assert treatments(text) == {"Asthma": ["albuterol", "aspirin"], "gout": []}


def test_diseases_that_differ_by_case_are_one_under_the_name_first_written() -> None:
    text = "ASTHMA needs albuterol. Then asthma needed aspirin."

    assert treatments(text) == {"ASTHMA": ["albuterol", "aspirin"]}


def test_case_is_folded_as_unicode_does_it() -> None:
    assert treatments("Straße: aspirin. STRASSE: albuterol.") == {"Straße": ["aspirin", "albuterol"]}


def test_a_treatment_named_twice_for_a_disease_is_listed_once() -> None:
    assert treatments("Asthma: aspirin and Aspirin. Asthma: ASPIRIN.") == {"Asthma": ["aspirin"]}


def test_a_treatment_may_go_with_two_diseases() -> None:
    assert treatments("Asthma: aspirin. Gout: aspirin.") == {"Asthma": ["aspirin"], "Gout": ["aspirin"]}


def test_diseases_come_in_the_order_of_the_text() -> None:
    assert list(treatments("Gout. Asthma. gout.")) == ["Gout", "Asthma"]


def test_a_treatment_without_a_disease_is_an_entity_and_no_more() -> None:
    answer = extract(WordList(), "Takes aspirin.")  # type: ignore[arg-type]

    assert len(answer["entities"]) == 1
    assert answer["treatments"] == {}
