from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.params import PromoteParams
from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.evaluation import Reader
from clinical_ner.promotion.benchmarks import label_of
from clinical_ner.promotion.comparison import WHOLE, Benchmark, compare, counts

TEXT = "Gout with colchicine"
GOUT, DRUG = Span(0, 4, DISEASE), Span(10, 20, TREATMENT)


def texts(number: int) -> Benchmark:
    documents = [Document(f"d{each}", f"{TEXT} {each}", (GOUT, DRUG), None) for each in range(number)]
    return Benchmark("texts", documents, LABELS, {"label": label_of})


def reader(found: Mapping[str, list[Span]], otherwise: list[Span]) -> Reader:
    return lambda text: found.get(text, otherwise)


GOOD, HALF, NONE = (reader({}, spans) for spans in ([GOUT, DRUG], [GOUT], []))


def test_both_are_scored_on_the_whole_and_on_each_slice(params: PromoteParams) -> None:
    found = compare(texts(5), GOOD, HALF, params)

    rows = {row.name: (row.support, row.champion, row.challenger) for row in found.rows}
    assert rows == {
        WHOLE: (10, 0.666667, 1.0),
        "label:DISEASE": (5, 1.0, 1.0),
        "label:TREATMENT": (5, 0.0, 1.0),
    }
    assert found.whole.name == WHOLE


def test_a_difference_that_every_document_shares_has_no_noise(params: PromoteParams) -> None:
    found = compare(texts(5), GOOD, HALF, params)

    assert found.whole.difference == (0.333333, 0.333333, 0.333333)


def test_a_model_is_as_good_as_itself_however_it_is_resampled(params: PromoteParams) -> None:
    uneven = reader({f"{TEXT} 1": [GOUT], f"{TEXT} 2": []}, [GOUT, DRUG])

    found = compare(texts(6), uneven, uneven, params)

    assert {row.difference for row in found.rows} == {(0.0, 0.0, 0.0)}


def test_exchanging_the_two_turns_the_interval_round(params: PromoteParams) -> None:
    one = reader({f"{TEXT} 1": [GOUT]}, [GOUT, DRUG])
    other = reader({f"{TEXT} {number}": [] for number in range(3)}, [GOUT, DRUG])

    ahead, behind = (compare(texts(8), *pair, params).whole.difference for pair in ((one, other), (other, one)))

    assert ahead is not None
    assert behind is not None
    assert behind == pytest.approx((-ahead.value, -ahead.high, -ahead.low), abs=1e-6)
    assert ahead.low < ahead.value < ahead.high


def test_the_interval_of_one_set_among_many_is_wider(params: PromoteParams) -> None:
    other = reader({f"{TEXT} {number}": [] for number in range(5)}, [GOUT, DRUG])

    alone, among = (compare(texts(20), GOOD, other, params, sets).whole.difference for sets in (1, 10))

    assert alone is not None
    assert among is not None
    assert among.low < alone.low < alone.high < among.high


def test_the_interval_of_one_slice_among_many_is_wider(params: PromoteParams) -> None:
    other = reader({f"{TEXT} {number}": [] for number in range(5)}, [GOUT, DRUG])
    few = texts(20)
    many = replace(few, slicers=dict.fromkeys(("label", *"abcdefghij"), label_of))

    alone, among = (
        next(row.difference for row in compare(benchmark, GOOD, other, params).rows if row.name == "label:DISEASE")
        for benchmark in (few, many)
    )

    assert alone is not None
    assert among is not None
    assert among.low <= alone.low < alone.high < among.high


def test_slices_without_enough_gold_are_not_judged(params: PromoteParams) -> None:
    benchmark = Benchmark("texts", [*texts(2).documents], LABELS, {"label": label_of})

    assert [row.name for row in compare(benchmark, GOOD, HALF, params).rows] == [WHOLE]


def test_without_a_champion_there_is_nothing_to_compare(params: PromoteParams) -> None:
    found = compare(texts(5), HALF, None, params)

    assert [(row.challenger, row.champion, row.difference) for row in found.rows[:1]] == [(0.666667, None, None)]
    assert found.new_terms is None


def test_labels_and_spans_that_do_not_count_count_on_neither_side(params: PromoteParams) -> None:
    benchmark = Benchmark("some", texts(5).documents, (DISEASE,), keep=lambda document, _: document.id != "d0")

    found = compare(benchmark, NONE, GOOD, params)

    assert (found.whole.support, found.whole.champion, found.whole.challenger) == (4, 1.0, 0.0)


def test_new_terms_are_forms_that_the_champion_never_finds(params: PromoteParams) -> None:
    seldom = reader({f"{TEXT} 0": [GOUT, DRUG]}, [GOUT])

    assert compare(texts(5), GOOD, HALF, params).new_terms == 1
    assert compare(texts(5), GOOD, seldom, params).new_terms == 0
    assert compare(texts(5), HALF, GOOD, params).new_terms == 0


def test_a_digest_changes_with_any_text_or_span() -> None:
    one, other = texts(3), texts(3)
    moved = [*one.documents[:-1], Document("d2", one.documents[2].text, (GOUT,), None)]

    assert one.digest == other.digest
    fewer = Benchmark("texts", one.documents, LABELS, keep=lambda _, span: span == GOUT)
    assert len({one.digest, Benchmark("texts", moved, LABELS).digest, texts(4).digest, fewer.digest}) == 4


SPANS = st.sets(st.sampled_from([GOUT, DRUG, Span(0, 9, DISEASE), Span(5, 9, TREATMENT)]))


@given(st.lists(SPANS, min_size=1, max_size=6))
def test_the_slices_of_a_slicer_add_up_to_the_whole(readings: list[set[Span]]) -> None:
    found = counts(texts(len(readings)), readings)

    parts = sum(part for name, part in found.items() if name != WHOLE)
    assert (parts == found[WHOLE]).all()
