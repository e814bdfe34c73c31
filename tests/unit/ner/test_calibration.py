"""From the model's probability to how often such an entity is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.ner.calibration import IDENTITY, Beta, Bin, Point, calibrated, fit, reliability

chances = st.floats(0, 1)
entities = st.lists(st.builds(Point, st.just(DISEASE), chances, st.booleans()), min_size=50, max_size=120)


def drawn(true: Beta, number: int, seed: int, label: str = DISEASE) -> list[Point]:
    """Entities whose probability is off by a known curve."""
    uniform = np.random.Generator(np.random.PCG64(seed)).random((number, 2))
    return [Point(label, float(p), bool(u < true(float(p)))) for p, u in uniform]


def error(curve: Beta, points: list[Point]) -> float:
    return reliability([(curve(p.probability), p.right) for p in points], bins=10).expected_calibration_error


@pytest.mark.parametrize("true", [IDENTITY, Beta(0.4, 0.3, -0.5), Beta(2.0, 0.5, 1.0), Beta(0.3, 1.5, -1.0)])
def test_a_fitted_curve_brings_confidence_close_to_truth_on_entities_not_seen(true: Beta) -> None:
    curve = fit(drawn(true, 800, 1))[DISEASE]
    fresh = drawn(true, 20_000, 2)

    assert error(curve, fresh) < 0.04
    assert error(curve, fresh) <= error(IDENTITY, fresh) + 0.03


@settings(max_examples=25, deadline=None)  # each fits a regression
@given(entities, chances, chances)
def test_a_curve_never_turns_the_order_around_and_stays_a_probability(points: list[Point], p: float, q: float) -> None:
    curve = fit(points)[DISEASE]

    low, high = sorted((p, q))
    assert 0 <= curve(low) <= curve(high) + 1e-12 <= 1 + 1e-12


def test_the_identity_changes_nothing() -> None:
    assert [IDENTITY(p) for p in (0.1, 0.5, 0.99)] == pytest.approx([0.1, 0.5, 0.99])


def test_too_few_entities_or_errors_keep_the_identity() -> None:
    few = drawn(Beta(0.4, 0.3, -0.5), 20, 1)
    faultless = [Point(TREATMENT, 0.5 + n / 400, True) for n in range(200)]

    assert fit([*few, *faultless]) == {DISEASE: IDENTITY, TREATMENT: IDENTITY}


def test_each_label_has_its_own_curve_and_the_order_of_the_points_does_not_matter() -> None:
    points = [*drawn(Beta(0.4, 0.3, -0.5), 400, 1), *drawn(Beta(2.0, 0.5, 1.0), 400, 2, TREATMENT)]

    curves = fit(points)

    assert list(curves) == [DISEASE, TREATMENT]
    assert curves[DISEASE] != curves[TREATMENT]
    assert fit(reversed(points)) == curves


def test_a_label_without_a_curve_keeps_its_probability() -> None:
    assert calibrated({}, DISEASE, 0.25) == pytest.approx(0.25)
    assert calibrated({DISEASE: Beta(0.0, 0.0, 0.0)}, DISEASE, 0.9) == 0.5


def test_reliability_is_counted_by_bins() -> None:
    found = reliability([(0.1, False), (0.3, True), (0.9, True), (1.0, False)], bins=2)

    assert found.bins == (Bin(0.0, 0.5, 2, 0.2, 0.5), Bin(0.5, 1.0, 2, 0.95, 0.5))
    assert found.expected_calibration_error == pytest.approx((2 * 0.3 + 2 * 0.45) / 4)
    assert found.brier == pytest.approx((0.01 + 0.49 + 0.01 + 1.0) / 4)


def test_reliability_of_nothing_is_nothing() -> None:
    assert reliability([], bins=10) == ((), 0.0, 0.0)


def test_a_curve_reaches_from_almost_never_to_almost_always_even_if_one_side_of_the_points_says_nothing() -> None:
    unsure = [Point("TREATMENT", 0.5 + number / 400, number % 10 < 8) for number in range(100)]
    sure = [Point("TREATMENT", 0.9999, number % 20 > 0) for number in range(400)]

    curve = fit([*unsure, *sure])["TREATMENT"]

    assert curve(0.0) < 0.5 < curve(0.5) < 0.9 < curve(1.0)
