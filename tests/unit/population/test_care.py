"""Treatment and its response, what is measured of both, and what explains them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.params import PopulationParams
from clinical_ner.population import catalogue
from clinical_ner.population.checks import rules_of
from clinical_ner.population.family import RELATIVES
from clinical_ner.population.observations import creatinine, egfr
from clinical_ner.population.people import lives
from clinical_ner.population.sample import sample_traits
from clinical_ner.population.tables import Population
from clinical_ner.population.timeline import any_active, keys, sum_of_active
from clinical_ner.population.treatments import regimens

REFERENCE_DATE = date(2024, 12, 31)
TODAY = pd.Timestamp(REFERENCE_DATE)
PARAMS = PopulationParams(seed=7, patients=20_000, reference_date=REFERENCE_DATE, years_of_records=4)
HBA1C, SYSTOLIC, CHOLESTEROL, EGFR = "4548-4", "8480-6", "2093-3", "98979-8"
DIABETES, KIDNEY_DISEASE = ("D003922", "D003924"), ("D051436",)
TURNING = (*DIABETES, *KIDNEY_DISEASE, "D009203", "D020521")  # and infarction and stroke: they change a trait


def around(town: Population, names: list[str], loinc: str) -> pd.DataFrame:
    """By treatment begun within the records, its response and the means of a value before and after its start."""
    begun = town.treatments[town.treatments["name"].isin(names)]
    begun = begun[begun["start_date"] > TODAY - pd.Timedelta(days=1200)]
    values = town.observations.loc[town.observations["loinc"] == loinc, ["patient_id", "date", "value"]]
    both = begun.merge(values, on="patient_id")
    after_days = (both["date"] - both["start_date"]).dt.days
    both = both[(both["date"] <= both["stop_date"].fillna(TODAY)) & ((after_days <= 0) | (after_days > 28))]
    both["when"] = np.where((both["date"] > both["start_date"]), "after", "before")
    means = both.pivot_table(index=["treatment_id", "response"], columns="when", values="value")
    return means.dropna().reset_index("response")


@pytest.mark.parametrize(
    ("names", "loinc", "least"),
    [
        (["metformin"], HBA1C, 0.5),
        (["atorvastatin", "rosuvastatin", "simvastatin", "pravastatin"], CHOLESTEROL, 30),
        (["lisinopril", "losartan", "valsartan", "enalapril"], SYSTOLIC, 7),
    ],
)
def test_responders_values_fall_with_treatment_and_others_do_not(
    town: Population, names: list[str], loinc: str, least: float
) -> None:
    means = around(town, names, loinc)
    fall = (means["before"] - means["after"]).groupby(means["response"]).mean()

    assert fall["full"] > least
    assert fall["full"] > fall["partial"] > fall.get("none", -np.inf)
    assert fall["full"] - fall.get("none", 0) > least / 2


def test_response_differs_between_patients_and_follows_the_shares_of_the_class(town: Population) -> None:
    metformin = town.treatments[town.treatments["name"] == "metformin"]
    shares = metformin["response"].value_counts(normalize=True)

    group = catalogue.drug_classes()["biguanide"]
    assert shares["none"] == pytest.approx(group.none_percent / 100, abs=0.05)
    assert shares["partial"] == pytest.approx(group.partial_percent / 100, abs=0.05)


def test_a_class_works_alike_in_one_patient(town: Population) -> None:
    statins = {regimen.name for regimen in regimens() if regimen.drug_class == "ace_inhibitor"}
    judged = town.treatments[town.treatments["name"].isin(statins) & town.treatments["response"].notna()]

    assert (judged.groupby("patient_id")["response"].nunique() == 1).all()


def test_a_line_that_waits_for_failure_is_only_given_after_one(town: Population) -> None:
    waiting = {(r.condition, r.line) for r in regimens() if r.trigger == "failure"}
    keys_by_name = {condition.name: condition.key for condition in catalogue.conditions()}
    names = town.conditions.set_index("condition_id")["name"]
    of_case = town.treatments.assign(key=town.treatments["condition_id"].map(names).map(keys_by_name))
    later = of_case[[pair in waiting for pair in zip(of_case["key"], of_case["line"], strict=True)]]
    first = of_case.groupby("condition_id")["start_date"].min()
    alone = of_case["condition_id"].value_counts()[later["condition_id"]] == 1

    assert len(later) > 500
    assert (later["condition_id"].map(first) < later["start_date"]).mean() > 0.9
    assert alone.mean() < 0.1  # only where everything before was forbidden


def test_every_reason_to_stop_occurs_and_most_adverse_effects_are_borne(town: Population) -> None:
    reasons = town.treatments["stop_reason"].value_counts(normalize=True)
    harmed = town.treatments[town.treatments["adverse_effect"].notna()]

    assert set(reasons.index) == {
        *("completed", "resolved", "no_response", "adverse_effect", "contraindicated", "death", "other")
    }
    assert 0.03 < len(harmed) / len(town.treatments) < 0.15
    assert 0.1 < (harmed["stop_reason"] == "adverse_effect").mean() < 0.6


def test_the_last_value_of_a_trait_is_what_the_examination_measures(town: Population) -> None:
    traits = sample_traits(PARAMS).set_index("patient_id")
    turned = town.conditions[town.conditions["concept_id"].isin(TURNING)]
    lately = turned.loc[
        turned["onset_date"] >= TODAY - pd.Timedelta(days=7 * 366), "patient_id"
    ]  # perhaps not seen since
    last = (
        town.observations[~town.observations["patient_id"].isin(lately)]
        .groupby(["patient_id", "loinc"])["value"]
        .last()
        .unstack()
    )
    grown = town.patients.loc[lives(town.patients, REFERENCE_DATE).age >= 25, "patient_id"]

    for analyte in catalogue.analytes():
        if analyte.trait and analyte.trait in traits.columns and analyte.trait != "egfr":
            recorded = last.loc[last.index.isin(grown), analyte.loinc].dropna()
            measured = traits.loc[recorded.index, analyte.trait]
            inside = measured.between(analyte.lowest, analyte.highest)
            assert len(recorded) > 100
            assert np.abs(recorded - measured)[inside].max() < 0.51 * 10.0**-analyte.decimals, analyte.name


@pytest.mark.parametrize(
    ("loinc", "concepts"),
    [(HBA1C, DIABETES), ("2345-7", DIABETES), ("2085-9", DIABETES), ("2571-8", DIABETES), (EGFR, KIDNEY_DISEASE)],
)
def test_nothing_that_is_measured_before_a_disease_gives_it_away(
    town: Population, loinc: str, concepts: tuple[str, ...]
) -> None:
    cases = town.conditions[town.conditions["concept_id"].isin(concepts)]
    measured = town.observations[town.observations["loinc"] == loinc]
    of = measured.assign(
        onset=measured["patient_id"].map(cases.groupby("patient_id")["onset_date"].min()),
        born=measured["patient_id"].map(town.patients.set_index("patient_id")["birth_date"]),
    )
    of = of[(of["date"] - of["born"]).dt.days.between(50 * 365, 70 * 365)]
    before, never = of.loc[of["onset"] > of["date"], "value"], of.loc[of["onset"].isna(), "value"]

    assert len(before) > 100
    assert abs(before.mean() - never.mean()) < 0.45 * never.std()
    assert (before == 6.4).mean() < (never == 6.4).mean() + 0.03


def test_every_living_adult_has_been_examined_within_the_years_of_records(town: Population) -> None:
    grown = town.patients[(lives(town.patients, REFERENCE_DATE).age >= 20) & town.patients["death_date"].isna()]
    late = town.observations[town.observations["date"] >= TODAY - pd.Timedelta(days=4 * 366)]
    for loinc in ("8302-2", "29463-7", SYSTOLIC, CHOLESTEROL, HBA1C, "44261-6", "8280-0"):
        examined = late.loc[late["loinc"] == loinc, "patient_id"].unique()
        assert grown["patient_id"].isin(examined).mean() > 0.999, loinc


def test_a_patient_has_about_forty_to_eighty_measurements(town: Population) -> None:
    assert 40 < len(town.observations) / len(town.patients) < 80


def test_chronic_disease_is_followed_up_and_acute_illness_is_an_emergency_or_a_stay(town: Population) -> None:
    encounter = town.encounters.set_index("encounter_id")
    found = town.conditions.dropna(subset=["encounter_id"])
    kind = found["encounter_id"].map(encounter["kind"])

    assert set(kind[found["name"] == "sepsis"]) == {"inpatient"}
    assert set(kind[found["name"] == "appendicitis"]) == {"inpatient"}
    assert set(kind[found["name"] == "pneumonia"]) <= {"emergency", "inpatient", "delivery"}
    known = found.loc[found["name"] == "type 2 diabetes mellitus", "patient_id"]
    visits = town.encounters[town.encounters["start_date"] > TODAY - pd.Timedelta(days=730)]
    counts = visits["patient_id"].value_counts().reindex(town.patients["patient_id"]).fillna(0)
    assert counts[known].mean() > 1.5 * counts.mean()


def test_about_one_adult_in_twelve_is_called_allergic_to_penicillin(town: Population) -> None:
    adults = town.patients.loc[lives(town.patients, REFERENCE_DATE).age >= 60, "patient_id"]
    allergic = town.allergies.loc[town.allergies["substance"] == "penicillin", "patient_id"]

    assert 0.07 < adults.isin(allergic).mean() < 0.1


def test_relatives_share_what_is_heritable(town: Population) -> None:
    having = set(town.conditions.loc[town.conditions["name"] == "type 2 diabetes mellitus", "patient_id"])
    rows = town.family_history[town.family_history["name"] == "type 2 diabetes mellitus"]
    parents = set(rows.loc[rows["relative"].isin(["mother", "father"]), "patient_id"])
    old = town.patients.loc[lives(town.patients, REFERENCE_DATE).age >= 50, "patient_id"]
    share = old.isin(parents).groupby(old.isin(having)).mean()

    assert share[True] > 1.6 * share[False]
    assert set(town.family_history["relative"]) == set(RELATIVES)


def test_births_are_about_as_common_as_published(town: Population) -> None:
    age = lives(town.patients, REFERENCE_DATE).age
    women = town.patients[(town.patients["sex"] == "female") & (age >= 15) & (age < 48)]
    born = town.pregnancies[(town.pregnancies["outcome"] == "live_birth")]
    a_year = len(born) / 4 / len(women) * 1000

    assert 40 < a_year < 68  # 56 of 1,000 women of 15 to 44 in 2022, fewer of those of 15 to 47
    assert {"live_birth", "miscarriage", "termination", "ongoing"} <= set(town.pregnancies["outcome"])


def test_children_are_vaccinated_and_the_old_more_often_against_influenza(town: Population) -> None:
    age = pd.Series(lives(town.patients, REFERENCE_DATE).age, index=town.patients["patient_id"])
    flu = town.immunizations[town.immunizations["cvx"].isin(["140", "150"])]["patient_id"].value_counts()
    measles = town.immunizations.loc[town.immunizations["cvx"] == "03", "patient_id"]

    assert flu.reindex(age.index[age >= 70]).fillna(0).mean() > 1.5 * flu.reindex(age.index[age < 50]).fillna(0).mean()
    assert 0.8 < age.index[(age > 3) & (age < 17)].isin(measles).mean() < 0.97


def test_vaccines_are_replaced_when_their_successors_come(town: Population) -> None:
    given_on = town.immunizations.groupby("cvx")["date"]

    assert given_on.max()["33"] <= pd.Timestamp("2022-01-31") < given_on.min()["216"]
    assert given_on.max()["133"] <= pd.Timestamp("2023-06-30")
    assert given_on.max()["150"] < pd.Timestamp("2024-07-01") <= given_on.min()["140"]
    assert not town.immunizations.duplicated(["patient_id", "cvx", "dose_number"]).any()


@given(rate=st.floats(5, 140), age=st.floats(18, 95), female=st.booleans())
def test_creatinine_gives_back_the_rate_that_it_was_made_from(rate: float, age: float, female: bool) -> None:
    found = egfr(creatinine(np.array([rate]), np.array([age]), np.array([female])), np.array([age]), np.array([female]))

    assert found[0] == pytest.approx(rate)


def test_the_equation_is_that_of_ckd_epi_2021() -> None:
    years, women = np.array([50.0, 50.0]), np.array([True, False])

    assert egfr(np.array([1.0, 1.0]), years, women) == pytest.approx([68.8, 91.7], abs=0.6)


spells = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 30), st.integers(-4, 4)), max_size=12)


@given(spells=spells, rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90)), min_size=1, max_size=20))
def test_running_sums_are_the_sums_of_what_runs(
    spells: list[tuple[int, int, int, int]], rows: list[tuple[int, int]]
) -> None:
    patient, day = np.array(sorted(rows)).T
    whose, first, length, amount = (np.array([spell[n] for spell in spells], dtype=np.int64) for n in range(4))

    found = sum_of_active(keys(patient, day), whose, first, first + length, amount.astype(float))
    running = any_active(keys(patient, day), whose, first, first + length)

    for row in range(len(day)):
        now = [s for s in spells if s[0] == patient[row] and s[1] <= day[row] < s[1] + s[2]]
        assert found[row] == sum(s[3] for s in now)
        assert running[row] == bool(now)


# --- resources ------------------------------------------------------------------------------------
def test_loinc_codes_have_their_check_digit() -> None:
    def check_digit(number: str) -> int:
        doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(number))]
        return -sum(value // 10 + value % 10 for value in doubled) % 10

    for analyte in catalogue.analytes():
        number, digit = analyte.loinc.split("-")
        assert check_digit(number) == int(digit), analyte.loinc


def test_what_is_ordered_or_changed_is_measured() -> None:
    measured = {analyte.loinc for analyte in catalogue.analytes()}

    assert {row["loinc"] for row in catalogue.rows("orders.csv")} <= measured
    assert catalogue.effects().keys() <= measured


def test_conditions_and_treatments_that_the_resources_name_exist() -> None:
    conditions = {condition.key for condition in catalogue.conditions()}
    treatments = {regimen.name for regimen in regimens()} | {regimen.group for regimen in regimens()}
    reasons = {"wellness", "screening", "visit", "prenatal", "acute"}
    rules = {rule for regimen in regimens() for rule in rules_of(regimen.name)}

    assert {row["reason"] for row in catalogue.rows("orders.csv")} <= conditions | reasons
    assert {row["cause"] for row in catalogue.rows("effects.csv")} <= conditions | treatments
    assert {row["drug"] for row in catalogue.rows("contraindications.csv")} <= treatments
    assert {name for pair in catalogue.interactions() for name in pair} <= treatments
    assert {row["except"] for row in catalogue.rows("contraindications.csv")} <= conditions | {""}
    assert {row["condition"] for row in catalogue.rows("care.csv")} <= conditions
    assert {row["condition"] for row in catalogue.rows("family.csv")} <= conditions
    substances = {row["substance"] for row in catalogue.rows("allergens.csv")}
    spoken = ("pregnancy", "child to come", "eGFR below 30", "eGFR above 20", "younger than ", "allergy to ")
    assert all(rule.removesuffix(" to come") in conditions or rule.startswith(spoken) for rule in rules)
    assert {rule.removeprefix("allergy to ") for rule in rules if rule.startswith("allergy")} <= substances


def test_whoever_has_lost_the_thyroid_is_given_its_hormone_afterwards(town: Population) -> None:
    lost = town.treatments[town.treatments["name"] == "total thyroidectomy"]
    hormone = town.treatments[town.treatments["name"] == "levothyroxine"].set_index("patient_id")["start_date"]
    since = hormone.groupby(level=0).max()
    lately = lost["start_date"] > TODAY - pd.Timedelta(days=90)
    operated = lost[
        ~lately & ~lost["patient_id"].isin(town.patients.loc[town.patients["death_date"].notna(), "patient_id"])
    ]

    assert len(operated) > 10
    assert operated["patient_id"].isin(since.index).mean() > 0.85


def test_who_did_not_respond_to_one_class_responds_to_another_less_often(town: Population) -> None:
    drugs = town.treatments[(town.treatments["kind"] == "drug") & town.treatments["response"].notna()]
    groups = {regimen.name: regimen.group for regimen in regimens()}
    failed = drugs.assign(group=drugs["name"].map(groups), failed=drugs["response"] == "none")
    by_class = failed.groupby(["patient_id", "group"])["failed"].first().reset_index()
    total = by_class.groupby("patient_id")["failed"].transform("sum")
    others = by_class.groupby("patient_id")["failed"].transform("size") - 1
    elsewhere = ((total - by_class["failed"]) / others)[others > 0]
    own = by_class["failed"][others > 0]

    assert own[elsewhere > 0.3].mean() > 1.2 * own[elsewhere == 0].mean()
