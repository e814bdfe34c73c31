"""Batches, distances and verdicts by hand; then the true model on notes as they are and on notes written otherwise."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

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
    compare,
    drift_metrics,
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


# --- verdicts --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("distance", "expected"),
    [(0.0, "none"), (0.1999, "none"), (0.2, "warn"), (0.2499, "warn"), (0.25, "drift"), (9.0, "drift")],
)
def test_a_threshold_belongs_to_the_graver_verdict(thresholds: DriftParams, distance: float, expected: str) -> None:
    assert verdict(distance, thresholds) == expected


def test_with_equal_thresholds_nothing_is_only_warned_of(thresholds: DriftParams) -> None:
    equal = thresholds.model_copy(update={"warn": 0.25})

    assert [verdict(distance, equal) for distance in (0.2499, 0.25)] == ["none", "drift"]


def test_a_batch_has_not_drifted_from_itself(batch: pd.DataFrame, thresholds: DriftParams) -> None:
    comparison = compare(batch, batch.sample(frac=1, random_state=1), thresholds)

    assert comparison.verdict == "none"
    assert comparison.distances == dict.fromkeys(FIGURES, 0.0)


@pytest.mark.parametrize(
    ("figure", "deviations", "expected"),
    [
        ("mean_confidence", -0.1, "none"),
        ("out_of_vocabulary_rate", 0.22, "warn"),
        ("treatments_per_100_tokens", 0.3, "drift"),
        ("tokens_per_sentence", -1.0, "drift"),
    ],
)
def test_the_figure_that_moved_furthest_decides(
    batch: pd.DataFrame, thresholds: DriftParams, figure: str, deviations: float, expected: str
) -> None:
    current = moved(moved(batch, figure, deviations), "unsure_token_rate", 0.05)

    comparison = compare(batch, current, thresholds)

    still = dict.fromkeys(FIGURES, 0.0)
    assert comparison.verdict == expected
    assert comparison.distances == pytest.approx(
        still | {figure: abs(deviations), "unsure_token_rate": 0.05}, abs=0.002
    )


def test_a_distance_is_wassersteins_in_standard_deviations_of_the_reference(
    batch: pd.DataFrame, thresholds: DriftParams
) -> None:
    current = batch.assign(**{name: batch[name] * (1.0 + place) for place, name in enumerate(FIGURES, 1)}).iloc[:250]

    distances = compare(batch, current, thresholds).distances

    by_hand = {name: wasserstein_distance(batch[name], current[name]) / batch[name].std(ddof=0) for name in FIGURES}
    assert distances == pytest.approx(by_hand, rel=0.005)


def test_columns_that_are_no_figures_play_no_part(batch: pd.DataFrame, thresholds: DriftParams) -> None:
    later = batch.assign(written_on=pd.Timestamp("2030-01-01"), note_id=batch["note_id"] + "x")

    assert compare(batch, later, thresholds).verdict == "none"


@pytest.mark.parametrize(("sizes", "name"), [((199, 300), "reference"), ((300, 199), "current"), ((0, 0), "reference")])
def test_a_small_batch_is_refused_by_name(
    batch: pd.DataFrame, thresholds: DriftParams, sizes: tuple[int, int], name: str
) -> None:
    reference, current = (batch.head(size) for size in sizes)

    with pytest.raises(UserError, match=rf"the {name} batch has {min(sizes)} notes, 200 are needed") as refused:
        compare(reference, current, thresholds)

    assert "remedy: compare larger batches" in str(refused.value)


def test_a_batch_of_exactly_the_least_size_is_compared(batch: pd.DataFrame, thresholds: DriftParams) -> None:
    assert compare(batch.head(200), batch.head(200), thresholds).verdict == "none"


# --- what is written -------------------------------------------------------------------------------
def test_random_ids_are_numbered_in_order_of_appearance_and_keep_their_identity() -> None:
    page = f"<div id='{FIRST}'></div><p id={SECOND}></p><script>show('{FIRST}', \"{SECOND}\")</script> {'a' * 31}"

    one, two = f"{0:032x}", f"{1:032x}"
    assert stable_ids(page) == (
        f"<div id='{one}'></div><p id={two}></p><script>show('{one}', \"{two}\")</script> {'a' * 31}"
    )
    assert stable_ids(stable_ids(page)) == stable_ids(page)


def test_the_same_comparison_is_the_same_page(batch: pd.DataFrame, thresholds: DriftParams) -> None:
    current = moved(batch, "mean_confidence", 0.5)

    first, second = (compare(batch, current, thresholds).html for _ in range(2))

    assert first == second
    assert len(set(RANDOM_ID.findall(first))) > 1
    assert all(name in first for name in FIGURES)


def test_the_metrics_name_the_furthest_figure_and_the_sizes(batch: pd.DataFrame) -> None:
    comparison = Comparison("warn", {"tokens": 0.1, "mean_confidence": 0.21, "characters": 0.2}, "<html>")

    assert drift_metrics(batch.head(5), batch.head(3), comparison) == {
        "verdict": "warn",
        "furthest": "mean_confidence",
        "distance": 0.21,
        "batch_notes": {"reference": 5, "current": 3},
    }


# --- the true model on the pipeline's own notes ------------------------------------------------------
CURRENT = 300  # of 1,800 notes; of resampled batches of this size, unchanged, none of 400 reached the threshold

OTHERWISE: dict[str, Callable[[str], str]] = {
    "another vocabulary": lambda text: codecs.encode(text, "rot13"),
    "letters lost in decoding": lambda text: text.replace("e", "Ã©").replace("a", "Ã¤"),
    "two bytes a letter read as one": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "all in capitals": str.upper,
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
def own_thresholds() -> DriftParams:
    return params.load(ROOT / "params.yaml").drift


def test_two_random_halves_of_the_same_notes_have_not_drifted(
    profiles: pd.DataFrame, own_thresholds: DriftParams
) -> None:
    half = len(profiles) // 2

    assert compare(profiles[:half], profiles[half:], own_thresholds).verdict != "drift"


def test_a_batch_of_notes_as_they_are_has_not_drifted(profiles: pd.DataFrame, own_thresholds: DriftParams) -> None:
    assert compare(profiles[:-CURRENT], profiles[-CURRENT:], own_thresholds).verdict != "drift"


@pytest.mark.parametrize("otherwise", OTHERWISE.values(), ids=OTHERWISE)
def test_a_batch_of_which_a_quarter_is_written_otherwise_has_drifted(
    true_tagger: Tagger,
    shuffled: pd.DataFrame,
    profiles: pd.DataFrame,
    own_thresholds: DriftParams,
    otherwise: Callable[[str], str],
) -> None:
    current = shuffled[-CURRENT:]
    texts = [otherwise(text) if place % 4 == 0 else text for place, text in enumerate(current["text"])]

    comparison = compare(profiles[:-CURRENT], profile_notes(true_tagger, current.assign(text=texts)), own_thresholds)

    assert comparison.verdict == "drift"
