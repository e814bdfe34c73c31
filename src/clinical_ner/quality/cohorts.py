"""Questions about what comes next, as tables: who is asked about, on which day, what is known by then, what came.

Known on a day is what a person is born with, what a table dates on or before the day, and the family's history, which
has no date and is taken as told before. What the tables state as of the end of the record (body, insurance, drinking,
a condition's severity) is never a feature: it may be owed to what is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from clinical_ner.core.params import RiskParams
from clinical_ner.core.schema import RACES
from clinical_ner.population.people import ADULT
from clinical_ner.population.tables import Population
from clinical_ner.population.timeline import DAYS_A_YEAR

FEWEST = 20  # cases of which something must be known to be a feature, however few are asked about
YEARS_OF_VISITS = 2  # before the day, of which visits are counted

# What is foretold, by the MeSH descriptors of the diagnoses that count; each is new, whichever of them it is.
OUTCOMES: Mapping[str, Collection[str]] = {
    "diabetes": ("D003922", "D003924"),  # types 1 and 2
    "heart_disease": ("D003324", "D009203", "D006333"),  # coronary disease, infarction, heart failure
}
NON_RESPONSE = "non_response"
MEASURED = {
    "39156-5": "bmi",
    "8280-0": "waist",
    "8480-6": "systolic_pressure",
    "8462-4": "diastolic_pressure",
    "8867-4": "heart_rate",
    "2093-3": "total_cholesterol",
    "2085-9": "hdl_cholesterol",
    "2571-8": "triglycerides",
    "4548-4": "hba1c",
    "2345-7": "glucose",
    "98979-8": "egfr",
    "718-7": "hemoglobin",
    "44261-6": "phq9",
}


class Question(NamedTuple):
    """A row a case in both: `cases` has patient_id, day, outcome, sex and race_ethnicity; `features` numbers or NaN."""

    cases: pd.DataFrame
    features: pd.DataFrame


def questions(population: Population, params: RiskParams, reference_date: date) -> dict[str, Question]:
    """Every question by its name: what is diagnosed within the horizon, and which first treatment does nothing."""
    day = pd.Timestamp(reference_date) - pd.DateOffset(years=params.horizon_years)
    asked = {name: newly_diagnosed(population, concepts, day) for name, concepts in OUTCOMES.items()}
    asked[NON_RESPONSE] = first_treatments(population, day)
    return {name: Question(cases, features(population, cases, params.min_share)) for name, cases in asked.items()}


# --- who is asked about ---------------------------------------------------------------------------
def newly_diagnosed(population: Population, concepts: Collection[str], day: pd.Timestamp) -> pd.DataFrame:
    """The adults who are alive on the day without any of these diagnoses; the outcome: one is made by the end.

    Who dies before has no outcome, as in a record that ends.
    """
    patients, conditions = population.patients, population.conditions
    first = conditions[conditions["concept_id"].isin(concepts)].groupby("patient_id")["diagnosed_date"].min()
    diagnosed = patients["patient_id"].map(first)
    grown_up = patients["birth_date"] <= day - pd.DateOffset(years=ADULT)
    gone = (patients["death_date"] <= day) | (diagnosed <= day)
    cases = patients[["patient_id", "sex", "race_ethnicity"]].assign(day=day, outcome=diagnosed.notna())
    return cases[grown_up & ~gone].reset_index(drop=True)


def first_treatments(population: Population, since: pd.Timestamp) -> pd.DataFrame:
    """The first-line treatments begun after a day and judged since, on the day they began; the outcome: no response.

    Also has the columns treatment and condition, their names.
    """
    treatments = population.treatments
    begun = treatments[(treatments["line"] == 1) & (treatments["start_date"] > since)]
    judged = begun[begun["response"].notna()]
    names = population.conditions.set_index("condition_id")["name"]
    cases = pd.DataFrame(
        {
            "patient_id": judged["patient_id"],
            "day": judged["start_date"],
            "outcome": judged["response"] == "none",
            "treatment": judged["name"],
            "condition": judged["condition_id"].map(names),
        }
    )
    return cases.merge(population.patients[["patient_id", "sex", "race_ethnicity"]], on="patient_id")


# --- what is known --------------------------------------------------------------------------------
def features(population: Population, cases: pd.DataFrame, min_share: float) -> pd.DataFrame:
    """What is known of each case on its day; what is known of fewer than `min_share` of the cases is left out."""
    asked = cases.assign(case=np.arange(len(cases)))
    parts = [
        _person(population.patients, asked),
        _measurements(population.observations, asked, min_share),
        _use(population, asked),
        *(_signs(pairs, len(cases), min_share) for pairs in _pairs(population, asked)),
    ]
    return pd.concat(parts, axis=1).astype("float64")


def _person(patients: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """Age, sex, race, and smoking as far as it had gone."""
    of = patients.set_index("patient_id").loc[asked["patient_id"]].reset_index()
    day = asked["day"].reset_index(drop=True)
    smoked = of["smoking_start"] <= day
    until = of["smoking_stop"].where(of["smoking_stop"] <= day, day)
    return pd.DataFrame(
        {
            "age": _years(day - of["birth_date"]),
            "female": of["sex"] == "female",
            **{race: of["race_ethnicity"] == race for race in RACES},
            "smokes": smoked & ~(of["smoking_stop"] <= day),
            "years_smoked": _years(until - of["smoking_start"]).where(smoked, 0.0),
        }
    )


def _years(span: pd.Series[pd.Timedelta]) -> pd.Series[float]:
    years: pd.Series[float] = span.dt.days / DAYS_A_YEAR
    return years


def _measurements(observations: pd.DataFrame, asked: pd.DataFrame, min_share: float) -> pd.DataFrame:
    """The latest value of each measurement."""
    listed = observations.loc[observations["loinc"].isin(MEASURED), ["patient_id", "date", "loinc", "value"]]
    known = _known(listed, "date", asked).sort_values(["case", "loinc", "date"], kind="stable")
    latest = known.drop_duplicates(["case", "loinc"], keep="last")
    table = latest.pivot(index="case", columns="loinc", values="value").reindex(index=asked["case"])
    kept = [loinc for loinc in MEASURED if loinc in table and table[loinc].count() >= _enough(len(asked), min_share)]
    return table[kept].rename(columns=MEASURED).reset_index(drop=True)


def _use(population: Population, asked: pd.DataFrame) -> pd.DataFrame:
    """How many visits, diagnoses and treatments there were, and how many treatments were stopped that did nothing."""
    visits = _known(population.encounters[["patient_id", "start_date"]], "start_date", asked)
    recent = visits[_years(visits["day"] - visits["start_date"]) < YEARS_OF_VISITS]
    treatments = population.treatments[["patient_id", "stop_date", "response"]]
    failed = _known(treatments[treatments["response"] == "none"], "stop_date", asked)
    counted = {
        "visits": recent,
        "diagnoses": _known(population.conditions[["patient_id", "diagnosed_date"]], "diagnosed_date", asked),
        "treatments": _earlier_treatments(population, asked),
        "failed_treatments": failed,
    }
    return pd.DataFrame({name: np.bincount(rows["case"], minlength=len(asked)) for name, rows in counted.items()})


def _pairs(population: Population, asked: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Of each kind of sign the pairs of a case and a name."""
    diagnosed = _known(population.conditions[["patient_id", "name", "diagnosed_date"]], "diagnosed_date", asked)
    yield _named("had", diagnosed["case"], diagnosed["name"])
    taken = _earlier_treatments(population, asked)
    taken = taken[~(taken["stop_date"] <= taken["day"])]
    yield _named("on", taken["case"], taken["name"])
    relatives = asked.merge(population.family_history[["patient_id", "name"]], on="patient_id")
    yield _named("family", relatives["case"], relatives["name"])
    for column in ("condition", "treatment"):
        if column in asked:
            yield _named(column, asked["case"], asked[column])


