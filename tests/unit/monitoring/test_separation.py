"""A classifier that has nothing to tell apart guesses; one that has does not."""

from __future__ import annotations

import pandas as pd
import pytest

from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.separation import separability, separation

RATES = (0.05, 0.005)


def test_halves_of_one_batch_cannot_be_told_apart(batch: pd.DataFrame) -> None:
    assert separation(batch.iloc[::2], batch.iloc[1::2], 1) == pytest.approx(0.5, abs=0.1)


def test_what_moved_in_several_figures_a_little_is_told_apart(batch: pd.DataFrame) -> None:
    moved = batch.assign(**{name: batch[name] + 0.1 for name in ("mean_confidence", "capital_rate", "empty_rate")})

    assert separation(batch, moved, 1) > 0.75


def test_a_quarter_of_strange_notes_is_told_from_a_window_without(batch: pd.DataFrame) -> None:
    usual, window = batch.iloc[::2], batch.iloc[1::2].reset_index(drop=True)
    strange = window.assign(empty_rate=window["empty_rate"].where(window.index % 4 > 0, 1.0))

    assert separation(usual, strange, 1) > separation(usual, window, 1) + 0.05


def test_what_is_gone_is_not_what_is_new(batch: pd.DataFrame) -> None:
    both = batch.assign(empty_rate=(batch.index % 2).astype(float))

    assert separation(both, both[both["empty_rate"] == 0], 1) < 0.55
    assert separation(both[both["empty_rate"] == 0], both, 1) > 0.6


def test_fresh_cuts_reach_the_limits_as_often_as_they_may(batch: pd.DataFrame) -> None:
    watch, _ = separability(batch, 60, 40, (0.2, 0.05), 1)
    draws = stream(9, "cuts")
    patients = batch["patient_id"].unique()

    passed = 0
    for seed in range(60):
        window = batch["patient_id"].isin(draws.permutation(patients)[:20])
        passed += separation(batch[~window], batch[window], seed) >= watch

    assert 4 <= passed <= 22


def test_the_same_seed_gives_the_same_partial_auc(batch: pd.DataFrame) -> None:
    first, second = batch.iloc[::2], batch.iloc[1::2]

    assert separation(first, second, 1) == separation(first, second, 1) != separation(first, second, 2)


def test_a_rarer_false_alarm_needs_a_higher_one_and_a_smaller_window_too(batch: pd.DataFrame) -> None:
    large, small = (separability(batch, size, 30, RATES, 1) for size in (100, 20))

    assert 0.5 < large.watch < large.alert < small.alert <= 1
