"""What follows for people and their histories once both are known: diabetes that nobody has found, and drinking."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clinical_ner.population.catalogue import Floats
from clinical_ner.population.histories import Histories

DIABETIC_HBA1C = 6.5  # percent, from which on it is diabetes (American Diabetes Association)
UNKNOWN, DRINKING = "diabetes_type_2", "alcohol_use_disorder"
YEARS_UNKNOWN = 2.0  # at most: in a record that measures, somebody notices
MODERATE_DRINKERS = 1 / 3  # of those with an alcohol use disorder, approximate; the others drink heavily


def with_unknown_diabetes(histories: Histories, hba1c: Floats) -> Histories:
    """The histories in which whoever has a diabetic HbA1c without a diagnosis has had type 2 diabetes for a while."""
    hidden = (hba1c >= DIABETIC_HBA1C) & ~histories.has["diabetes"]
    since = histories.age - YEARS_UNKNOWN * histories.draw(f"condition/{UNKNOWN}/unknown")
    onset = np.where(hidden, since, histories.onset[UNKNOWN])
    return replace(histories, onset=histories.onset | {UNKNOWN: onset}, hidden={UNKNOWN: hidden})


def drinking(said: pd.Series[Any], histories: Histories) -> NDArray[Any]:
    """How much people drink: whoever has an alcohol use disorder too much, whoever has got over it no longer."""
    active = histories.has[DRINKING]
    over = ~np.isnan(histories.onset[DRINKING]) & ~active
    moderate = histories.draw(f"alcohol/{DRINKING}") < MODERATE_DRINKERS
    heavily = np.where(moderate, "moderate", "heavy").astype(object)
    return np.where(active, heavily, np.where(over, "none", said.to_numpy(object)))
