"""What an examination reveals of diabetes, and what an alcohol use disorder says of drinking."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from clinical_ner.core.params import PopulationParams
from clinical_ner.population.draws import Draws
from clinical_ner.population.sample import Examined, sample_examined

PARAMS = PopulationParams(seed=5, patients=8000, reference_date=date(2024, 12, 31), years_of_records=4)


@pytest.fixture(scope="module")
def examined() -> Examined:
    return sample_examined(PARAMS, Draws(PARAMS.seed, 0, PARAMS.patients))


def test_everybody_with_a_diabetic_hba1c_has_diabetes_that_somebody_or_nobody_has_found(examined: Examined) -> None:
    high = (examined.traits["hba1c"] >= 6.5).to_numpy()
    known, hidden = examined.histories.has["diabetes"], examined.histories.hidden["diabetes_type_2"]

    assert (high <= (known | hidden)).all()
    assert not (known & hidden).any()
    assert 0.01 < hidden[examined.histories.age >= 20].mean() < 0.045  # 4.5 % by HbA1c or fasting glucose


def test_unknown_diabetes_is_a_condition_without_a_diagnosis(examined: Examined) -> None:
    conditions = examined.conditions()
    hidden = examined.patients["patient_id"][examined.histories.hidden["diabetes_type_2"]]
    of_hidden = conditions[(conditions["name"] == "type 2 diabetes mellitus") & conditions["patient_id"].isin(hidden)]

    assert len(of_hidden) == len(hidden) > 50
    assert of_hidden["diagnosed_date"].isna().all()


def test_an_alcohol_use_disorder_drinks_and_one_that_is_over_does_not(examined: Examined) -> None:
    alcohol, histories = examined.patients["alcohol"].to_numpy(), examined.histories
    active = histories.has["alcohol_use_disorder"]
    over = ~np.isnan(histories.onset["alcohol_use_disorder"]) & ~active

    assert set(alcohol[active]) == {"moderate", "heavy"}
    assert set(alcohol[over]) == {"none"}


def test_about_one_in_ten_kidney_diseases_is_known_and_the_worse_the_more_often(examined: Examined) -> None:
    conditions = examined.conditions()
    kidney = conditions[conditions["name"] == "chronic kidney disease"]
    known = kidney["diagnosed_date"].notna()

    assert known.mean() == pytest.approx(0.1, abs=0.03)
    assert known[kidney["icd10cm"] == "N18.4"].mean() > 3 * known[kidney["icd10cm"] == "N18.31"].mean()
