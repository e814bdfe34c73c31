"""The second witness: can a classifier tell the notes of a window from those of the reference?

It sees all figures of a note at once, and knows nothing of the first witness. Drift begins with a few strange notes
among many usual ones, so what counts is how many of the window's notes stand above nearly all of the reference's: the
partial area under the ROC curve. Of notes that no longer come it says little; that is left to the first witness.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.core.seeds import stream
from clinical_ner.monitoring.distances import LEAST_DEVIATION, Matrix, numbers, patients_of

FOLDS = 5
MOST_REFERENCE = 3000  # notes of it that the window is told from; more cost time and tell little
REGULARISATION = 0.001  # scikit-learn's C: a window has few notes for so many figures
FALSE_POSITIVES = 0.1  # the share of the reference's notes up to which the curve counts
LEAST = 0.5 - FALSE_POSITIVES / (4 - 2 * FALSE_POSITIVES)  # of a window whose notes are all below the others
SYMMETRIC = 2 / 3  # the power that makes sums of a few rare things symmetric (Anscombe, J R Stat Soc B 1953;15:229-230)
FAR = 6.0  # deviations; what is further is no surer


class Separability(NamedTuple):
    """The partial AUC of the classifier from which on the window is watched, and from which on there is an alert."""

    watch: float
    alert: float


def separation(reference: pd.DataFrame, current: pd.DataFrame, seed: int) -> float:
    """The partial AUC of telling the two apart, each note judged by a model that has not seen it: 0.5 is chance, 1 all.

    As in the calibration, so many of the reference's notes are left out as the window has, but half of them at most.
    """
    values, draws = numbers(reference), stream(seed, f"drift/separation/{len(current)}")
    others = max(len(values) - len(current), len(values) // 2)
    chosen = np.sort(draws.permutation(len(values))[: min(MOST_REFERENCE, others)])
    return partial_auc(standardised(values, values[chosen]), standardised(values, numbers(current)), draws)


def separability(
    reference: pd.DataFrame, size: int, splits: int, rates: tuple[float, float], seed: int
) -> Separability:
    """The partial AUCs that windows of this size pass by chance as often as `rates` allow.

    Windows are cut out of the reference, whole patients, and told from its rest. What a few notes give is skewed: a
    power of it is taken to be normal.
    """
    values, patients = numbers(reference), patients_of(reference)
    scaled, draws = standardised(values, values), stream(seed, f"drift/separability/{size}")
    found = np.array([_of_cut(scaled, patients, size, draws) for _ in range(splits)]) - LEAST
    powers = np.maximum(found, 0.0) ** SYMMETRIC
    usual = NormalDist(float(np.mean(powers)), max(float(np.std(powers, ddof=1)), LEAST_DEVIATION))
    watch, alert = (round(LEAST + usual.inv_cdf(1 - rate) ** (1 / SYMMETRIC), 4) for rate in rates)
    return Separability(watch, alert)


def _of_cut(scaled: Matrix, patients: NDArray[np.int64], size: int, draws: np.random.Generator) -> float:
    order = np.argsort(draws.permutation(patients.max() + 1)[patients], kind="stable")  # patients stay together
    window, rest = order[:size], order[size:]
    return partial_auc(scaled[rest[:MOST_REFERENCE]], scaled[window], draws)


def standardised(reference: Matrix, values: Matrix) -> Matrix:
    """The values in deviations of the reference from its mean."""
    deviations = np.maximum(reference.std(axis=0), LEAST_DEVIATION)
    return np.asarray(np.clip((values - reference.mean(axis=0)) / deviations, -FAR, FAR))


def partial_auc(first: Matrix, second: Matrix, draws: np.random.Generator) -> float:
    """Of a five-fold logistic regression that tells the two apart, up to a false positive rate, standardised.

    0.5 is chance and 1 a perfect classifier (McClish, Med Decis Making 1989;9:190-195).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    values = np.concatenate([first, second])
    truth = np.repeat([0, 1], [len(first), len(second)])
    fold, scores = draws.permutation(len(values)) % FOLDS, np.empty(len(values))
    for held_out in range(FOLDS):
        seen = fold != held_out
        model = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=200, tol=1e-3)
        scores[~seen] = model.fit(values[seen], truth[seen]).decision_function(values[~seen])
    return float(roc_auc_score(truth, scores, max_fpr=FALSE_POSITIVES))
