"""The curve trains on what it says, never on what it holds out, and is read off right."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.params import TrainParams
from clinical_ner.core.span import DISEASE, LABELS, SYNTHETIC, Span
from clinical_ner.ner.corpora import Corpus, Document
from clinical_ner.ner.learning_curve import (
    ALONE,
    ALONE_C2,
    PLAIN,
    SYSTEMS,
    folds,
    learning_curve,
    plot,
    reports_of,
    sizes_of,
    table,
    train_synthetic,
    tuned,
    worth,
)
from clinical_ner.ner.training import Entry, Example, partial_gazetteer


def corpus_of(count: int, tokens: tuple[tuple[int, int], ...] | None = None) -> Corpus:
    return Corpus(tuple(Document(f"d{n}", "Gout", (), tokens) for n in range(count)), Counter(), 0)


def point(reports: int, synthetic: float, alone: float | None = None) -> dict[str, Any]:
    shares = {"with_synthetic": synthetic, ALONE: alone, PLAIN: alone}
    return {"reports": reports, **{name: {"f1": f1} for name, f1 in shares.items() if f1 is not None}}


# --- reports and folds --------------------------------------------------------------------------
def test_a_document_is_a_report() -> None:
    assert [[d.id for d in report] for report in reports_of(corpus_of(2), 25)] == [["d0"], ["d1"]]


def test_where_a_document_is_a_sentence_neighbours_make_a_report() -> None:
    reports = reports_of(corpus_of(5, ((0, 4),)), 2)

    assert [[d.id for d in report] for report in reports] == [["d0", "d1"], ["d2", "d3"], ["d4"]]


@given(st.integers(2, 30), st.integers(2, 6), st.integers(0, 9))
def test_every_report_is_held_out_once_and_trained_on_in_all_other_folds(size: int, count: int, seed: int) -> None:
    reports = reports_of(corpus_of(size), 1)

    found = list(folds(reports, count, seed))

    assert sorted(r[0].id for fold in found for r in fold.held_out) == sorted(r[0].id for r in reports)
    for fold in found:
        assert sorted(fold.trained + fold.held_out, key=reports.index) == reports
    assert found == list(folds(reports, count, seed))


@pytest.mark.parametrize(
    ("wanted", "available", "sizes"), [((0, 5, 100), 80, [0, 5, 80]), ((5, 0), 5, [0, 5]), ((0,), 7, [0, 7])]
)
def test_the_curve_ends_with_all_reports(wanted: tuple[int, ...], available: int, sizes: list[int]) -> None:
    assert sizes_of(wanted, available) == sizes


# --- the curve ----------------------------------------------------------------------------------
def test_reports_teach_what_the_synthetic_sentences_do_not_know(
    examples: list[Example], lexicon: list[Entry], train_params: TrainParams
) -> None:
    text = "Admitted with zzyx fever."
    reports = [(Document(f"d{n}", text, (Span(14, 24, DISEASE),), None),) for n in range(6)]
    synthetic = train_synthetic([e._replace(source=SYNTHETIC) for e in examples], lexicon, train_params)

    points = learning_curve(list(folds(reports, 2, 1)), LABELS, (0, 2), synthetic)

    assert [p["reports"] for p in points] == [0, 2, 3]
    assert [set(p) - {"reports"} for p in points] == [{SYSTEMS[0]}, set(SYSTEMS), set(SYSTEMS)]
    assert points[0][SYSTEMS[0]]["f1"] < 1
    assert all(points[-1][system]["f1"] == 1 for system in SYSTEMS)
    assert {p[name]["support"] for p in points for name in SYSTEMS if name in p} == {6}


# --- what it says -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("points", "reports"),
    [
        ([point(0, 0.5), point(10, 0.6, 0.4), point(30, 0.6, 0.6)], 20.0),
        ([point(0, 0.5), point(10, 0.6, 0.5)], 10.0),
        ([point(0, 0.5), point(10, 0.6, 1.0)], 5.0),
        ([point(0, 0.5), point(10, 0.6, 0.49)], None),
    ],
)
def test_the_worth_is_where_the_reports_alone_reach_the_synthetic_notes(
    points: list[dict[str, Any]], reports: float | None
) -> None:
    assert worth(points, ALONE) == reports


def test_the_table_has_a_row_a_number_of_reports() -> None:
    lines = table([point(0, 0.5), point(10, 0.6, 0.25)]).splitlines()

    assert lines[2:] == ["| 0 | 0.500 | - | - |", "| 10 | 0.600 | 0.250 | 0.250 |"]


def test_the_plot_has_a_point_a_figure() -> None:
    values = plot([point(0, 0.5), point(10, 0.6, 0.25)], "mine")["data"]["values"]

    assert [(value["reports"], value["f1"]) for value in values] == [(0, 0.5), (10, 0.6), (10, 0.25), (10, 0.25)]


@pytest.mark.parametrize(("f1", "best"), [([0.1, 0.9, 0.2], 1), ([0.5, 0.5, 0.5], 0)])
def test_the_reports_alone_are_regularised_as_suits_them(
    examples: list[Example],
    lexicon: list[Entry],
    train_params: TrainParams,
    monkeypatch: pytest.MonkeyPatch,
    f1: list[float],
    best: int,
) -> None:
    def judged(*args: Any) -> list[float]:
        candidates = [len(list(part)) for part in args[-1]]
        assert candidates == [len(ALONE_C2)] * 3
        return f1

    monkeypatch.setattr("clinical_ner.ner.learning_curve.held_out_f1", judged)
    gazetteer = partial_gazetteer(lexicon, train_params)

    chosen = tuned(examples * 6, gazetteer, train_params.model_copy(update={"c2": 1000.0}))

    assert chosen == train_params.model_copy(update={"c2": ALONE_C2[best]})
