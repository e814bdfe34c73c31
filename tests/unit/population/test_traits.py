"""What is measured is what a body and an instrument allow, and is nobody else's business."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from clinical_ner.core.params import PopulationParams
from clinical_ner.population.draws import Draws
from clinical_ner.population.histories import Histories
from clinical_ner.population.sample import sample_examined, sample_traits

REFERENCE_DATE = date(2024, 12, 31)


def params(seed: int, patients: int = 100) -> PopulationParams:
    return PopulationParams(seed=seed, patients=patients, reference_date=REFERENCE_DATE, years_of_records=1)


@pytest.fixture(scope="module")
def village() -> tuple[pd.DataFrame, Histories, pd.DataFrame]:
    return sample_examined(params(3), Draws(3, 0, 8000))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), start=st.integers(0, 60), size=st.integers(1, 40))
def test_a_measurement_does_not_depend_on_who_else_is_measured(seed: int, start: int, size: int) -> None:
    whole, part = sample_traits(params(seed)), sample_traits(params(seed), start, start + size)

    assert_frame_equal(whole[start : start + size].reset_index(drop=True), part)


def test_bmi_is_weight_over_height_squared(village: tuple[pd.DataFrame, Histories, pd.DataFrame]) -> None:
    traits = village[2]

    assert np.abs(traits["bmi"] - traits["weight_kg"] / (traits["height_cm"] / 100) ** 2).max() <= 0.0501


def test_ldl_is_what_friedewald_leaves_of_the_total(village: tuple[pd.DataFrame, Histories, pd.DataFrame]) -> None:
    traits = village[2]
    fasting = traits[traits["triglycerides"] < 400]

    left = fasting["total_cholesterol"] - fasting["hdl"] - fasting["triglycerides"] / 5

    assert np.abs(fasting["ldl"] - left).max() <= 0.5
    assert traits["ldl"].min() > 0


def test_exactly_those_with_high_or_treated_pressure_have_hypertension(
    village: tuple[pd.DataFrame, Histories, pd.DataFrame],
) -> None:
    _, histories, traits = village
    high = ((traits["sbp"] >= 130) | (traits["dbp"] >= 80)).to_numpy() & (histories.age >= 18)

    assert ((high | histories.pressure.treated) == histories.has["hypertension"]).all()


def test_filtration_rate_and_creatinine_agree_by_the_formula_of_2021(
    village: tuple[pd.DataFrame, Histories, pd.DataFrame],
) -> None:
    _, histories, traits = village
    adult = histories.age >= 18
    female, creatinine = histories.female[adult], traits["creatinine"].to_numpy()[adult]
    ratio = creatinine / np.where(female, 0.7, 0.9)
    exponent = np.where(female, -0.241, -0.302)
    rate = 142 * np.minimum(ratio, 1) ** exponent * np.maximum(ratio, 1) ** -1.2 * 0.9938 ** histories.age[adult]

    assert np.abs(traits["egfr"][adult] - rate * np.where(female, 1.012, 1)).max() <= 0.51


def test_values_are_rounded_as_the_instruments_do(village: tuple[pd.DataFrame, Histories, pd.DataFrame]) -> None:
    traits = village[2]
    decimals = {"sbp": 0, "dbp": 0, "hdl": 0, "total_cholesterol": 0, "hba1c": 1, "waist_cm": 1, "creatinine": 2}

    for name, places in decimals.items():
        assert (traits[name] == traits[name].round(places)).all()


def test_the_phq_is_of_whole_points_and_a_third_of_adults_have_none(
    village: tuple[pd.DataFrame, Histories, pd.DataFrame],
) -> None:
    _, histories, traits = village
    points = traits["phq9"][histories.age >= 20]

    assert points.between(0, 27).all()
    assert points.dtype.kind == "i"
    assert (points == 0).mean() == pytest.approx(0.33, abs=0.06)


def test_nothing_measured_is_missing_or_below_zero(village: tuple[pd.DataFrame, Histories, pd.DataFrame]) -> None:
    values = village[2].drop(columns="patient_id")

    assert values.notna().all().all()
    assert (values >= 0).all().all()
    assert (village[2]["sbp"] > village[2]["dbp"]).all()


def test_diabetics_have_more_sugar_and_the_obese_less_hdl(
    village: tuple[pd.DataFrame, Histories, pd.DataFrame],
) -> None:
    _, histories, traits = village
    adult = histories.age >= 20
    diabetic, obese = histories.has["diabetes"], histories.has["obese"]

    assert traits["hba1c"][adult & diabetic].median() > 6.5 > traits["hba1c"][adult & ~diabetic].quantile(0.9)
    assert traits["hdl"][adult & obese].mean() < traits["hdl"][adult & ~obese].mean() - 4
