"""The parameters are closed, typed and frozen, and an error names the file, the place and the reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from clinical_ner.core import params
from clinical_ner.core.errors import UserError

PARAMS = yaml.safe_load("""
vocabulary: {max_words: 6, min_characters: 3}
population: {seed: 1, patients: 20, reference_date: 2024-12-31, years_of_records: 4}
quality: {seed: 8, people: 9, halvings: 1, relative_tolerance: 0.1, standard_errors: 3, odds_factor: 1.4,
  worst_pair_at_least: 0.8, discriminator_auc_at_most: 0.8, transfer_share_at_least: 0.9}
risk:
  {seed: 7, people: 9, years_of_records: 5, horizon_years: 3, folds: 2, min_share: 0.1, regularisation: 1.0, trees: 3,
   learning_rate: 0.1, leaves: 4, calibration_bins: 5, min_events: 2}
notes: {seed: 2, notes_per_patient: 3, literature_texts: 4, typo_rate: 0.5, entity_typo_rate: 0.1}
dataset: {seed: 3, unseen_patients: 0, unseen_notes: 0.1, unseen_templates: 0.2, calibration_templates: 0.5,
  unseen_terms: 1, unlisted_terms: 0.3}
train:
  {seed: 4, c1: 0.05, c2: 1, max_iterations: 5, min_frequency: 2, annotated_weight: 0.5, rehearsed_sentences: 9,
   gazetteer_dropout: 0.1, feature_groups: [word, shape]}
evaluate: {seed: 5, ablation_iterations: 4, ablation_sentences: 30, sample_texts: 9, typo_rate: 0.1}
drift: {seed: 6, reference_patients: 3, windows: [2], resamples: 20, splits: 3, watch_false_alarms: 0.05,
        alert_false_alarms: 0.05, min_judged: 1, agreement_confidence: 0.9, watch_agreement: 0.8, alert_agreement: 0.7,
        policy: {none: [log], watch: [log], alert: [retrain]}}
ingest: {max_note_characters: 10, earliest: "1900-01-01"}
promote: {seed: 9, resamples: 100, confidence: 0.9, least_gain: 0.01, most_loss: 0.01, most_loss_of_slice: 0.02,
  least_support: 5, least_speed_ratio: 0.8, speed_texts: 5, speed_rounds: 3, least_f1: {golden: 0.5}}
kpi: {seed: 10, resamples: 100, confidence: 0.9, currency: EUR, machine_cost_per_hour: 0, staff_cost_per_hour: 40,
  manual_minutes_per_note: 6, review_share: 0.2, review_minutes_per_note: 1, availability_target: 0.99}
""")
Load = Callable[..., params.Params]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes the parameters with `section__name=value` changed and loads them."""

    def change_and_load(**changes: Any) -> params.Params:
        content = {section: dict(values) for section, values in PARAMS.items()}
        for place, value in changes.items():
            section, name = place.split("__")
            content[section][name] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return params.load(path)

    return change_and_load


