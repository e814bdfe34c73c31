"""The tagger answers any text with entities that are slices of it."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner import bio, emissions, tagger
from clinical_ner.ner.adaptation import refined
from clinical_ner.ner.tagger import Entity, Tagger
from clinical_ner.ner.tokenize import BLOCK, LONGEST_SENTENCE, blocks, sentences

TEXT = "She has asthma and takes aspirin. No gout was found today.\nMetformin was given for type 2 diabetes!"
PIECES = (TEXT, "asthma ", "insulin glargine", "gout", "aspirin", "\n", ". ", "heart failure", "😀", "\0", "\ud800")
some_text = st.lists(st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=()), max_size=9)).map("".join)


def assert_sound(entities: list[Entity], text: str) -> None:
    assert all(0 <= entity.start < entity.end <= len(text) for entity in entities)
    assert all(one.end <= other.start for one, other in pairwise(entities))
    assert all(entity.label in LABELS and 0 <= entity.confidence <= 1 for entity in entities)
    assert not any(text[entity.start].isspace() or text[entity.end - 1].isspace() for entity in entities)


def test_what_was_learnt_is_found_with_its_offsets(tiny: Tagger) -> None:
    assert [(TEXT[entity.start : entity.end], entity.label) for entity in tiny.tag(TEXT)] == [
        ("asthma", DISEASE),
        ("aspirin", TREATMENT),
        ("gout", DISEASE),
        ("Metformin", TREATMENT),
        ("type 2 diabetes", DISEASE),
    ]


def test_offsets_count_code_points_of_the_text_as_it_came(tiny: Tagger) -> None:
    text = "😀\ufeff She has asthma\u200b and takes 👩‍⚕️ aspirin."

    assert [text[entity.start : entity.end] for entity in tiny.tag(text)] == ["asthma", "aspirin"]


@settings(deadline=None)
@given(text=some_text)
def test_entities_lie_in_the_text_and_never_overlap(tiny: Tagger, text: str) -> None:
    assert_sound(tiny.tag(text), text)


@settings(deadline=None)
@given(text=some_text)
def test_reading_gives_every_sentence_a_tag_and_a_probability_for_each_token(tiny: Tagger, text: str) -> None:
    read = tiny.read(text)

    assert [sentence.tokens for sentence in read] == sentences(text)
    for sentence in read:
        assert len(sentence.tokens) == len(sentence.tags) == len(sentence.marginals)
        assert set(sentence.tags) <= set(bio.TAGS)
        assert all(-1e-9 <= marginal <= 1 + 1e-9 for marginal in sentence.marginals)
        assert [entity.span for entity in sentence.entities] == bio.decode(sentence.tokens, sentence.tags)
        assert all(0 <= entity.confidence <= 1 for entity in sentence.entities)
    assert tiny.tag(text) == [entity for sentence in read for entity in sentence.entities]


def test_hostile_text_is_answered(tiny: Tagger, hostile_text: str) -> None:
    text = hostile_text[-200_000:] if " and " in hostile_text else hostile_text  # long enough, and quick

    assert_sound(tiny.tag(text), text)


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b"])
def test_a_text_without_a_visible_character_has_no_sentence(tiny: Tagger, text: str) -> None:
    assert tiny.read(text) == []
    assert tiny.tag(text) == []


def test_an_entity_is_as_sure_as_its_boundaries_and_its_label_together(tiny: Tagger) -> None:
    (sentence,) = tiny.read("She has heart failure.")

    (entity,) = sentence.entities
    assert entity[:3] == (8, 21, DISEASE)
    assert 0 < entity.confidence <= min(sentence.marginals[2:4]) + 1e-4
    assert entity.span == Span(8, 21, DISEASE)


@given(
    st.lists(st.sampled_from(["gout", "asthma", "aspirin", "and", "of", "severe", ".", "She"]), min_size=1, max_size=12)
)
def test_bioes_tags_that_nothing_was_learnt_of_change_no_tag_and_no_probability(tiny: Tagger, words: list[str]) -> None:
    finer = tiny.reweighted(refined(tiny.weights.with_tags(bio.TAGS)), tiny.manifest.params)

    for coarse, fine in zip(tiny.read(" ".join(words)), finer.read(" ".join(words)), strict=True):
        assert fine.tags == coarse.tags
        assert fine.marginals == pytest.approx(coarse.marginals, abs=1e-9)
        assert [entity.confidence for entity in fine.entities] == pytest.approx(
            [entity.confidence for entity in coarse.entities], abs=2e-4
        )


def test_the_same_text_has_the_same_answer_again_and_from_a_second_tagger(tiny: Tagger, trained: Path) -> None:
    assert tiny.read(TEXT) == tiny.read(TEXT) == Tagger.load(trained).read(TEXT)


def test_a_sentence_is_read_without_regard_to_the_others(tiny: Tagger) -> None:
    alone = [entity for line in TEXT.split("\n") for entity in tiny.tag(line)]

    assert [entity[2:] for entity in tiny.tag(TEXT)] == [entity[2:] for entity in alone]


@settings(deadline=None)
@given(before=some_text, after=some_text)
def test_what_stands_around_a_sentence_changes_no_bit_of_its_reading(tiny: Tagger, before: str, after: str) -> None:
    alone = tiny.read(TEXT)

    around = tiny.read(f"{before}.\n\n{TEXT}\n\n{after}")

    inside = [s for s in around if len(before) < s.tokens[0].start < len(before) + 3 + len(TEXT)]
    assert [(s.tags, s.marginals) for s in inside] == [(s.tags, s.marginals) for s in alone]


DEFINES = "Heart failure (HF) was found. HF is treated with insulin glargine (IG). IG helps."
LONG = TEXT * (BLOCK // 20)


@settings(deadline=None, max_examples=25)
@given(texts=st.lists(some_text | st.sampled_from(["", " \n", DEFINES, "HF and IG", LONG]), max_size=9))
@pytest.mark.parametrize("together", [1, 40, 2_000])
def test_texts_that_are_read_together_are_read_as_each_alone(tiny: Tagger, texts: list[str], together: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tagger, "TOGETHER", together)
        found = list(tiny.read_all(texts))

    assert found == [tiny.read(text) for text in texts]


def test_short_texts_are_tagged_at_once(tiny: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    tagged = Tagger._tagged
    monkeypatch.setattr(
        Tagger, "_tagged", lambda self, block, known: seen.append(len(block.words)) or tagged(self, block, known)
    )

    assert len(list(tiny.read_all(["No gout."] * 1_500))) == 1_500
    assert len(seen) == 3
    assert max(seen) <= tagger.TOGETHER + 3


def test_a_text_of_ten_megabytes_is_read_a_block_at_a_time() -> None:
    text = "abdomen  " * 1_100_000 + TEXT
    tracemalloc.start()

    largest = max(len(block.words) for block in blocks(text))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert largest <= BLOCK + LONGEST_SENTENCE
    assert peak < 5_000_000


def test_millions_of_words_that_were_never_seen_do_not_stay_in_memory(
    tiny: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emissions, "REMEMBERED", 500)
    expected = tiny.tag(TEXT)

    for start in range(0, 20_000, 4_000):
        tiny.tag(" ".join(f"x{number}y" for number in range(start, start + 4_000)))

    assert tiny.tag(TEXT) == expected
    assert len(tiny._emissions._keys) < 500 + 100


def test_threads_that_share_a_tagger_get_their_own_answers(tiny: Tagger) -> None:
    texts = [f"{'word ' * (n % 7)}She has gout and takes aspirin. {TEXT[: 20 * (n % 5)]}" for n in range(400)]
    expected = [tiny.read(text) for text in texts]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tiny.read, texts)) == expected
