from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from clinical_ner.quality.generators import (
    COMPOSITION,
    gaussian_copula,
    in_terms_of_the_survey,
    independent_columns,
    of_composition,
)
from clinical_ner.quality.judging import CEILING, OURS, halvings, judged, rivals
from clinical_ner.quality.learning import transfer_auc

Survey = Callable[..., pd.DataFrame]


def cells(table: pd.DataFrame) -> dict[object, int]:
    return table.assign(age_band=table["age"] // 10).value_counts(COMPOSITION).to_dict()


def test_a_copula_keeps_what_goes_with_what_and_independent_columns_do_not(survey: Survey) -> None:
    real = survey(2000).assign(waist_cm=lambda table: table["bmi"] + np.random.default_rng(1).normal(0, 3, 2000))

    copula, independent = (
        make(real, 2000, 5)[["bmi", "waist_cm"]].corr().iloc[0, 1] for make in (gaussian_copula, independent_columns)
    )

    assert copula == pytest.approx(real[["bmi", "waist_cm"]].corr().iloc[0, 1], abs=0.05)
    assert abs(independent) < 0.1


@pytest.mark.parametrize("make", [gaussian_copula, independent_columns])
def test_a_fitted_generator_has_the_columns_of_the_real_and_no_value_that_is_not_there(
    make: Callable[..., pd.DataFrame], survey: Survey
) -> None:
    real = survey(300)

    made = make(real, 500, 5)

    assert len(made) == 500
    assert all(set(made[name]) <= set(real[name]) for name in real)
    assert made["diabetes"].mean() == pytest.approx(real["diabetes"].mean(), abs=0.1)
    pd.testing.assert_frame_equal(made, make(real, 500, 5))


def test_people_are_drawn_to_the_composition_of_the_real_and_none_twice(survey: Survey) -> None:
    real, ours = survey(100), survey(5000, seed=1).assign(hdl=range(5000))

    drawn = of_composition(ours, real, seed=3)

    assert cells(drawn) == cells(real)
    assert drawn["hdl"].is_unique


def test_a_cell_with_too_few_gives_those_it_has(survey: Survey) -> None:
    real = survey(50).assign(sex="female", race_ethnicity="nh_asian", age=44.0)
    ours = real.head(7).reset_index(drop=True)

    assert len(of_composition(ours, real, seed=3)) == 7


def test_in_the_terms_of_the_survey_nobody_is_older_than_eighty_and_small_groups_are_one() -> None:
    adults = pd.DataFrame({"age": [44.9, 97.2], "race_ethnicity": ["nh_white", "nh_aian"]})

    told = in_terms_of_the_survey(adults)

    assert told["age"].tolist() == [44, 80]
    assert told["race_ethnicity"].tolist() == ["nh_white", "other"]


def test_the_halves_share_nobody_and_miss_nobody(survey: Survey) -> None:
    real = survey(101).assign(hdl=range(101))

    for halving in halvings(real, 3, seed=1):
        assert sorted([*halving.fitted["hdl"], *halving.judge["hdl"]]) == list(range(101))

    first, second, _ = halvings(real, 3, seed=1)
    assert set(first.judge["hdl"]) != set(second.judge["hdl"])


def test_the_judges_never_meet_the_half_that_was_fitted_to(survey: Survey) -> None:
    real = survey(200)
    [halving] = halvings(real, 1, seed=1)

    tables = rivals(halving, survey(4000, seed=2))

    assert tables[CEILING] is halving.fitted
    assert {len(table) for name, table in tables.items() if name != OURS} == {100}
    assert judged(tables[CEILING], halving)["closeness"]["equal_rows"] == 100


def test_a_model_learns_what_is_there_to_learn(survey: Survey) -> None:
    train, test = survey(600), survey(600, seed=1)
    scrambled = train.assign(diabetes=np.random.default_rng(1).permutation(train["diabetes"]))

    assert transfer_auc("logistic_regression", "diabetes", train, test, seed=1) > 0.9
    assert transfer_auc("gradient_boosting", "diabetes", train, test, seed=1) > 0.9
    assert transfer_auc("logistic_regression", "diabetes", scrambled, test, seed=1) < 0.8


def test_what_gives_diabetes_away_is_hidden_from_its_model(survey: Survey) -> None:
    train, test = (survey(400, seed).assign(hba1c=lambda table: table["diabetes"], weight_kg=1.0) for seed in (0, 1))

    assert transfer_auc("logistic_regression", "diabetes", train, test, seed=1) < 0.7
