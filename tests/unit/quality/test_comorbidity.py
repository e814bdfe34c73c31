from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.quality.comorbidity import OddsRatio, agrees, mantel_haenszel, odds_ratios
from clinical_ner.quality.people import People


def crossed(*tables: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Both, only a, only b and neither of every stratum, as people."""
    counts = np.array(tables).ravel()
    a, b = (np.tile(cells, len(tables)) for cells in ([True, True, False, False], [True, False, True, False]))
    strata = np.repeat(np.arange(len(tables)), 4)
    return np.repeat(a, counts), np.repeat(b, counts), np.repeat(strata, counts)


def test_the_common_odds_ratio_is_that_of_mantel_and_haenszel() -> None:
    # (10 * 40 / 100 + 20 * 10 / 50) / (20 * 30 / 100 + 5 * 15 / 50), worked out by hand
    assert mantel_haenszel(*crossed((10, 20, 30, 40), (20, 5, 15, 10))) == pytest.approx(8 / 7.5)


def test_what_only_the_strata_make_is_taken_out() -> None:
    a, b, strata = crossed((64, 16, 16, 4), (4, 16, 16, 64))  # independent within, together across

    assert mantel_haenszel(a, b, strata) == pytest.approx(1)
    assert mantel_haenszel(a, b, np.zeros_like(strata)) > 4


@given(st.lists(st.tuples(*[st.integers(1, 30)] * 4), min_size=1, max_size=4))
def test_the_odds_ratio_of_a_and_b_is_that_of_b_and_a(tables: list[tuple[int, int, int, int]]) -> None:
    a, b, strata = crossed(*tables)

    assert mantel_haenszel(a, b, strata) == pytest.approx(mantel_haenszel(b, a, strata))
    assert mantel_haenszel(a, b, strata) * mantel_haenszel(a, ~b, strata) > 0


def test_nothing_is_said_where_nobody_contradicts() -> None:
    assert np.isnan(mantel_haenszel(*crossed((5, 0, 0, 5))))


@pytest.mark.parametrize(("found", "met"), [(2.8, True), (2.81, False), (2 / 1.4, True), (1.42, False)])
def test_an_odds_ratio_agrees_up_to_the_factor_either_way(found: float, met: bool) -> None:
    assert agrees(OddsRatio("a", "b", 2.0, found), 1.4) is met


def test_children_do_not_count(people: Callable[..., People]) -> None:
    ages, women = [30.0] * 10 + [10.0] * 100, [True] * 110
    gout = [True] * 5 + [False] * 5 + [True] * 100
    stroke = [True] * 3 + [False] * 2 + [True] * 2 + [False] * 3 + [True] * 100
    few = people(ages, women, gout=gout, stroke=stroke)
    row = {"a": "gout", "b": "stroke", "conditions_a": "gout", "conditions_b": "stroke", "odds_ratio": "2"}

    [found] = odds_ratios(few, [row])

    assert found.found == pytest.approx(3 * 3 / (2 * 2))
