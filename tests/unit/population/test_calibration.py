"""The people come out as published: how many have what, by age, sex and race, and what goes with what."""

import re
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from clinical_ner.core.params import PopulationParams
from clinical_ner.population import catalogue
from clinical_ner.population.draws import Draws
from clinical_ner.population.histories import Histories
from clinical_ner.population.sample import sample_examined

PEOPLE = 60_000
PARAMS = PopulationParams(seed=7, patients=PEOPLE, reference_date=date(2024, 12, 31), years_of_records=1)
ADJUSTED_FROM = {"18": 15, "20": 20}  # the first age group of the standard population that counts
EIGHTEEN_AND_NINETEEN = 0.4  # of the group from 15 to 19


class City(NamedTuple):
    """Enough people to compare with the published figures."""

    patients: pd.DataFrame
    histories: Histories
    traits: pd.DataFrame

    def having(self, description: str, *, ever: bool = True) -> NDArray[Any]:
        """Who fits one of the parts: a condition, of some also one that is over, or a limit of a measurement."""
        parts = description.split("+")
        over = {part: ~np.isnan(self.histories.resolved[part]) for part in parts if part in self.histories.resolved}
        return np.logical_or.reduce([self._having(part) & (ever | ~over.get(part, np.False_)) for part in parts])

    def _having(self, part: str) -> NDArray[Any]:
        measured = re.fullmatch(r"(\w+)(>=|<)(\d+)", part)
        if measured:
            values, limit = self.traits[measured[1]].to_numpy(), float(measured[3])
            return values >= limit if measured[2] == ">=" else values < limit
        if part in self.traits:
            return self.traits[part].to_numpy() > 0
        return self.histories.has["smoker" if part == "smoking_current" else part]

    def of(self, row: dict[str, str]) -> NDArray[Any]:
        """The living of a stratum."""
        age = np.floor(self.histories.age)
        inside = ~self.histories.lives.dead & (age >= float(row["age_min"])) & (age <= float(row["age_max"] or 200))
        for column, name in (("sex", "sex"), ("race_ethnicity", "race_ethnicity")):
            if row[name] != "all":
                inside &= (self.patients[column] == row[name]).to_numpy()
        return inside


@pytest.fixture(scope="module")
def city() -> City:
    return City(*sample_examined(PARAMS, Draws(PARAMS.seed, 0, PEOPLE)))


def adjusted(having: NDArray[Any], age: NDArray[Any], age_min: str) -> float:
    """The share had the people the ages of the standard population."""
    first = catalogue.column("standard_population.csv", "age_from")
    weight = np.where(first < ADJUSTED_FROM[age_min], 0.0, catalogue.column("standard_population.csv", "people"))
    weight = np.where((first == 15), weight * EIGHTEEN_AND_NINETEEN, weight)
    group = np.searchsorted(first, age, side="right") - 1
    people, ill = (np.bincount(group, values, minlength=len(first)) for values in (np.ones(len(age)), having))
    return float((weight * ill / np.maximum(people, 1)).sum() / weight.sum())


CHECKED = [row for row in catalogue.rows("published_prevalence.csv") if row["checked"] == "yes"]


@pytest.mark.parametrize(
    "row", CHECKED, ids=lambda r: "-".join(r[n] for n in ("name", "sex", "age_min", "age_max", "race_ethnicity"))
)
def test_a_checked_figure_comes_out(city: City, row: dict[str, str]) -> None:
    inside, published = city.of(row), float(row["percent"]) / 100
    having = city.having(row["conditions"], ever=row["name"].endswith("_ever"))[inside]
    share = having.mean()
    if row["age_adjusted"] == "yes":
        share = adjusted(having, city.histories.age[inside], row["age_min"])

    tolerance = max(0.12 * published, 3.5 * np.sqrt(published * (1 - published) / inside.sum()))

    assert share == pytest.approx(published, abs=tolerance)


