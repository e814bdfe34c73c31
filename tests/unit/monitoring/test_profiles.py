"""A note in figures: worked out by hand, bounded, and without a word of the note."""

from __future__ import annotations

import string

import pandas as pd
import pytest

from clinical_ner.core.figures import CONCEPTS, FIGURES, MIXES, NUMBERS
from clinical_ner.core.schema import PROFILES
from clinical_ner.core.span import DISEASE
from clinical_ner.monitoring.drift import profile_notes
from clinical_ner.monitoring.profiles import BROKEN, flat, group, profile
from clinical_ner.ner.concepts import KINDS, Concept
from clinical_ner.ner.tagger import Entity, Sentence, Tagger
from clinical_ner.ner.tokenize import sentences


class Sure:
    """Stands for a tagger: marginals as given, a token each, and no entity."""

    concepts = None

    def __init__(self, *marginals: float) -> None:
        self.marginals = marginals

    def read(self, text: str) -> list[Sentence]:
        (tokens,) = sentences(text)
        return [Sentence(tokens, ["O"] * len(tokens), list(self.marginals), [])]

    def knows(self, word: str) -> bool:
        return word.islower()


def test_the_figures_of_a_note_are_those_worked_out_by_hand(tiny: Tagger) -> None:
    text = "She has gout and takes insulin. In 2.5 she has asthma."  # 7 and 6 tokens; only the word "In" is new

    found = profile(tiny, text)

    marginals = [marginal for sentence in tiny.read(text) for marginal in sentence.marginals]
    assert set(found) == {*NUMBERS, *MIXES}
    assert {name: found[name] for name in found if name not in ("entity_confidence", "concepts")} == {
        "characters": 54,
        "tokens": 13,
        "tokens_per_sentence": 6.5,
        "diseases_per_100_tokens": 15.384615,
        "treatments_per_100_tokens": 7.692308,
        "lines_per_100_tokens": 0,
        "broken_per_1000_characters": 0,
        "out_of_vocabulary_rate": 0.076923,
        "mean_confidence": round(sum(marginals) / 13, 6),
        "unsure_token_rate": round(sum(marginal < 0.9 for marginal in marginals) / 13, 6),
        "capital_rate": 0,
        "number_rate": 0.076923,
        "punctuation_rate": 0.153846,
        "function_word_rate": 0.461538,
        "non_ascii_rate": 0,
        "empty_rate": 0,
        "assertions": {"present": 3},
        "sections": {"none": 3},
        "ages": {"unsaid": 1},
        "sexes": {"female": 1},
    }
    assert 0 < found["entity_confidence"] <= 1
    assert sum(found["concepts"].values()) == 3


def test_an_entity_of_two_tokens_is_one() -> None:
    class Two(Sure):
        def read(self, text: str) -> list[Sentence]:
            return [sentence._replace(entities=[Entity(0, 13, DISEASE, 0.5)]) for sentence in super().read(text)]

    found = profile(Two(1, 1, 1, 1), "heart failure was found")  # type: ignore[arg-type]

    assert found["diseases_per_100_tokens"] == 25
    assert found["entity_confidence"] == 0.5
    assert found["empty_rate"] == 0


def test_confidence_is_the_mean_and_a_token_of_exactly_the_threshold_is_sure() -> None:
    found = profile(Sure(1.0, 0.95, 0.9, 0.5), "one two three four")  # type: ignore[arg-type]

    assert found["mean_confidence"] == 0.8375
    assert found["unsure_token_rate"] == 0.25


def test_the_last_digit_of_a_marginal_never_makes_a_confidence_above_one() -> None:
    assert profile(Sure(1.00001, 1.00001), "one two")["mean_confidence"] == 1  # type: ignore[arg-type]


def test_only_words_can_be_out_of_vocabulary() -> None:
    found = profile(Sure(1, 1, 1, 1, 1), "known UNKNOWN 5 , known")  # type: ignore[arg-type]

    assert found["out_of_vocabulary_rate"] == 0.2


