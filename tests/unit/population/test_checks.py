"""Every rule holds of what is sampled, and finds the record that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from clinical_ner.core.params import PopulationParams
from clinical_ner.population import catalogue, checks
from clinical_ner.population.checks import RULES, Charts, ImpossibleRecordError, Rule
from clinical_ner.population.sample import sample_population
from clinical_ner.population.tables import Population

REFERENCE_DATE = date(2024, 12, 31)
TODAY = pd.Timestamp(REFERENCE_DATE)
DAY = pd.Timedelta(days=1)
Mutation = Callable[[Population], Population]
MUTATIONS: dict[str, Mutation] = {}


def params(size: int, seed: int = 7, years: int = 4) -> PopulationParams:
    return PopulationParams(seed=seed, patients=size, reference_date=REFERENCE_DATE, years_of_records=years)


@pytest.fixture(scope="module")
def village() -> Population:
    return sample_population(params(3000))


@settings(max_examples=10, deadline=None, phases=[Phase.generate])  # a sample does not get simpler by shrinking
@given(seed=st.integers(0, 2**32), size=st.integers(1, 400), years=st.integers(1, 12))
def test_no_impossible_record_is_sampled(seed: int, size: int, years: int) -> None:
    assert checks.violations(sample_population(params(size, seed, years)), REFERENCE_DATE) == {}


def test_a_broken_rule_stops_by_name_with_how_often_and_where(village: Population) -> None:
    patients = village.patients.assign(bmi=village.patients["bmi"] + 5)

    with pytest.raises(ImpossibleRecordError, match=r"bmi_is_weight_over_height_squared: 3000 \(P0000000, "):
        checks.refuse_impossible_records(village._replace(patients=patients), REFERENCE_DATE)


def test_every_rule_has_a_mutation_and_says_itself() -> None:
    assert {rule.__name__ for rule in RULES} == MUTATIONS.keys()
    assert all((rule.__doc__ or "").strip().endswith(".") for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_finds_the_record_that_breaks_it(village: Population, rule: Rule) -> None:
    before = rule(Charts(village, REFERENCE_DATE))
    after = rule(Charts(MUTATIONS[rule.__name__](village), REFERENCE_DATE))

    assert len(before) == 0
    assert len(after) > 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_has_nothing_to_say_of_a_single_newcomer(rule: Rule) -> None:
    for seed in range(4):
        assert len(rule(Charts(sample_population(params(1, seed)), REFERENCE_DATE))) == 0


# --- one corrupted record a rule ------------------------------------------------------------------
def mutation(make: Mutation) -> Mutation:
    MUTATIONS[make.__name__] = make
    return make


def edited(population: Population, table: str, row: Any, **values: Any) -> Population:
    frame = getattr(population, table).copy()
    for name, value in values.items():
        frame.loc[row, name] = value
    return population._replace(**{table: frame})


def first(frame: pd.DataFrame, holds: Any) -> int:
    found = np.flatnonzero(holds)
    assert len(found)
    return int(frame.index[found[0]])


def of_dead(population: Population, table: str) -> Any:
    dead = population.patients.loc[population.patients["death_date"].notna(), "patient_id"]
    return getattr(population, table)["patient_id"].isin(dead)


@mutation
def everybody_is_there_once(town: Population) -> Population:
    return edited(town, "patients", 5, patient_id=town.patients["patient_id"][4])


@mutation
def birth_comes_first(town: Population) -> Population:
    return edited(town, "patients", 5, birth_date=TODAY + DAY)


@mutation
def nobody_dies_in_the_future(town: Population) -> Population:
    return edited(town, "patients", 5, death_date=TODAY + DAY)


@mutation
def the_dead_died_of_what_they_had(town: Population) -> Population:
    return edited(town, "patients", 5, death_cause="C9999999999")


@mutation
def the_dead_died_of_something_not_over(town: Population) -> Population:
    patient = first(town.patients, town.patients["death_cause"].notna())
    row = first(town.conditions, town.conditions["condition_id"] == town.patients["death_cause"][patient])
    return edited(town, "conditions", row, resolved_date=town.patients["death_date"][patient] - DAY)


@mutation
def bmi_is_weight_over_height_squared(town: Population) -> Population:
    return edited(town, "patients", 5, bmi=town.patients["bmi"][5] + 0.2)


@mutation
def no_number_is_a_real_one(town: Population) -> Population:
    return edited(town, "patients", 5, ssn="123-45-6789")


@mutation
def smokers_have_smoked_for_a_while(town: Population) -> Population:
    row = first(town.patients, town.patients["smoking"] == "current")
    return edited(town, "patients", row, smoking_start=TODAY - 30 * DAY)


@mutation
def smoking_dates_follow_the_status(town: Population) -> Population:
    row = first(town.patients, town.patients["smoking"] == "former")
    return edited(town, "patients", row, smoking_stop=pd.NaT)


@mutation
def pack_years_fit_the_years(town: Population) -> Population:
    row = first(town.patients, town.patients["smoking"] == "never")
    return edited(town, "patients", row, pack_years=10.0)


@mutation
def nobody_abstains_with_an_alcohol_use_disorder(town: Population) -> Population:
    drinking = (town.conditions["name"] == "alcohol use disorder") & town.conditions["resolved_date"].isna()
    row = first(town.conditions, drinking)
    patient = first(town.patients, town.patients["patient_id"] == town.conditions["patient_id"][row])
    return edited(town, "patients", patient, alcohol="none")


@mutation
def every_row_is_of_a_patient(town: Population) -> Population:
    return edited(town, "immunizations", 5, patient_id="P9999999")


@mutation
def references_stay_with_the_patient(town: Population) -> Population:
    last = len(town.encounters) - 1
    return edited(town, "observations", 5, encounter_id=town.encounters["encounter_id"][last])


@mutation
def providers_exist(town: Population) -> Population:
    return edited(town, "encounters", 5, provider_id="DR9999")


@mutation
def nothing_comes_before_birth(town: Population) -> Population:
    return edited(town, "immunizations", 5, date=pd.Timestamp("1880-01-01"))


@mutation
def death_ends_everything(town: Population) -> Population:
    row = first(town.encounters, of_dead(town, "encounters"))
    return edited(town, "encounters", row, start_date=TODAY + DAY, end_date=TODAY + DAY)


@mutation
def treatment_ends_with_death(town: Population) -> Population:
    row = first(town.treatments, of_dead(town, "treatments"))
    return edited(town, "treatments", row, stop_date=pd.NaT)


@mutation
def pregnancies_end_with_death(town: Population) -> Population:
    row = first(town.pregnancies, town.pregnancies["end_date"].isna())
    patient = first(town.patients, town.patients["patient_id"] == town.pregnancies["patient_id"][row])
    return edited(town, "patients", patient, death_date=TODAY)


@mutation
def diagnosis_follows_onset(town: Population) -> Population:
    row = first(town.conditions, town.conditions["diagnosed_date"].notna())
    return edited(town, "conditions", row, diagnosed_date=town.conditions["onset_date"][row] - DAY)


@mutation
def conditions_are_of_the_right_sex(town: Population) -> Population:
    names = [c.name for c in catalogue.conditions() if c.sex == "male"]
    row = first(town.conditions, town.conditions["name"].isin(names))
    patient = first(town.patients, town.patients["patient_id"] == town.conditions["patient_id"][row])
    return edited(town, "patients", patient, sex="female")


@mutation
def conditions_begin_at_their_age(town: Population) -> Population:
    names = [c.name for c in catalogue.conditions() if c.min_age > 18]
    row = first(town.conditions, town.conditions["name"].isin(names))
    patient = first(town.patients, town.patients["patient_id"] == town.conditions["patient_id"][row])
    return edited(town, "conditions", row, onset_date=town.patients["birth_date"][patient] + 400 * DAY)


@mutation
def complications_follow_their_cause(town: Population) -> Population:
    earlier = town.conditions["patient_id"].eq(town.conditions["patient_id"].shift(-1))
    row = first(town.conditions, earlier & (town.conditions["onset_date"] < town.conditions["onset_date"].shift(-1)))
    return edited(town, "conditions", row, complicates=town.conditions["condition_id"][row + 1])


@mutation
def conditions_that_exclude_each_other_do_not_meet(town: Population) -> Population:
    one = first(town.conditions, town.conditions["name"] == "type 2 diabetes mellitus")
    whose = town.conditions["patient_id"] == town.conditions["patient_id"][one]
    other = first(town.conditions, whose & (town.conditions.index != one))
    return edited(town, "conditions", other, name="type 1 diabetes mellitus")


@mutation
def chronic_conditions_last(town: Population) -> Population:
    row = first(town.conditions, town.conditions["name"] == "hypertension")
    return edited(town, "conditions", row, resolved_date=TODAY)


@mutation
def codes_fit_the_case(town: Population) -> Population:
    row = first(town.conditions, town.conditions["name"] == "diabetic retinopathy")
    return edited(town, "conditions", row, icd10cm="E13.319")


@mutation
def only_women_are_pregnant(town: Population) -> Population:
    man = town.patients.loc[town.patients["sex"] == "male", "patient_id"].iloc[0]
    return edited(town, "pregnancies", 0, patient_id=man)


@mutation
def pregnancy_comes_at_a_fertile_age(town: Population) -> Population:
    mother = town.pregnancies["patient_id"][0]
    row = first(town.patients, town.patients["patient_id"] == mother)
    return edited(town, "patients", row, birth_date=town.pregnancies["start_date"][0] - 11 * 365 * DAY)


@mutation
def pregnancies_follow_one_another(town: Population) -> Population:
    return town._replace(pregnancies=pd.concat([town.pregnancies[:1], town.pregnancies], ignore_index=True))


@mutation
def only_pregnancies_that_last_are_ongoing(town: Population) -> Population:
    row = first(town.pregnancies, town.pregnancies["end_date"].notna())
    return edited(town, "pregnancies", row, outcome="ongoing")


@mutation
def conditions_of_pregnancy_lie_in_one(town: Population) -> Population:
    row = first(town.conditions, town.conditions["name"].isin(["gestational diabetes", "pre-eclampsia"]))
    whose = town.conditions["patient_id"][row]
    return town._replace(pregnancies=town.pregnancies[town.pregnancies["patient_id"] != whose].reset_index(drop=True))


@mutation
def nobody_is_pregnant_without_a_womb(town: Population) -> Population:
    mothers = town.treatments["patient_id"].isin(town.pregnancies["patient_id"])
    row = first(town.treatments, mothers)
    return edited(town, "treatments", row, name="hysterectomy", start_date=pd.Timestamp("2001-01-01"))


@mutation
def encounters_do_not_overlap(town: Population) -> Population:
    row = first(town.encounters, town.encounters["patient_id"].eq(town.encounters["patient_id"].shift(-1)))
    return edited(town, "encounters", row, end_date=town.encounters["start_date"][row + 1])


@mutation
def diagnoses_are_made_at_encounters(town: Population) -> Population:
    row = first(town.conditions, town.conditions["diagnosed_date"].notna())
    return edited(town, "conditions", row, encounter_id=None)


@mutation
def treatments_begin_at_encounters(town: Population) -> Population:
    return edited(town, "treatments", 5, encounter_id=None)


@mutation
def measurements_are_made_at_encounters(town: Population) -> Population:
    return edited(town, "observations", 5, date=town.observations["date"][5] + DAY)


@mutation
def encounters_are_about_what_is_known(town: Population) -> Population:
    row = first(town.encounters, town.encounters["condition_id"].notna())
    condition = first(town.conditions, town.conditions["condition_id"] == town.encounters["condition_id"][row])
    return edited(town, "conditions", condition, diagnosed_date=TODAY)


@mutation
def prenatal_visits_lie_in_a_pregnancy(town: Population) -> Population:
    row = first(town.encounters, ~town.encounters["patient_id"].isin(town.pregnancies["patient_id"]))
    return edited(town, "encounters", row, kind="prenatal")


@mutation
def treatment_lies_within_the_condition(town: Population) -> Population:
    row = first(town.treatments, town.treatments["kind"] == "drug")
    return edited(town, "treatments", row, start_date=pd.Timestamp("1900-01-01"))


@mutation
def nobody_is_treated_for_what_nobody_knows(town: Population) -> Population:
    row = first(town.conditions, town.conditions["condition_id"] == town.treatments["condition_id"][0])
    return edited(town, "conditions", row, diagnosed_date=pd.NaT)


@mutation
def treatment_stops_after_it_starts(town: Population) -> Population:
    return edited(town, "treatments", 5, stop_date=town.treatments["start_date"][5] - DAY)


@mutation
def whatever_stops_has_a_reason(town: Population) -> Population:
    row = first(town.treatments, town.treatments["stop_date"].notna())
    return edited(town, "treatments", row, stop_reason=None)


@mutation
def reasons_to_stop_are_true(town: Population) -> Population:
    row = first(town.treatments, town.treatments["response"] == "full")
    return edited(town, "treatments", row, stop_reason="no_response")


@mutation
def alternatives_exclude_each_other(town: Population) -> Population:
    return town._replace(treatments=pd.concat([town.treatments[:1], town.treatments], ignore_index=True))


@mutation
def nothing_is_given_that_is_forbidden(town: Population) -> Population:
    row = first(town.treatments, town.treatments["name"].isin(["amoxicillin", "penicillin V"]))
    allergic = {"patient_id": town.treatments["patient_id"][row], "onset_date": town.treatments["start_date"][row]}
    return town._replace(allergies=pd.concat([town.allergies, pd.DataFrame([{**allergic, "substance": "penicillin"}])]))


@mutation
def values_are_such_as_bodies_have(town: Population) -> Population:
    row = first(town.observations, town.observations["loinc"] == "8480-6")
    return edited(town, "observations", row, value=900.0)


@mutation
def measured_bmi_is_weight_over_height_squared(town: Population) -> Population:
    row = first(town.observations, town.observations["loinc"] == "8302-2")
    return edited(town, "observations", row, value=town.observations["value"][row] + 12)


@mutation
def ldl_is_what_friedewald_says(town: Population) -> Population:
    row = first(town.observations, town.observations["loinc"] == "13457-7")
    return edited(town, "observations", row, value=town.observations["value"][row] + 5)


@mutation
def egfr_is_what_ckd_epi_says(town: Population) -> Population:
    row = first(town.observations, town.observations["loinc"] == "98979-8")
    return edited(town, "observations", row, value=town.observations["value"][row] + 5)


@mutation
def diastolic_lies_below_systolic(town: Population) -> Population:
    row = first(town.observations, town.observations["loinc"] == "8462-4")
    return edited(town, "observations", row, value=250.0)


@mutation
def severity_fits_what_is_measured(town: Population) -> Population:
    row = first(town.conditions, town.conditions["icd10cm"] == "N18.2")
    return edited(town, "conditions", row, icd10cm="N18.5", severity="severe")


@mutation
def high_sugar_is_diabetes(town: Population) -> Population:
    diabetic = town.conditions.loc[town.conditions["name"].str.contains("diabet"), "patient_id"]
    healthy = (town.observations["loinc"] == "4548-4") & ~town.observations["patient_id"].isin(diabetic)
    return edited(town, "observations", first(town.observations, healthy), value=6.5)


@mutation
def everything_is_measured_once(town: Population) -> Population:
    return town._replace(observations=pd.concat([town.observations[:1], town.observations], ignore_index=True))


@mutation
def vaccines_are_given_at_their_age(town: Population) -> Population:
    row = first(town.immunizations, town.immunizations["cvx"] == "150")
    patient = first(town.patients, town.patients["patient_id"] == town.immunizations["patient_id"][row])
    return edited(town, "immunizations", row, date=town.patients["birth_date"][patient] + DAY)


@mutation
def tdap_is_repeated_in_pregnancy_alone(town: Population) -> Population:
    row = first(town.immunizations, (town.immunizations["cvx"] == "115") & (town.immunizations["dose_number"] == 1))
    return edited(town, "immunizations", row, dose_number=2)


@mutation
def doses_are_given_in_order(town: Population) -> Population:
    row = first(town.immunizations, town.immunizations["dose_number"] == 2)
    return edited(town, "immunizations", row, dose_number=1)


@mutation
def an_allergy_is_listed_once(town: Population) -> Population:
    return town._replace(allergies=pd.concat([town.allergies[:1], town.allergies], ignore_index=True))


@mutation
def relatives_have_what_their_sex_can_have(town: Population) -> Population:
    row = first(town.family_history, town.family_history["relative"] == "father")
    return edited(town, "family_history", row, concept_id="D001943", name="breast cancer")


@mutation
def children_do_not_drink(town: Population) -> Population:
    row = first(town.patients, town.patients["birth_date"] > TODAY - 10 * 365 * DAY)
    return edited(town, "patients", row, alcohol="light")


@mutation
def providers_fit_the_patient(town: Population) -> Population:
    row = first(town.patients, town.patients["birth_date"] < TODAY - 40 * 366 * DAY)
    pediatrician = first(town.providers, town.providers["specialty"] == "pediatrics")
    return edited(town, "patients", row, provider_id=town.providers["provider_id"][pediatrician])


def taking(town: Population, name: str, start: str) -> Population:
    """The town in which somebody who takes lisinopril takes a drug too."""
    row = first(town.treatments, (town.treatments["name"] == "lisinopril") & town.treatments["stop_date"].isna())
    known = town.treatments[town.treatments["name"] == name].iloc[:1]
    whose = town.treatments["patient_id"][row]
    more = known.assign(patient_id=whose, start_date=TODAY, stop_date=pd.NaT)
    town = edited(town, "treatments", row, start_date=pd.Timestamp(start))
    return town._replace(treatments=pd.concat([town.treatments, more], ignore_index=True))


@mutation
def nobody_takes_the_same_drug_twice(town: Population) -> Population:
    return taking(town, "lisinopril", "2000-01-01")


@mutation
def no_interacting_pair(town: Population) -> Population:
    return taking(town, "losartan", "2000-01-01")


@mutation
def no_drug_is_given_before_it_was_licensed(town: Population) -> Population:
    row = first(town.treatments, town.treatments["name"] == "atorvastatin")
    return edited(town, "treatments", row, start_date=pd.Timestamp("1995-12-31"))


@mutation
def dialysis_needs_failing_kidneys(town: Population) -> Population:
    case = first(town.conditions, town.conditions["name"] == "chronic kidney disease")
    whose = town.conditions["patient_id"][case]
    row = first(
        town.observations, (town.observations["loinc"] == "98979-8") & (town.observations["patient_id"] == whose)
    )
    town = edited(town, "observations", row, value=60.0)
    changed = {"name": "hemodialysis", "condition_id": town.conditions["condition_id"][case], "patient_id": whose}
    return edited(town, "treatments", 5, **changed, start_date=town.observations["date"][row], stop_date=pd.NaT)


@mutation
def no_disease_of_a_removed_organ(town: Population) -> Population:
    row = first(town.conditions, town.conditions["name"] == "benign prostatic hyperplasia")
    changed = {"name": "radical prostatectomy", "patient_id": town.conditions["patient_id"][row]}
    return edited(town, "treatments", 5, **changed, start_date=town.conditions["onset_date"][row] - DAY)


@mutation
def grown_people_keep_their_height(town: Population) -> Population:
    grown = town.patients.loc[town.patients["birth_date"] < TODAY - 40 * 366 * DAY, "patient_id"]
    heights = town.observations[town.observations["loinc"] == "8302-2"]
    twice = heights["patient_id"].duplicated() & heights["patient_id"].isin(grown)
    row = first(heights, twice)
    return edited(town, "observations", row, value=town.observations["value"][row] + 1.5)


# --- golden negatives: pairs that nobody may have, written by hand --------------------------------
@pytest.mark.parametrize(
    ("name", "start", "rule"),
    [
        ("losartan", "2000-01-01", "no_interacting_pair"),
        ("enalapril", "2000-01-01", "no_interacting_pair"),
        ("sacubitril", "2000-01-01", "no_interacting_pair"),
        ("valsartan", "2000-01-01", "no_interacting_pair"),
        ("lisinopril", "2000-01-01", "nobody_takes_the_same_drug_twice"),
        ("amlodipine", "1980-01-01", "no_drug_is_given_before_it_was_licensed"),
    ],
)
def test_what_does_not_go_with_lisinopril_is_found(village: Population, name: str, start: str, rule: str) -> None:
    assert rule in checks.violations(taking(village, name, start), REFERENCE_DATE)


@pytest.mark.parametrize(
    ("drug", "condition"),
    [
        ("metoprolol", "asthma"),
        ("ibuprofen", "heart failure"),
        ("sumatriptan", "stroke"),
        ("bupropion", "epilepsy"),
        ("timolol", "asthma"),
        ("ciprofloxacin", "myasthenia gravis"),
    ],
)
def test_a_drug_that_a_known_condition_forbids_is_found(village: Population, drug: str, condition: str) -> None:
    row = first(village.treatments, village.treatments["name"] == drug)
    whose, start = village.treatments["patient_id"][row], village.treatments["start_date"][row]
    known = {"patient_id": whose, "name": condition, "onset_date": start, "diagnosed_date": start}
    case = village.conditions.iloc[:1].assign(**known, resolved_date=pd.NaT)
    changed = village._replace(conditions=pd.concat([village.conditions, case], ignore_index=True))

    assert "nothing_is_given_that_is_forbidden" in checks.violations(changed, REFERENCE_DATE)


def test_an_egfr_of_an_acute_injury_forbids_nothing_afterwards_but_a_lasting_one_does(village: Population) -> None:
    row = first(village.treatments, village.treatments["name"] == "metformin")
    whose, start = village.treatments["patient_id"][row], village.treatments["start_date"][row]
    value = village.observations[village.observations["loinc"] == "98979-8"].iloc[:1]
    value = value.assign(patient_id=whose, date=start, value=20.0)
    changed = village._replace(
        observations=pd.concat([village.observations, value]).sort_values(["patient_id", "date"], ignore_index=True)
    )
    injury = village.conditions.iloc[:1].assign(
        patient_id=whose,
        name="acute kidney injury",
        onset_date=start,
        diagnosed_date=pd.NaT,
        resolved_date=start + 9 * DAY,
    )
    injured = changed._replace(conditions=pd.concat([village.conditions, injury], ignore_index=True))
    rule = checks.treatments.nothing_is_given_that_is_forbidden

    assert len(rule(Charts(changed, REFERENCE_DATE))) == 1
    assert len(rule(Charts(injured, REFERENCE_DATE))) == 0


@pytest.mark.parametrize(("rate", "code", "severity"), [(61, "N18.2", "mild"), (44, "N18.32", "moderate")])
def test_a_stage_of_kidney_disease_is_of_the_last_egfr_and_of_no_other(
    village: Population, rate: float, code: str, severity: str
) -> None:
    row = first(village.conditions, village.conditions["icd10cm"] == "N18.4")
    changed = edited(village, "conditions", row, icd10cm=code, severity=severity)
    whose, onset = changed.conditions["patient_id"][row], changed.conditions["onset_date"][row]
    rates = village.observations[village.observations["loinc"] == "98979-8"].iloc[:1]
    measured = pd.concat([village.observations, rates.assign(patient_id=whose, date=TODAY, value=rate)])
    rule = checks.measurements.severity_fits_what_is_measured

    assert onset <= TODAY
    assert len(rule(Charts(changed._replace(observations=measured.reset_index(drop=True)), REFERENCE_DATE))) == 0
    assert len(rule(Charts(village._replace(observations=measured.reset_index(drop=True)), REFERENCE_DATE))) == 1


def test_something_measured_twice_at_an_encounter_is_found_though_on_another_day(village: Population) -> None:
    one = village.observations.iloc[:1]
    observations = pd.concat([village.observations, one.assign(date=one["date"] + DAY)], ignore_index=True)
    rule = checks.measurements.everything_is_measured_once

    found = rule(Charts(village._replace(observations=observations), REFERENCE_DATE))

    assert found.tolist() == [*one["patient_id"]] * 2


@pytest.mark.parametrize("dose", [-1, 0, 9, 10_000])
def test_a_dose_that_no_schedule_numbers_is_found(village: Population, dose: int) -> None:
    row = first(village.immunizations, village.immunizations["cvx"] == "03")
    changed = edited(village, "immunizations", row, dose_number=dose)
    rule = checks.background.vaccines_are_given_at_their_age

    assert len(rule(Charts(changed, REFERENCE_DATE))) == 1


def test_a_vaccine_that_nobody_lists_is_found(village: Population) -> None:
    changed = edited(village, "immunizations", 0, cvx="999")
    rule = checks.background.vaccines_are_given_at_their_age

    assert len(rule(Charts(changed, REFERENCE_DATE))) == 1
