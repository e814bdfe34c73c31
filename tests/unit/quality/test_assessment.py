from __future__ import annotations

import json
from datetime import date
from typing import Any

import pandas as pd
import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.core.params import PopulationParams, QualityParams
from clinical_ner.quality.assessment import KINDS, assess, bars_met, calibrated_pairs, headline, plots
from clinical_ner.quality.judging import CEILING, GENERATORS, OURS
from clinical_ner.quality.living import adults, age_pyramid, living, sample_living
from clinical_ner.quality.people import People
from clinical_ner.quality.real import COLUMNS, real_adults

REFERENCE_DATE = date(2024, 12, 31)
PARAMS = QualityParams(
    seed=1,
    people=1,
    halvings=1,
    relative_tolerance=0.1,
    standard_errors=3,
    odds_factor=1.4,
    worst_pair_at_least=0.8,
    discriminator_auc_at_most=0.8,
    transfer_share_at_least=0.93,
)


def population(patients: int) -> PopulationParams:
    return PopulationParams(seed=7, patients=patients, reference_date=REFERENCE_DATE, years_of_records=4)


@pytest.fixture(scope="module")
def town() -> People:
    return sample_living(population(20_100))  # more than a stretch


@pytest.fixture(scope="module")
def report(town: People) -> dict[str, Any]:
    return assess(town, real_adults().sample(800, random_state=1), PARAMS)


def test_stretches_are_joined_to_the_same_people(town: People) -> None:
    few = sample_living(population(500))

    pd.testing.assert_frame_equal(town.traits.head(len(few.traits)), few.traits)
    assert all((town.having[key][: len(few.traits)] == who).all() for key, who in few.having.items())


def test_the_dead_are_not_judged_and_conditions_stay_with_their_people() -> None:
    patients = pd.DataFrame(
        {
            "patient_id": ["P1", "P2", "P3"],
            "birth_date": pd.to_datetime(["1950-01-01"] * 3),
            "death_date": pd.to_datetime([None, "2020-01-01", None]),
            "sex": "female",
            "race_ethnicity": "nh_white",
            "smoking": ["never", "current", "current"],
            "height_cm": 170.0,
            "weight_kg": 70.0,
            "bmi": 24.2,
        }
    )
    having = [("P2", "gout", None), ("P3", "gout", None), ("P1", "asthma", "2001-01-01")]
    conditions = pd.DataFrame(having, columns=["patient_id", "name", "resolved_date"])
    conditions = conditions.assign(onset_date=pd.Timestamp("1990-01-01"), diagnosed_date=pd.Timestamp("1990-02-01"))
    traits = patients[["patient_id"]].assign(hdl=[40, 50, 60])

    few = living(patients, conditions.astype({"resolved_date": "datetime64[ns]"}), traits, REFERENCE_DATE)

    assert few.traits["patient_id"].tolist() == ["P1", "P3"]
    assert few.traits["hdl"].tolist() == [40, 60]
    assert few.traits["smoking_current"].tolist() == [False, True]
    assert few.having["gout"].tolist() == [False, True]
    assert few.onset["gout"].round().tolist() == [40]
    assert (few.having["asthma"].tolist(), few.ever["asthma"].tolist()) == ([False, False], [True, False])


def test_measurements_of_other_people_are_refused() -> None:
    patients = pd.DataFrame({"patient_id": ["P1"]})

    with pytest.raises(UserError, match="not those of the patients"):
        living(patients, pd.DataFrame(), pd.DataFrame({"patient_id": ["P2"]}), REFERENCE_DATE)


def test_adults_are_told_in_the_columns_of_the_survey(town: People) -> None:
    grown = adults(town)

    assert tuple(grown.columns) == COLUMNS
    assert grown["age"].min() >= 20
    assert not grown.isna().any().any()


def test_the_age_pyramid_counts_everybody_once(town: People) -> None:
    bands = list(age_pyramid(town))

    assert sum(women + men for _, women, men in bands) == len(town.traits)
    assert [first for first, _, _ in bands] == list(range(0, 90, 5))


