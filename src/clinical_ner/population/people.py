"""Who the patients are: name, sex, age, body, habits, and whether they have died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from faker import Faker
from numpy.typing import NDArray
from scipy.special import ndtri

from clinical_ner.core.params import PopulationParams
from clinical_ner.core.schema import PATIENTS, PROVIDERS, RACES, SEXES
from clinical_ner.core.seeds import entropy
from clinical_ner.population.catalogue import Floats, column, rows
from clinical_ner.population.draws import Draws
from clinical_ner.population.timeline import DAYS_A_YEAR, Flags, ids, joined, padded

YEARS_OF_DEATHS = 3.0  # everybody was alive at some time in the last three years
SMOKING_AGE = 12
SHORTEST_SMOKING = 0.15  # years; whoever smokes for less is no smoker
FEMALE_SMOKERS, MALE_SMOKERS = 0.86, 1.14  # relative to both, from 10.0 and 13.2 % (NHIS 2022)
TAIL = 0.001  # beyond these quantiles the normal body becomes an impossible one
OBESE_SMOKERS, NOT_OBESE_SMOKERS = 0.8, 1.13  # an odds ratio of 0.7 (NHANES 2017-2018)
RACE_AGES = (("under_18", 0), ("from_18", 18), ("from_35", 35), ("from_50", 50), ("from_65", 65))
ADULT, DRINKING_AGE, RETIRED = 18, 21, 65
SURVEYED_FROM = 20  # years, of those whom the surveys call adults
DOCTORS = {"family medicine": 24, "internal medicine": 24, "pediatrics": 20}  # of each specialty, else:
SPECIALISTS = 6
PEDIATRICS = "pediatrics"
TAIL_FROM = 2.0  # standard deviations of BMI above which the log-normal is too long
POOL_SIZE = 400  # names, cities and providers to draw from, whatever the number of patients


Codes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Lives:
    """Of each patient the birth, the end (death or reference date) and the age in years at the end."""

    birth: NDArray[np.datetime64]
    end: NDArray[np.datetime64]
    age: Floats
    dead: Flags


def sample_people(params: PopulationParams, draw: Draws) -> pd.DataFrame:
    """PATIENTS of a stretch, of whom every row depends on the seed, the reference date and its position alone.

    Ages, sexes and races follow the 2020 Census, adults' bodies NHANES; BMI is weight / height^2. No cause of
    death is known yet.
    """
    age = _ages(draw("age"))
    female = draw("sex") >= _share_of_men(age)
    race = _races(age, draw("race_ethnicity"))
    birth = _day(params.reference_date) - _days(age)
    death = _deaths(birth, female, params.reference_date, draw)
    age = lives_between(birth, death, params.reference_date).age
    height, weight = _bodies(age, female, race, draw)
    bmi = (weight / (height / 100) ** 2).round(1)
    columns = {
        "patient_id": ids("P", draw.start + np.arange(draw.size), 7),
        "sex": np.array(SEXES, dtype=object)[1 - female.astype(np.int8)],
        "race_ethnicity": np.array(RACES, dtype=object)[race],
        "birth_date": birth.astype("datetime64[ns]"),
        "death_date": death.astype("datetime64[ns]"),
        "height_cm": height,
        "weight_kg": weight,
        "bmi": bmi,
        "death_cause": np.full(draw.size, None, dtype=object),
        **_smoking(birth, age, _smoking_odds(age, female, race, bmi), draw),
        **_alcohol_and_insurance(age, female, draw),
        **_names(params.seed, age, female, draw),
        **_numbers(draw),
    }
    return pd.DataFrame(columns)[list(PATIENTS.schema.columns)]


def lives(people: pd.DataFrame, reference_date: date) -> Lives:
    """From when to when each of these people lived, as of the reference date."""
    birth, death = (people[name].to_numpy("datetime64[D]") for name in ("birth_date", "death_date"))
    return lives_between(birth, death, reference_date)


def lives_between(birth: NDArray[Any], death: NDArray[Any], reference_date: date) -> Lives:
    """Lives that end with death or, where it is missing, on the reference date."""
    end = np.where(np.isnat(death), _day(reference_date), death)
    return Lives(birth, end, (end - birth).astype(np.float64) / DAYS_A_YEAR, ~np.isnat(death))


def _ages(uniform: Floats) -> Floats:
    """Ages in years: the cumulative age pyramid, inverted, such that those who are alive form the pyramid."""
    share = np.cumsum(column("age_pyramid.csv", "percent") * np.sum(_living_and_dead(), axis=0))
    ages: Floats = np.interp(uniform * share[-1], [0, *share], [0, *column("age_pyramid.csv", "age_to")])
    return ages


def _share_of_men(age: Floats) -> Floats:
    """Of the living and the dead together, such that the living have the pyramid's share of men."""
    women, men = _living_and_dead()
    return np.interp(age, _middle_ages(), men / (women + men))


def _living_and_dead() -> tuple[Floats, Floats]:
    """Women and men of each band for one who is alive: men die more often, so more of them are needed."""
    age, men = _middle_ages(), column("age_pyramid.csv", "male_percent") / 100
    return (1 - men) * np.exp(_deaths_expected(age, "female")), men * np.exp(_deaths_expected(age, "male"))


