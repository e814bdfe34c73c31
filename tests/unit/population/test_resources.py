"""The resources say what their columns promise, in codes and names that exist."""

import csv
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from clinical_ner.core.schema import RACES
from clinical_ner.population import catalogue
from clinical_ner.population.catalogue import Condition
from clinical_ner.population.histories import DEAD, GROUPS
from clinical_ner.population.people import RACE_AGES
from clinical_ner.population.pressure import CONTROLLED_HYPERTENSION
from clinical_ner.population.traits import PHQ
from clinical_ner.vocabulary import sources

CORRECTIONS = Path(sources.__file__).parent / "resources" / "mesh_id_corrections.csv"
CONDITIONS = catalogue.conditions()
REGIMENS = [regimen for _, _, choices in catalogue.treatment_lines() for regimen in choices]
TRAITS = {"smoker", "former_smoker", "overweight", "obese", "severely_obese", *RACES}


def test_there_are_at_least_ninety_conditions_and_fifteen_rare_ones() -> None:
    assert len(CONDITIONS) >= 90
    assert sum(condition.rare for condition in CONDITIONS) >= 15


def test_a_rare_condition_is_had_by_fewer_than_one_in_two_hundred() -> None:
    assert all(max(condition.percent) < 0.5 for condition in CONDITIONS if condition.rare)


def test_keys_names_and_codes_are_unique() -> None:
    for name in ("key", "name", "mesh"):
        counts = Counter(getattr(condition, name) for condition in CONDITIONS)
        assert [value for value, count in counts.items() if count > 1] == []


def test_every_name_is_a_term_of_the_mesh_descriptor_with_that_id() -> None:
    diseases = sources.diseases()
    with CORRECTIONS.open(encoding="utf-8", newline="") as lines:
        corrected = {row["name"]: row["mesh_id"] for row in csv.DictReader(lines)}

    def ids(term: str) -> set[str]:
        names = diseases["disease_variant_to_canonical"].get(term.lower(), [])
        found = [diseases["disease_canonical_to_data"][name] for name in names]
        return {corrected.get(data["name"], data["mesh_id"]) for data in found}

    assert [condition.name for condition in CONDITIONS if condition.mesh not in ids(condition.name)] == []


def test_every_icd10cm_code_exists() -> None:
    folder = sources.package_folder("simple_icd_10_cm") / "data"
    codes = set(next(folder.glob("code-list-*.txt")).read_text(encoding="utf-8").split())

    used = [entry.icd10cm for entry in (*CONDITIONS, *catalogue.codes())]

    assert [code for code in used if code.replace(".", "") not in codes] == []


def test_a_code_that_depends_on_the_case_is_of_a_condition_and_by_something_known() -> None:
    keys = {condition.key for condition in CONDITIONS}

    assert {code.condition for code in catalogue.codes()} <= keys
    assert {code.by for code in catalogue.codes()} - keys == {"bmi", "egfr", "days"}


def test_every_drug_exists() -> None:
    known = sources.drugs()["drug_variant_to_canonical"]

    assert [r.name for r in REGIMENS if r.kind == "drug" and r.name.lower() not in known] == []


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.key)
def test_a_rough_curve_rises_and_only_of_a_remitting_condition_falls_again(condition: Condition) -> None:
    peak = condition.percent.index(max(condition.percent))
    rising = all(a <= b for a, b in pairwise(condition.percent[: peak + 1]))
    falling = all(a >= b for a, b in pairwise(condition.percent[peak:]))

    assert condition.course == "episode" or rising
    assert condition.course == "episode" or falling
    assert condition.course != "chronic" or condition.percent[-1] == condition.percent[peak]
    assert all(0 <= percent < 100 for percent in condition.percent)


def test_an_episode_has_a_duration() -> None:
    assert all((condition.days or 0) > 0 for condition in CONDITIONS if condition.course == "episode")


def test_risks_are_traits_or_conditions_further_up() -> None:
    known = set(TRAITS)
    for condition in CONDITIONS:
        assert set(condition.risks) <= known, condition.key
        known.add(condition.key)
    assert {row["condition"] for row in catalogue.rows("risks.csv")} <= known


def test_a_condition_that_needs_a_risk_has_conditions_as_its_risks() -> None:
    needing = [condition for condition in CONDITIONS if condition.only_with_risk]

    assert needing
    assert all(condition.risks and not set(condition.risks) & TRAITS for condition in needing)


def test_every_condition_has_a_treatment_and_every_treatment_a_condition() -> None:
    assert {regimen.condition for regimen in REGIMENS} == {condition.key for condition in CONDITIONS}


def test_the_alternatives_of_a_line_stand_together_and_share_at_most_all_patients() -> None:
    lines = [(condition, line) for condition, line, _ in catalogue.treatment_lines()]

    assert len(lines) == len(set(lines))
    assert all(sum(c.percent for c in choices) <= 100 for _, _, choices in catalogue.treatment_lines())


def test_ids_leave_room_for_every_row() -> None:
    assert len(CONDITIONS) <= 1000
    assert len(REGIMENS) <= 1000


def test_shares_of_the_census_add_up() -> None:
    assert catalogue.column("age_pyramid.csv", "percent").sum() == pytest.approx(100, abs=0.2)
    for name, _ in RACE_AGES:
        assert catalogue.column("race_ethnicity.csv", name).sum() == pytest.approx(100, abs=0.2)
    assert {row["race_ethnicity"] for row in catalogue.rows("race_ethnicity.csv")} == set(RACES)


def test_published_figures_are_of_conditions_and_measurements_we_have() -> None:
    known = {condition.key for condition in CONDITIONS} | {"low_haemoglobin"}
    for row in catalogue.rows("published_prevalence.csv"):
        for part in row["conditions"].split("+"):
            assert part in known or re.fullmatch(r"(bmi|total_cholesterol|hdl|phq9)(>=|<)\d+", part)


def test_every_condition_has_calibrated_thresholds_and_every_threshold_a_meaning() -> None:
    keys = {condition.key for condition in CONDITIONS}

    assert catalogue.thresholds().keys() == keys | {CONTROLLED_HYPERTENSION, PHQ}


def test_a_calibrated_effect_is_of_something_known_by_then() -> None:
    known = TRAITS | {CONTROLLED_HYPERTENSION, DEAD}
    for condition in CONDITIONS:
        assert catalogue.thresholds()[condition.key].effects.keys() <= known, condition.key
        known |= {condition.key} | {group for group, members in GROUPS.items() if members[-1] == condition.key}


def test_a_complication_is_of_a_risk_that_raises_the_odds() -> None:
    complications = [condition for condition in CONDITIONS if condition.complicates]

    assert len(complications) >= 15
    for condition in complications:
        assert all(condition.risks[cause] > 0 for cause in condition.complicates)


def test_the_standard_population_is_a_million() -> None:
    assert catalogue.column("standard_population.csv", "people").sum() == 1_000_000


def test_the_lethal_conditions_exist_and_weigh_something() -> None:
    for row in catalogue.rows("lethality.csv"):
        assert row["condition"] in catalogue.by_key()
        assert float(row["weight"]) > 0
