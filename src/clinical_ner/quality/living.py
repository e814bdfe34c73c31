"""Our people in the terms in which they are judged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pandas as pd

from clinical_ner.core.errors import UserError
from clinical_ner.core.params import PopulationParams
from clinical_ner.core.schema import SEXES
from clinical_ner.population import catalogue
from clinical_ner.population.draws import Draws
from clinical_ner.population.people import SURVEYED_FROM, Lives, lives
from clinical_ner.population.sample import sample_examined
from clinical_ner.population.timeline import DAYS_A_YEAR
from clinical_ner.quality.people import Bools, Floats, People, fits
from clinical_ner.quality.real import COLUMNS, NUMERIC

OF_PATIENTS = ("patient_id", "sex", "race_ethnicity", "smoking", "height_cm", "weight_kg", "bmi")
COUNTED_IF_KNOWN = ("type 2 diabetes mellitus",)  # as in the surveys, which ask who was told
CHUNK = 20_000
PYRAMID_BAND, PYRAMID_TOP = 5, 85  # years


def sample_living(params: PopulationParams) -> People:
    """The living of a population of `params`, sampled a stretch at a time, of which only what is judged is kept."""
    return joined([_stretch(params, start) for start in range(0, params.patients, CHUNK)])


def _stretch(params: PopulationParams, start: int) -> People:
    draws = Draws(params.seed, start, min(CHUNK, params.patients - start))
    examined = sample_examined(params, draws)
    return living(examined.patients, examined.conditions(), examined.traits, params.reference_date)


def living(patients: pd.DataFrame, conditions: pd.DataFrame, traits: pd.DataFrame, reference_date: date) -> People:
    """Whoever is alive on the reference date, in the order of PATIENTS; `traits` has a row for each of these.

    Raises:
        UserError: the rows of `traits` are of other people.
    """
    if not np.array_equal(patients["patient_id"].to_numpy(), traits["patient_id"].to_numpy()):
        raise UserError("the measurements are not those of the patients, in their order")
    measured = [name for name in traits if name not in patients]
    alive = patients["death_date"].isna().to_numpy()
    people = patients[[*OF_PATIENTS]].join(traits[measured].set_axis(patients.index))[alive].reset_index(drop=True)
    of = conditions.assign(
        number=conditions["patient_id"].map(pd.Series(np.arange(len(people)), index=people["patient_id"]))
    ).dropna(subset="number")
    of = of[~(of["name"].isin(COUNTED_IF_KNOWN) & of["diagnosed_date"].isna())]
    return People(
        people.assign(age=lives(patients[alive], reference_date).age, smoking_current=people["smoking"] == "current"),
        _having(of[of["resolved_date"].isna()], len(people)),
        _having(of, len(people)),
        _onset(of, lives(patients[alive], reference_date)),
    )


def _having(conditions: pd.DataFrame, size: int) -> dict[str, Bools]:
    numbers = {
        name: rows.to_numpy()
        for name, rows in conditions.astype({"number": int}).groupby("name", observed=True)["number"]
    }
    having = {}
    for condition in catalogue.conditions():
        having[condition.key] = np.zeros(size, dtype=np.bool_)
        having[condition.key][numbers.get(condition.name, [])] = True
    return having


def _onset(of: pd.DataFrame, whole: Lives) -> dict[str, Floats]:
    born = whole.birth[of["number"].to_numpy(np.int64)]
    ages = (of["onset_date"].to_numpy("datetime64[D]") - born).astype(np.float64) / DAYS_A_YEAR
    names = of["name"].to_numpy(object)
    return {condition.key: ages[names == condition.name] for condition in catalogue.conditions()}


def joined(stretches: list[People]) -> People:
    """The people of all the stretches, one after another."""
    return People(
        pd.concat([people.traits for people in stretches], ignore_index=True),
        {key: np.concatenate([people.having[key] for people in stretches]) for key in stretches[0].having},
        {key: np.concatenate([people.ever[key] for people in stretches]) for key in stretches[0].ever},
        {key: np.concatenate([people.onset[key] for people in stretches]) for key in stretches[0].onset},
    )


def told() -> dict[str, str]:
    """What the survey asks about, described in our conditions."""
    pairs = catalogue.rows("comorbidity_odds_ratios.csv")
    asked = {row[side]: row[f"conditions_{side}"] for row in pairs for side in ("a", "b")}
    [cancer] = {row["conditions"] for row in catalogue.rows("published_prevalence.csv") if row["name"] == "cancer_ever"}
    return {**asked, "cancer": cancer, "smoking_current": "smoking_current"}


def adults(people: People) -> pd.DataFrame:
    """The living of 20 years and more with the columns of the real ones: what they have, and have ever had."""
    asked = told()
    columns = {
        name: people.traits[name]
        if name in (*NUMERIC, "sex", "race_ethnicity")
        # the survey asks whether somebody was ever told
        else fits(people, asked[name], ever=True).astype(float)
        for name in COLUMNS
    }
    return pd.DataFrame(columns)[people.traits["age"] >= SURVEYED_FROM].reset_index(drop=True)


def age_pyramid(people: People) -> Iterator[tuple[int, int, int]]:
    """Age from, women and men, in bands of five years of which the last is open."""
    band = np.minimum(people.traits["age"].to_numpy() // PYRAMID_BAND, PYRAMID_TOP // PYRAMID_BAND).astype(np.int64)
    women, men = (
        np.bincount(band[(people.traits["sex"] == sex).to_numpy()], minlength=PYRAMID_TOP // PYRAMID_BAND + 1)
        for sex in SEXES
    )
    for number, (female, male) in enumerate(zip(women, men, strict=True)):
        yield PYRAMID_BAND * number, int(female), int(male)
