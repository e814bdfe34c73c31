from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from clinical_ner.quality.people import Bools, People
from clinical_ner.quality.real import CATEGORICAL, COLUMNS, NUMERIC, RACES


def _people(ages: list[float], women: list[bool], **having: list[bool]) -> People:
    """A few people by age and sex, with conditions that they have now."""
    traits = pd.DataFrame({"age": ages, "sex": np.where(women, "female", "male"), "race_ethnicity": "nh_white"})
    conditions: dict[str, Bools] = {name: np.array(who, dtype=np.bool_) for name, who in having.items()}
    return People(traits, conditions, conditions)


def _survey(size: int, seed: int = 0) -> pd.DataFrame:
    """Made-up people with the columns of the survey, of whom the heavy are diabetic more often."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame({name: random.normal(100, 10, size).round(1) for name in NUMERIC})
    table = table.assign(**{name: random.integers(0, 2, size).astype(float) for name in CATEGORICAL})
    return table.assign(
        age=random.integers(20, 81, size).astype(float),
        sex=random.choice(["female", "male"], size),
        race_ethnicity=random.choice(sorted(set(RACES.values())), size),
        diabetes=(table["weight_kg"] + random.normal(0, 5, size) > 100).astype(float),
    )[list(COLUMNS)]


@pytest.fixture
def people() -> Callable[..., People]:
    return _people


@pytest.fixture
def survey() -> Callable[..., pd.DataFrame]:
    return _survey
