"""Thresholds and verdicts by hand; then the true model and the stage's own thresholds on notes as they are and not."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from clinical_ner.core import files, io, params
from clinical_ner.core.errors import UserError
from clinical_ner.core.figures import FIGURES
from clinical_ner.core.params import DriftParams
from clinical_ner.core.schema import NOTES, PROFILES, REFERENCE, SPLITS
from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.distances import Limits, limits, normalised_distances, numbers
from clinical_ner.monitoring.drift import (
    RANDOM_ID,
    Comparison,
    Thresholds,
    calibrate,
    compare,
    drift_metrics,
    for_reference,
    from_json,
    profile_notes,
    stable_ids,
    thresholds_for,
    to_json,
    unseen_patients,
    verdict,
)
from clinical_ner.monitoring.separation import Separability
from clinical_ner.ner.tagger import Tagger

ROOT = Path(__file__).parents[3]
FIRST, SECOND = "0123456789abcdef" * 2, "00000000-1111-2222-3333-abcdefabcdef"
FIXED = Thresholds(200, Limits(dict.fromkeys(FIGURES, 0.5), watch=0.8), Separability(watch=0.6, alert=0.65))


def moved(batch: pd.DataFrame, figure: str, deviations: float) -> pd.DataFrame:
    """The batch with one figure larger by so many of its standard deviations."""
    return batch.assign(**{figure: batch[figure] + deviations * batch[figure].std(ddof=0)})


def test_unseen_patients_have_notes_of_which_no_other_was_trained_on() -> None:
    notes = pd.DataFrame({"note_id": ["N1", "N2", "N3", "N4"], "patient_id": ["P1", None, "P2", "P3"]})
    seen = {"N1": False, "N2": False, "N3": True, "N4": False}
    splits = pd.DataFrame({"note_id": list(seen), "patient_seen": list(seen.values()), "train": False})

    assert list(unseen_patients(notes, splits)["note_id"]) == ["N1", "N4"]


# --- thresholds ------------------------------------------------------------------------------------
def test_each_size_of_windows_has_thresholds_and_smaller_ones_have_wider_limits(thresholds: list[Thresholds]) -> None:
    small, large = thresholds

    assert (small.size, large.size) == (100, 150)
    assert small.limits.alert["tokens"] > large.limits.alert["tokens"]


def test_a_reference_smaller_than_two_of_the_largest_windows_is_refused(
    batch: pd.DataFrame, knobs: DriftParams
) -> None:
    with pytest.raises(UserError, match=r"has 299 notes, two of the largest windows 300(?s:.*)remedy"):
        calibrate(batch.head(299), knobs)


@pytest.mark.parametrize(("notes", "windows"), [(300, (100, 150)), (299, (100,)), (200, (100,)), (199, (100,))])
def test_a_smaller_reference_is_for_smaller_windows(knobs: DriftParams, notes: int, windows: tuple[int, ...]) -> None:
    assert for_reference(knobs, notes).windows == windows


@pytest.mark.parametrize(("notes", "size"), [(100, 100), (149, 100), (150, 150), (9000, 150)])
def test_a_window_is_judged_by_the_next_smaller_size(thresholds: list[Thresholds], notes: int, size: int) -> None:
    assert thresholds_for(thresholds, notes).size == size


def test_a_window_smaller_than_all_sizes_is_refused(thresholds: list[Thresholds]) -> None:
    with pytest.raises(UserError, match=r"the window has 99 notes, 100 are needed(?s:.*)longer window"):
        thresholds_for(thresholds, 99)


def test_thresholds_are_read_as_they_were_written(thresholds: list[Thresholds], tmp_path: Path) -> None:
    files.write_json(tmp_path / "thresholds.json", to_json(thresholds, "0123456789ab"))

    assert from_json(files.read_json(tmp_path / "thresholds.json")) == thresholds


def test_thresholds_of_other_figures_are_refused(thresholds: list[Thresholds]) -> None:
    content = to_json(thresholds, "0123456789ab")
    content["windows"]["100"]["limits"]["alert"]["of_yesterday"] = 1.0

    with pytest.raises(UserError, match="calibrate again"):
        from_json(content)


# --- verdicts --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("distance", "partial_auc", "expected"),
    [
        (0.0, 0.5, "none"),
        (0.3999, 0.5999, "none"),
        (0.4, 0.5, "watch"),
        (0.4999, 0.5, "watch"),
        (0.5, 0.5, "alert"),
        (0.0, 0.6, "watch"),
        (0.0, 0.65, "alert"),
        (0.4, 0.65, "alert"),
        (0.5, 0.6, "alert"),
    ],
)
def test_the_graver_witness_decides_and_a_threshold_belongs_to_the_graver_verdict(
    distance: float, partial_auc: float, expected: str
) -> None:
    distances = dict.fromkeys(FIGURES, 0.0) | {"tokens": distance}

    assert verdict(distances, partial_auc, FIXED) == expected


def test_a_batch_has_not_drifted_from_itself(batch: pd.DataFrame, thresholds: list[Thresholds]) -> None:
    comparison = compare(batch, batch.sample(frac=1, random_state=1), thresholds, 1)

    assert comparison.verdict == "none"
    assert comparison.distances == dict.fromkeys(FIGURES, 0.0)


def test_the_distances_are_evidentlys_and_the_figure_that_moved_furthest_is_named_first(
    batch: pd.DataFrame, thresholds: list[Thresholds]
) -> None:
    current = moved(moved(batch, "mean_confidence", -1), "unsure_token_rate", 0.05)

    comparison = compare(batch, current, thresholds, 1)

    fast = dict(zip(FIGURES, normalised_distances(numbers(batch), numbers(current)), strict=True))
    assert comparison.verdict == "alert"
    assert comparison.distances == pytest.approx(fast, abs=0.000051)
    assert next(iter(comparison.exceeded)) == "mean_confidence"
    assert comparison.exceeded["mean_confidence"] > 1


def test_columns_that_are_no_figures_play_no_part(batch: pd.DataFrame, thresholds: list[Thresholds]) -> None:
    later = batch.assign(written_on=pd.Timestamp("2030-01-01"), note_id=batch["note_id"] + "x", patient_id=None)

    assert compare(batch, later, thresholds, 1).verdict == "none"


# --- what is written -------------------------------------------------------------------------------
def test_random_ids_are_numbered_in_order_of_appearance_and_keep_their_identity() -> None:
    page = f"<div id='{FIRST}'></div><p id={SECOND}></p><script>show('{FIRST}', \"{SECOND}\")</script> {'a' * 31}"

    one, two = f"{0:032x}", f"{1:032x}"
    assert stable_ids(page) == (
        f"<div id='{one}'></div><p id={two}></p><script>show('{one}', \"{two}\")</script> {'a' * 31}"
    )
    assert stable_ids(stable_ids(page)) == stable_ids(page)


def test_the_same_comparison_is_the_same_page(batch: pd.DataFrame, thresholds: list[Thresholds]) -> None:
    current = moved(batch, "mean_confidence", 0.5)

    first, second = (compare(batch, current, thresholds, 1).html for _ in range(2))

    assert first == second
    assert len(set(RANDOM_ID.findall(first))) > 1
    assert all(name in first for name in FIGURES)


def test_the_metrics_name_the_furthest_figure_the_thresholds_and_the_sizes(batch: pd.DataFrame) -> None:
    distances = dict.fromkeys(FIGURES, 0.0) | {"tokens": 0.1, "mean_confidence": 0.45}
    comparison = Comparison("watch", distances, 0.51, FIXED, "<html>")

    assert drift_metrics(batch.head(5), batch.head(3), comparison) == {
        "drift": {
            "verdict": "watch",
            "furthest": "mean_confidence",
            "distance": 0.45,
            "share_of_limit": 0.9,
            "partial_auc": 0.51,
            "partial_auc_limit": 0.65,
            "notes_reference": 5,
            "notes_current": 3,
        }
    }


# --- the true model and the stage's thresholds on the pipeline's own notes ----------------------------
OTHERWISE: dict[str, Callable[[str], str]] = {
    "another vocabulary": lambda text: codecs.encode(text, "rot13"),
    "letters lost in decoding": lambda text: text.replace("e", "Ã©").replace("a", "Ã¤"),
    "two bytes a letter read as one": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "line ends lost": lambda text: " ".join(text.split()),
}


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return io.read(REFERENCE, ROOT / "data/drift")


@pytest.fixture(scope="module")
def profiles() -> pd.DataFrame:
    return io.read(PROFILES, ROOT / "data/drift")


@pytest.fixture(scope="module")
def true_thresholds() -> list[Thresholds]:
    return from_json(files.read_json(ROOT / "data/drift/thresholds.json"))


def fast_verdict(reference: pd.DataFrame, current: pd.DataFrame, known: list[Thresholds]) -> str:
    """The verdict of the distances alone: Evidently and the classifier take seconds."""
    measured = normalised_distances(numbers(reference), numbers(current)).tolist()
    return verdict(dict(zip(FIGURES, measured, strict=True)), 0.5, thresholds_for(known, len(current)))


def test_windows_of_other_patients_of_the_same_kind_are_hardly_ever_an_alert(reference: pd.DataFrame) -> None:
    # Half of a reference lacks some of what is rare; `make bench-drift` counts the alarms of a whole one.
    knobs, draws = params.load(ROOT / "params.yaml").drift, stream(16, "undrifted")
    rates = (knobs.watch_false_alarms / 2, knobs.alert_false_alarms / 2)
    patients, verdicts = reference["patient_id"].unique(), list[str]()
    for _ in range(10):
        half = reference["patient_id"].isin(draws.permutation(patients)[::2])
        known = [FIXED._replace(size=300, limits=limits(reference[half], 300, 300, rates, knobs.seed))]
        by_patient = [notes for _, notes in reference[~half].groupby("patient_id")]
        drawn = (pd.concat([by_patient[each] for each in draws.permutation(len(by_patient))[:100]]) for _ in range(10))
        verdicts += [fast_verdict(reference[half], window, known) for window in drawn]

    assert verdicts.count("alert") <= 5


@pytest.mark.parametrize("otherwise", OTHERWISE.values(), ids=OTHERWISE)
def test_a_window_of_which_a_tenth_is_written_otherwise_is_an_alert(
    model_path: Path,
    reference: pd.DataFrame,
    profiles: pd.DataFrame,
    true_thresholds: list[Thresholds],
    otherwise: Callable[[str], str],
) -> None:
    notes = unseen_patients(io.read(NOTES, ROOT / "data/notes"), io.read(SPLITS, ROOT / "data/dataset")).iloc[:30]
    texts = notes.assign(text=[otherwise(text) for text in notes["text"]])
    written = profile_notes(Tagger.load(model_path), texts)
    usual = profiles[~profiles["note_id"].isin(notes["note_id"])].iloc[:270]

    assert fast_verdict(reference, pd.concat([usual, written]), true_thresholds) == "alert"


def test_the_stage_calibrates_for_the_windows_of_the_parameters(true_thresholds: list[Thresholds]) -> None:
    assert [one.size for one in true_thresholds] == list(params.load(ROOT / "params.yaml").drift.windows)