def _middle_ages() -> Floats:
    middle: Floats = (column("age_pyramid.csv", "age_from") + column("age_pyramid.csv", "age_to")) / 2
    return middle


def _deaths_expected(age: Floats, sex: str) -> Floats:
    """The hazard of death summed over the last `YEARS_OF_DEATHS`."""
    return YEARS_OF_DEATHS * _rate(f"{sex}_deaths_per_1000", age) / 1000


def _deaths(birth: NDArray[Any], female: Flags, reference_date: date, draw: Draws) -> NDArray[Any]:
    """Dates of death within the last `YEARS_OF_DEATHS`, not-a-time for the living."""
    today = _day(reference_date)
    age = (today - birth).astype(np.float64) / DAYS_A_YEAR
    expected = np.where(female, *(_deaths_expected(age, sex) for sex in SEXES))
    date_of_death = today - _days(draw("death_date") * np.minimum(age, YEARS_OF_DEATHS))
    return np.where(draw("death") < -np.expm1(-expected), date_of_death, np.datetime64("NaT", "D"))


def _bodies(age: Floats, female: Flags, race: Codes, draw: Draws) -> tuple[Floats, Floats]:
    """Heights (cm) and weights (kg): a normal height, and independently a BMI of a floor plus a log-normal."""
    tall, heavy = (ndtri(np.clip(draw(name), TAIL, 1 - TAIL)) for name in ("height", "bmi"))
    at = partial(_by_sex, age, female)
    heavy = np.minimum(heavy, TAIL_FROM + (heavy - TAIL_FROM) / 2)
    grown = np.clip(age / ADULT, 0, 1)
    height = (at("height_cm") + at("height_sd") * tall + grown * _by_race("height_cm", female, race)).round(1)
    spread = np.exp(at("bmi_log_sd") * heavy + grown * _by_race("bmi_log_factor", female, race))
    bmi = at("bmi_floor") + (at("bmi_median") - at("bmi_floor")) * spread
    return height, (bmi * (height / 100) ** 2).round(1)


def _by_race(name: str, female: Flags, race: Codes) -> Floats:
    women, men = (column("body_by_race.csv", name, sex=sex) for sex in SEXES)
    return np.where(female, women[race], men[race])


def _by_sex(age: Floats, female: Flags, name: str) -> Floats:
    curves = (np.interp(age, column("body.csv", "age", sex=sex), column("body.csv", name, sex=sex)) for sex in SEXES)
    return np.where(female, *curves)


