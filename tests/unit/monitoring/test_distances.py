"""Distances against SciPy's, and limits that fresh windows pass as often as they may."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from clinical_ner.core.figures import FIGURES
from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.distances import (
    LEAST_NOTES,
    Limits,
    Resampler,
    limits,
    normalised_distances,
    numbers,
    patients_of,
    tail_quantile,
)

RATES = (0.05, 0.005)


def found(batch: pd.DataFrame, size: int = 200, resamples: int = 200, seed: int = 1) -> Limits:
    return limits(batch, size, resamples, RATES, seed)


def test_the_distances_are_wassersteins_in_standard_deviations_of_the_reference(batch: pd.DataFrame) -> None:
    reference = batch.assign(tokens=batch["tokens"] // 100, unsure_token_rate=0.25)  # ties, and no spread at all
    current = reference.assign(**{name: reference[name] * 1.1 for name in FIGURES}).iloc[:250]

    measured = normalised_distances(numbers(reference), numbers(current))

    by_hand = {
        name: wasserstein_distance(reference[name], current[name]) / max(reference[name].std(ddof=0), 0.001)
        for name in FIGURES
    }
    assert dict(zip(FIGURES, measured, strict=True)) == pytest.approx(by_hand, rel=1e-9)


def test_a_drawn_pair_is_as_far_apart_as_its_two_batches(batch: pd.DataFrame) -> None:
    values, patients = numbers(batch), patients_of(batch)
    draws, again = stream(1, "pair"), stream(1, "pair")

    measured = Resampler(values, patients).distances(150, draws)

    window, reference = (np.bincount(again.integers(100, size=size), minlength=100)[patients] for size in (50, 100))
    by_hand = [wasserstein_distance(column, column, reference, window) / column.std() for column in values.T]
    assert measured == pytest.approx(by_hand)


def test_a_patients_notes_are_drawn_together(batch: pd.DataFrame) -> None:
    alike = batch.assign(**{name: batch[name].iloc[np.arange(300) // 3 * 3].to_numpy() for name in FIGURES})

    one_each = found(alike.assign(patient_id=None))

    assert found(alike).alert["tokens"] > 1.3 * one_each.alert["tokens"]  # a third of the independent notes


def test_the_same_seed_gives_the_same_limits_and_another_one_others(batch: pd.DataFrame) -> None:
    assert found(batch) == found(batch)
    assert found(batch) != found(batch, seed=2)


def test_smaller_windows_need_higher_limits(batch: pd.DataFrame) -> None:
    assert found(batch, size=60).alert["tokens"] > found(batch, size=250).alert["tokens"]


def test_fresh_pairs_reach_the_limits_as_often_as_they_may(batch: pd.DataFrame) -> None:
    known, resampler, draws = found(batch, resamples=600), Resampler(numbers(batch), patients_of(batch)), stream(9, "")
    alert = np.array([known.alert[name] for name in FIGURES])

    shares = np.array([(resampler.distances(200, draws) / alert).max() for _ in range(600)])

    assert (shares >= known.watch).mean() == pytest.approx(0.05, abs=0.025)
    assert (shares >= 1).mean() == pytest.approx(0.005, abs=0.008)


def test_three_strange_notes_are_no_alert_however_constant_a_figure_was(batch: pd.DataFrame) -> None:
    constant = batch.assign(concepts_ear=0.0)

    known = found(constant)

    assert known.alert["concepts_ear"] > LEAST_NOTES / 200 / 0.001


def test_the_tail_is_that_of_an_exponential_distribution() -> None:
    values = stream(3, "tail").exponential(size=200_000)

    assert tail_quantile(values, 0.001) == pytest.approx(np.log(1000), rel=0.02)


def test_notes_of_unknown_patients_are_each_of_one_of_their_own() -> None:
    profiles = pd.DataFrame({"note_id": ["a", "b", "c", "d"], "patient_id": ["P", None, "P", None]})

    numbered = patients_of(profiles)

    assert numbered[0] == numbered[2]
    assert len(set(numbered)) == 3
