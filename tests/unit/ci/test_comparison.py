"""When a difference is noise, and what the verdict of a change is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.files import leaves
from clinical_ner.ner.metrics import Counts
from comparison import (
    JUDGED,
    MANIFEST,
    Comparison,
    Score,
    changed,
    compared,
    counts_of,
    judged_scores,
    real_scores,
    real_text_tells,
    sizes,
    verdict,
)

MANY = Score(Counts(9000, 10_000, 10_000), "texts")


def score(right: int, predicted: int = 10_000, gold: int = 10_000, texts: str = "texts") -> Score:
    return Score(Counts(right, predicted, gold), texts)


counts = st.integers(0, 2000).flatmap(
    lambda right: st.builds(Counts, st.just(right), st.integers(right, 4000), st.integers(max(right, 1), 4000))
)


# --- noise -----------------------------------------------------------------------------------------
@given(counts)
def test_the_error_of_f1_is_a_small_share_and_nothing_where_all_is_right(found: Counts) -> None:
    error = Score(found, "").standard_error

    assert 0 <= error < 1.65
    assert (error == 0) == (found.true_positives in {0, found.predicted + found.gold - found.true_positives})


def test_four_times_the_entities_are_half_the_error() -> None:
    few, many = score(900, 1000, 1000), score(3600, 4000, 4000)

    assert few.standard_error == pytest.approx(2 * many.standard_error)


def test_the_error_is_that_of_drawing_again_and_again() -> None:
    import numpy as np

    from comparison import DESIGN_EFFECT

    draws = np.random.default_rng(5).multinomial(
        400, [0.6, 0.25, 0.15], size=20_000
    )  # both, predicted alone, gold alone
    f1 = 2 * draws[:, 0] / (2 * draws[:, 0] + draws[:, 1] + draws[:, 2])

    assert score(240, 340, 300).standard_error == pytest.approx(DESIGN_EFFECT**0.5 * f1.std(), rel=0.05)


@given(counts, counts)
def test_the_other_way_round_the_verdict_is_the_opposite(first: Counts, second: Counts) -> None:
    opposite = {"better": "worse", "worse": "better", "same": "same"}
    there = Comparison("f1", Score(first, "t"), Score(second, "t")).verdict
    back = Comparison("f1", Score(second, "t"), Score(first, "t")).verdict

    assert there is not None
    assert back == opposite[there]


@given(counts)
def test_the_same_counts_are_the_same(found: Counts) -> None:
    assert Comparison("f1", Score(found, "t"), Score(found, "t")).verdict == "same"


# --- verdicts --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (MANY, score(9010), "same"),
        (MANY, score(9500), "better"),
        (MANY, score(8500), "worse"),
        (MANY, score(8500, texts="others"), None),
        (None, MANY, None),
        (MANY, None, "worse"),
    ],
)
def test_a_figure_is_judged_on_the_same_texts_alone_and_may_not_disappear(
    before: Score | None, after: Score | None, expected: str | None
) -> None:
    assert Comparison("f1", before, after).verdict == expected


@pytest.mark.parametrize(
    ("afters", "expected"),
    [([9000, 9000], "same"), ([9500, 9000], "better"), ([9500, 8500], "worse"), ([], "same")],
)
def test_one_worse_figure_makes_a_change_worse_whatever_the_others_gain(afters: list[int], expected: str) -> None:
    assert verdict(Comparison(str(number), MANY, score(right)) for number, right in enumerate(afters)) == expected


def test_figures_of_either_side_are_compared_once_each() -> None:
    found = compared({"old": MANY, "both": MANY}, {"both": MANY, "new": MANY})

    assert [comparison.name for comparison in found] == ["both", "new", "old"]


# --- from the files of the project ----------------------------------------------------------------
@given(counts)
def test_the_counts_are_found_again_in_the_rounded_shares(found: Counts) -> None:
    shares = {"precision": round(found.precision, 6), "recall": round(found.recall, 6), "support": found.gold}

    again = counts_of(shares)

    assert (again.true_positives, again.gold) == (found.true_positives, found.gold)
    assert again.predicted == pytest.approx(found.predicted if found.true_positives else 0, rel=3e-3)


def lock(**stages: dict[str, Any]) -> dict[str, Any]:
    return {"stages": stages}


def test_every_judged_figure_is_found_in_the_report_and_named_after_the_texts_it_is_of() -> None:
    micro = {"micro": {"precision": 0.5, "recall": 0.5, "support": 10}}
    evaluation: dict[str, Any] = {"golden": {"all": micro}}
    evaluation["crf"] = {
        "templates": {"seen": micro, "unseen": micro},
        "terms": {"withheld_unlisted": micro},
    }
    deps = [
        {"path": "data/notes", "md5": "n"},
        {"path": "data/dataset", "md5": "d"},
        {"path": "tests/golden/notes.jsonl", "md5": "g"},
    ]

    found = judged_scores(evaluation, lock(evaluate={"deps": deps}))

    assert set(found) == {name for name, *_ in JUDGED}
    assert {found["golden notes"].texts, found["synthetic, seen templates"].texts} == {"g", "n d"}
    assert judged_scores({}, {}) == {}


def test_real_text_is_named_after_its_corpus_and_known_by_its_digest() -> None:
    corpus = {"digest": "abc", "systems": {"CRF": {"micro": {"precision": 0.5, "recall": 0.5, "support": 10}}}}

    assert real_scores({"corpora": {"Reports": corpus}}) == {"real, Reports": Score(Counts(5, 10, 10), "abc")}
    assert real_scores({}) == {}


@pytest.mark.parametrize(
    ("hashes", "models", "expected"),
    [("aa", "11", True), ("ab", "12", True), ("ab", "11", False), ("aa", "12", False)],
    ids=["nothing is new", "model and figures are", "the figures are old", "they are of an older model"],
)
def test_real_text_tells_something_where_its_figures_are_as_new_as_the_model(
    hashes: str, models: str, *, expected: bool
) -> None:
    before, after = (
        (lock(train={"outs": [{"path": MANIFEST, "md5": digest}]}), {"model": model})
        for digest, model in zip(hashes, models, strict=True)
    )

    assert real_text_tells(before, after) is expected


def test_sizes_are_of_data_and_models_and_not_of_figures() -> None:
    outs = [{"path": path, "size": 3} for path in ("data/notes", "models/tagger.crfsuite", "metrics/notes.json")]

    assert sizes(lock(notes={"outs": outs})) == {"data/notes": 3, "models/tagger.crfsuite": 3}


json_like = st.recursive(
    st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.dictionaries(st.text("abc", min_size=1), inner, min_size=1),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1), json_like))
def test_nothing_has_changed_between_a_thing_and_itself(content: dict[str, Any]) -> None:
    assert changed(content, content) == {}


def test_what_changed_is_named_with_both_values_and_none_for_what_is_not_there() -> None:
    before, after = {"a": {"x": 1, "y": 2}, "gone": 3}, {"a": {"x": 1, "y": 4}, "new": [5]}

    assert changed(before, after) == {"a.y": (2, 4), "gone": (3, None), "new": (None, [5])}
    assert dict(leaves({})) == {}
