"""The search of all columns at once gives the code that each column gives."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import Float64
from monitor.sketches.number import NumberReference
from monitor.sketches.search import PointSearch

Drawn = Callable[[np.random.Generator, int], Float64]
EVEN: dict[str, Drawn] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "rounded": lambda rng, n: rng.normal(size=n).round(2),
    "counts": lambda rng, n: rng.poisson(5, n).astype(np.float64),
    "often zero": lambda rng, n: np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2.0, size=n)),
    "large": lambda rng, n: rng.normal(size=n) * 1e300,
    "negative and near": lambda rng, n: -1e6 - rng.random(n),
}
UNEVEN: dict[str, Drawn] = {
    "constant": lambda rng, n: np.ones(n),
    "no value": lambda rng, n: np.full(n, np.nan),
    "two far heaps": lambda rng, n: rng.normal(size=n) + np.where(rng.random(n) < 0.5, 1e6, 0.0),
    "heavy tail": lambda rng, n: rng.lognormal(0.0, 3.0, n),
}
ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1.7e308, -1.7e308])


@pytest.mark.parametrize("n", [1, 30, 5_000, 20_000])
def test_codes_are_those_of_each_column(n: int) -> None:
    rng = np.random.default_rng(n)
    drawn = {**EVEN, **UNEVEN}
    columns = {
        row: NumberReference.from_values(name, draw(rng, 3_000))
        for row, (name, draw) in enumerate(drawn.items())
    }
    with np.errstate(all="raise"):
        search = PointSearch(columns)
    assert [columns[row].name for row in search.rows] == list(EVEN)
    values = np.array([draw(rng, n) for draw in EVEN.values()])
    for row, reference in enumerate(columns[at] for at in search.rows):
        points = rng.choice(reference.points, n)
        moved = np.nextafter(points, rng.choice([-np.inf, np.inf], n))
        values[row] = np.where(rng.random(n) < 0.5, values[row], rng.choice([points, moved]))
        values[row, : ODD.size] = ODD[:n]
    expected = [columns[row].codes(one) for row, one in zip(search.rows, values, strict=True)]
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_array_equal(search.codes(values), expected)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=40),
    st.lists(st.floats(), min_size=1, max_size=20),
)
def test_any_points_and_values_agree(points: list[float], values: list[float]) -> None:
    column = NumberReference.from_values("x", np.array(points))
    asked = np.array([*values, *points])
    search = PointSearch({0: column})
    for found in search.codes(np.repeat(asked[None], len(search.rows), axis=0)):
        np.testing.assert_array_equal(found, column.codes(asked))
