"""The exact KS distance against independent implementations."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import stats as river_stats
from scipy import stats

from monitor.detectors.ks import (
    CdfTables,
    effective_size,
    ks_p_values,
    ks_thresholds,
)
from monitor.detectors.window_distances import ks_distances
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference

TIED = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=40)
FREE = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=40)


def distance(reference: list[float], current: list[float]) -> float:
    column = NumberReference.from_values("x", np.array(reference))
    codes = column.codes(np.array(current))[None, :]
    d, n = ks_distances(codes, CdfTables.of([column]))
    assert n[0] == len(current)
    return float(d[0])


@given(st.one_of(TIED, FREE), st.one_of(TIED, FREE))
@settings(max_examples=300, deadline=None)
def test_distance_is_scipys(reference: list[float], current: list[float]) -> None:
    expected = stats.ks_2samp(current, reference, method="asymp").statistic
    assert distance(reference, current) == pytest.approx(expected, abs=1e-12)


@given(TIED, TIED)
@settings(max_examples=100, deadline=None)
def test_distance_is_rivers(reference: list[float], current: list[float]) -> None:
    # River pairs its samples, so both are repeated to a common length, which keeps their
    # distributions; it draws tree priorities from the global generator, which it alone uses here.
    # It counts a value that both samples hold before one and after the other, which gives D = 1
    # for [1] against [1]: ties are kept inside each sample and kept apart between the two.
    reference, current = reference[:12], [value + 0.5 for value in current[:12]]
    length = math.lcm(len(reference), len(current))
    random.seed(1)
    oracle = river_stats.KolmogorovSmirnov()
    for x, y in zip(
        current * (length // len(current)), reference * (length // len(reference)), strict=True
    ):
        oracle.update(x, y)
    assert distance(reference, current) == pytest.approx(oracle.get(), abs=1e-12)


def test_rows_are_independent_and_nulls_are_left_out() -> None:
    rng = np.random.default_rng(3)
    columns = [NumberReference.from_values(f"x{i}", rng.normal(size=500)) for i in range(4)]
    values = rng.normal(0.3, 1.0, size=(4, 200))
    values[1, :150] = np.nan
    values[2, :] = np.nan
    codes = np.stack([c.codes(v) for c, v in zip(columns, values, strict=True)])
    d, n = ks_distances(codes, CdfTables.of(columns))
    assert n.tolist() == [200, 50, 0, 200]
    assert d[2] == 0.0
    for row in (0, 1, 3):
        present = values[row][~np.isnan(values[row])]
        expected = stats.ks_2samp(present, columns[row].points).statistic
        assert d[row] == pytest.approx(expected, abs=1e-12)


def test_empty_input_gives_no_distance() -> None:
    column = NumberReference.from_values("x", np.array([1.0]))
    d, n = ks_distances(np.zeros((1, 0), np.uint16), CdfTables.of([column]))
    assert (d.tolist(), n.tolist()) == ([0.0], [0])
    nothing = NumberReference.from_values("x", np.array([np.nan, np.nan]))
    codes = nothing.codes(np.array([1.0, np.nan]))
    assert codes.tolist() == [0, NULL_CODE]


@pytest.mark.parametrize("n", [1.0, 2.0, 7.0, 60.0, 99.0, 150.0, 2_000.0])
def test_p_values_are_kolmogorovs(n: float) -> None:
    d = np.linspace(0.9, 3.0, 12) / np.sqrt(n)
    d = d[d < 1.0]
    ours = ks_p_values(d, np.full(d.size, n), np.full(d.size, np.inf))
    exact = stats.kstwo.sf(d, int(n))
    # 2 P(D+ > d) is exact from d = 1/2 on and counts crossings of both sides twice below it.
    assert (ours >= exact * 0.95).all()
    assert (ours[exact < 0.01] <= exact[exact < 0.01] * 1.05).all()


@pytest.mark.parametrize("certainty", [np.inf, 200.0, 20.0])
def test_threshold_is_where_the_p_value_is_alpha(certainty: float) -> None:
    n = np.array([3.0, 12.0, 80.0, 130.0, 900.0, 5e4])
    sure = np.full(n.size, certainty)
    for alpha in (1e-2, 1e-4, 1e-6):
        d = ks_thresholds(np.full(n.size, alpha), n, sure)
        p = ks_p_values(np.minimum(d, 1.0), n, sure)
        assert (np.abs(np.log(p[d < 1.0] / alpha)) < 0.02).all()
        assert (d[1:] <= d[:-1]).all()


def test_uncertain_design_effect_raises_the_threshold() -> None:
    alpha, n = np.array([1e-5]), np.array([500.0])
    d = [ks_thresholds(alpha, n, np.array([v]))[0] for v in (np.inf, 100.0, 20.0)]
    assert d[0] < d[1] < d[2]


def test_effective_size_counts_the_reference_too() -> None:
    one = np.array([1.0])
    # Equal window and reference: half of each.
    assert effective_size(1_000 * one, 1_000 * one, 1_000 * one, one)[0] == pytest.approx(500)
    # The sample's own error is independent whatever the design effect.
    dependent = effective_size(1_000 * one, 1e6 * one, 1e4 * one, 10 * one)[0]
    assert dependent == pytest.approx(1 / (0.01 + 1e-5 + 1e-4 - 1e-6))