def test_every_part_of_the_report_says_what_it_can_prove(report: dict[str, Any]) -> None:
    assert set(KINDS) == set(report) - {"kinds", "people", "bars"}
    assert set(KINDS.values()) == {"calibration", "identity", "out of sample"}


def test_what_was_calibrated_to_the_real_people_is_left_out_of_a_score_of_its_own(report: dict[str, Any]) -> None:
    calibrated = calibrated_pairs()
    known = {*COLUMNS, "phq9_ge_10"}
    every = len(COLUMNS) * (len(COLUMNS) - 1) // 2

    assert frozenset(("bmi", "waist_cm")) in calibrated
    assert len(calibrated) == 21 + 5
    assert set().union(*calibrated) <= known
    assert report["uncalibrated"]["pairs"] == every - len([p for p in calibrated if p <= set(COLUMNS)])
    assert report["uncalibrated"]["worst_pair"] >= report["pairs"][0]["score"]


def test_the_generators_come_out_in_the_order_in_which_they_must(report: dict[str, Any]) -> None:
    half, copula, independent, ours = (report["generators"][name] for name in GENERATORS)

    assert half["worst_pair"] > copula["worst_pair"] > independent["worst_pair"]
    assert half["discriminator_auc"] < copula["discriminator_auc"] < independent["discriminator_auc"]
    assert (half["broken_bmi"], ours["broken_bmi"]) == (0, 0)
    assert copula["broken_bmi"] > 0.2


def test_ours_is_beyond_what_independent_columns_reach(report: dict[str, Any]) -> None:
    _, _, independent, ours = (report["generators"][name] for name in GENERATORS)

    assert ours["worst_pair"] > independent["worst_pair"] + 0.1
    assert ours["discriminator_auc"] < independent["discriminator_auc"]
    assert ours["closeness"]["equal_rows"] == 0


def test_figures_are_rounded_so_that_they_are_the_same_on_every_processor(report: dict[str, Any]) -> None:
    def floats(value: Any) -> list[float]:
        if isinstance(value, dict | list):
            return [f for inner in (value.values() if isinstance(value, dict) else value) for f in floats(inner)]
        return [value] if isinstance(value, float) else []

    assert all(float(f"{found:.5g}") == found for found in floats(report))
    assert json.loads(json.dumps(headline(report))) == headline(report)


def test_the_headline_counts_what_the_report_lists(report: dict[str, Any]) -> None:
    lead = headline(report)
    checked = [row for row in report["prevalence"] if row["checked"]]

    assert lead["prevalence"] == {"targets": len(checked), "within": sum(row["within"] for row in checked)}
    assert lead["odds_ratios"]["furthest"] >= 1
    assert len(list(plots(report)["prevalence"].rows)) == len(checked)


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({}, set()),
        ({"worst_pair": 0.79}, {"worst_pair"}),
        ({"discriminator_auc": 0.81}, {"discriminator_auc"}),
        ({"transfer": {"logistic_regression": {"arthritis": 0.73}}}, {"transfer"}),
    ],
)
def test_a_bar_is_met_up_to_its_edge(change: dict[str, Any], missed: set[str]) -> None:
    real = {"transfer": {"logistic_regression": {"arthritis": 0.8}}}
    ours = {"worst_pair": 0.8, "discriminator_auc": 0.8, "transfer": {"logistic_regression": {"arthritis": 0.744}}}
    report = {
        "bars": PARAMS.model_dump(),
        "prevalence": [{"checked": True, "within": True}, {"checked": False, "within": False}],
        "odds_ratios": [{"within": True}],
        "bmi": {"broken": 0.0},
        "privacy": {"equal_to_real": 0},
        "generators": {CEILING: real, OURS: ours | change},
    }

    assert {name for name, met in bars_met(report).items() if not met} == missed
