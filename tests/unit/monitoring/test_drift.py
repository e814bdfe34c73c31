"""Batches, distances and verdicts by hand; then the true model on notes as they are and on notes written otherwise."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from clinical_ner.core import io, params
from clinical_ner.core.errors import UserError
from clinical_ner.core.params import DriftParams
from clinical_ner.core.schema import NOTES
from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.drift import (
    RANDOM_ID,
    Comparison,
    Thresholds,
    calibrate,
    compare,
    drift_metrics,
    normalised_distances,
    profile_notes,
    split_batches,
    stable_ids,
    unseen_patients,
    verdict,
)
from clinical_ner.monitoring.profiles import FIGURES
from clinical_ner.ner.tagger import Tagger

ROOT = Path(__file__).parents[3]
FIRST, SECOND = "0123456789abcdef" * 2, "00000000-1111-2222-3333-abcdefabcdef"


def moved(batch: pd.DataFrame, figure: str, deviations: float) -> pd.DataFrame:
    """The batch with one figure larger by so many of its standard deviations."""
    return batch.assign(**{figure: batch[figure] + deviations * batch[figure].std(ddof=0)})


# --- batches ---------------------------------------------------------------------------------------
def test_unseen_patients_have_notes_of_which_no_other_was_trained_on() -> None:
    notes = pd.DataFrame({"note_id": ["N1", "N2", "N3", "N4"], "patient_id": ["P1", None, "P2", "P3"]})
    seen = {"N1": False, "N2": False, "N3": True, "N4": False}
    splits = pd.DataFrame({"note_id": list(seen), "patient_seen": list(seen.values()), "train": False})

    assert list(unseen_patients(notes, splits)["note_id"]) == ["N1", "N4"]


def test_the_latest_notes_are_the_current_batch_and_the_id_decides_on_a_day() -> None:
    days = pd.to_datetime(["2024-02-02", "2024-01-01", "2024-02-02", "2024-03-03", "2024-02-02"])
    profiles = pd.DataFrame({"note_id": ["N3", "N9", "N1", "N0", "N2"], "written_on": days})

    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]):
        reference, current = split_batches(profiles.iloc[order], 0.4)

        assert list(reference["note_id"]) == ["N9", "N1", "N2"]
        assert list(current["note_id"]) == ["N3", "N0"]


@pytest.mark.parametrize(
    ("share", "sizes"), [(0.0, (300, 0)), (0.4, (180, 120)), (0.3325, (200, 100)), (1.0, (0, 300))]
)
def test_the_current_batch_is_as_large_a_share_as_asked_for(
    batch: pd.DataFrame, share: float, sizes: tuple[int, int]
) -> None:
    reference, current = split_batches(batch, share)

    assert (len(reference), len(current)) == sizes
    assert sorted([*reference["note_id"], *current["note_id"]]) == list(batch["note_id"])


# --- thresholds ------------------------------------------------------------------------------------
def furthest(pairs: int, reference: pd.DataFrame, sizes: tuple[int, int], seed: int) -> np.ndarray:
    """The distances of so many pairs of batches drawn from the reference, each of its furthest figure."""
    draws = stream(seed, "pairs")
    frames = ((reference.sample(size, replace=True, random_state=draws) for size in sizes) for _ in range(pairs))
    return np.array([max(by_hand(first, second).values()) for first, second in frames])


def by_hand(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, float]:
    """The distances by SciPy, a figure at a time."""
    return {
        name: float(wasserstein_distance(reference[name], current[name]) / max(reference[name].std(ddof=0), 0.001))
        for name in FIGURES
    }


def test_fresh_pairs_from_the_reference_reach_a_threshold_as_often_as_allowed(
    batch: pd.DataFrame, knobs: DriftParams
) -> None:
    found = calibrate(batch, 220, knobs.model_copy(update={"resamples": 2000, "drift_false_alarms": 0.01}))

    distances = furthest(600, batch, (300, 220), seed=2)
    assert (distances >= found.warn).mean() == pytest.approx(0.05, abs=0.025)
    assert (distances >= found.drift).mean() == pytest.approx(0.01, abs=0.009)


def test_the_same_seed_gives_the_same_thresholds_and_another_one_others(
    batch: pd.DataFrame, knobs: DriftParams
) -> None:
    first, second = (calibrate(batch, 300, knobs) for _ in range(2))

    assert first == second
    assert first != calibrate(batch, 300, knobs.model_copy(update={"seed": 2}))


def test_more_resamples_give_thresholds_that_depend_less_on_the_seed(batch: pd.DataFrame, knobs: DriftParams) -> None:
    def spread(resamples: int) -> float:
        several = [knobs.model_copy(update={"seed": seed, "resamples": resamples}) for seed in range(6)]
        return float(np.std([calibrate(batch, 300, one).warn for one in several]))

    assert spread(400) < spread(20)


def test_rarer_false_alarms_and_smaller_batches_need_higher_thresholds(batch: pd.DataFrame, knobs: DriftParams) -> None:
    usual = calibrate(batch, 300, knobs)
    rarer = calibrate(batch, 300, knobs.model_copy(update={"warn_false_alarms": 0.02}))
    smaller = calibrate(batch, 100, knobs)

    assert usual.warn < rarer.warn < usual.drift == rarer.drift
    assert usual.warn < smaller.warn
    assert usual.drift < smaller.drift


def test_with_equal_rates_the_thresholds_are_equal(batch: pd.DataFrame, knobs: DriftParams) -> None:
    found = calibrate(batch, 300, knobs.model_copy(update={"warn_false_alarms": 0.005}))

    assert found.warn == found.drift


def test_whole_notes_are_drawn_so_figures_that_move_together_are_one_chance_and_not_eight(
    batch: pd.DataFrame, knobs: DriftParams
) -> None:
    together = batch.assign(**dict.fromkeys(FIGURES, batch["mean_confidence"]))

    assert calibrate(together, 300, knobs).warn < 0.9 * calibrate(batch, 300, knobs).warn


# --- distances -------------------------------------------------------------------------------------
@pytest.fixture
def knotty(batch: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Batches of two sizes: every figure is moved otherwise, one has ties, one no spread at all."""
    reference = batch.assign(tokens=batch["tokens"] // 100, unsure_token_rate=0.25)
    return reference, reference.assign(
        **{name: reference[name] * (1 + place / 8) for place, name in enumerate(FIGURES)}
    ).iloc[:250]


def test_the_distances_of_the_calibration_are_those_of_evidently(
    knotty: tuple[pd.DataFrame, pd.DataFrame], knobs: DriftParams
) -> None:
    found = normalised_distances(*(frame[list(FIGURES)].to_numpy(dtype="float64") for frame in knotty))

    evidently = compare(*knotty, knobs).distances
    assert evidently["unsure_token_rate"] == pytest.approx(0.25 * 7 / 8 / 0.001)
    assert dict(zip(FIGURES, found, strict=True)) == pytest.approx(evidently, abs=0.000051)


def test_the_distances_are_wassersteins_in_standard_deviations_of_the_reference(
    knotty: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    found = normalised_distances(*(frame[list(FIGURES)].to_numpy(dtype="float64") for frame in knotty))

    assert dict(zip(FIGURES, found, strict=True)) == pytest.approx(by_hand(*knotty), rel=1e-9)


# --- verdicts --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("distance", "expected"),
    [(0.0, "none"), (0.1999, "none"), (0.2, "warn"), (0.2499, "warn"), (0.25, "drift"), (9.0, "drift")],
)
def test_a_threshold_belongs_to_the_graver_verdict(distance: float, expected: str) -> None:
    assert verdict(distance, Thresholds(warn=0.2, drift=0.25)) == expected


def test_with_equal_thresholds_nothing_is_only_warned_of() -> None:
    equal = Thresholds(warn=0.25, drift=0.25)

    assert [verdict(distance, equal) for distance in (0.2499, 0.25)] == ["none", "drift"]


def test_a_batch_has_not_drifted_from_itself(batch: pd.DataFrame, knobs: DriftParams) -> None:
    comparison = compare(batch, batch.sample(frac=1, random_state=1), knobs)

    assert comparison.verdict == "none"
    assert comparison.distances == dict.fromkeys(FIGURES, 0.0)


@pytest.mark.parametrize(
    ("figure", "direction", "expected"),
    [
        ("mean_confidence", -1, "none"),
        ("out_of_vocabulary_rate", 1, "warn"),
        ("treatments_per_100_tokens", 1, "drift"),
        ("tokens_per_sentence", -1, "drift"),
    ],
)
def test_the_figure_that_moved_furthest_decides(
    batch: pd.DataFrame, knobs: DriftParams, figure: str, direction: int, expected: str
) -> None:
    warn, drift = thresholds = calibrate(batch, len(batch), knobs)
    distance = {"none": 0.9 * warn, "warn": (warn + drift) / 2, "drift": 1.1 * drift}[expected]
    current = moved(moved(batch, figure, direction * distance), "unsure_token_rate", 0.05)

    comparison = compare(batch, current, knobs)

    moves = {figure: distance, "unsure_token_rate": 0.05}
    assert comparison.verdict == expected
    assert comparison.thresholds == thresholds
    assert comparison.distances == pytest.approx(dict.fromkeys(FIGURES, 0.0) | moves, abs=0.002)


def test_the_page_for_people_tests_by_the_calibrated_threshold(batch: pd.DataFrame, knobs: DriftParams) -> None:
    comparison = compare(batch, batch, knobs)

    assert f"The drift threshold is {comparison.thresholds.drift:.2f}." in comparison.html


def test_columns_that_are_no_figures_play_no_part(batch: pd.DataFrame, knobs: DriftParams) -> None:
    later = batch.assign(written_on=pd.Timestamp("2030-01-01"), note_id=batch["note_id"] + "x")

    assert compare(batch, later, knobs).verdict == "none"


@pytest.mark.parametrize(("sizes", "name"), [((199, 300), "reference"), ((300, 199), "current"), ((0, 0), "reference")])
def test_a_small_batch_is_refused_by_name(
    batch: pd.DataFrame, knobs: DriftParams, sizes: tuple[int, int], name: str
) -> None:
    reference, current = (batch.head(size) for size in sizes)

    with pytest.raises(UserError, match=rf"the {name} batch has {min(sizes)} notes, 200 are needed") as refused:
        compare(reference, current, knobs)

    assert "remedy: compare larger batches" in str(refused.value)


def test_a_batch_of_exactly_the_least_size_is_compared(batch: pd.DataFrame, knobs: DriftParams) -> None:
    assert compare(batch.head(200), batch.head(200), knobs).verdict == "none"


# --- what is written -------------------------------------------------------------------------------
def test_random_ids_are_numbered_in_order_of_appearance_and_keep_their_identity() -> None:
    page = f"<div id='{FIRST}'></div><p id={SECOND}></p><script>show('{FIRST}', \"{SECOND}\")</script> {'a' * 31}"

    one, two = f"{0:032x}", f"{1:032x}"
    assert stable_ids(page) == (
        f"<div id='{one}'></div><p id={two}></p><script>show('{one}', \"{two}\")</script> {'a' * 31}"
    )
    assert stable_ids(stable_ids(page)) == stable_ids(page)


def test_the_same_comparison_is_the_same_page(batch: pd.DataFrame, knobs: DriftParams) -> None:
    current = moved(batch, "mean_confidence", 0.5)

    first, second = (compare(batch, current, knobs).html for _ in range(2))

    assert first == second
    assert len(set(RANDOM_ID.findall(first))) > 1
    assert all(name in first for name in FIGURES)


def test_the_metrics_name_the_furthest_figure_the_thresholds_and_the_sizes(batch: pd.DataFrame) -> None:
    distances = {"tokens": 0.1, "mean_confidence": 0.21, "characters": 0.2}
    comparison = Comparison("warn", distances, Thresholds(0.2, 0.25), "<html>")

    assert drift_metrics(batch.head(5), batch.head(3), comparison) == {
        "drift": {
            "verdict": "warn",
            "distance": 0.21,
            "furthest": "mean_confidence",
            "warn_at": 0.2,
            "drift_at": 0.25,
            "notes_reference": 5,
            "notes_current": 3,
        }
    }


# --- the true model on the pipeline's own notes ------------------------------------------------------
REFERENCE, CURRENT = 344, 229  # notes in the batches of the stage itself

OTHERWISE: dict[str, Callable[[str], str]] = {
    "another vocabulary": lambda text: codecs.encode(text, "rot13"),
    "letters lost in decoding": lambda text: text.replace("e", "Ã©").replace("a", "Ã¤"),
    "two bytes a letter read as one": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "line ends lost": lambda text: " ".join(text.split()),
}


@pytest.fixture(scope="module")
def true_tagger(model_path: Path) -> Tagger:
    return Tagger.load(model_path)


@pytest.fixture(scope="module")
def shuffled() -> pd.DataFrame:
    """The notes about patients, in a fixed random order."""
    notes = io.read(NOTES, ROOT / "data/notes")
    notes = notes[notes["patient_id"].notna()]
    return notes.iloc[stream(16, "order").permutation(len(notes))]


@pytest.fixture(scope="module")
def profiles(true_tagger: Tagger, shuffled: pd.DataFrame) -> pd.DataFrame:
    return profile_notes(true_tagger, shuffled)


@pytest.fixture(scope="module")
def own_knobs() -> DriftParams:
    """The repository's own, with fewer resamples than the stage takes: quicker."""
    return params.load(ROOT / "params.yaml").drift.model_copy(update={"resamples": 1000})


def test_of_batches_as_they_are_no_more_are_reported_than_the_parameters_allow(
    profiles: pd.DataFrame, own_knobs: DriftParams
) -> None:
    knobs, draws, verdicts = own_knobs.model_copy(update={"resamples": 200}), stream(16, "undrifted"), []
    for _ in range(200):
        order = draws.permutation(len(profiles))
        reference, current = profiles.iloc[order[:REFERENCE]], profiles.iloc[order[-CURRENT:]]
        furthest = max(by_hand(reference, current).values())
        verdicts.append(verdict(furthest, calibrate(reference, CURRENT, knobs)))

    reported, drifted = 1 - verdicts.count("none") / 200, verdicts.count("drift") / 200
    assert reported == pytest.approx(knobs.warn_false_alarms, abs=0.04)
    assert drifted == pytest.approx(knobs.drift_false_alarms, abs=0.015)


def test_two_random_halves_of_the_same_notes_have_not_drifted(profiles: pd.DataFrame, own_knobs: DriftParams) -> None:
    half = len(profiles) // 2

    assert compare(profiles[:half], profiles[half:], own_knobs).verdict != "drift"


@pytest.mark.parametrize("otherwise", OTHERWISE.values(), ids=OTHERWISE)
def test_a_batch_of_which_a_quarter_is_written_otherwise_has_drifted(
    true_tagger: Tagger,
    shuffled: pd.DataFrame,
    profiles: pd.DataFrame,
    own_knobs: DriftParams,
    otherwise: Callable[[str], str],
) -> None:
    current = shuffled[-CURRENT:]
    texts = [otherwise(text) if place % 4 == 0 else text for place, text in enumerate(current["text"])]

    comparison = compare(profiles[:REFERENCE], profile_notes(true_tagger, current.assign(text=texts)), own_knobs)

    assert comparison.verdict == "drift"
