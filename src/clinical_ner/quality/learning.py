"""Whether models that learnt on generated people work on real ones."""

from __future__ import annotations

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clinical_ner.quality.similarity import design

TARGETS = {"diabetes": ("hba1c",), "myocardial_infarction": (), "arthritis": ()}  # and what would give them away
LEARNERS = {
    "logistic_regression": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed)
    ),
    "gradient_boosting": lambda seed: HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, random_state=seed),
}


def transfer_auc(learner: str, target: str, train: pd.DataFrame, test: pd.DataFrame, seed: int) -> float:
    """The AUC on `test` of a model of the target that was trained on `train`; NaN if one has no or only cases."""
    if min(train[target].nunique(), test[target].nunique()) < 2:
        return float("nan")
    features, real_features = (design(table.drop(columns=[target, *TARGETS[target]])) for table in (train, test))
    model = LEARNERS[learner](seed).fit(features, train[target])
    return float(roc_auc_score(test[target], model.predict_proba(real_features)[:, 1]))
