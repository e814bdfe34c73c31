"""The living as one frame, and who of them fits a description such as `bmi>=30` or `stroke+heart_failure`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.core.errors import UserError, closest

Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

MEASURED = re.compile(r"(\w+)(>=|<)([\d.]+)")
COMPARISONS: Mapping[str, Callable[[Any, float], Any]] = {">=": np.greater_equal, "<": np.less}


@dataclass(frozen=True)
class People:
    """One row a living person: `traits` as of the reference date, and of each condition who has it.

    `having` is who has it now, `ever` who has or has had it, both by the condition's key; conditions that nobody
    has ever had are there too. `onset` is at which age those of `ever` fell ill.
    """

    traits: pd.DataFrame
    having: Mapping[str, Bools]
    ever: Mapping[str, Bools]
    onset: Mapping[str, Floats] = field(default_factory=dict)


def fits(people: People, description: str, *, ever: bool = False) -> Bools:
    """Who fits one of the parts between the plus signs: a condition, a true-or-false trait, or a limit of a trait.

    Raises:
        UserError: a part names nothing that people have.
    """
    parts = [_fits(people, part, people.ever if ever else people.having) for part in description.split("+")]
    return np.asarray(np.logical_or.reduce(parts), dtype=np.bool_)


def _fits(people: People, part: str, conditions: Mapping[str, Bools]) -> Bools:
    measured = MEASURED.fullmatch(part)
    name = measured[1] if measured else part
    if not measured and name in conditions:
        return conditions[name]
    if name not in people.traits:
        known = [*conditions, *people.traits.columns]
        raise UserError(f"'{part}' is no condition and no trait of people", closest(name, known))
    values = people.traits[name].to_numpy()
    return np.asarray(COMPARISONS[measured[2]](values, float(measured[3])) if measured else values, dtype=np.bool_)


def within(people: People, sex: str, age_min: float, age_max: float, race_ethnicity: str) -> Bools:
    """Who is of this sex, race and age in completed years, both ends included; `all` stands for any."""
    traits = people.traits
    age = np.floor(traits["age"].to_numpy())
    chosen = (age >= age_min) & (age <= age_max)
    for name, wanted in (("sex", sex), ("race_ethnicity", race_ethnicity)):
        if wanted != "all":
            chosen &= (traits[name] == wanted).to_numpy()
    return np.asarray(chosen, dtype=np.bool_)
