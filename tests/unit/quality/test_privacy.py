from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from clinical_ner.quality.privacy import closeness, equal_rows, repeated_rows

Survey = Callable[..., pd.DataFrame]


def test_a_planted_copy_is_found(survey: Survey) -> None:
    ours, real = survey(100), survey(100, seed=1)
    planted = pd.concat([ours, real.iloc[[7]]], ignore_index=True)

    assert equal_rows(ours, real) == 0
    assert equal_rows(planted, real) == 1
    assert closeness(planted, real, survey(100, seed=2)).equal_rows == 1


def test_a_row_that_differs_in_one_column_is_no_copy(survey: Survey) -> None:
    real = survey(100)

    assert equal_rows(real.assign(hdl=real["hdl"] + 0.1), real) == 0


def test_a_row_that_is_there_again_is_a_repeated_one(survey: Survey) -> None:
    ours = survey(50)

    assert repeated_rows(ours) == 0
    assert repeated_rows(pd.concat([ours, ours.head(3)])) == 3


def test_who_memorises_is_closer_to_those_that_were_memorised(survey: Survey) -> None:
    fitted, held_out = survey(200), survey(200, seed=1)

    copied = closeness(fitted.assign(hdl=fitted["hdl"] + 0.1), fitted, held_out)
    unrelated = closeness(survey(200, seed=2), fitted, held_out)

    assert copied.closer_to_fitted > 0.95
    assert copied.ratio < 0.2 < unrelated.ratio
    assert copied.nearest_median < unrelated.nearest_median
    assert unrelated.closer_to_fitted == pytest.approx(0.5, abs=0.1)
