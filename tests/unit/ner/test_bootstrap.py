from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clinical_ner.ner.bootstrap import f1, interval, resampled_sums

COUNTS = arrays(np.int64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.integers(0, 9))


@given(COUNTS, st.integers(0, 5))
def test_the_sums_depend_on_seed_and_name_alone(counts: np.ndarray, seed: int) -> None:
    once, again = (resampled_sums(counts, seed, "set", 20) for _ in range(2))

    assert (once == again).all()


@given(COUNTS)
def test_columns_are_resampled_together_so_equal_columns_stay_equal(counts: np.ndarray) -> None:
    sums = resampled_sums(np.hstack([counts, counts]), 1, "set", 50)

    assert (sums[:, :4] == sums[:, 4:]).all()


@given(COUNTS)
def test_every_sum_is_of_as_many_documents_as_there_are(counts: np.ndarray) -> None:
    ones = np.ones((len(counts), 1), dtype=np.int64)

    sums = resampled_sums(np.hstack([ones, counts]), 1, "set", 50)

    assert (sums[:, 0] == len(counts)).all()
    assert (sums[:, 1:] >= len(counts) * counts.min(axis=0)).all()
    assert (sums[:, 1:] <= len(counts) * counts.max(axis=0)).all()


def test_the_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch) -> None:
    counts = np.arange(30).reshape(10, 3)
    whole = resampled_sums(counts, 1, "set", 25)

    monkeypatch.setattr("clinical_ner.ner.bootstrap.AT_ONCE", 40)

    assert (resampled_sums(counts, 1, "set", 25) == whole).all()


def test_the_mean_of_the_resamples_is_the_sum_and_their_spread_is_the_standard_error() -> None:
    counts = np.array([[0], [10]] * 50)

    sums = resampled_sums(counts, 1, "set", 4000)

    assert abs(sums.mean() - 500) < 3
    assert abs(sums.std() - 50) < 2  # sqrt(100) documents times a deviation of 5


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50))
def test_a_wider_confidence_holds_the_narrower_interval(values: list[float]) -> None:
    resampled = np.array(values)

    narrow, wide = interval(0.0, resampled, 0.8), interval(0.0, resampled, 0.95)

    assert min(values) - 1e-6 <= wide.low <= narrow.low <= narrow.high <= wide.high <= max(values) + 1e-6


def test_an_interval_leaves_equal_parts_out() -> None:
    assert interval(0.5, np.linspace(0, 1, 1001), 0.9) == (0.5, 0.05, 0.95)


def test_f1_counts_true_positives_twice() -> None:
    assert f1(np.array([[3, 4, 5], [0, 3, 0]])).tolist() == [6 / 9, 0.0]
