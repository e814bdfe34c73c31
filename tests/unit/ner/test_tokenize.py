"""Tokens are slices of a text that is never changed; sentences hold every one of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.ner import tokenize
from clinical_ner.ner.tokenize import LONGEST_SENTENCE, sentences, tokens

INVISIBLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
PIECES = (
    "Dr. Lee",
    "b.i.d.",
    "2.5mg",
    "1,200",
    "T2DM/HTN",
    "patient's",
    "patient’s",
    "\n- ",
    "\r\n",
    "\n\n",
    ". ",
    "; ",
)
WRAPPED_LINE = "Chest radiograph showed a left upper lobe cavity and sputum then grew"
any_text = st.text(st.characters(exclude_categories=()))  # surrogates included
clinical_text = st.lists(st.sampled_from(PIECES) | any_text).map("".join)


def words(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def lines(text: str) -> list[str]:
    """The sentences, their tokens joined by spaces."""
    return [" ".join(token.text for token in sentence) for sentence in sentences(text)]


def assert_tokens_tile(text: str) -> None:
    found = tokens(text)
    past = 0
    for token in found:
        assert past <= token.start < token.end <= len(text)
        assert not INVISIBLE.sub("", text[past : token.start])
        past = token.end
    assert not INVISIBLE.sub("", text[past:])
    assert not any(INVISIBLE.search(token.text.replace("\u00ad", "")) for token in found)
    assert not any(INVISIBLE.match(token.text[0]) or INVISIBLE.match(token.text[-1]) for token in found)
    assert [text[token.start : token.end] for token in found] == [token.text for token in found]


def assert_sentences_keep_the_tokens(text: str) -> None:
    found = sentences(text)

    assert [token for sentence in found for token in sentence] == tokens(text)
    assert all(1 <= len(sentence) <= LONGEST_SENTENCE for sentence in found)


@given(clinical_text)
def test_tokens_tile_the_visible_characters_and_slice_the_text(text: str) -> None:
    assert_tokens_tile(text)


@given(clinical_text)
def test_sentences_keep_every_token_once_and_in_order(text: str) -> None:
    assert_sentences_keep_the_tokens(text)


@given(clinical_text, st.integers(0, 1000))
def test_offsets_are_counted_from_the_start_that_is_given(text: str, start: int) -> None:
    moved = [(token.start - start, token.end - start, token.text) for token in tokens(text, start)]

    assert moved == tokens(text)


def test_hostile_text_is_cut_like_any_other(hostile_text: str) -> None:
    assert_tokens_tile(hostile_text)
    assert_sentences_keep_the_tokens(hostile_text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.5mg b.i.d.", ["2.5", "mg", "b.i.d."]),
        ("1,200 units", ["1,200", "units"]),
        ("5. Then", ["5", ".", "Then"]),
        ("T2DM/HTN", ["T2DM", "/", "HTN"]),
        ("non-small-cell", ["non", "-", "small", "-", "cell"]),
        ("the patient's leg", ["the", "patient", "'s", "leg"]),
        ("Crohn’s disease", ["Crohn", "’s", "disease"]),
        ("'severe'", ["'", "severe", "'"]),
        ("snake_case", ["snake", "_", "case"]),
        ("naïve β-blocker", ["naïve", "β", "-", "blocker"]),
        ("asth\u200bma", ["asth", "ma"]),
        ("💊aspirin", ["💊", "aspirin"]),
        ("BP 120/80", ["BP", "120", "/", "80"]),
        ("U.S. i.v. x.", ["U.S.", "i.v.", "x", "."]),
        ("q.d b.i.d,", ["q.d", "b.i.d", ","]),
        ("J.Smith", ["J", ".", "Smith"]),
        ("s/p CABG", ["s", "/", "p", "CABG"]),
        ("C5-C6 10-20", ["C5", "-", "C6", "10", "-", "20"]),
        ("98.6\u00a0F\u2009now", ["98.6", "F", "now"]),
        ("cafe\u0301s e\u0301", ["cafe\u0301s", "e\u0301"]),
        ("auto\u00adimmune\u00ad", ["auto\u00adimmune"]),
        ("\u202aasthma\u202c\0", ["asthma"]),
    ],
)
def test_a_word_is_cut_where_a_clinician_would(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No fever. No cough.", ["No fever .", "No cough ."]),
        ("Really? Yes! good.", ["Really ?", "Yes !", "good ."]),
        ("Seen by Dr. Lee.", ["Seen by Dr . Lee ."]),
        ("Seen by J. Lee.", ["Seen by J . Lee ."]),
        ("Pain vs. Fever", ["Pain vs . Fever"]),
        ("Pain vs . Fever", ["Pain vs .", "Fever"]),
        ("Takes vitamin d. Sleeps.", ["Takes vitamin d .", "Sleeps ."]),
        ("Fig. 2 shows it.", ["Fig . 2 shows it ."]),
        ("Given at 5 p.m. and again.", ["Given at 5 p.m. and again ."]),
        ("fever. and cough", ["fever . and cough"]),
        ("fever.Cough", ["fever . Cough"]),
        (". Then", [". Then"]),
        ("Takes 2.5 mg. Sleeps.", ["Takes 2.5 mg .", "Sleeps ."]),
        ("She has\nasthma.", ["She has asthma ."]),
        ("She has\nAsthma", ["She has", "Asthma"]),
        ("asthma\n- gout\n* flu\n3 pills", ["asthma", "- gout", "* flu", "3 pills"]),
        ("Plan:\nrest", ["Plan :", "rest"]),
        ("rest\n\nsleep", ["rest", "sleep"]),
        ("asthma,\nGout", ["asthma , Gout"]),
        ("well\r\nGout", ["well", "Gout"]),
        ("well\rGout", ["well", "Gout"]),
        ("uses\nmTOR", ["uses", "mTOR"]),
        ("1. Aspirin 81 mg.\n2. Rest.", ["1 . Aspirin 81 mg .", "2 . Rest ."]),
        ("a) aspirin\nb) rest", ["a ) aspirin", "b ) rest"]),
        ("s/p CABG in 2012. Doing well.", ["s / p CABG in 2012 .", "Doing well ."]),
        ("Aspirin 81 mg q.d. Metformin b.i.d.", ["Aspirin 81 mg q.d.", "Metformin b.i.d."]),
        ("Hepatitis C. No jaundice.", ["Hepatitis C .", "No jaundice ."]),
        ("She was (briefly.) Then well.", ["She was ( briefly . )", "Then well ."]),
        ("history of\nHypertension", ["history of Hypertension"]),
        (f"{WRAPPED_LINE}\nMycobacterium kansasii.", [f"{WRAPPED_LINE} Mycobacterium kansasii ."]),
        (f"{WRAPPED_LINE}\nPlan: rest", [WRAPPED_LINE, "Plan : rest"]),
        (f"{WRAPPED_LINE}\n2. Gout", [WRAPPED_LINE, "2 . Gout"]),
        (f"{WRAPPED_LINE} {WRAPPED_LINE}\nGout", [f"{WRAPPED_LINE} {WRAPPED_LINE}", "Gout"]),
        ("well\u2028Gout", ["well", "Gout"]),
        ("PMH:\nasthma\ngout\ntype 2 diabetes", ["PMH :", "asthma", "gout", "type 2 diabetes"]),
        ("asthma\r\ngout\rflu", ["asthma", "gout", "flu"]),
        ("no chest pain\nasthma worse", ["no chest pain", "asthma worse"]),
        ("history of\ngout", ["history of gout"]),
        (f"{WRAPPED_LINE}\nin culture.", [f"{WRAPPED_LINE} in culture ."]),
    ],
)
def test_a_sentence_ends_where_a_clinician_would_end_it(text: str, expected: list[str]) -> None:
    assert lines(text) == expected


@given(st.lists(st.sampled_from(PIECES) | any_text, max_size=40).map("".join), st.integers(1, 30))
def test_where_a_block_ends_changes_no_sentence(text: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize, "BLOCK", block)
        in_blocks = sentences(text)

    assert in_blocks == sentences(text)


def test_a_run_without_a_boundary_is_cut_after_the_longest_sentence() -> None:
    found = sentences("a " * (2 * LONGEST_SENTENCE + 1))

    assert [len(sentence) for sentence in found] == [LONGEST_SENTENCE, LONGEST_SENTENCE, 1]
