"""What a user gets out of a text."""

from __future__ import annotations

import json

import pytest

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT
from clinical_ner.ner.concepts import Concepts, Form
from clinical_ner.ner.extraction import extract
from clinical_ner.ner.tagger import Entity, Sentence, Tagger
from clinical_ner.ner.tokenize import Token, sentences

KNOWN = dict.fromkeys(("asthma", "gout", "straße", "strasse"), DISEASE) | dict.fromkeys(
    ("aspirin", "albuterol"), TREATMENT
)


class WordList:
    """Reads as the tagger does, and knows a few words for certain."""

    def __init__(self, concepts: Concepts | None = None) -> None:
        self.concepts = concepts or Concepts.build(())

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
    assert extract(WordList(), "😀 Is asthma.")["entities"] == [  # type: ignore[arg-type]
        {
            "start": 5,
            "end": 11,
            "label": DISEASE,
            "text": "asthma",
            "confidence": 0.75,
            "assertion": "present",
            "trigger": None,
            "section": None,
            "concept": None,
        }
    ]


def test_an_entity_has_what_the_text_says_of_it_and_by_which_words() -> None:
    text = "PMH: none.\nPlan: denies gout."

    [gout] = extract(WordList(), text)["entities"]  # type: ignore[arg-type]

    assert gout["assertion"] == "absent"
    assert gout["trigger"] == {"start": 17, "end": 23, "text": "denies"}
    assert gout["section"] == "plan"


def test_a_trigger_may_be_the_heading() -> None:
    [gout] = extract(WordList(), "Family: gout")["entities"]  # type: ignore[arg-type]

    assert gout["assertion"] == "family"
    assert gout["trigger"] == {"start": 0, "end": 7, "text": "Family:"}


def test_an_entity_has_its_concept_and_an_abbreviation_that_of_its_long_form() -> None:
    concepts = Concepts.build(
        [
            Form("asthma", DISEASE, "D001249", "Asthma", "disease", "J45", 0),
            Form("gout", DISEASE, "D006073", "Gout", "disease", "M10", 0),
            Form("gas oxygen unit treatment", DISEASE, "D1", "Not gout", "disease", None, 0),
        ]
    )

    named = extract(WordList(concepts), "Gout, asthma.")["entities"]  # type: ignore[arg-type]
    defined = extract(WordList(concepts), "A gas oxygen unit treatment (GOUT). GOUT.")["entities"]  # type: ignore[arg-type]

    assert named[1]["concept"] == {
        "id": "D001249",
        "name": "Asthma",
        "kind": "disease",
        "icd10cm": "J45",
        "score": 1.0,
    }
    assert [entity["concept"]["name"] for entity in named] == ["Gout", "Asthma"]
    assert [entity["concept"]["name"] for entity in defined] == ["Not gout"] * 2


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
    assert answer["treatments"] == {"asthma": ["aspirin"]}


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


@pytest.mark.parametrize("text", ["No gout.", "Her mother had gout."])
def test_a_disease_that_is_denied_or_a_relatives_has_no_treatments(text: str) -> None:
    assert treatments(text) == {}


def test_a_treatment_without_a_disease_is_an_entity_and_no_more() -> None:
    answer = extract(WordList(), "Takes aspirin.")  # type: ignore[arg-type]

    assert len(answer["entities"]) == 1
    assert answer["treatments"] == {}
