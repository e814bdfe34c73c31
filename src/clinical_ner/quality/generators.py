"""Other ways to make people, to compare ours with: both are fitted to real people, as ours is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from clinical_ner.core.seeds import stream
from clinical_ner.quality.people import Floats
from clinical_ner.quality.real import NUMERIC, TOP_AGE

COMPOSITION = ["age_band", "sex", "race_ethnicity"]
OTHERS = ("nh_multiracial", "nh_aian", "nh_other")  # one group in NHANES


def independent_columns(real: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    """People whose every column is drawn from the real one by itself: nothing goes with anything."""
    random = stream(seed, "independent columns")
    return pd.DataFrame({name: random.choice(real[name].to_numpy(), size) for name in real})


def gaussian_copula(real: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    """People with the columns of the real ones and the correlations of their normal scores.

    Categories are ranked by how common they are, and spread evenly over their share.
    """
    random = stream(seed, "gaussian copula")
    scores = np.array([_normal_scores(real[name], random) for name in real])
    drawn = random.multivariate_normal(np.zeros(len(scores)), np.corrcoef(scores), size, method="cholesky")
    return pd.DataFrame({name: _quantiles(real[name], ndtr(drawn[:, at])) for at, name in enumerate(real)})


def _normal_scores(column: pd.Series[Any], random: np.random.Generator) -> Floats:
    if column.name in NUMERIC:
        uniform = (column.rank(method="average") - 0.5) / len(column)
    else:
        share = column.value_counts(normalize=True)
        below = share.cumsum() - share
        uniform = column.map(below).astype(float) + column.map(share).astype(float) * random.random(len(column))
    scores: Floats = ndtri(np.clip(uniform, 1e-9, 1 - 1e-9))
    return scores


def _quantiles(column: pd.Series[Any], uniform: Floats) -> NDArray[Any]:
    if column.name in NUMERIC:
        return np.asarray(np.quantile(column, uniform, method="inverted_cdf"))
    share = column.value_counts(normalize=True)
    place = np.minimum(np.searchsorted(share.cumsum(), uniform), len(share) - 1)
    return np.asarray(share.index.to_numpy()[place])


def in_terms_of_the_survey(adults: pd.DataFrame) -> pd.DataFrame:
    """Ages in completed years and 80 at most, the small groups as one."""
    age = np.minimum(np.floor(adults["age"]), TOP_AGE)
    race = adults["race_ethnicity"].astype(object).where(~adults["race_ethnicity"].isin(OTHERS), "other")
    return adults.assign(age=age, race_ethnicity=race)


def of_composition(adults: pd.DataFrame, real: pd.DataFrame, seed: int) -> pd.DataFrame:
    """As many of the adults as there are real people, in each band of age, sex and race as many; none twice.

    A cell that has too few gives those it has.
    """
    order = adults.iloc[stream(seed, "composition").permutation(len(adults))]
    wanted = _cells(real).groupby(COMPOSITION).size()
    cells = _cells(order)
    place = cells.groupby(COMPOSITION).cumcount().to_numpy()
    quota = wanted.reindex(pd.MultiIndex.from_frame(cells), fill_value=0).to_numpy()
    return order[place < quota].reset_index(drop=True)


def _cells(people: pd.DataFrame) -> pd.DataFrame:
    return people[["sex", "race_ethnicity"]].assign(age_band=people["age"] // 10)[COMPOSITION]
