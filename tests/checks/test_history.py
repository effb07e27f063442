"""What is measured of many panes at once, against the plain definition for one after the other."""

from collections.abc import Iterator

import numpy as np
import pytest

from monitor.checks.conversions import CONVERSIONS, Conversion
from monitor.checks.example import example_panes, example_profile
from monitor.checks.history import History
from monitor.checks.knots import KNOTS, gaps, halves, knots_of, pooled
from monitor.checks.outlook import AHEAD, DEPTH, LONG, SHORT
from monitor.checks.pane_view import PaneView
from monitor.checks.runs import Runs
from monitor.checks.unit import _brought_near
from monitor.events import Float64
from monitor.sketches.number import NumberReference
from tests.checks.altered import altered, together


def with_nulls(panes: list[PaneView]) -> list[PaneView]:
    """Some values left out, and from some panes all of one column."""
    rng = np.random.default_rng(5)
    found = []
    for pane in panes:
        values = np.where(rng.random(pane.values.shape) < 0.1, np.nan, pane.values)
        values[0] = np.nan if pane.index % 7 < 2 else values[0]
        found.append(altered(pane, values=values))
    return found


def quantiles(values: Float64) -> Float64:
    """The knots of one column's values by their definition, NaN where under a quarter is there."""
    present = np.sort(values[~np.isnan(values)])
    if present.size * 4 < values.size:
        return np.full(KNOTS, np.nan)
    return np.asarray(present[((np.arange(KNOTS) + 0.5) / KNOTS * present.size).astype(int)])


def plainly(panes: list[PaneView], held: dict[int, tuple[int, Float64]]) -> Iterator[Float64]:
    """Knots of the past of each number, pane by pane; `held` maps rows to since when, and which."""
    knots: list[Float64] = []
    for at, pane in enumerate(panes):
        rows = np.array([quantiles(row) for row in pane.values], np.float32)
        knots.append(rows.astype(np.float64))
        past = np.full(knots[-1].shape, np.nan)
        window = knots[max(at + 1 - DEPTH, 0) : max(at + 1 - LONG - 2, 0)]
        for row in range(len(past)):
            known = [k[row] for k in window if not np.isnan(k[row]).any()]
            if len(known) * 2 >= DEPTH - LONG - 2:
                past[row] = np.sort(np.concatenate(known))[len(known) // 2 :: len(known)]
            if row in held and at > held[row][0]:
                past[row] = held[row][1]
        yield past


@pytest.mark.parametrize("size", [1, 5, 40])
def test_the_past_is_that_of_the_plain_definition(size: int) -> None:
    panes = with_nulls(example_panes(0, 40))
    history, held = History(example_profile()), {}
    found = []
    for start in range(0, 40, size):
        block = together(panes[start : start + size])
        history.prepare(block)
        for place in range(len(block)):
            history.add(block.pane(place))
            found.append(history.past.copy())
            if history.panes == 21:
                held[1] = (20, found[-1][1])
            history.hold(["y"] if 21 <= history.panes < 40 else [])
    for mine, plain in zip(found, plainly(panes, held), strict=True):
        np.testing.assert_array_equal(mine, plain)


def test_a_past_that_is_let_go_begins_anew() -> None:
    history, panes = History(example_profile()), example_panes(0, 30)
    block = together(panes)
    history.prepare(block)
    for place in range(30):
        history.add(block.pane(place))
        x, y = history.numbers.index("x"), history.numbers.index("y")
        assert np.isnan(history.past[y]).all() == (place < 7)
        # panes 14 and 15, the last ones when it is let go, are the first of the new past
        assert np.isnan(history.past[x]).all() == (place < 7 or 15 < place < 21), place
        history.hold(["x", "c"] if 12 <= place < 15 else [])


def test_more_panes_than_are_looked_out_for_at_once() -> None:
    panes = example_panes(0, AHEAD + 12)
    block, whole, alone = together(panes), History(example_profile()), History(example_profile())
    for place, pane in enumerate(panes):
        whole.add(block.pane(place))
        alone.add(pane)
        for length in (LONG, SHORT):
            np.testing.assert_array_equal(whole.now(length), alone.now(length))
            np.testing.assert_array_equal(whole.apart(length), alone.apart(length))
        np.testing.assert_array_equal(whole.last.shares, alone.last.shares)


def test_knots_of_pooled_panes_are_values_of_these() -> None:
    rows = np.random.default_rng(3).normal(size=(6, 4, 200))
    rows[0, 1], rows[1, :3] = np.nan, np.nan
    found = pooled(knots_of(rows))
    assert np.isnan(found[1]).all()
    assert not np.isnan(found[[0, 2, 3, 4, 5]]).any()
    assert np.isin(found[0], knots_of(rows[0]).astype(np.float64)).all()


def test_runs_of_a_block_are_those_of_its_panes() -> None:
    rng = np.random.default_rng(4)
    panes = []
    for pane in example_panes(0, 30):
        values = pane.values.copy()
        values[0] = 7.0 if pane.index % 5 < 3 else values[0]
        values[1, rng.random(250) < 0.5] = np.nan
        values[1, 100:] = 3.0 if pane.index % 2 else np.nan
        values[2] = np.nan if pane.index % 4 == 1 else values[2]
        panes.append(altered(pane, values=values))
    runs, block = Runs(example_profile()), together(panes)
    columns = example_profile().columns
    numbers = [c.name for c in columns if isinstance(c, NumberReference)]
    last, lengths = np.full(len(numbers), np.nan), np.zeros(len(numbers), np.int64)
    for place, pane in enumerate(panes):
        runs.add(block.pane(place))
        for row, values in enumerate(pane.values):  # event by event
            for value in values[~np.isnan(values)].tolist():
                lengths[row] = lengths[row] + 1 if value == last[row] else 1
                last[row] = value
        mine = [runs.names.index(name) for name in numbers]
        np.testing.assert_array_equal(runs.last[mine], last)
        np.testing.assert_array_equal(runs.lengths[mine], lengths)


def test_halves_lie_no_farther_apart_than_knots() -> None:
    rng = np.random.default_rng(6)
    one, other = np.sort(rng.normal(size=(2, 500, KNOTS)) * rng.gamma(1, 5, (2, 500, 1)), axis=2)
    bound = sum(np.abs(a - b) for a, b in zip(halves(one), halves(other), strict=True))
    assert (bound <= gaps(one, other) * (1 + 1e-12)).all()


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda c: c.words)
def test_a_column_that_a_conversion_explains_is_asked_about(conversion: Conversion) -> None:
    rng = np.random.default_rng(7)
    before = np.sort(rng.normal(20, 5, (50, KNOTS)), axis=1)
    now = np.sort(before * conversion.factor + conversion.offset, axis=1)
    assert _brought_near(now, before, np.full(50, 1e-12)).all()
    assert not _brought_near(np.square(now) + 1e9, before, np.full(50, 1e-12)).any()
