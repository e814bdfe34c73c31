"""Known terms are found in any case and number, and the longest wins."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import TERM_KINDS
from clinical_ner.ner.gazetteer import LONGEST_TERM, Gazetteer, Match, fold, readable
from clinical_ner.ner.tokenize import tokens

TERMS = [
    ("cancer", "disease"),
    ("lung cancer", "disease"),
    ("small cell lung cancer", "disease"),
    ("lung", "procedure"),
    ("cell", "substance"),
    ("pulmonary metastases", "disease"),
    ("Crohn's disease", "disease"),
    ("non-Hodgkin lymphoma", "disease"),
    ("cancer", "symptom"),
    ("glucose", "drug"),
    ("glucose", "substance"),
]
ALPHABET = ("lung", "cancer", "small", "cell", "x")
word_lists = st.lists(st.sampled_from(ALPHABET), max_size=12)


def matches(gazetteer: Gazetteer, text: str) -> list[tuple[str, str]]:
    """The matched words and their kinds."""
    words = [token.text for token in tokens(text)]
    return [(" ".join(words[first:past]), kind) for first, past, kind in gazetteer.matches(words)]


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer.build(TERMS)


@given(st.permutations(TERMS))
def test_the_same_terms_give_the_same_bytes_in_any_order(terms: list[tuple[str, str]]) -> None:
    again = Gazetteer.build(iter([*terms, *terms[:3]]))

    assert again._trie.tobytes() == Gazetteer.build(TERMS)._trie.tobytes()


def test_the_longest_term_of_a_kind_wins_and_other_kinds_are_kept_beside_it(gazetteer: Gazetteer) -> None:
    assert matches(gazetteer, "small cell lung cancer") == [
        ("small cell lung cancer", "disease"),
        ("cell", "substance"),
        ("lung", "procedure"),
        ("cancer", "symptom"),
    ]


def test_a_term_of_two_kinds_is_found_as_both(gazetteer: Gazetteer) -> None:
    assert sorted(matches(gazetteer, "Glucose")) == [("Glucose", "drug"), ("Glucose", "substance")]


@pytest.mark.parametrize(
    "text",
    ["lung cancers", "LUNG CANCER", "Lung Cancer", "pulmonary metastasis", "Crohn’s disease", "non-hodgkin LYMPHOMAS"],
)
def test_case_number_and_apostrophe_do_not_matter(gazetteer: Gazetteer, text: str) -> None:
    assert (" ".join(token.text for token in tokens(text)), "disease") in matches(gazetteer, text)


@pytest.mark.parametrize("text", ["cancerous", "lungcancer", "lun", "non, Hodgkin lymphoma", "metastases", ""])
def test_a_part_of_a_word_or_of_a_term_is_no_match(gazetteer: Gazetteer, text: str) -> None:
    assert matches(gazetteer, text) == []


@given(word_lists)
def test_matches_lie_in_the_words_and_those_of_a_kind_never_overlap(words: list[str]) -> None:
    found = Gazetteer.build(TERMS).matches(words)

    assert found == sorted(found, key=lambda match: match.first)
    for kind in TERM_KINDS:
        own = [match for match in found if match.kind == kind]
        assert all(0 <= match.first < match.past <= len(words) for match in own)
        assert all(one.past <= other.first for one, other in pairwise(own))
        assert all((" ".join(words[match.first : match.past]), kind) in TERMS for match in own)


def test_the_longest_term_that_is_kept_is_found_and_a_longer_one_is_left_out() -> None:
    longest, longer = ["w"] * LONGEST_TERM, ["v"] * (LONGEST_TERM + 1)

    gazetteer = Gazetteer.build([(" ".join(longest), "disease"), (" ".join(longer), "disease"), ("", "disease")])

    assert len(gazetteer) == 1
    assert gazetteer.matches(longest) == [Match(0, LONGEST_TERM, "disease")]
    assert gazetteer.matches(longer) == []


def test_a_gazetteer_is_the_same_after_saving_and_loading(gazetteer: Gazetteer, tmp_path: Path) -> None:
    gazetteer.save(tmp_path / "g.marisa")

    loaded = Gazetteer.load(tmp_path / "g.marisa")

    assert len(loaded) == len(gazetteer) == len(TERMS)
    assert matches(loaded, "small cell lung cancer") == matches(gazetteer, "small cell lung cancer")


def test_an_empty_gazetteer_knows_nothing() -> None:
    assert Gazetteer.build([]).matches(["asthma"]) == []


@pytest.mark.parametrize("word", ["\0", "\ud800", "cancer\0", "\udfffcancer", "\x00\xff"])
def test_words_that_no_file_can_hold_are_unknown_words(gazetteer: Gazetteer, word: str) -> None:
    found = gazetteer.matches([word, "lung", "cancer"])

    assert {match.first for match in found} == {1, 2}
    assert Match(1, 3, "disease") in found
    assert readable(word).encode("utf-8").find(b"\0") == -1


def test_a_very_long_word_costs_no_more_than_its_length() -> None:
    assert Gazetteer.build(TERMS).matches(["a" * 1_000_000, "cancer"])[0] == Match(1, 2, "disease")


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("Infections", "infection"),
        ("allergies", "allergy"),
        ("metastases", "metastasis"),
        ("Diagnoses", "diagnosis"),
        ("tumours", "tumour"),
        ("statins", "statin"),
        ("diseases", "disease"),
        ("doses", "dose"),
    ],
)
def test_a_plural_is_keyed_as_its_singular(plural: str, singular: str) -> None:
    assert fold(plural) == fold(singular) == singular


@pytest.mark.parametrize("word", ["diabetes", "virus", "pancreatitis", "abscess", "sepsis", "aids", "gout"])
def test_a_singular_that_ends_like_a_plural_stays(word: str) -> None:
    assert fold(word) == word


@given(st.text(st.characters(exclude_categories=())))
def test_folding_never_gives_what_no_file_can_hold(word: str) -> None:
    assert "\0" not in fold(word)
    fold(word).encode("utf-8")


@pytest.mark.parametrize(
    ("word", "seen"),
    [
        ("ﬁbrosis", "fibrosis"),
        ("auto\u00adimmune", "autoimmune"),
        ("Sjo\u0308gren", "Sjögren"),
        ("\u00ad", "?"),
        ("a" * 40 + "b" * 40, "a" * 32 + "b" * 32),
    ],
)
def test_a_word_is_seen_as_a_reader_sees_it(word: str, seen: str) -> None:
    assert readable(word) == readable(readable(word)) == seen


@given(st.text(st.characters(exclude_categories=()), max_size=100))
def test_a_word_is_short_storable_and_without_white_space(word: str) -> None:
    seen = readable(word)

    assert len(seen) <= 64
    assert readable(seen) == seen
    assert seen.isascii() or not any(map(str.isspace, seen))
    assert "\0" not in seen.encode("utf-8").decode("utf-8")


@given(word_lists)
def test_terms_are_those_of_looking_every_run_of_words_up(words: list[str]) -> None:
    known = [(term.split(), kind) for term, kind in TERMS]
    found = [
        Match(first, first + len(term), kind)
        for first in range(len(words))
        for term, kind in known
        if words[first : first + len(term)] == term
    ]

    longest = {(m.first, m.kind): m for m in sorted(found, key=lambda match: match.past)}
    expected: list[Match] = []
    for match in sorted(longest.values(), key=lambda match: match.first):
        if all(match.first >= other.past for other in expected if other.kind == match.kind):
            expected.append(match)
    assert sorted(Gazetteer.build(TERMS).matches(words)) == sorted(expected)
