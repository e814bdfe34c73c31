"""The evaluation as a whole, on a held-out set of a few lines."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core.params import DatasetParams, EvaluateParams, TrainParams
from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner.ablation import ablations, lighter_models, sampled
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.evaluation import read_all
from clinical_ner.ner.extraction_metrics import Annotated, Annotation
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.golden import GoldenNote
from clinical_ner.ner.held_out import HeldOut, Origin, Slices
from clinical_ner.ner.report import (
    SLICED_BY,
    TEXTS,
    baseline_scores,
    evaluate,
    main_figures,
    robustness_scores,
    system_scores,
    term_scores,
    write_plots,
)
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Example

TEXT = "She has asthma and takes aspirin."
GOLD = (Span(8, 14, DISEASE), Span(25, 32, TREATMENT))


SAID = Annotated(tuple(Annotation(span, "present", None, None) for span in GOLD), frozenset({(25, 8)}))
UNKNOWN = Span(3, 10, DISEASE)


@pytest.fixture(scope="module")
def unread() -> HeldOut:
    documents = [Document("a", TEXT, GOLD, None), Document("b", "No zyxitis was found today.", (UNKNOWN,), None)]
    concepts = dict(zip(GOLD, ("D0", "NAME:aspirin"), strict=True))
    absent = Annotated((Annotation(UNKNOWN, "absent", None, None),), frozenset())
    origins = {
        "a": Origin("seen", "progress", (), (), (((0, 33), "plan"),), concepts, SAID),
        "b": Origin("nobody", "abstract", ((0, 27),), (), (), {UNKNOWN: "D9"}, absent),
    }
    return HeldOut(documents, origins, frozenset())


@pytest.fixture(scope="module")
def golden() -> list[GoldenNote]:
    return [GoldenNote(Document("g", TEXT, GOLD, None), SAID)]


@pytest.fixture(scope="module")
def params() -> DatasetParams:
    shares = {
        "unseen_patients": 0.5,
        "unseen_notes": 0.5,
        "unseen_templates": 0.5,
        "calibration_templates": 0.5,
        "unlisted_terms": 1.0,
    }
    return DatasetParams(seed=1, unseen_terms=1.0, **shares)  # every concept is withheld


@pytest.fixture(scope="module")
def slices(unread: HeldOut, examples: list[Example], tiny: Tagger, params: DatasetParams) -> Slices:
    return Slices(unread, examples, tiny.gazetteer, params)


@pytest.fixture(scope="module")
def settings() -> EvaluateParams:
    return EvaluateParams(seed=1, ablation_iterations=3, ablation_sentences=30, sample_texts=2, typo_rate=0.5)


Ablate = Callable[..., dict[str, dict[str, float]]]


@pytest.fixture(scope="module")
def ablate(
    tiny: Tagger,
    examples: list[Example],
    unread: HeldOut,
    slices: Slices,
    settings: EvaluateParams,
    train_params: TrainParams,
) -> Ablate:
    def run(**changes: Any) -> dict[str, dict[str, float]]:
        params = train_params.model_copy(update=changes)
        models = lighter_models(tiny, examples, tiny.gazetteer, settings, params)
        return ablations(models, unread.documents, slices)

    return run


@pytest.fixture(scope="module")
def figures(
    tiny: Tagger,
    unread: HeldOut,
    golden: list[GoldenNote],
    slices: Slices,
    settings: EvaluateParams,
    ablate: Ablate,
) -> dict[str, Any]:
    found = evaluate(tiny, unread, golden, slices)
    found |= baseline_scores({"dictionary": nothing, "token_classifier": eager}, unread.documents)
    found["robustness"] = robustness_scores(tiny, unread.documents, golden, settings)
    found["exchanged"] = term_scores(tiny, unread, slices, settings)
    return {**found, "ablation": ablate()}


def test_confidence_is_judged_on_no_sentence_that_it_was_fitted_on(
    tiny: Tagger,
    unread: HeldOut,
    slices: Slices,
    golden: list[GoldenNote],
    examples: list[Example],
    params: DatasetParams,
) -> None:
    origins = {**unread.origins, "a": unread.origins["a"]._replace(calibrating=((0, 33),))}
    fitted_on = unread._replace(origins=origins)
    other = Slices(fitted_on, examples, tiny.gazetteer, params)

    before = evaluate(tiny, unread, golden, slices)["diagnosis"]["held_out"]
    after = evaluate(tiny, fitted_on, golden, other)["diagnosis"]["held_out"]

    assert after["calibration"]["entities"] < before["calibration"]["entities"]
    assert after["causes"] == before["causes"]


def nothing(_: str) -> Sequence[Span]:
    return []


def eager(text: str) -> Sequence[Span]:
    return [Span(0, 2, DISEASE), *(GOLD if text == TEXT else [UNKNOWN])]


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_tiny_model_misses_the_unknown_term_alone(tiny: Tagger, unread: HeldOut) -> None:
    found = [[entity.span for entity in tiny.tag(document.text)] for document in unread.documents]

    assert found == [list(GOLD), []]


def test_the_crf_is_scored_as_a_whole_and_by_every_slice(figures: dict[str, Any]) -> None:
    supports = {by: {name: found["micro"]["support"] for name, found in figures["crf"][by].items()} for by in SLICED_BY}

    assert figures["crf"]["all"]["micro"] == {"precision": 1.0, "recall": 0.666667, "f1": 0.8, "support": 3}
    assert supports == {
        "patients": {"nobody": 1, "seen": 2},
        "kinds": {"abstract": 1, "progress": 2},
        "templates": {"seen": 2, "unseen": 1},
        "terms": {"seen": 2, "withheld_unlisted": 1},
        "repeats": {"new": 1, "verbatim": 2},
        "sections": {"none": 1, "plan": 2},
        "new_templates": {"seen_template": 2, "withheld_unlisted": 1},
        "withheld": {"seen_template": 2, "withheld": 1},
    }
    assert figures["repeated_sentences"] == 0.5
    assert figures["golden"]["all"]["micro"]["f1"] == 1.0


def test_the_baselines_are_scored_on_the_same_texts(figures: dict[str, Any]) -> None:
    assert figures["dictionary"]["all"]["micro"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 3}
    assert figures["token_classifier"]["all"]["micro"] == {
        "precision": 0.6,
        "recall": 1.0,
        "f1": 0.75,
        "support": 3,
    }


def test_every_text_has_causes_calibration_and_outputs_and_unseen_templates_stand_apart(
    figures: dict[str, Any],
) -> None:
    missed = {"missed_unknown_term": {"false_positives": 0, "false_negatives": 1}}

    assert {name: found["causes"] for name, found in figures["diagnosis"].items()} == {
        "held_out": missed,
        "unseen_templates": missed,
        "golden": {},
    }
    assert {name: found["calibration"]["entities"] for name, found in figures["diagnosis"].items()} == {
        "held_out": 2,
        "unseen_templates": 0,
        "golden": 2,
    }
    assert {name: found["end_to_end"]["matched"] for name, found in figures["outputs"].items()} == {
        "held_out": 2,
        "unseen_templates": 0,
        "golden": 2,
    }
    assert figures["outputs"]["unseen_templates"]["gold_spans"]["matched"] == 1
    assert figures["outputs"]["held_out"]["end_to_end"]["relations"]["f1"] == 1.0


def test_tokens_that_are_read_wrongly_are_counted_by_section(figures: dict[str, Any]) -> None:
    assert figures["confusion"] == {"DISEASE read as nothing": 1}
    assert figures["section_confusion"] == {"none": {"DISEASE read as nothing": 1}, "plan": {}}


def test_held_out_and_golden_texts_are_read_in_every_way_of_writing(figures: dict[str, Any]) -> None:
    assert list(figures["robustness"]) == ["held_out", "golden"]
    assert figures["robustness"]["held_out"]["as_written"]["f1"] == 0.8
    assert figures["robustness"]["golden"]["as_written"]["f1"] == 1.0
    assert figures["robustness"]["held_out"].keys() == figures["robustness"]["golden"].keys() > {"typos", "lower_case"}


def test_each_feature_group_is_left_out_once(figures: dict[str, Any], train_params: TrainParams) -> None:
    assert list(figures["ablation"]) == ["all", *(f"without_{group}" for group in train_params.feature_groups)]
    assert all(0 <= share <= 1 for found in figures["ablation"].values() for share in found.values())
    assert all(
        set(found) == {"f1", "f1_seen_templates", "f1_unseen_templates", "f1_seen_terms", "f1_withheld_unlisted_terms"}
        for found in figures["ablation"].values()
    )


def test_ablations_are_the_same_again(figures: dict[str, Any], ablate: Ablate) -> None:
    assert ablate() == figures["ablation"]


def test_a_single_group_is_not_left_out(ablate: Ablate) -> None:
    assert list(ablate(feature_groups=("word",))) == ["all"]


def test_without_the_gazetteer_its_terms_change_nothing(
    tiny: Tagger, examples: list[Example], settings: EvaluateParams, train_params: TrainParams
) -> None:
    params = train_params.model_copy(update={"feature_groups": ("word", "gazetteer")})

    with_it, without = (
        dict(lighter_models(tiny, examples, gazetteer, settings, params))["without_gazetteer"].tag(TEXT)
        for gazetteer in (tiny.gazetteer, Gazetteer.build([]))
    )

    assert with_it == without


def test_a_sample_keeps_the_order_and_is_the_same_for_the_same_seed() -> None:
    drawn = sampled(range(100), 10, seed=1, name="texts")

    assert len(set(drawn)) == 10
    assert drawn == sorted(drawn) == sampled(range(100), 10, seed=1, name="texts")
    assert drawn != sampled(range(100), 10, seed=2, name="texts")
    assert sampled("abc", 9, seed=1, name="texts") == ["a", "b", "c"]


def test_the_main_figures_are_taken_from_all_of_them(figures: dict[str, Any]) -> None:
    found = main_figures(figures)

    assert found["crf"]["f1"] == 0.8
    assert (found["dictionary_f1"], found["token_classifier_f1"], found["golden_f1"]) == (0.0, 0.75, 1.0)
    assert found["crf_f1"] == {
        "patients": {"nobody": 0.0, "seen": 1.0},
        "templates": {"seen": 1.0, "unseen": 0.0},
        "terms": {"seen": 1.0, "withheld_unlisted": 0.0},
        "terms_in_unseen_templates": {"withheld": 0.0, "withheld_unlisted": 0.0},
        "terms_in_the_same_sentences": {},
    }
    assert found["ablation_f1"]["all"] == figures["ablation"]["all"]["f1"]
    assert tuple(found["calibration_error"]) == tuple(found["outputs"]) == TEXTS
    assert found["outputs"]["golden"]["links_f1"] == 1.0
    assert found["robustness_f1"]["as_written"] == 0.8
    assert found["treatment_links"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert found["repeated_sentences"] == 0.5


def test_what_is_spurious_is_counted_in_the_report_but_has_no_f1(
    figures: dict[str, Any], slices: Slices, unread: HeldOut, tmp_path: Path
) -> None:
    spurious = system_scores(read_all(eager, unread.documents, LABELS), slices)

    write_plots(tmp_path, {**figures, "crf": spurious})

    assert spurious["terms"]["spurious"]["predicted"] == 2
    assert not any("spurious" in name for name, _ in table(tmp_path / "slices.csv"))


def test_the_plots_have_a_row_for_each_figure(figures: dict[str, Any], tmp_path: Path) -> None:
    write_plots(tmp_path / "plots", figures)

    tables = {path.stem: table(path) for path in (tmp_path / "plots").iterdir()}

    assert tables["systems"] == [["system", "f1"], ["crf", "0.8"], ["dictionary", "0.0"], ["token_classifier", "0.75"]]
    assert ["terms: withheld_unlisted", "0.0"] in tables["slices"]
    assert [row[0] for row in tables["ablation"][1:4]] == [
        "all: all",
        "unseen templates: all",
        "unlisted terms: all",
    ]
    assert tables["errors"] == [["error", "tokens"], ["DISEASE read as nothing", "1"]]
    assert tables["sections"] == [["section", "tokens"], ["none: DISEASE read as nothing", "1"]]
    assert tables["causes"][1:] == [[f"{name}: missed_unknown_term", "1", "0", "1"] for name in TEXTS[:2]]
    assert ["golden: assertion_accuracy", "1.0"] in tables["outputs"]
    assert ["held_out: as_written", "0.8"] in tables["robustness"]
    assert {name: len(rows) - 1 for name, rows in tables.items() if name.startswith("calibration")} == {
        "calibration_held_out": len(figures["diagnosis"]["held_out"]["calibration"]["bins"]),
        "calibration_unseen_templates": 0,
        "calibration_golden": len(figures["diagnosis"]["golden"]["calibration"]["bins"]),
    }


def test_a_curve_of_calibration_has_a_row_a_bin(figures: dict[str, Any], tmp_path: Path) -> None:
    row = {"low": 0.9, "high": 1.0, "confidence": 0.95, "right": 0.5, "entities": 2}
    diagnosed = {"golden": {"causes": {}, "calibration": {"bins": [row]}}}

    write_plots(tmp_path, {**figures, "diagnosis": diagnosed})

    assert table(tmp_path / "calibration_golden.csv") == [["confidence", "right", "entities"], ["0.95", "0.5", "2"]]
