"""Draws from a named stream, and what is done with them to a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.seeds import stream
from clinical_ner.core.span import Span
from clinical_ner.notes.draws import BLOCK, Draws
from clinical_ner.notes.noise import NEIGHBOURS, Typos, misspelt, wrapped

SEEDS = st.integers(0, 10_000)
TEXTS = st.lists(st.from_regex(r"[A-Za-z0-9.,]{1,12}", fullmatch=True), min_size=1, max_size=60).map(" ".join)


def test_draws_are_those_of_the_stream_of_that_name() -> None:
    draws = Draws(3, "one")

    numbers = [draws.uniform() for _ in range(2 * BLOCK)]

    assert sorted(numbers) == sorted(stream(3, "one").random(2 * BLOCK).tolist())
    assert Draws(3, "one").uniform() == numbers[0]
    assert Draws(3, "other").uniform() != numbers[0] != Draws(4, "one").uniform()


def test_integers_and_choices_are_drawn_evenly_within_their_limits() -> None:
    draws = Draws(1, "x")

    found = {
        "below": [draws.below(4) for _ in range(4000)],
        "between": [draws.between(3, 6) - 3 for _ in range(4000)],
        "pick": [draws.pick((0, 1, 2, 3)) for _ in range(4000)],
        "weighted": [draws.weighted({0: 2.0, 1: 2.0, 2: 2.0, 3: 2.0}) for _ in range(4000)],
    }

    for numbers in found.values():
        assert [numbers.count(number) / 4000 for number in range(4)] == pytest.approx([0.25] * 4, abs=0.04)


def test_weights_and_shares_are_kept() -> None:
    draws = Draws(1, "x")

    assert sum(draws.weighted({"a": 1, "b": 9}) == "a" for _ in range(4000)) / 4000 == pytest.approx(0.1, abs=0.03)
    assert sum(draws.chance(0.2) for _ in range(4000)) / 4000 == pytest.approx(0.2, abs=0.03)
    assert sum(draws.misses(0.1) for _ in range(4000)) / 4000 == pytest.approx(9, abs=0.8)
    assert {draws.misses(1) for _ in range(50)} == {0}


@given(SEEDS, st.from_regex(r"[a-z]{5,9}", fullmatch=True))
def test_a_typo_swaps_drops_or_misses_one_letter_but_never_the_first(seed: int, word: str) -> None:
    found = misspelt(word, Draws(seed, "typo"))

    inner = range(1, len(word) - 1)
    swaps = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inner}
    drops = {word[:i] + word[i + 1 :] for i in inner}
    slips = {word[:i] + key + word[i + 1 :] for i in inner for key in NEIGHBOURS[word[i]]}
    assert found in swaps | drops | slips


def test_only_long_lower_case_words_are_misspelt(draws: Draws) -> None:
    assert Typos(draws, 1).applied("Seen with FEVER 12345 for a day") == "Seen with FEVER 12345 for a day"
    assert Typos(draws, 1).applied("yesterday") != "yesterday"


@pytest.mark.parametrize("share", [0.02, 0.25])
def test_a_typo_rate_is_the_share_of_the_words_misspelt_however_they_are_written(draws: Draws, share: float) -> None:
    typos = Typos(draws, share)

    words = [typos.applied("abcdefgh abcdefgh and") for _ in range(4000)]

    wrong = sum(word != "abcdefgh" for two in words for word in two.split()[:2])
    assert wrong / 8000 == pytest.approx(share, rel=0.25)


@given(TEXTS, st.integers(5, 40))
def test_wrapping_turns_spaces_into_line_breaks_and_changes_nothing_else(text: str, width: int) -> None:
    found = wrapped(text, width, ())

    assert found.replace("\n", " ") == text
    assert all(len(line) <= width or " " not in line for line in found.split("\n"))


@given(TEXTS, st.integers(5, 30), st.data())
def test_a_line_that_breaks_within_a_span_goes_on_with_a_lower_case_word(
    text: str, width: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))

    found = wrapped(text, width, [Span(start, end, "DISEASE")])

    for place in range(start, end):
        if found[place] == "\n":
            assert found[place + 1 :].split()[0].islower()


def test_line_breaks_of_the_text_stay_and_columns_are_not_broken() -> None:
    assert wrapped("ab cd\nef gh ij", 5, ()) == "ab cd\nef gh\nij"
    assert wrapped("BP:      120\nPulse:   70", 10, ()) == "BP:      120\nPulse:   70"
