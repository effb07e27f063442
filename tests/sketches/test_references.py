"""References of both kinds: codes, tables, hostile values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import ProfileError
from monitor.sketches.category import MAX_NAMES, CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import MAX_POINTS, NumberReference

NUMBERS = st.lists(st.integers(-4, 4).map(lambda k: k / 2), min_size=1, max_size=30)


@given(NUMBERS, NUMBERS)
@settings(max_examples=100, deadline=None)
def test_tables_count_the_reference(reference: list[float], values: list[float]) -> None:
    column = NumberReference.from_values("x", np.array(reference))
    cdf = column.cdf
    for value, code in zip(values, column.codes(np.array(values)), strict=True):
        assert cdf[code] == pytest.approx(np.mean(np.array(reference) < value))
        assert cdf[code + 1] == pytest.approx(np.mean(np.array(reference) <= value))


@given(NUMBERS, NUMBERS)
@settings(max_examples=50, deadline=None)
def test_codes_keep_order_and_ties(reference: list[float], values: list[float]) -> None:
    column = NumberReference.from_values("x", np.array(reference))
    codes = column.codes(np.array(sorted(values))).astype(int)
    assert (np.diff(codes) >= 0).all()


def test_a_large_reference_is_sampled_the_same_every_time() -> None:
    values = np.random.default_rng(0).normal(size=30_000)
    first, second = (NumberReference.from_values("x", values) for _ in range(2))
    assert first.points.size == MAX_POINTS
    assert first.n == MAX_POINTS
    assert first.n_rows == 30_000
    assert (first.points == second.points).all()


def test_what_is_not_finite_is_missing_in_a_reference_and_extreme_in_a_stream() -> None:
    column = NumberReference.from_values("x", np.array([1.0, np.inf, -np.inf, np.nan]))
    assert column.points.tolist() == [1.0]
    assert column.missing_rate == 0.75
    codes = column.codes(np.array([-np.inf, np.inf, np.nan])).tolist()
    assert codes == [0, 2, NULL_CODE]


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_a_reference_without_values_still_codes(values: list[float]) -> None:
    column = NumberReference.from_values("x", np.array(values))
    assert column.slots == 1
    assert column.cdf.tolist() == [0.0, 0.0]
    assert column.codes(np.array([5.0, np.nan])).tolist() == [0, NULL_CODE]


def test_mid_ranks_are_uniform_on_the_reference() -> None:
    values = np.random.default_rng(1).normal(size=4_000)
    column = NumberReference.from_values("x", values)
    ranks = column.ranks(column.codes(values))
    assert ranks.mean() == pytest.approx(0.5, abs=1e-9)
    assert np.isnan(column.ranks(np.array([NULL_CODE], np.uint16))[0])


@pytest.mark.parametrize(
    ("points", "counts", "message"),
    [
        ([1.0, 1.0], [1, 1], "rise strictly"),
        ([1.0, np.nan], [1, 1], "not finite"),
        ([1.0, 2.0], [1], "pair up"),
        ([1.0], [0], "below 1"),
    ],
)
def test_an_impossible_reference_is_refused(
    points: list[float], counts: list[int], message: str
) -> None:
    with pytest.raises(ProfileError, match=message):
        NumberReference("x", np.array(points), np.array(counts), 2, 0.0)


def test_rare_names_are_pooled_as_other() -> None:
    values = [f"v{i}" for i in range(MAX_NAMES + 50)] * 2 + ["v3"]
    column = CategoryReference.from_values("dest", values)
    assert column.names[0] == "v3"
    assert len(column.names) == MAX_NAMES
    assert column.counts[-1] == 100
    assert column.codes(["v3", "never seen", None]).tolist() == [0, MAX_NAMES, NULL_CODE]


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ProfileError, match="twice"):
        CategoryReference("c", ("a", "a"), np.array([1, 1, 0]), 2, 0.0)