@pytest.mark.parametrize("row", catalogue.rows("comorbidity_odds_ratios.csv"), ids=lambda r: f"{r['a']}-{r['b']}")
def test_an_odds_ratio_comes_out(city: City, row: dict[str, str]) -> None:
    age = city.histories.age
    adult = ~city.histories.lives.dead & (age >= 20)
    stratum = (np.minimum(age // 10, 8) * 2 + city.histories.female).astype(int)[adult]
    one, other = (city.having(row[f"conditions_{side}"])[adult] for side in ("a", "b"))
    both, first, second, neither = (
        np.bincount(stratum, table, minlength=18)[4:]
        for table in (one & other, one & ~other, ~one & other, ~one & ~other)
    )
    total = both + first + second + neither

    odds_ratio = (both * neither / total).sum() / (first * second / total).sum()

    assert 1 / 1.45 < odds_ratio / float(row["odds_ratio"]) < 1.45


def test_more_men_than_women_die_and_more_of_those_who_have_what_is_lethal(city: City) -> None:
    dead, female, age = city.histories.lives.dead, city.histories.female, city.histories.age
    old = (age >= 60) & (age < 80)

    assert dead[old & ~female].mean() > 1.15 * dead[old & female].mean()
    for key, times in (("lung_cancer", 4), ("heart_failure", 2), ("myocardial_infarction", 1.6)):
        having = city.histories.has[key]
        assert dead[old & having].mean() > times * dead[old & ~having].mean(), key


@pytest.mark.parametrize(
    ("key", "youngest", "oldest"),
    [
        *(("osteoarthritis", 35, 60), ("diabetes_type_2", 38, 58), ("coronary_artery_disease", 45, 68)),
        *(("lung_cancer", 50, 72), ("parkinson_disease", 52, 72), ("multiple_sclerosis", 20, 40)),
        *(("hyperlipidemia", 28, 55), ("copd", 35, 65), ("schizophrenia", 16, 30)),
    ],
)
def test_people_fall_ill_at_about_the_usual_age(city: City, key: str, youngest: float, oldest: float) -> None:
    assert youngest < np.nanmedian(city.histories.onset[key]) < oldest


def test_more_than_half_of_those_ever_depressed_are_well_again(city: City) -> None:
    ever = ~np.isnan(city.histories.onset["depression"])

    assert 0.4 < (~np.isnan(city.histories.resolved["depression"]))[ever].mean() < 0.75


def test_most_who_have_kidney_disease_do_not_know_and_most_with_hypertension_do(city: City) -> None:
    pressure, dead = city.histories.pressure, city.histories.lives.dead
    hypertensive = pressure.hypertensive & ~dead

    assert pressure.aware[hypertensive].mean() == pytest.approx(0.592, abs=0.04)
    assert pressure.treated[hypertensive].mean() == pytest.approx(0.512, abs=0.04)
    assert not (pressure.aware & ~pressure.hypertensive).any()


@pytest.mark.parametrize(("sex", "mean", "sd"), [("male", 126.5, 18.4), ("female", 123.3, 21.7)])
def test_pressure_is_about_that_of_the_survey(city: City, sex: str, mean: float, sd: float) -> None:
    adult = (city.patients["sex"] == sex).to_numpy() & (city.histories.age >= 20)
    systolic = city.traits["sbp"][adult]

    assert systolic.mean() == pytest.approx(mean, abs=3)
    assert systolic.std() == pytest.approx(sd, abs=2.5)


@pytest.mark.parametrize(
    ("one", "other", "sex", "correlation"),
    [
        ("bmi", "waist_cm", "male", 0.92),
        ("bmi", "waist_cm", "female", 0.92),
        ("bmi", "hdl", "male", -0.32),
        ("bmi", "hdl", "female", -0.29),
        ("bmi", "hba1c", "male", 0.16),
        ("bmi", "hba1c", "female", 0.19),
        ("sbp", "dbp", "male", 0.42),
        ("sbp", "dbp", "female", 0.35),
        ("height_cm", "weight_kg", "male", 0.445),
        ("height_cm", "weight_kg", "female", 0.334),
    ],
)
def test_what_goes_together_does_so_as_published(
    city: City, one: str, other: str, sex: str, correlation: float
) -> None:
    adult = (city.patients["sex"] == sex).to_numpy() & (city.histories.age >= 20)

    assert city.traits[adult][one].corr(city.traits[adult][other]) == pytest.approx(correlation, abs=0.12)
