from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.quality.people import People, fits
from clinical_ner.quality.prevalence import Target, compare, prevalence, standard_population

Make = Callable[..., People]
Town = Callable[[int, int], People]


def target(percent: float = 50, *, adjusted: bool = False, **stratum: Any) -> Target:
    wanted: dict[str, Any] = {"sex": "all", "age_min": 0.0, "age_max": inf, "race_ethnicity": "all", **stratum}
    return Target("gout", "gout", percent=percent, age_adjusted=adjusted, checked=True, source="", **wanted)


@pytest.fixture
def town(people: Make) -> Callable[[int, int], People]:
    return lambda size, ill: people([50.5] * size, [False] * size, gout=[place < ill for place in range(size)])


def test_a_prevalence_counts_those_of_the_stratum_alone(people: Make) -> None:
    few = people([30, 50, 59.9, 60], [True, True, True, False], gout=[True, True, False, True])

    found = prevalence(few, target(sex="female", age_min=40.0, age_max=59.0))

    assert (found.percent, found.people) == (50, 2)


def test_a_person_is_of_an_age_until_the_next_birthday(people: Make) -> None:
    few = people([17.99, 18.0, 39.99, 40.0], [True] * 4, gout=[True, False, False, True])

    assert prevalence(few, target(age_min=18.0, age_max=39.0)).percent == 0


@pytest.mark.parametrize(("ill", "within"), [(549, True), (550, True), (551, False), (450, True), (449, False)])
def test_a_prevalence_is_within_ten_percent_of_the_published_one_up_to_the_edge(
    town: Town, ill: int, within: bool
) -> None:
    compared = compare(town(1000, ill), target(50), relative=0.1, standard_errors=0.001)

    assert compared.within is within


def test_three_standard_errors_are_allowed_where_they_are_wider(town: Town) -> None:
    few = town(100, 60)  # 50 % of 100 people has a standard error of 5

    assert compare(few, target(50), relative=0.1, standard_errors=3).tolerance == pytest.approx(15)
    assert compare(few, target(50), relative=0.1, standard_errors=3).within
    assert not compare(few, target(50), relative=0.1, standard_errors=1).within


def test_a_stratum_of_nobody_agrees_with_nothing(town: Town) -> None:
    assert not compare(town(10, 5), target(50, age_min=70.0), relative=0.1, standard_errors=3).within


def test_an_age_adjusted_share_weighs_ages_as_the_standard_does_and_not_as_the_people_are(people: Make) -> None:
    mostly_old = people([22] + [57] * 9, [True] * 10, gout=[True] + [False] * 9)
    weights = {low: weight for low, _, weight in standard_population()}

    found = prevalence(mostly_old, target(adjusted=True))

    assert found.percent == pytest.approx(100 * weights[20] / (weights[20] + weights[55]))
    assert prevalence(mostly_old, target()).percent == pytest.approx(10)


def test_a_band_that_is_half_within_the_target_has_half_its_weight(people: Make) -> None:
    both = people([18, 22], [True, True], gout=[True, False])
    weights = {low: weight for low, _, weight in standard_population()}

    found = prevalence(both, target(adjusted=True, age_min=18.0, age_max=24.0))

    assert found.percent == pytest.approx(100 * 0.4 * weights[15] / (0.4 * weights[15] + weights[20]))


def test_the_standard_population_is_a_million_people() -> None:
    assert sum(weight for _, _, weight in standard_population()) == pytest.approx(1e6, rel=1e-4)


def test_a_description_is_any_of_its_parts(people: Make) -> None:
    few = people([30, 30, 30], [True] * 3, gout=[True, False, False], stroke=[False, True, False])
    heavy = People(few.traits.assign(bmi=[20.0, 30.0, 29.9]), few.having, few.ever)

    assert fits(heavy, "gout+stroke").tolist() == [True, True, False]
    assert fits(heavy, "bmi>=30").tolist() == [False, True, False]
    assert fits(heavy, "bmi<30").tolist() == [True, False, True]


def test_what_has_passed_counts_only_where_it_is_asked_for(people: Make) -> None:
    having, ever = {"asthma": np.array([False, True])}, {"asthma": np.array([True, True])}
    few = People(people([30, 30], [True, True]).traits, having, ever)

    assert fits(few, "asthma").tolist() == [False, True]
    assert fits(few, "asthma", ever=True).tolist() == [True, True]


def test_an_unknown_condition_is_named_with_the_one_that_was_meant(town: Town) -> None:
    with pytest.raises(UserError, match=r"'gaut' is no condition.*\n.*'gout'"):
        fits(town(2, 1), "gaut")
