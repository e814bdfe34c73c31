"""Who the patients are: name, sex, age, body, habits, and whether they have died."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from faker import Faker
from numpy.typing import NDArray
from scipy.special import ndtri

from clinical_ner.core.params import PopulationParams
from clinical_ner.core.schema import PATIENTS, SEXES
from clinical_ner.core.seeds import entropy, uniforms
from clinical_ner.population.catalogue import Floats, column, rows

DAYS_A_YEAR = 365.25
YEARS_OF_DEATHS = 3.0  # everybody was alive at some time in the last three years
SMOKING_AGE = 12
FEMALE_SMOKERS, MALE_SMOKERS = 0.86, 1.14  # relative to both, from 10.0 and 13.2 % (NHIS 2022)
TAIL = 0.001  # beyond these quantiles the normal body becomes an impossible one
POOL_SIZE = 400  # names, cities and providers to draw from, whatever the number of patients

Draw = Callable[[str], Floats]


@dataclass(frozen=True)
class Lives:
    """Of each patient the birth, the end (death or reference date) and the age in years at the end."""

    birth: NDArray[np.datetime64]
    end: NDArray[np.datetime64]
    age: Floats


def sample_people(params: PopulationParams) -> pd.DataFrame:
    """PATIENTS of whom every row depends on the seed, the reference date and its position alone.

    Ages and sexes follow the 2020 Census, adults' heights and weights NHANES; BMI is weight / height^2.
    """
    draw = partial(uniforms, params.seed, size=params.patients)
    age = _ages(draw("age"))
    female = draw("sex") >= np.interp(age, *_steps("male_percent"))
    birth = _day(params.reference_date) - _days(age)
    death = _deaths(birth, params.reference_date, draw)
    age = lives_between(birth, death, params.reference_date).age
    height, weight = _bodies(age, female, draw)
    smoker_rate = _rate("smoker_percent", age) / 100 * np.where(female, FEMALE_SMOKERS, MALE_SMOKERS)
    columns = {
        "patient_id": [f"P{position:07d}" for position in range(params.patients)],
        "sex": np.where(female, *SEXES),
        "race_ethnicity": _races(draw("race_ethnicity")),
        "birth_date": birth.astype("datetime64[ns]"),
        "death_date": death.astype("datetime64[ns]"),
        "smoker": (draw("smoker") < smoker_rate) & (age >= SMOKING_AGE),
        "height_cm": height,
        "weight_kg": weight,
        "bmi": (weight / (height / 100) ** 2).round(1),
        **_names(params.seed, female, draw),
    }
    return pd.DataFrame(columns)[list(PATIENTS.schema.columns)]


def lives(people: pd.DataFrame, reference_date: date) -> Lives:
    """From when to when each of these people lived, as of the reference date."""
    birth, death = (people[name].to_numpy("datetime64[D]") for name in ("birth_date", "death_date"))
    return lives_between(birth, death, reference_date)


def lives_between(birth: NDArray[Any], death: NDArray[Any], reference_date: date) -> Lives:
    """Lives that end with death or, where it is missing, on the reference date."""
    end = np.where(np.isnat(death), _day(reference_date), death)
    return Lives(birth, end, (end - birth).astype(np.float64) / DAYS_A_YEAR)


def _ages(uniform: Floats) -> Floats:
    """Ages in years: the cumulative age pyramid, inverted."""
    share = np.cumsum(column("age_pyramid.csv", "percent"))
    ages: Floats = np.interp(uniform * share[-1], [0, *share], [0, *column("age_pyramid.csv", "age_to")])
    return ages


def _steps(name: str) -> tuple[Floats, Floats]:
    middle = (column("age_pyramid.csv", "age_from") + column("age_pyramid.csv", "age_to")) / 2
    return middle, column("age_pyramid.csv", name) / 100


def _deaths(birth: NDArray[Any], reference_date: date, draw: Draw) -> NDArray[Any]:
    """Dates of death within the last `YEARS_OF_DEATHS`, not-a-time for the living."""
    today = _day(reference_date)
    age = (today - birth).astype(np.float64) / DAYS_A_YEAR
    dead = draw("death") < -np.expm1(-YEARS_OF_DEATHS * _rate("deaths_per_1000", age) / 1000)
    date_of_death = today - _days(draw("death_date") * np.minimum(age, YEARS_OF_DEATHS))
    return np.where(dead, date_of_death, np.datetime64("NaT", "D"))


def _bodies(age: Floats, female: NDArray[np.bool_], draw: Draw) -> tuple[Floats, Floats]:
    """Heights (cm) and weights (kg): a normal height, and independently a BMI of a floor plus a log-normal."""
    tall, heavy = (ndtri(np.clip(draw(name), TAIL, 1 - TAIL)) for name in ("height", "bmi"))
    at = partial(_by_sex, age, female)
    height = (at("height_cm") + at("height_sd") * tall).round(1)
    bmi = at("bmi_floor") + (at("bmi_median") - at("bmi_floor")) * np.exp(at("bmi_log_sd") * heavy)
    return height, (bmi * (height / 100) ** 2).round(1)


def _by_sex(age: Floats, female: NDArray[np.bool_], name: str) -> Floats:
    curves = (np.interp(age, column("body.csv", "age", sex=sex), column("body.csv", name, sex=sex)) for sex in SEXES)
    return np.where(female, *curves)


def _races(uniform: Floats) -> NDArray[Any]:
    share = np.cumsum(column("race_ethnicity.csv", "percent"))
    names = np.array([row["race_ethnicity"] for row in rows("race_ethnicity.csv")], dtype=object)
    drawn: NDArray[Any] = names[np.searchsorted(share, uniform * share[-1], side="right")]
    return drawn


def _names(seed: int, female: NDArray[np.bool_], draw: Draw) -> dict[str, NDArray[Any]]:
    """Names, places and providers out of pools that only the seed decides."""
    fake = Faker("en_US")
    fake.seed_instance(entropy(seed, "name pools"))
    women, men, families, cities, doctors = (
        [make() for _ in range(POOL_SIZE)]
        for make in (fake.first_name_female, fake.first_name_male, fake.last_name, fake.city, fake.last_name)
    )
    states = [fake.state_abbr(include_territories=False) for _ in range(POOL_SIZE)]
    given, place = draw("given_name"), draw("city")
    return {
        "given_name": np.where(female, _pick(women, given), _pick(men, given)),
        "family_name": _pick(families, draw("family_name")),
        "city": _pick(cities, place),
        "state": _pick(states, place),
        "provider": _pick([f"Dr. {doctor}" for doctor in doctors[:40]], draw("provider")),
    }


def _pick(pool: Sequence[str], uniform: Floats) -> NDArray[Any]:
    return np.array(pool, dtype=object)[(uniform * len(pool)).astype(np.int64)]


def _rate(name: str, age: Floats) -> Floats:
    return np.interp(age, column("rates_by_age.csv", "age"), column("rates_by_age.csv", name))


def _day(day: date) -> np.datetime64:
    return np.datetime64(day, "D")


def _days(years: Floats) -> NDArray[Any]:
    return np.floor(years * DAYS_A_YEAR).astype("timedelta64[D]")
