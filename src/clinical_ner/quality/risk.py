"""First models on patients: how well simple models tell what comes next, and whether their risks can be believed.

People are held out as a whole, every one once. Beside a logistic regression and gradient boosting stand what age and
sex tell alone, and the prevalence: the same risk for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from clinical_ner.core import files
from clinical_ner.core.errors import UserError
from clinical_ner.core.params import RiskParams
from clinical_ner.population.tables import Population
from clinical_ner.quality.cohorts import Question, questions

Risks: TypeAlias = NDArray[np.float64]
Outcomes: TypeAlias = NDArray[np.bool_]
Figures: TypeAlias = dict[str, Any]

PREVALENCE, AGE_AND_SEX, LOGISTIC, BOOSTING = "prevalence", "age_and_sex", "logistic_regression", "gradient_boosting"
MAIN = BOOSTING  # the model whose calibration and subgroups are shown
GROUPS = ("sex", "race_ethnicity")
FEW_EVENTS = 2  # a fold, without which nothing can be learnt
SURE = 1e-6  # a risk is taken as at least this far from 0 and 1
DIGITS = 4


def assess(population: Population, params: RiskParams, reference_date: date) -> dict[str, Figures]:
    """The figures of every question: cases, models, groups of people, and the reliability of the main model.

    Raises:
        UserError: too few people have the outcome of a question.
    """
    asked = questions(population, params, reference_date)
    return {name: _answer(name, question, params) for name, question in asked.items()}


def _answer(name: str, question: Question, params: RiskParams) -> Figures:
    outcome = question.cases["outcome"].to_numpy(dtype=bool)
    if min(outcome.sum(), (~outcome).sum()) < FEW_EVENTS * params.folds:
        raise UserError(
            f"risk: {outcome.sum()} of {len(outcome)} cases of '{name}' have the outcome, too few to learn from",
            "raise risk.people or risk.horizon_years in params.yaml",
        )
    risks = out_of_fold(question, params)
    return {
        "cases": len(outcome),
        "events": int(outcome.sum()),
        "features": question.features.shape[1],
        "models": {model: scores(outcome, risk, params.calibration_bins) for model, risk in risks.items()},
        "groups": {group: _by_group(question.cases[group], outcome, risks[MAIN], params) for group in GROUPS},
        "reliability": list(zip(*_reliability(outcome, risks[MAIN], params.calibration_bins), strict=True)),
    }


# --- models -----------------------------------------------------------------------------------------
def out_of_fold(question: Question, params: RiskParams) -> dict[str, Risks]:
    """The risk of every case by each model, fitted on other people alone."""
    outcome = question.cases["outcome"].to_numpy(dtype=bool)
    people = question.cases["patient_id"].to_numpy()
    folds = GroupKFold(params.folds, shuffle=True, random_state=params.seed)
    parts = list(folds.split(question.features, groups=people))
    risks = {PREVALENCE: np.full(len(outcome), outcome.mean())}
    for name, (model, columns) in _models(params, question.features).items():
        table, risks[name] = question.features[columns].to_numpy(), np.empty(len(outcome))
        with threadpool_limits(1):  # sums in one order, so that the figures are the same on any number of cores
            for train, test in parts:
                risks[name][test] = model.fit(table[train], outcome[train]).predict_proba(table[test])[:, 1]
    return risks


def _models(params: RiskParams, features: pd.DataFrame) -> dict[str, tuple[Any, list[str]]]:
    """Each model and the features that it sees."""
    columns = list(features.columns)
    boosting = HistGradientBoostingClassifier(
        learning_rate=params.learning_rate,
        max_iter=params.trees,
        max_leaf_nodes=params.leaves,
        early_stopping=False,
        random_state=params.seed,
    )
    return {
        AGE_AND_SEX: (_logistic(params), ["age", "female"]),
        LOGISTIC: (_logistic(params), columns),
        BOOSTING: (boosting, columns),
    }


def _logistic(params: RiskParams) -> Any:
    """Unknown values are the median, and whether they are known is a feature."""
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=1 / params.regularisation, solver="newton-cholesky"),
    )


# --- how good they are ------------------------------------------------------------------------------
def scores(outcome: Outcomes, risk: Risks, bins: int) -> dict[str, float]:
    """How well risks rank the cases (AUC with its standard error, average precision) and how true they are.

    `brier_skill` is the part of the prevalence's Brier score that is saved; `calibration_error` the mean distance of
    risk and observed share in bins of equally many cases; `calibration_slope` is 1 where risks are neither too bold
    (less) nor too timid (more), and is left out where all risks are the same.
    """
    auc = float(roc_auc_score(outcome, risk))
    brier, mean = float(brier_score_loss(outcome, risk)), float(outcome.mean())
    observed, predicted = _reliability(outcome, risk, bins)
    slope = {"calibration_slope": _slope(outcome, risk)} if np.ptp(risk) > 0 else {}
    return _rounded(
        {
            "auc": auc,
            "auc_standard_error": _auc_error(auc, int(outcome.sum()), int((~outcome).sum())),
            "average_precision": float(average_precision_score(outcome, risk)),
            "brier": brier,
            "brier_skill": 1 - brier / (mean * (1 - mean)),
            "calibration_error": float(np.abs(np.subtract(observed, predicted)).mean()),
            **slope,
        }
    )


def _auc_error(auc: float, events: int, others: int) -> float:
    """The standard error of an AUC (Hanley and McNeil 1982)."""
    two_events, two_others = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (events - 1) * (two_events - auc**2) + (others - 1) * (two_others - auc**2)
    return float(np.sqrt(variance / (events * others)))


def _slope(outcome: Outcomes, risk: Risks) -> float:
    inside = np.clip(risk, SURE, 1 - SURE)
    logit = np.log(inside / (1 - inside)).reshape(-1, 1)
    return float(LogisticRegression(C=np.inf).fit(logit, outcome).coef_[0, 0])


def _reliability(outcome: Outcomes, risk: Risks, bins: int) -> tuple[list[float], list[float]]:
    """The observed share and the mean risk in bins of about equally many cases."""
    observed, predicted = calibration_curve(outcome, risk, n_bins=bins, strategy="quantile")
    return [round(float(share), DIGITS) for share in observed], [round(float(mean), DIGITS) for mean in predicted]


def _by_group(groups: pd.Series[str], outcome: Outcomes, risk: Risks, params: RiskParams) -> dict[str, Figures]:
    """Each group of people by itself: what was foretold and what came; scored if it has events enough."""
    found = {}
    for group in sorted(groups.unique()):
        inside = (groups == group).to_numpy()
        came = outcome[inside]
        enough = min(came.sum(), (~came).sum()) >= params.min_events
        found[group] = {
            "cases": int(inside.sum()),
            **_rounded({"observed": float(came.mean()), "predicted": float(risk[inside].mean())}),
            **(_rounded({"auc": float(roc_auc_score(came, risk[inside]))}) if enough else {}),
        }
    return found


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in figures.items()}


# --- what is kept -----------------------------------------------------------------------------------
def risk_metrics(figures: Mapping[str, Figures]) -> Figures:
    """All figures but the reliability, which is a plot."""
    return {name: {k: v for k, v in found.items() if k != "reliability"} for name, found in figures.items()}


def write_plots(folder: Path, figures: Mapping[str, Figures]) -> None:
    """Write `auc.csv`, a line a question and model, and of each question `calibration_NAME.csv` of the main model."""
    files.write_csv(folder / "auc.csv", ("model", "auc"), _aucs(figures))
    for name, found in figures.items():
        files.write_csv(folder / f"calibration_{name}.csv", ("observed", "predicted"), found["reliability"])


def _aucs(figures: Mapping[str, Figures]) -> Iterator[Sequence[Any]]:
    for name, found in figures.items():
        for model, reached in found["models"].items():
            yield f"{name}: {model}".replace("_", " "), reached["auc"]
