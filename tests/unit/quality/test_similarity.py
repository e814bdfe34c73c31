from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from clinical_ner.quality.similarity import (
    broken_bmi,
    column_shape,
    contingency_similarity,
    correlation_similarity,
    discriminator_auc,
    similarity,
)

Survey = Callable[..., pd.DataFrame]


def test_a_table_is_like_itself(survey: Survey) -> None:
    table = survey(200)

    alike = similarity(table, table)

    assert set(alike.shapes.values()) == set(alike.pairs.values()) == {1}
    assert len(alike.pairs) == len(table.columns) * (len(table.columns) - 1) / 2


def test_the_shape_of_numbers_is_one_less_the_greatest_distance_of_their_distributions() -> None:
    real, other = pd.Series([1, 2, 3, 4], name="bmi"), pd.Series([3, 4, 5, 6], name="bmi")

    assert column_shape(real, other) == pytest.approx(0.5)


def test_the_shape_of_categories_is_one_less_half_the_sum_of_the_differences_of_shares() -> None:
    real, other = pd.Series(["a", "a", "b", "b"], name="sex"), pd.Series(["a", "c", "c", "c"], name="sex")

    assert column_shape(real, other) == pytest.approx(0.25)


def test_opposite_correlations_are_as_unlike_as_can_be() -> None:
    real = pd.DataFrame({"sbp": [1, 2, 3], "dbp": [1, 2, 3]})

    assert correlation_similarity(real, real.assign(dbp=[3, 2, 1])) == pytest.approx(0)
    assert correlation_similarity(real, real) == pytest.approx(1)


def test_the_same_columns_in_another_combination_are_another_pair() -> None:
    real = pd.DataFrame({"stroke": [0, 0, 1, 1], "sex": ["f", "f", "m", "m"]})

    assert contingency_similarity(real, real.assign(sex=["f", "m", "f", "m"])) == pytest.approx(0.5)


def test_the_worst_pair_is_the_one_that_was_torn_apart(survey: Survey) -> None:
    real = survey(1000).assign(waist_cm=lambda table: table["bmi"])
    other = real.assign(waist_cm=np.random.default_rng(1).permutation(real["waist_cm"]))

    alike = similarity(real, other)

    assert alike.worst_pair == ("bmi", "waist_cm")
    assert min(alike.shapes.values()) == 1


def test_a_classifier_cannot_tell_people_from_others_like_them_and_can_tell_them_from_shifted_ones(
    survey: Survey,
) -> None:
    real, others = survey(300), survey(300, seed=1)

    assert 0.35 < discriminator_auc(real, others, seed=1) < 0.65
    assert discriminator_auc(real, others.assign(hdl=others["hdl"] + 60), seed=1) > 0.95


def test_a_bmi_is_broken_where_it_is_not_weight_over_squared_height() -> None:
    people = pd.DataFrame({"height_cm": [200.0, 200.0], "weight_kg": [100.0, 100.0], "bmi": [25.4, 25.6]})

    assert broken_bmi(people) == 0.5