def _earlier_treatments(population: Population, asked: pd.DataFrame) -> pd.DataFrame:
    """The treatments that began before the day, so that what is asked about is not among them."""
    columns = ["patient_id", "name", "start_date", "stop_date"]
    known = _known(population.treatments[columns], "start_date", asked)
    return known[known["start_date"] < known["day"]]


def _named(kind: str, case: pd.Series[int], name: pd.Series[str]) -> pd.DataFrame:
    return pd.DataFrame({"case": case, "sign": kind + ": " + name.astype(str)}).drop_duplicates()


def _known(table: pd.DataFrame, dated: str, asked: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that are dated on or before the day, beside each case of their patient."""
    beside = asked[["case", "patient_id", "day"]].merge(table, on="patient_id")
    return beside[beside[dated] <= beside["day"]]


def _signs(pairs: pd.DataFrame, size: int, min_share: float) -> pd.DataFrame:
    """A column a sign that is frequent enough, in alphabetical order: whether the case has it."""
    counts = pairs["sign"].value_counts()
    kept = pd.Index(sorted(counts.index[counts >= _enough(size, min_share)]))
    frequent = pairs[pairs["sign"].isin(kept)]
    table = np.zeros((size, len(kept)))
    table[frequent["case"], kept.get_indexer(frequent["sign"])] = 1
    return pd.DataFrame(table, columns=kept)


def _enough(size: int, min_share: float) -> float:
    """Of how many cases something must be known to be a feature."""
    return max(min_share * size, FEWEST)
