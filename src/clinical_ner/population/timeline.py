"""Days, rows and running sums: what the sampled tables share as arrays.

A day is the number of days since 1970-01-01; `NEVER` stands for a date that is missing, later than any.
A row of a table belongs to a person by position within the stretch that is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

DAYS_A_YEAR = 365.25
NEVER = 1 << 20  # days: in the year 4840
_BEFORE_1970 = 1 << 19  # days that a key leaves room for
_GRAIN = float(1 << 20)  # sums of multiples of its inverse are exact, in whatever order and stretch they are made


def days(dates: pd.Series[Any]) -> Ints:
    """Dates as days, `NEVER` where they are missing."""
    found = dates.to_numpy("datetime64[D]")
    return np.where(np.isnat(found), NEVER, found.astype(np.int64))


def dates(of_days: Ints) -> NDArray[np.datetime64]:
    """Days as dates, missing from `NEVER` on.

    >>> dates(np.array([0, NEVER]))
    array(['1970-01-01T00:00:00.000000000',                           'NaT'],
          dtype='datetime64[ns]')
    """
    known = np.where(of_days >= NEVER, 0, of_days).astype("datetime64[D]").astype("datetime64[ns]")
    return np.where(of_days >= NEVER, np.datetime64("NaT", "ns"), known)


def keys(patient: Ints, day: Ints) -> Ints:
    """One number a person and day, in the order of people and, of each, of days."""
    return (patient << 21) + np.minimum(day, NEVER - 1) + _BEFORE_1970


def starts_of_runs(patient: Ints) -> Ints:
    """Where each person's rows start, in rows that are ordered by person."""
    return np.flatnonzero(np.diff(patient, prepend=-1))


def ordinals(patient: Ints) -> Ints:
    """The number of each row among those of its person, in rows that are ordered by person.

    >>> ordinals(np.array([3, 3, 5, 5, 5])).tolist()
    [0, 1, 0, 1, 2]
    """
    starts = starts_of_runs(patient)
    return np.arange(len(patient)) - np.repeat(starts, np.diff(starts, append=len(patient)))


def sum_of_active(
    row_keys: Ints, patient: Ints, first_day: Ints, stop_day: Ints, amount: Floats | float = 1.0
) -> Floats:
    """What the spells of its person add up to on the day of each row; `row_keys` are ordered `keys`.

    A spell counts from its first day to before its stop day.
    """
    first = np.searchsorted(row_keys, keys(patient, first_day))
    stop = np.searchsorted(row_keys, keys(patient, np.maximum(stop_day, first_day)))
    amounts = np.broadcast_to(np.rint(np.asarray(amount, dtype=np.float64) * _GRAIN) / _GRAIN, first.shape)
    steps = np.bincount(np.append(first, stop), np.append(amounts, -amounts), len(row_keys) + 1)
    return np.cumsum(steps[:-1])


def any_active(row_keys: Ints, patient: Ints, first_day: Ints, stop_day: Ints) -> Flags:
    """Whether a spell of its person runs on the day of each row; `row_keys` are ordered `keys`."""
    return sum_of_active(row_keys, patient, first_day, stop_day) > 0.5


def expand(counts: Ints) -> tuple[Ints, Ints]:
    """Of as many rows as `counts` says of each element: the element and the number within it.

    >>> [part.tolist() for part in expand(np.array([2, 0, 1]))]
    [[0, 0, 2], [0, 1, 0]]
    """
    element = np.repeat(np.arange(len(counts)), counts)
    return element, np.arange(len(element)) - np.repeat(np.cumsum(counts) - counts, counts)


def ids(letter: str, numbers: Ints, digits: int = 10) -> NDArray[Any]:
    """Identifiers: a letter and the number, filled up with zeros.

    >>> ids("C", np.array([12]), 4).tolist()
    ['C0012']
    """
    return joined(letter, padded(numbers, digits), by="")


def padded(numbers: Ints, digits: int) -> pa.StringArray:
    """Numbers as text, filled up with zeros."""
    return pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), digits, padding="0")


def joined(*parts: pa.StringArray | str, by: str) -> NDArray[Any]:
    """The parts of each row as one text.

    >>> joined("0", padded(np.array([7]), 2), by="-").tolist()
    ['0-07']
    """
    rows: NDArray[Any] = pc.binary_join_element_wise(*parts, by).to_numpy(zero_copy_only=False)
    return rows


def numbers_of(identifiers: pd.Series[Any] | pd.Index[Any]) -> Ints:
    """The numbers within identifiers, -1 where there is none."""
    text = pa.array(identifiers, pa.string(), from_pandas=True)
    numbers = pc.fill_null(pc.cast(pc.utf8_slice_codeunits(text, 1), pa.int64()), -1)
    found: Ints = numbers.to_numpy(zero_copy_only=False)
    return found


def categories(words: Sequence[Any] | NDArray[Any]) -> pd.CategoricalDtype:
    """Words as the categories of a column."""
    index = pd.Index(words, dtype=object)
    _ = index.is_monotonic_increasing  # of words in order pandas then knows, without hashing them, that none repeats
    return pd.CategoricalDtype(index)


def coded(codes: NDArray[Any], words: pd.CategoricalDtype) -> pd.Categorical:
    """Categories by their position; missing where the code is -1."""
    return pd.Categorical.from_codes(codes, dtype=words, validate=False)


def labels(codes: NDArray[Any], words: Sequence[Any] | NDArray[Any]) -> pd.Categorical:
    """Words by their position; missing where the code is -1."""
    return coded(codes, categories(words))
