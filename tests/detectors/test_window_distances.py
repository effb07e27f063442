"""Distances of many windows at once are those of each alone, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detectors.ks import CdfTables
from monitor.detectors.window_distances import (
    MOST_EVENTS,
    ks_distances,
    sorted_panes,
    window_distances,
)
from monitor.events import Float64, Int64
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference

PANE = 20


def plain(codes: Codes, reference: NumberReference) -> float:
    """The definition, value by value."""
    present = np.sort(codes[codes != NULL_CODE]).astype(np.int64)
    n, cdf = present.size, reference.cdf
    if n == 0:
        return 0.0
    rank = np.arange(1, n + 1)
    above, below = rank / n - cdf[present + 1], cdf[present] - (rank - 1) / n
    return max(float(above.max()), float(below.max()), 0.0)


def streams(rng: np.random.Generator, n: int) -> list[tuple[Float64, Float64]]:
    """(reference, stream) of columns of every kind."""
    free, same = rng.normal(size=3_000), rng.normal(size=n)
    moved = np.where(np.arange(n) < n // 2, same, 0.3 + 1.5 * same)
    rain = np.where(rng.random(3_000) < 0.9, 0.0, rng.exponential(size=3_000))
    wet = np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n))
    capped, above = np.minimum(free, 0.5), np.minimum(same, 0.5)
    holes = np.where(rng.random(n) < 0.3, np.nan, same)
    holes[n // 4 : n // 2] = np.nan
    return [
        (free, same),
        (free, moved),
        (free, holes),
        (free, np.full(n, 0.1)),
        (free, np.full(n, 99.0)),
        (free, np.resize(free, n)),
        (rain, wet),
        (rain, np.zeros(n)),
        (capped, above),
        (np.ones(50), np.where(rng.random(n) < 0.1, 0.0, 1.0)),
        (np.round(free), np.round(moved)),
        (np.full(10, np.nan), same),
    ]


@pytest.mark.parametrize("buckets", [1, 2, 30, 512])
def test_windows_that_share_panes_have_the_distances_of_the_definition(buckets: int) -> None:
    rng = np.random.default_rng(5)
    columns = [
        (NumberReference.from_values(f"x{row}", reference), values)
        for row, (reference, values) in enumerate(streams(rng, 100 * PANE))
    ]
    codes = np.stack([column.codes(values) for column, values in columns])
    tables = CdfTables.of([column for column, _ in columns], buckets=buckets)
    panes = list(sorted_panes(codes, PANE, tables))
    for count in (1, 4, 40):
        firsts: Int64 = np.arange(0, 100 - count + 1, max(count // 4, 1))
        d, n = window_distances(panes, firsts, count, tables)
        for look, first in enumerate(firsts.tolist()):
            window = codes[:, first * PANE : (first + count) * PANE]
            told = [plain(part, column) for part, (column, _) in zip(window, columns, strict=True)]
            assert d[look].tolist() == told
            assert n[look].tolist() == np.count_nonzero(window != NULL_CODE, axis=1).tolist()
            alone, _ = ks_distances(window, tables)
            assert alone.tolist() == told


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=30),
    st.lists(st.one_of(st.integers(-1, 13), st.none()), min_size=8, max_size=60),
    st.integers(1, 8),
)
@settings(max_examples=200, deadline=None)
def test_ties_and_gaps_of_any_kind(
    reference: list[int], stream: list[int | None], buckets: int
) -> None:
    column = NumberReference.from_values("x", np.array(reference, np.float64))
    values = np.array([np.nan if one is None else one + 0.5 * (one % 2) for one in stream])
    codes = column.codes(values)[None, : len(stream) // 2 * 2]
    tables = CdfTables.of([column], buckets=buckets)
    panes = list(sorted_panes(codes, 2, tables))
    firsts: Int64 = np.arange(0, len(panes) - 3)
    d, _ = window_distances(panes, firsts, 4, tables)
    assert d[:, 0].tolist() == [plain(codes[0, 2 * at : 2 * at + 8], column) for at in firsts]


def test_a_window_of_more_events_than_can_be_counted_is_refused() -> None:
    column = NumberReference.from_values("x", np.arange(3.0))
    codes = np.zeros((1, MOST_EVENTS + 1), np.uint16)
    with pytest.raises(ValueError, match="at most 65535"):
        ks_distances(codes, CdfTables.of([column]))
    d, n = ks_distances(codes[:, :-1], CdfTables.of([column]))
    assert (d.tolist(), n.tolist()) == ([1.0], [MOST_EVENTS])
