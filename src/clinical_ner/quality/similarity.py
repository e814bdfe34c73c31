"""How alike two tables of people are: columns, pairs of columns, and whether a classifier can tell them apart.

The scores of columns and pairs are those of SDMetrics (MIT; KSComplement, TVComplement, CorrelationSimilarity,
ContingencySimilarity), with the bins of the real table for both.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ks_2samp, spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from clinical_ner.quality.people import Floats
from clinical_ner.quality.real import NUMERIC

BINS = 10
FOLDS = 5
BMI_ROUNDING = 0.5  # kg/m2; a height and a weight are rounded themselves


class Similarity(NamedTuple):
    """Scores from 0 to 1 of each column and each pair of columns; 1 is the same."""

    shapes: dict[str, float]
    pairs: dict[tuple[str, str], float]

    @property
    def overall(self) -> float:
        """The mean of the mean column and the mean pair."""
        return float(np.mean([np.mean(list(self.shapes.values())), np.mean(list(self.pairs.values()))]))

    @property
    def worst_pair(self) -> tuple[str, str]:
        """The pair of columns that is least alike."""
        return min(self.pairs, key=lambda pair: self.pairs[pair])


def similarity(real: pd.DataFrame, other: pd.DataFrame) -> Similarity:
    """How alike the columns of `real` and of `other` are, and what goes with what in each."""
    shapes = {name: column_shape(real[name], other[name]) for name in map(str, real)}
    binned = [_binned(real, real), _binned(other, real)]
    pairs = {
        (a, b): correlation_similarity(real[[a, b]], other[[a, b]])
        if a in NUMERIC and b in NUMERIC
        else contingency_similarity(*(table[[a, b]] for table in binned))
        for a, b in combinations(map(str, real), 2)
    }
    return Similarity(shapes, pairs)


def column_shape(real: pd.Series[Any], other: pd.Series[Any]) -> float:
    """One less the Kolmogorov-Smirnov statistic of numbers, or the total variation distance of categories."""
    if real.name in NUMERIC:
        return float(1 - ks_2samp(real, other).statistic)
    return contingency_similarity(real.to_frame(), other.to_frame())


def correlation_similarity(real: pd.DataFrame, other: pd.DataFrame) -> float:
    """One less half the difference of Pearson's correlations."""
    ours, theirs = (float(np.corrcoef(table.to_numpy().T)[0, 1]) for table in (real, other))
    return 1 - abs(ours - theirs) / 2


def contingency_similarity(real: pd.DataFrame, other: pd.DataFrame) -> float:
    """One less the total variation distance of the joint shares.

    >>> contingency_similarity(pd.DataFrame({"a": [0, 0, 1, 1]}), pd.DataFrame({"a": [0, 1, 1, 1]}))
    0.75
    """
    shares = (table.value_counts(normalize=True) for table in (real, other))
    return 1 - float(next(shares).sub(next(shares), fill_value=0).abs().sum()) / 2


def _binned(table: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    """Numbers as the bin, of ten of the same width between the extremes of the real, that they fall into."""
    bins = {
        name: np.digitize(table[name], np.histogram_bin_edges(real[name], BINS)[1:-1])
        for name in real
        if name in NUMERIC
    }
    return table.assign(**bins)


def similarity_rows(real: pd.DataFrame, other: pd.DataFrame, worst: int) -> dict[str, Any]:
    """The scores of all columns and of the `worst` pairs, the least alike first."""
    alike = similarity(real, other)
    pairs = sorted(alike.pairs.items(), key=lambda item: item[1])[:worst]
    return {"columns": alike.shapes, "pairs": [{"a": a, "b": b, "score": score} for (a, b), score in pairs]}


def correlation_rows(real: pd.DataFrame, other: pd.DataFrame) -> list[dict[str, Any]]:
    """Spearman's correlation of every two columns but race in both tables; sex is being a woman."""
    ours, theirs = (design(table).filter(regex="^(?!race_)") for table in (other, real))
    names = [str(name) for name in theirs]
    found = [np.asarray(spearmanr(table.to_numpy()).statistic) for table in (theirs, ours)]
    return [
        {"a": names[i], "b": names[j], "real": float(found[0][i, j]), "ours": float(found[1][i, j])}
        for i, j in combinations(range(len(names)), 2)
    ]


def discriminator_auc(real: pd.DataFrame, other: pd.DataFrame, seed: int) -> float:
    """How well gradient boosting, cross-validated, tells the tables apart: 0.5 is not at all, 1 always."""
    features = design(pd.concat([real, other], ignore_index=True))
    is_real: NDArray[np.int64] = np.repeat([1, 0], [len(real), len(other)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    model = HistGradientBoostingClassifier(random_state=seed)
    guesses = cross_val_predict(model, features, is_real, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(is_real, guesses))


def design(table: pd.DataFrame) -> pd.DataFrame:
    """The table in numbers, for models: a column each for women and for every race but the white."""
    races = ("hispanic", "nh_asian", "nh_black", "other")
    return table.drop(columns=["sex", "race_ethnicity"], errors="ignore").assign(
        female=(table["sex"] == "female").astype(float),
        **{f"race_{race}": (table["race_ethnicity"] == race).astype(float) for race in races},
    )


def broken_bmi(table: pd.DataFrame) -> float:
    """The share of rows whose BMI is not weight / height^2, but for rounding."""
    bmi: Floats = (table["weight_kg"] / (table["height_cm"] / 100) ** 2).to_numpy()
    return float((np.abs(table["bmi"].to_numpy() - bmi) > BMI_ROUNDING).mean())
