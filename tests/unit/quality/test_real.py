from __future__ import annotations

import numpy as np
import pytest

from clinical_ner.quality.real import CATEGORICAL, COLUMNS, _diastolic, real_adults


def test_the_real_people_are_the_4476_adults_of_whom_nineteen_columns_are_known() -> None:
    real = real_adults()

    assert real.shape == (4476, 19)
    assert tuple(real.columns) == COLUMNS
    assert real["age"].between(20, 80).all()
    assert set(real[[name for name in CATEGORICAL if name not in ("sex", "race_ethnicity")]].stack()) == {0, 1}


def test_the_real_people_obey_the_identity_of_weight_and_height() -> None:
    real = real_adults()

    assert (real["bmi"] - real["weight_kg"] / (real["height_cm"] / 100) ** 2).abs().max() < 0.1


def test_a_diastolic_reading_of_nothing_counts_only_where_there_is_no_other() -> None:
    readings = np.array([[70.0, 0.0, 80.0], [1e-79, 0.0, np.nan], [np.nan, np.nan, np.nan]])

    assert _diastolic(readings).tolist() == pytest.approx([75, 0, np.nan], nan_ok=True)
