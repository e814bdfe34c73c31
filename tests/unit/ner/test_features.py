"""What the CRF sees is fixed: the same strings in the same order, whatever the text holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.ner.features import FEATURE_VERSION, sentence_features, shape
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.tokenize import sentences, tokens

GROUPS = ("word", "affix", "shape", "context", "cluster", "gazetteer", "abbreviation", "joint")
GAZETTEER = Gazetteer.build([("heart failure", "disease"), ("aspirin", "drug"), ("acute heart failure", "disease")])
EXPECTED = [
    [
        "bias",
        "w=aspirin",
        "l=aspirin",
        "s2=in",
        "s3=rin",
        "s4=irin",
        "s5=pirin",
        "p3=asp",
        "p4=aspi",
        "h=Xxx",
        "n=7",
        "k0+0=9",
        "k1+0=148",
        "k2+0=226",
        "k0-2=<>",
        "k1-2=<>",
        "-2=<>",
        "k0-1=<>",
        "k1-1=<>",
        "-1=<>",
        "k0+1=A",
        "k1+1=A",
        "1=hf",
        "+1s=hf",
        "k0+2=?",
        "k1+2=?",
        "2=.",
        "0|1=aspirin|hf",
        "1|2=hf|.",
        "g=U-drug",
        "g*=U-drug",
        "a+1=disease",
        "g|k-1=U-drug|<>",
        "g|k+0=U-drug|148",
        "g|k+1=U-drug|A",
    ],
    [
        "bias",
        "w=hf",
        "l=hf",
        "h=XX",
        "n=2",
        "k0+0=A",
        "k1+0=A",
        "k2+0=A",
        "k0-2=<>",
        "k1-2=<>",
        "-2=<>",
        "k0-1=9",
        "k1-1=148",
        "-1=aspirin",
        "-1s=rin",
        "k0+1=?",
        "k1+1=?",
        "1=.",
        "+1s=.",
        "k0+2=<>",
        "k1+2=<>",
        "2=<>",
        "0|1=hf|.",
        "-1|0=aspirin|hf",
        "g*=none",
        "a=disease",
        "g-1=U-drug",
        "g|k-1=none|148",
        "g|k+0=none|A",
        "g|k+1=none|?",
    ],
    [
        "bias",
        "w=.",
        "l=.",
        "h=.",
        "n=1",
        "k0+0=?",
        "k1+0=?",
        "k2+0=?",
        "k0-2=9",
        "k1-2=148",
        "-2=aspirin",
        "k0-1=A",
        "k1-1=A",
        "-1=hf",
        "-1s=hf",
        "k0+1=<>",
        "k1+1=<>",
        "1=<>",
        "k0+2=<>",
        "k1+2=<>",
        "2=<>",
        "-2|-1=aspirin|hf",
        "-1|0=hf|.",
        "g*=none",
        "a-1=disease",
        "g|k-1=none|A",
        "g|k+0=none|?",
        "g|k+1=none|<>",
    ],
]
any_words = st.lists(st.text(st.characters(exclude_categories=()), min_size=1, max_size=8), max_size=6)


def features(text: str, *groups: str) -> list[list[str]]:
    return sentence_features([token.text for token in tokens(text)], GAZETTEER, groups, {"HF": "disease"})


def test_the_feature_strings_of_this_version_are_these() -> None:
    """If this fails, the models of this version are of no use: raise FEATURE_VERSION and train again."""
    assert FEATURE_VERSION == 3
    assert features("Aspirin HF.", *GROUPS) == EXPECTED


def test_a_match_of_several_words_marks_its_first_its_last_and_those_between() -> None:
    marks = [[f for f in row if f.startswith("g=")] for row in features("no acute heart failure", "gazetteer")]

    assert marks == [[], ["g=B-disease"], ["g=I-disease"], ["g=E-disease"]]


def test_the_neighbours_marks_are_seen_from_both_sides() -> None:
    rows = features("takes aspirin daily", "gazetteer")

    assert "g+1=U-drug" in rows[0]
    assert "g-1=U-drug" in rows[2]
    assert "g+1=U-drug" in features("takes aspirin", "gazetteer")[0]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_that_is_left_out_takes_its_features_and_no_others(group: str) -> None:
    every = features("Acute heart failure (HF): aspirin 81 mg", *GROUPS)
    alone = features("Acute heart failure (HF): aspirin 81 mg", group)
    without = features("Acute heart failure (HF): aspirin 81 mg", *(name for name in GROUPS if name != group))

    for whole, own, rest in zip(every, alone, without, strict=True):
        assert sorted([*own[1:], *rest]) == sorted(whole)
    assert any(len(own) > 1 for own in alone)


def test_without_groups_a_word_has_its_bias_alone() -> None:
    assert features("Aspirin helps") == [["bias"], ["bias"]]


def test_an_affix_is_shorter_than_its_word_and_of_letters_alone() -> None:
    assert features("flu T2DM", "affix") == [["bias", "s2=lu"], ["bias"]]


def test_a_number_of_characters_above_twelve_is_twelve() -> None:
    assert "n=12" in features("electroencephalography", "shape")[0]


def test_a_shape_shortens_runs_and_keeps_signs() -> None:
    assert [shape(word) for word in ("aaa", "AAAA", "COVID19", "2,500", "---", "B12b")] == [
        "xx",
        "XX",
        "XX99",
        "9,99",
        "--",
        "X99x",
    ]


@given(any_words)
def test_features_are_the_same_under_repeated_calls_and_in_any_order_of_the_groups(words: list[str]) -> None:
    first = sentence_features(words, GAZETTEER, GROUPS, {})

    assert sentence_features(words, GAZETTEER, GROUPS, {}) == first
    assert sentence_features(tuple(words), GAZETTEER, set(GROUPS), {}) == first
    assert sentence_features(words, GAZETTEER, GROUPS[::-1], {}) == first


@given(any_words)
def test_every_word_has_features_that_a_model_file_can_hold(words: list[str]) -> None:
    rows = sentence_features(words, GAZETTEER, GROUPS, {})

    assert len(rows) == len(words)
    assert all(row[0] == "bias" for row in rows)
    assert all(feature.encode("utf-8").find(b"\0") == -1 for row in rows for feature in row)


def test_hostile_text_has_features_for_every_token(hostile_text: str) -> None:
    for sentence in sentences(hostile_text)[:200]:
        rows = sentence_features([token.text for token in sentence], GAZETTEER, GROUPS, {})

        assert len(rows) == len(sentence)


def test_an_abbreviation_is_marked_with_what_its_text_says_it_stands_for() -> None:
    rows = features("no HF , MRI normal", "abbreviation")

    assert rows[1] == ["bias", "a=disease"]
    assert rows[3] == ["bias", "a=undefined"]
    assert "a+1=disease" in rows[0]
    assert "a-1=undefined" in rows[4]


def test_words_of_one_cluster_share_its_features() -> None:
    metformin, other, number = (features(word, "cluster")[0] for word in ("Metformin", "table", "7"))

    assert metformin == features("metformin", "cluster")[0]
    assert set(metformin).isdisjoint(set(other) - {f for f in other if "<>" in f or f == "bias"})
    assert {"k0+0=?", "k1+0=?", "k2+0=?"} <= set(number)


def test_a_sentence_in_capitals_is_seen_as_in_small_letters() -> None:
    shouted = features("TREATED WITH ASPIRIN FOR HEART FAILURE", *GROUPS)

    assert shouted == features("treated with aspirin for heart failure", *GROUPS)
    assert features("MRI OK", "shape") != features("mri ok", "shape")
