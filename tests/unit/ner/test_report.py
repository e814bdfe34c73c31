"""The evaluation as a whole, on a held-out set of a few lines."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core.params import DatasetParams, EvaluateParams, TrainParams
from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.evaluation import Reading
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.held_out import HeldOut, Origin, Slices
from clinical_ner.ner.report import SLICED_BY, SYSTEMS, ablations, evaluate, main_figures, readers, write_plots
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Entry, Example

TEXT = "She has asthma and takes aspirin."
GOLD = (Span(8, 14, DISEASE), Span(25, 32, TREATMENT))


@pytest.fixture(scope="module")
def unread() -> HeldOut:
    documents = [
        Document("a", TEXT, GOLD, None),
        Document("b", "No zyxitis was found today.", (Span(3, 10, DISEASE),), None),
    ]
    origins = {
        "a": Origin("seen", "progress", (), frozenset({(25, 8)}), dict(zip(GOLD, ("D0", "NAME:aspirin"), strict=True))),
        "b": Origin("nobody", "abstract", ((0, 9),), frozenset(), {Span(3, 10, DISEASE): "D9"}),
    }
    return HeldOut(documents, origins, frozenset())


@pytest.fixture(scope="module")
def slices(unread: HeldOut, examples: list[Example], tiny: Tagger) -> Slices:
    shares = {
        "unseen_patients": 0.5,
        "unseen_notes": 0.5,
        "unseen_templates": 0.5,
        "calibration_templates": 0.5,
        "unlisted_terms": 1.0,
    }
    params = DatasetParams(seed=1, unseen_terms=1.0, **shares)  # every concept is withheld
    return Slices(unread, examples, tiny.gazetteer, params)


@pytest.fixture(scope="module")
def settings() -> EvaluateParams:
    return EvaluateParams(seed=1, ablation_iterations=3, ablation_sentences=30)


@pytest.fixture(scope="module")
def ablated(
    examples: list[Example],
    lexicon: list[Entry],
    unread: HeldOut,
    slices: Slices,
    settings: EvaluateParams,
    train_params: TrainParams,
) -> dict[str, Any]:
    return ablations(examples, lexicon, unread, slices, settings, train_params)


def nothing(_: str) -> Sequence[Span]:
    return []


def right(text: str) -> Sequence[Span]:
    return GOLD if text == TEXT else [Span(3, 10, DISEASE)]


def eager(text: str) -> Sequence[Span]:
    return [*right(text), Span(0, 2, DISEASE)]


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_three_systems_read_the_same_text(
    tiny: Tagger, examples: list[Example], lexicon: list[Entry], train_params: TrainParams
) -> None:
    systems = readers(tiny, examples, lexicon, train_params, seed=1)

    assert tuple(systems) == SYSTEMS
    assert all(list(reader(TEXT)) == list(GOLD) for reader in systems.values())


def test_every_system_is_scored_as_a_whole_and_by_every_slice(unread: HeldOut, slices: Slices) -> None:
    figures, kept = evaluate({"crf": right, "dictionary": nothing}, unread, slices)

    assert figures["crf"]["all"]["micro"]["f1"] == 1.0
    assert figures["dictionary"]["all"]["micro"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 3}
    for by in SLICED_BY:
        assert sum(found["micro"]["support"] for found in figures["crf"][by].values()) == 3
    assert {name: found["micro"]["support"] for name, found in figures["crf"]["terms"].items()} == {
        "seen": 2,
        "withheld_unlisted": 1,
    }
    assert {name: found["micro"]["support"] for name, found in figures["crf"]["repeats"].items()} == {
        "new": 1,
        "verbatim": 2,
    }
    right_links = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert figures["relations"] == {"gold_spans": right_links, "end_to_end": right_links}
    assert figures["repeated_sentences"] == 0.5
    assert kept == [Reading(document, list(right(document.text))) for document in unread.documents]


def test_each_feature_group_is_left_out_once(ablated: dict[str, Any], train_params: TrainParams) -> None:
    assert list(ablated) == ["all", *(f"without_{group}" for group in train_params.feature_groups)]
    assert all(0 <= share <= 1 for found in ablated.values() for share in found.values())
    assert all(set(found) == {"f1", "f1_seen_terms", "f1_withheld_unlisted_terms"} for found in ablated.values())


def test_ablations_are_the_same_again(
    ablated: dict[str, Any],
    examples: list[Example],
    lexicon: list[Entry],
    unread: HeldOut,
    slices: Slices,
    settings: EvaluateParams,
    train_params: TrainParams,
) -> None:
    assert ablations(examples, lexicon, unread, slices, settings, train_params) == ablated


def test_a_single_group_is_not_left_out(
    examples: list[Example],
    unread: HeldOut,
    slices: Slices,
    settings: EvaluateParams,
    train_params: TrainParams,
) -> None:
    alone = train_params.model_copy(update={"feature_groups": ("word",)})

    assert list(ablations(examples, [], unread, slices, settings, alone)) == ["all"]


def test_the_main_figures_are_taken_from_all_of_them(unread: HeldOut, slices: Slices, ablated: dict[str, Any]) -> None:
    figures, _ = evaluate({"crf": right, "dictionary": nothing, "token_classifier": nothing}, unread, slices)

    found = main_figures({**figures, "ablation": ablated})

    assert found["crf"]["f1"] == found["crf"]["precision"] == found["crf"]["recall"] == 1.0
    assert found["dictionary_f1"] == found["token_classifier_f1"] == 0.0
    assert found["crf_f1"]["patients"] == {"nobody": 1.0, "seen": 1.0}
    assert found["ablation_f1"]["all"] == ablated["all"]["f1"]
    assert found["crf_f1"]["terms"] == {"seen": 1.0, "withheld_unlisted": 1.0}
    assert set(found["crf_f1"]) == {"patients", "templates", "terms"}
    assert found["treatment_links"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert found["repeated_sentences"] == 0.5


def test_what_is_spurious_is_counted_in_the_report_but_has_no_f1(
    unread: HeldOut, slices: Slices, ablated: dict[str, Any], tmp_path: Path
) -> None:
    figures, readings = evaluate(dict.fromkeys(SYSTEMS, eager), unread, slices)
    figures["ablation"] = ablated

    write_plots(tmp_path, figures, readings)

    assert figures["crf"]["terms"]["spurious"]["predicted"] == 2
    assert set(main_figures(figures)["crf_f1"]["terms"]) == {"seen", "withheld_unlisted"}
    assert not any("spurious" in name for name, _ in table(tmp_path / "slices.csv"))


def test_the_plots_have_a_row_for_each_system_slice_ablation_and_kind_of_error(
    unread: HeldOut, slices: Slices, tmp_path: Path
) -> None:
    figures, readings = evaluate(dict.fromkeys(SYSTEMS, right), unread, slices)
    wrong = Reading(Document("c", "word " * 301, (), None), [Span(0, 9, DISEASE)])

    write_plots(tmp_path / "plots", {**figures, "ablation": {"all": {"f1": 0.5}}}, [*readings, wrong])

    assert table(tmp_path / "plots/systems.csv") == [["system", "f1"], *([name, "1.0"] for name in SYSTEMS)]
    assert table(tmp_path / "plots/ablation.csv") == [["features", "f1"], ["all", "0.5"]]
    assert ["terms: withheld_unlisted", "1.0"] in table(tmp_path / "plots/slices.csv")
    assert table(tmp_path / "plots/errors.csv") == [["error", "tokens"], ["O read as DISEASE", "2"]]


def test_the_dictionary_of_the_report_is_the_gazetteer_that_is_served(
    tiny: Tagger, examples: list[Example], lexicon: list[Entry], train_params: TrainParams
) -> None:
    hidden = train_params.model_copy(update={"gazetteer_dropout": 1.0})

    systems = readers(tiny, examples, lexicon, hidden, seed=1)

    assert len(tiny.gazetteer) > len(Gazetteer.build([]))
    assert list(systems["dictionary"](TEXT)) == list(GOLD)