def _races(age: Floats, uniform: Floats) -> Codes:
    """Places in RACES; the young are more diverse."""
    percent = np.array([column("race_ethnicity.csv", name) for name, _ in RACE_AGES])
    share = np.cumsum(percent / percent.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    group = np.searchsorted([start for _, start in RACE_AGES], age, side="right") - 1
    code: Codes = (uniform[:, None] >= share[group]).sum(axis=1)
    return code


def _smoking_odds(age: Floats, female: Flags, race: Codes, bmi: Floats) -> tuple[Floats, Floats]:
    """How likely each is to smoke and to have smoked; the obese smoke less."""
    factor = np.where(female, FEMALE_SMOKERS, MALE_SMOKERS) * column("smoking_by_race.csv", "ratio")[race]
    weight = np.where((bmi >= 30) & (age >= ADULT), OBESE_SMOKERS, NOT_OBESE_SMOKERS)
    former = _rate("former_smoker_percent", age) / 100
    return _rate("smoker_percent", age) / 100 * factor * weight, former * np.sqrt(factor)


def _smoking(birth: NDArray[Any], age: Floats, odds: tuple[Floats, Floats], draw: Draws) -> dict[str, NDArray[Any]]:
    """Whether, from when, until when and how much each has smoked; nobody starts before `SMOKING_AGE`."""
    current, former = odds
    start_age = SMOKING_AGE + np.minimum(12 * draw("smoking/start") ** 1.3, 0.9 * np.maximum(age - SMOKING_AGE, 0))
    stop_age = start_age + (age - start_age) * (0.1 + 0.85 * draw("smoking/stop"))
    stop_age = np.maximum(stop_age, start_age + SHORTEST_SMOKING)
    uniform = np.where(age > SMOKING_AGE + 3, draw("smoker"), 1.0)
    status = np.select([uniform < current, uniform < current + former], ["current", "former"], "never")
    years = np.select([status == "current", status == "former"], [age - start_age, stop_age - start_age], 0.0)
    nothing = np.datetime64("NaT", "D")
    return {
        "smoking": status.astype(object),
        "pack_years": (years * (0.1 + 1.2 * draw("smoking/packs") ** 2)).round(1),
        "smoking_start": np.where(status != "never", birth + _days(start_age), nothing).astype("datetime64[ns]"),
        "smoking_stop": np.where(status == "former", birth + _days(stop_age), nothing).astype("datetime64[ns]"),
    }


def _alcohol_and_insurance(age: Floats, female: Flags, draw: Draws) -> dict[str, NDArray[Any]]:
    drinks = ("none", "light", "moderate", "heavy")
    women = _share_out(drinks, (0.36, 0.78, 0.95), draw("alcohol"))
    men = _share_out(drinks, (0.30, 0.64, 0.94), draw("alcohol"))
    payers = ("private", "medicaid", "other_public", "uninsured")
    children = _share_out(payers, (0.56, 0.93, 0.96), draw("insurance"))
    younger = _share_out(payers, (0.67, 0.84, 0.89), draw("insurance"))
    older = _share_out(("dual", "medicare"), (0.17,), draw("insurance"))
    return {
        "alcohol": np.where(age < DRINKING_AGE, "none", np.where(female, women, men)),
        "insurance": np.select([age < ADULT + 1, age < RETIRED], [children, younger], older),
    }


def _share_out(values: Sequence[str], bounds: Sequence[float], uniform: Floats) -> NDArray[Any]:
    """The value whose stretch between two bounds the uniform falls in."""
    return np.array(values, dtype=object)[np.searchsorted(bounds, uniform, side="right")]


@cache
def providers(seed: int) -> pd.DataFrame:
    """PROVIDERS of every specialty that `care.csv` asks for: the same for all people of a seed."""
    fake = _faker(seed, "providers")
    places = _places(seed)
    asked = sorted({row["specialty"] for row in rows("care.csv")} | DOCTORS.keys())
    specialties = [specialty for specialty in asked for _ in range(DOCTORS.get(specialty, SPECIALISTS))]
    doctors = [
        {
            "provider_id": f"DR{number:04d}",
            "name": f"Dr. {fake.last_name()}",
            "specialty": specialty,
            "organisation": f"{places[number][0]} Health Center",
            "city": places[number][0],
            "state": places[number][1],
        }
        for number, specialty in enumerate(specialties)
    ]
    return pd.DataFrame(doctors)[list(PROVIDERS.schema.columns)]


@cache
def _places(seed: int) -> tuple[tuple[str, str, str], ...]:
    """City, state and postal code, which belong together."""
    fake = _faker(seed, "places")
    states = [fake.state_abbr(include_territories=False) for _ in range(POOL_SIZE)]
    return tuple((fake.city(), state, fake.postalcode_in_state(state)) for state in states)


@cache
def _pools(seed: int) -> tuple[tuple[str, ...], ...]:
    fake = _faker(seed, "name pools")
    makes = (fake.first_name_female, fake.first_name_male, fake.last_name, fake.street_address)
    return tuple(tuple(make() for _ in range(POOL_SIZE)) for make in makes)


def _faker(seed: int, name: str) -> Faker:
    fake = Faker("en_US")
    fake.seed_instance(entropy(seed, name))
    return fake


def _names(seed: int, age: Floats, female: Flags, draw: Draws) -> dict[str, NDArray[Any]]:
    """Names, places and providers out of pools that only the seed decides."""
    women, men, families, streets = _pools(seed)
    cities, states, codes = zip(*_places(seed), strict=True)
    given, place = draw("given_name"), draw("city")
    return {
        "given_name": np.where(female, _pick(women, given), _pick(men, given)),
        "family_name": _pick(families, draw("family_name")),
        "address": _pick(streets, draw("address")),
        "city": _pick(cities, place),
        "state": _pick(states, place),
        "postal_code": _pick(codes, place),
        "provider_id": np.where(
            age < ADULT,
            _pick(_doctors(seed, (PEDIATRICS,)), draw("provider")),
            _pick(_doctors(seed, ("family medicine", "internal medicine")), draw("provider")),
        ),
    }


def _doctors(seed: int, specialties: tuple[str, ...]) -> Sequence[str]:
    listed = providers(seed)
    return listed.loc[listed["specialty"].isin(specialties), "provider_id"].tolist()


def _numbers(draw: Draws) -> dict[str, NDArray[Any]]:
    """Social security numbers of areas that are never issued, and telephone numbers kept free for fiction."""
    area, group, serial = (
        (draw(f"ssn/{part}") * size).astype(int) for part, size in (("area", 100), ("group", 49), ("serial", 10_000))
    )
    region, line = ((draw(f"phone/{part}") * size).astype(int) for part, size in (("area", 780), ("line", 100)))
    return {
        "ssn": joined(padded(900 + area, 3), padded(group + 1, 2), padded(serial, 4), by="-"),
        "phone": joined(padded(201 + region, 3), "555", padded(100 + line, 4), by="-"),
    }


def _pick(pool: Sequence[str], uniform: Floats) -> NDArray[Any]:
    return np.array(pool, dtype=object)[(uniform * len(pool)).astype(np.int64)]


def _rate(name: str, age: Floats) -> Floats:
    return np.interp(age, column("rates_by_age.csv", "age"), column("rates_by_age.csv", name))


def _day(day: date) -> np.datetime64:
    return np.datetime64(day, "D")


def _days(years: Floats) -> NDArray[Any]:
    return np.floor(years * DAYS_A_YEAR).astype("timedelta64[D]")
