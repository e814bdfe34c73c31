"""Whether a real person can be found among the generated ones, by equal rows and by distance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from clinical_ner.quality.people import Floats
from clinical_ner.quality.similarity import design


class Closeness(NamedTuple):
    """How close generated people are to real ones, in standard deviations of the real columns.

    Distances are to the closest real person; `ratio` is that distance over the one to the second closest, in the
    median; `closer_to_fitted` is the share that is closer to the half a generator may have been fitted to than to
    the other half: a half, if nothing was copied.
    """

    equal_rows: int
    nearest_median: float
    nearest_5th_percentile: float
    ratio: float
    closer_to_fitted: float


def repeated_rows(table: pd.DataFrame) -> int:
    """How many rows were there before."""
    return int(table.duplicated().sum())


def equal_rows(table: pd.DataFrame, real: pd.DataFrame) -> int:
    """How many rows of the table are those of a real person, in every column."""
    rows = real.drop_duplicates()
    return len(table.astype(rows.dtypes.to_dict()).merge(rows, how="inner", on=list(rows)))


def closeness(table: pd.DataFrame, fitted: pd.DataFrame, held_out: pd.DataFrame) -> Closeness:
    """How close the table is to the real people that a generator was fitted to, and to others."""
    near, far = (_distances(table, half) for half in (fitted, held_out))
    return Closeness(
        equal_rows(table, fitted),
        float(np.median(near[:, 0])),
        float(np.percentile(near[:, 0], 5)),
        float(np.median(near[:, 0] / np.maximum(near[:, 1], 1e-12))),
        float((near[:, 0] < far[:, 0]).mean() + (near[:, 0] == far[:, 0]).mean() / 2),
    )


def _distances(table: pd.DataFrame, real: pd.DataFrame) -> Floats:
    """Of each row the distances to the two closest real people."""
    ours, theirs = design(table), design(real)
    scale = theirs.std().replace(0, 1)
    distances, _ = (
        NearestNeighbors(n_neighbors=2).fit((theirs / scale).to_numpy()).kneighbors((ours / scale).to_numpy())
    )
    return np.asarray(distances, dtype=np.float64)
