"""Chi-squared, rates and effect sizes against scipy and against their own null."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.detectors.effects import NumberBins, category_effects, slot_edges
from monitor.detectors.rate import rate_p_values, rate_thresholds
from monitor.detectors.total_variation import CategoryTest
from monitor.sketches.category import CategoryReference
from monitor.sketches.number import NumberReference


def _names(counts: list[int]) -> list[str | None]:
    return [f"v{i}" for i, count in enumerate(counts) for _ in range(count)]


def test_chi_squared_is_pearsons() -> None:
    column = CategoryReference.from_values("c", _names([600, 300, 100]))
    test = CategoryTest.of(column, 1_000)
    counts = np.array([500, 380, 120, 0])
    size = 1 / (1 / 1_000 + 1 / 1_000)
    expected = stats.chisquare(counts[:3] / 1_000 * size, np.array([0.6, 0.3, 0.1]) * size)
    assert test.chi_squared(counts[None, :], np.array([1_000]))[0] * 2 == pytest.approx(
        expected.statistic
    )


def test_total_variation_p_values_are_uniform_without_drift() -> None:
    rng = np.random.default_rng(0)
    column = CategoryReference.from_values("c", rng.choice(list("abcd"), 50_000).tolist())
    test = CategoryTest.of(column, 1_000)
    p = []
    for _ in range(2_000):
        counts = test.count(column.codes(rng.choice(list("abcd"), 1_000).tolist()))
        found = test.distances(
            counts[None, :],
            np.array([1_000]),
            design_effect=1.0,
            freedom=float(test.freedom),
            certainty=1e6,
            alpha=1e-3,
        )
        p.append(found.p_value[0])
    # 2,000 draws: the KS distance from uniform is above 0.0436 with a chance of 1 in 1,000.
    assert stats.kstest(p, "uniform").statistic < 0.0436


def test_the_threshold_is_the_effect_that_would_be_significant() -> None:
    column = CategoryReference.from_values("c", _names([5_000, 3_000, 2_000]))
    test = CategoryTest.of(column, 1_000)
    for moved in range(10, 300, 10):
        counts = np.array([[500 - moved, 300 + moved, 200, 0]])
        found = test.distances(
            counts,
            np.array([1_000]),
            design_effect=2.0,
            freedom=2.0,
            certainty=100.0,
            alpha=1e-4,
        )
        assert (found.p_value <= 1e-4) == (found.effect >= found.threshold)
        assert found.effect[0] <= test.total_variation(counts[0])


def test_rare_categories_are_pooled_so_that_they_cannot_shout() -> None:
    column = CategoryReference.from_values("c", _names([9_000, *([2] * 500)]))
    test = CategoryTest.of(column, 1_000)
    assert test.freedom == 1


@given(st.integers(0, 40), st.integers(0, 400))
@settings(max_examples=50, deadline=None)
def test_rate_p_values_are_the_conditional_binomials(hits: int, before: int) -> None:
    p = rate_p_values(
        np.array([float(hits)]),
        np.array([1_000.0]),
        np.array([float(before)]),
        np.array([9_000.0]),
        np.array([1.0]),
    )[0]
    assert p == pytest.approx(float(stats.binom.sf(hits - 1, hits + before, 0.1)), rel=1e-9)


def test_rate_thresholds_are_where_the_p_value_reaches_alpha() -> None:
    n, before, rows = np.array([1_000.0]), np.array([90.0]), np.array([9_000.0])
    for effect in (1.0, 7.0):
        phi = np.array([effect])
        rise = rate_thresholds(np.array([1e-5]), n, before, rows, phi)[0]
        above, below = (np.array([(rise * k + 0.01) * 1_000]) for k in (1.01, 0.99))
        assert rate_p_values(above, n, before, rows, phi)[0] <= 1e-5
        assert rate_p_values(below, n, before, rows, phi)[0] > 1e-5


@pytest.mark.parametrize("zeros", [0.5, 0.9, 0.99])
def test_zero_inflated_columns_show_their_shift(zeros: float) -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    column = NumberReference.from_values(
        "rain", np.where(rng.random(n) < zeros, 0.0, rng.exponential(size=n))
    )
    bins = NumberBins([column])
    wet = np.where(rng.random(2_000) < zeros - 0.2, 0.0, rng.exponential(size=2_000))
    shifted = bins.effects(0, np.sort(column.codes(wet)), 2_000)
    same = np.where(rng.random(2_000) < zeros, 0.0, rng.exponential(size=2_000))
    null = bins.effects(0, np.sort(column.codes(same)), 2_000)
    for name in ("psi", "jensen_shannon", "wasserstein"):
        assert shifted[name] > 3 * null[name] > 0


def test_effects_of_a_constant_reference_are_finite() -> None:
    column = NumberReference.from_values("one", np.ones(100))
    values = NumberBins([column]).effects(0, np.sort(column.codes(np.array([0.0, 1.0, 2.0]))), 3)
    assert all(np.isfinite(value) for value in values.values())


def test_atoms_get_bins_of_their_own() -> None:
    column = NumberReference.from_values("x", np.repeat([0.0, 1.0, 2.0], [80, 10, 10]))
    edges = slot_edges(column.cdf, np.arange(1, 20) / 20)
    assert len(edges) >= 3


def test_category_effects_name_what_moved() -> None:
    values = category_effects(np.array([50.0, 50.0, 0.0]), np.array([20.0, 20.0, 60.0]), ["a", "b"])
    assert values["share:(not in the reference)"] == 0.6
    assert values["psi"] > 0.5
    assert category_effects(np.zeros(3), np.ones(3), ["a", "b"]) == {}