def reason(load: Load, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        load(**changes)
    return str(caught.value)


def test_the_file_becomes_typed_values(load: Load) -> None:
    loaded = load()

    assert loaded.population == params.PopulationParams(
        seed=1, patients=20, reference_date=date(2024, 12, 31), years_of_records=4
    )
    assert loaded.train.feature_groups == ("word", "shape")
    assert isinstance(loaded.train.c2, float)


def test_the_shares_may_be_none_and_all(load: Load) -> None:
    assert (load().dataset.unseen_patients, load().dataset.unseen_terms) == (0, 1)


@pytest.mark.parametrize(
    ("change", "place", "advice"),
    [
        ({"notes__typorate": 1}, "notes.typorate", "did you mean 'typo_rate'?"),
        ({"train__max_iteratons": 1}, "train.max_iteratons", "did you mean 'max_iterations'?"),
        ({"vocabulary__zzz": 1}, "vocabulary.zzz", "known: max_words, min_characters"),
    ],
)
def test_an_unknown_name_is_refused_with_the_likely_one(
    load: Load, change: dict[str, int], place: str, advice: str
) -> None:
    assert f"params.yaml: {place}: unknown parameter; {advice}" in reason(load, **change)


def test_an_unknown_section_is_refused_with_the_likely_one(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**PARAMS, "populaton": {}}), encoding="utf-8")

    with pytest.raises(UserError, match=r": populaton: unknown parameter; did you mean 'population'\?"):
        params.load(path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("vocabulary__max_words", 0),
        ("vocabulary__min_characters", 0),
        ("population__seed", -1),
        ("population__patients", 0),
        ("population__patients", 1.5),
        ("population__patients", "many"),
        ("population__reference_date", "2024-13-01"),
        ("population__years_of_records", 0),
        ("risk__people", 0),
        ("risk__folds", 1),
        ("risk__min_share", 1.1),
        ("risk__learning_rate", 0),
        ("notes__notes_per_patient", 0),
        ("notes__literature_texts", -1),
        ("notes__typo_rate", 1.01),
        ("notes__typo_rate", -0.01),
        ("notes__entity_typo_rate", 1.01),
        ("dataset__unseen_terms", 2),
        ("train__c1", -0.1),
        ("train__c2", -0.1),
        ("train__max_iterations", 0),
        ("train__min_frequency", -1),
        ("train__feature_groups", []),
        ("train__feature_groups", ["words"]),
        ("evaluate__ablation_iterations", 0),
        ("evaluate__ablation_sentences", 0),
        ("evaluate__sample_texts", 0),
        ("evaluate__typo_rate", 1.1),
        ("drift__windows", []),
        ("drift__resamples", 0),
        ("drift__resamples", 10.5),
        ("drift__watch_false_alarms", 1),
        ("drift__alert_false_alarms", 0),
        ("drift__policy", {"none": ["log"], "watch": ["panic"], "alert": []}),
        ("drift__agreement_confidence", 1),
        ("drift__seed", None),
        ("ingest__max_note_characters", 0),
        ("ingest__earliest", "once"),
        ("promote__resamples", 99),
        ("promote__confidence", 1),
        ("promote__least_f1", {"golden": 1.1}),
        ("promote__least_speed_ratio", 0),
        ("kpi__currency", ""),
        ("kpi__manual_minutes_per_note", 0),
        ("kpi__availability_target", 1),
    ],
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_refused_with_its_place(
    load: Load, place: str, value: object
) -> None:
    assert f"params.yaml: {place.replace('__', '.')}" in reason(load, **{place: value})


def test_a_feature_group_named_twice_is_refused(load: Load) -> None:
    assert "train: value error, feature_groups names a group twice" in reason(
        load, train__feature_groups=["word", "word"]
    )


def test_more_alerts_than_windows_watched_are_refused(load: Load) -> None:
    told = reason(load, drift__watch_false_alarms=0.02)

    assert "drift: value error, alert_false_alarms must not be above watch_false_alarms" in told


def test_an_alert_before_anything_is_watched_is_refused(load: Load) -> None:
    told = reason(load, drift__alert_agreement=0.9)

    assert "drift: value error, alert_agreement must not be above watch_agreement" in told


def test_a_horizon_before_which_nothing_is_recorded_is_refused(load: Load) -> None:
    told = reason(load, risk__horizon_years=5)

    assert "risk: value error, horizon_years must be below years_of_records" in told


def test_every_mistake_is_told_at_once(load: Load) -> None:
    told = reason(load, notes__typo_rate=3, population__patients=0)

    assert len(told.splitlines()) == 2
    assert "notes.typo_rate" in told
    assert "population.patients" in told


@pytest.mark.parametrize("section", PARAMS)
def test_nothing_has_a_default(tmp_path: Path, section: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**PARAMS, section: {}}), encoding="utf-8")

    with pytest.raises(UserError) as caught:
        params.load(path)

    assert str(caught.value).splitlines() == [f"{path}: {section}.{name}: field required" for name in PARAMS[section]]


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({name: PARAMS[name] for name in PARAMS if name != "drift"}), encoding="utf-8")

    with pytest.raises(UserError, match=r"params\.yaml: drift: field required"):
        params.load(path)


def test_loaded_values_cannot_be_changed(load: Load) -> None:
    loaded = load()

    with pytest.raises(ValidationError, match="frozen"):
        loaded.notes.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        loaded.notes = loaded.notes  # type: ignore[misc]


def test_a_missing_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)none\.yaml does not exist.*remedy: .*--params"):
        params.load(tmp_path / "none.yaml")


@pytest.mark.parametrize("content", [b"notes: [", b"\tnotes: 1", b"\xff\xfe\x00"])
def test_what_is_no_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)

    with pytest.raises(UserError, match=r"params\.yaml is not YAML"):
        params.load(path)


@pytest.mark.parametrize("content", ["", "- 1", "seven"])
def test_yaml_that_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)

    with pytest.raises(UserError, match=r"params\.yaml: input should be a valid dictionary"):
        params.load(path)