@pytest.mark.parametrize("text", ["", " \r\n\t", "\u200b\ufeff"])
def test_a_note_without_tokens_has_rates_of_zero_and_a_confidence_of_one(tiny: Tagger, text: str) -> None:
    found = profile(tiny, text)

    assert found.pop("characters") == len(text)
    assert found.pop("mean_confidence") == found.pop("entity_confidence") == 1
    assert {name: value for name, value in found.items() if value} == {"ages": {"unsaid": 1}, "sexes": {"unsaid": 1}}


def test_a_note_without_entities_is_an_empty_result() -> None:
    assert profile(Sure(1.0), "Hello")["empty_rate"] == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("Plain: A/P, 5\u00a0mg; na\u00efve; \u03b1-blocker \u2265 2 \u2013 ok?\r\n\tx = 20", 0),
        ("caf\u00c3\u00a9 and it\u00e2\u20ac\u2122s", 2),
        ("caf\ufffd", 1),
        ("a\x00b\x00", 2),
        ("fi?vre", 1),
        ("A &amp; B&#39;s", 2),
        ("two=20words=0A", 2),
        ("one\\ntwo \\u00e9", 2),
    ],
)
def test_what_wrong_decoding_leaves_behind_is_counted(text: str, marks: int) -> None:
    assert len(BROKEN.findall(text)) == marks


@pytest.mark.parametrize(
    ("code", "chapter"),
    [
        ("A01", "infection"),
        ("D49.9", "neoplasm"),
        ("D50.0", "blood"),
        ("H59", "eye"),
        ("H60.1", "ear"),
        ("V01", "other"),
    ],
)
def test_a_code_belongs_to_its_chapter(code: str, chapter: str) -> None:
    assert group(Concept("D1", "x", "disease", code, 1.0)) == chapter


@pytest.mark.parametrize("letter", string.ascii_uppercase)
def test_every_concept_is_of_a_group_that_has_a_column(letter: str) -> None:
    assert all(
        group(Concept("D1", "x", kind, code, 1.0)) in CONCEPTS for kind in KINDS for code in (f"{letter}70", None)
    )


def test_a_mix_is_flattened_to_shares_of_the_entities(tiny: Tagger) -> None:
    found = flat(profile(tiny, "She has gout. No asthma.") | {"assertions": {"present": 1, "absent": 3}})

    assert tuple(found) == FIGURES
    assert (found["assertions_present"], found["assertions_absent"], found["assertions_family"]) == (0.25, 0.75, 0)


# --- tables ----------------------------------------------------------------------------------------
@pytest.fixture
def notes() -> pd.DataFrame:
    texts = ["She has asthma and takes aspirin.", "Quokkafieber? Excluded.", ".", "She has gout."]
    frame = pd.DataFrame({"note_id": [f"N00000000{n}" for n in range(4)], "patient_id": "P0000001", "kind": "progress"})
    frame["written_on"] = pd.to_datetime(["2024-03-01", "2024-01-01", "2024-02-01", "2024-02-01"])
    return frame.assign(text=texts)


def test_profiles_are_a_valid_table_in_the_order_of_the_notes(tiny: Tagger, notes: pd.DataFrame) -> None:
    chosen = notes.iloc[[3, 0, 1]]  # an index with gaps, out of order

    found = PROFILES.schema.validate(profile_notes(tiny, chosen))

    assert list(found["note_id"]) == ["N000000003", "N000000000", "N000000001"]
    assert list(found["written_on"]) == list(chosen["written_on"])
    assert list(found["characters"]) == [13, 33, 23]
    assert [dict(row) for _, row in found[list(FIGURES)].iterrows()] == [
        flat(profile(tiny, text)) for text in chosen["text"]
    ]


def test_nothing_of_a_text_is_in_its_profile(tiny: Tagger, notes: pd.DataFrame) -> None:
    found = profile_notes(tiny, notes)

    written = found.to_csv().lower()
    assert not any(word in written for text in notes["text"] for word in text.lower().split() if len(word) > 3)
    assert list(found.select_dtypes(exclude="number").columns) == ["note_id", "patient_id", "written_on"]


def test_no_notes_have_no_profiles(tiny: Tagger, notes: pd.DataFrame) -> None:
    found = profile_notes(tiny, notes.iloc[:0])

    assert len(found) == 0
    assert list(found.columns) == list(PROFILES.schema.columns)
