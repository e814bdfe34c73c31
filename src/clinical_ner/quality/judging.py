"""Ours beside the other generators, on the same real people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clinical_ner.core.seeds import stream
from clinical_ner.quality.generators import gaussian_copula, independent_columns, of_composition
from clinical_ner.quality.learning import LEARNERS, TARGETS, transfer_auc
from clinical_ner.quality.privacy import closeness
from clinical_ner.quality.similarity import broken_bmi, discriminator_auc, similarity

CEILING, COPULA, INDEPENDENT, OURS = "other_half_of_the_real", "gaussian_copula", "independent_columns", "ours"
GENERATORS = (CEILING, COPULA, INDEPENDENT, OURS)


class Halving(NamedTuple):
    """The real people cut in two at random: generators may be fitted to one half, and are judged by the other."""

    fitted: pd.DataFrame
    judge: pd.DataFrame
    seed: int


def halvings(real: pd.DataFrame, count: int, seed: int) -> Iterator[Halving]:
    """Several ways to cut the real people in two."""
    for number in range(count):
        order = stream(seed, f"halving {number}").permutation(len(real))
        one, other = (
            real.iloc[np.sort(part)].reset_index(drop=True)
            for part in (order[: len(real) // 2], order[len(real) // 2 :])
        )
        yield Halving(one, other, seed + number)


def rivals(halving: Halving, ours: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """As many people of each generator as judge it; ours, in the terms of the survey, of the judges' composition."""
    fitted, judge, seed = halving
    return {
        CEILING: fitted,
        COPULA: gaussian_copula(fitted, len(judge), seed),
        INDEPENDENT: independent_columns(fitted, len(judge), seed),
        OURS: of_composition(ours, judge, seed),
    }


def judged(table: pd.DataFrame, halving: Halving) -> dict[str, Any]:
    """Every score of one generator on one halving."""
    alike = similarity(halving.judge, table)
    return {
        "rows": len(table),
        "overall": alike.overall,
        "column_shapes": float(np.mean(list(alike.shapes.values()))),
        "column_pairs": float(np.mean(list(alike.pairs.values()))),
        "worst_column": min(alike.shapes.values()),
        "worst_pair": alike.pairs[alike.worst_pair],
        "discriminator_auc": discriminator_auc(halving.judge, table, halving.seed),
        "broken_bmi": broken_bmi(table),
        "transfer": {
            learner: {target: transfer_auc(learner, target, table, halving.judge, halving.seed) for target in TARGETS}
            for learner in LEARNERS
        },
        "closeness": closeness(table, halving.fitted, halving.judge)._asdict(),
    }


def mean_of(results: list[Any]) -> Any:
    """The mean of figures in nested dictionaries of the same shape."""
    if isinstance(results[0], dict):
        return {key: mean_of([result[key] for result in results]) for key in results[0]}
    return float(np.mean(results))


def generators_judged(real: pd.DataFrame, ours: pd.DataFrame, count: int, seed: int) -> dict[str, Any]:
    """The mean scores of every generator over `count` halvings of the real people."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in GENERATORS}
    for halving in halvings(real, count, seed):
        for name, table in rivals(halving, ours).items():
            found[name].append(judged(table, halving))
    return {name: mean_of(results) for name, results in found.items()}
