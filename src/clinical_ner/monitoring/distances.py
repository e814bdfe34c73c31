"""How far apart batches of figures are, and how far chance alone takes them.

The first witness. Distances are those that Evidently reports; here they are fast enough to draw thousands of pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from clinical_ner.core.figures import FIGURES
from clinical_ner.core.seeds import stream

Matrix = NDArray[np.float64]
LEAST_DEVIATION = 0.001  # Evidently's: a figure without spread is measured in thousandths
LEAST_NOTES = 3  # so many strange notes are never an alert by themselves, however rare what they hold
USUAL = 0.99  # the quantile of a figure's distance that it is measured in
TAIL = 0.05  # the share of the largest distances that a threshold is extrapolated from


class Limits(NamedTuple):
    """The distance of each figure from which on there is an alert; from `watch` times that on it is watched."""

    alert: dict[str, float]
    watch: float


def numbers(profiles: pd.DataFrame) -> Matrix:
    """The figures as a matrix, a column a figure."""
    return profiles[list(FIGURES)].to_numpy(dtype="float64")


def normalised_distances(reference: Matrix, current: Matrix) -> Matrix:
    """The distance of every column as Evidently measures it: Wasserstein's, in standard deviations of the reference."""
    both = np.concatenate([reference, current])
    order = both.argsort(axis=0)
    steps = np.where(order < len(reference), len(current), -len(reference))  # integers: ties cancel exactly
    widths = np.diff(np.take_along_axis(both, order, axis=0), axis=0)
    areas = (np.abs(steps.cumsum(axis=0)[:-1]) * widths).sum(axis=0) / (len(reference) * len(current))
    return np.asarray(areas / np.maximum(reference.std(axis=0), LEAST_DEVIATION))


class Resampler:
    """Draws pairs of batches from a reference, whole patients with replacement, and measures how far apart they are."""

    def __init__(self, values: Matrix, patients: NDArray[np.int64]) -> None:
        # Of the whole reference: in a batch without the rarest notes they would vanish, and chance have no bounds.
        self.deviations = np.maximum(values.std(axis=0), LEAST_DEVIATION)
        self._count = int(patients.max()) + 1
        self._notes_of = np.bincount(patients)
        found = [np.unique(column, return_inverse=True) for column in values.T]
        self._widths = np.concatenate([np.append(np.diff(steps), 0.0) for steps, _ in found])
        *begins, rows = np.cumsum([0, *(len(steps) for steps, _ in found)]).tolist()
        self._begins = np.array(begins)
        # How many notes each patient (a column) has at each value of each figure (a row), values in their order.
        places = np.concatenate([begin + step for begin, (_, step) in zip(begins, found, strict=True)])
        cells = (np.ones(values.size), (places, np.tile(patients, len(found))))
        self._at = csr_array(cells, shape=(rows, self._count))

    def distances(self, size: int, draws: np.random.Generator) -> Matrix:
        """The distance of every figure between a batch as large as the reference and one of about `size` notes."""
        window = self._drawn(max(1, round(self._count * size / self._notes_of.sum())), draws)
        reference = self._drawn(self._count, draws)
        apart = np.asarray(self._at @ (reference - window)).cumsum()  # 0 again where a figure ends
        return np.asarray(np.add.reduceat(np.abs(apart) * self._widths, self._begins) / self.deviations)

    def _drawn(self, patients: int, draws: np.random.Generator) -> NDArray[np.float64]:
        """The weight of each patient's notes in a batch of so many patients."""
        times = np.bincount(draws.integers(self._count, size=patients), minlength=self._count)
        return np.asarray(times / (times @ self._notes_of))


def limits(reference: pd.DataFrame, size: int, resamples: int, rates: tuple[float, float], seed: int) -> Limits:
    """The distances that windows of this size pass by chance as often as `rates` (of watching, of alerts) allow.

    Pairs of batches are drawn from the reference, whole patients, as notes of one patient resemble each other. Each
    figure is measured in what is usual for it; of each pair the furthest figure counts, as it will in the verdict.
    Beyond the 95 % quantile these maxima are taken to fall off exponentially, which needs fewer pairs than counting.
    """
    values, draws = numbers(reference), stream(seed, f"drift/distances/{size}")
    resampler = Resampler(values, patients_of(reference))
    drawn = np.array([resampler.distances(size, draws) for _ in range(resamples)])
    usual = np.maximum(np.quantile(drawn, USUAL, axis=0), _of_few_notes(values, size) / resampler.deviations)
    watch, alert = (tail_quantile((drawn / usual).max(axis=1), rate) for rate in rates)
    return Limits(dict(zip(FIGURES, (usual * alert).round(4).tolist(), strict=True)), round(watch / alert, 4))


def _of_few_notes(values: Matrix, size: int) -> Matrix:
    """How far a few notes move each mean, if they are as strange as the strangest, or 1 away from a constant."""
    strangest = np.abs(values - values.mean(axis=0)).max(axis=0)
    return np.asarray(LEAST_NOTES / size * np.where(strangest < LEAST_DEVIATION, 1.0, strangest))


def tail_quantile(values: NDArray[np.float64], rate: float) -> float:
    """What a value passes with this probability, at most 5 %, by an exponential tail."""
    start = float(np.quantile(values, 1 - TAIL))
    excess = float(np.mean(values[values >= start] - start))
    return start + excess * float(np.log(TAIL / rate))


def patients_of(profiles: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each patient; a note whose patient is not known is one of its own."""
    names = profiles["patient_id"].astype(object).where(profiles["patient_id"].notna(), profiles["note_id"])
    return np.asarray(pd.factorize(names, sort=True)[0], dtype="int64")
