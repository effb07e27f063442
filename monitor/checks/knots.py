"""A distribution in 33 of its own values: the knots, evenly spaced in order.

In: values, or knots of several panes. Out: knots, and how those of two distributions lie to each
other. Never: a number that depends on what else is measured at once; each row stands alone.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import Float64

KNOTS: Final = 33
"""Values kept of a number column and pane, evenly spaced in order: each a value that occurred."""

Float32 = NDArray[np.float32]


def knots_of(values: Float64) -> Float32:
    """Knots of each row of values, float32[..., KNOTS]; NaN where under a quarter is there.

    >>> knots_of(np.arange(66.0))[[0, 1, 32]].tolist()
    [1.0, 3.0, 65.0]
    """
    size = values.shape[-1]
    with np.errstate(over="ignore"):  # beyond float32 is infinity
        ordered = values.astype(np.float32).reshape(-1, size)
    ordered.sort(axis=1)  # NaN goes last
    found = ordered.take(_places(size), axis=1)
    nulls = np.flatnonzero(np.isnan(ordered[:, -1]))
    if nulls.size:
        with_nulls = ordered[nulls]
        known = size - np.isnan(with_nulls).sum(axis=1)
        few = np.take_along_axis(with_nulls, _places(known[:, None]), axis=1)
        few[known * 4 < size] = np.nan
        found[nulls] = few
    return found.reshape(*values.shape[:-1], KNOTS)


def pooled(knots: Float32) -> Float64:
    """Knots of several panes [..., panes, KNOTS] as those of all their values, float64[..., KNOTS].

    NaN where not half of the panes have any.

    >>> pane = np.arange(KNOTS, dtype=np.float32)
    >>> pooled(np.stack([pane, pane + 100]))[[0, 16, 32]].tolist()
    [1.0, 100.0, 132.0]
    """
    panes = knots.shape[-2]
    together = knots.reshape(*knots.shape[:-2], panes * KNOTS).copy()
    together.sort(axis=-1)
    found = together[..., panes // 2 :: panes].astype(np.float64)
    some = np.isnan(together[..., -1])
    if some.any():
        rows, known = together[some], panes - np.isnan(knots[some][..., 0]).sum(axis=-1)
        places = np.arange(KNOTS) * known[:, None] + known[:, None] // 2
        few = np.take_along_axis(rows, places, axis=1).astype(np.float64)
        few[known * 2 < panes] = np.nan
        found[some] = few
    return found


def most_frequent(knots: Float32) -> Float32:
    """A value that is in many knots of each row, the most where its share is clear.

    >>> knots = np.arange(KNOTS, dtype=np.float32)
    >>> most_frequent(np.stack([knots, np.maximum(knots, 9.0)])).tolist()
    [16.0, 9.0]
    """
    rows = knots.reshape(-1, KNOTS)
    found = rows[:, KNOTS // 2].copy()
    for width in (3, 9):
        same = rows[:, width:] == rows[:, :-width]
        hit = np.flatnonzero(same.any(axis=1))
        if not hit.size:
            break
        found[hit] = rows[hit, same[hit].argmax(axis=1)]
    return found.reshape(knots.shape[:-1])


def gaps(knots: Float64, others: Float64) -> Float64:
    """How far two distributions lie apart, in the column's own units: the mean gap of their knots.

    It is Wasserstein's distance.

    >>> gaps(np.array([[1.0, 2.0]]), np.array([[2.0, 5.0]])).tolist()
    [2.0]
    """
    return np.asarray(np.abs(knots - others).mean(axis=-1))


def halves(knots: Float64) -> tuple[Float64, Float64]:
    """What the lower and the upper 16 knots add to the mean: `gaps` is at least as much as their
    differences together.

    >>> halves(np.full(KNOTS, 33.0))
    (array(16.), array(16.))
    """
    half = KNOTS // 2
    low, high = knots[..., :half].sum(axis=-1), knots[..., -half:].sum(axis=-1)
    return np.asarray(low / KNOTS), np.asarray(high / KNOTS)


def reach(knots: Float64) -> Float64:
    """The largest value of each row, whatever its sign."""
    return np.asarray(np.maximum(np.abs(knots[..., 0]), np.abs(knots[..., -1])))


def slack(known: Iterable[Float64]) -> float:
    """How far a value may lie from a known one and be it: the history keeps float32."""
    return 1e-5 * max(abs(float(values[end])) for values in known for end in (0, -1))


def landed(values: Float64, known: Iterable[Float64], widths: Float64 | float) -> Float64:
    """The share of each row of values that lie within its width of a known one.

    `known` are sets of values, each rising and not empty.

    >>> landed(np.array([[1.0, 2.5], [2.0, 3.0]]), [np.array([1.0, 2.0, 3.0])], 0.1).tolist()
    [0.5, 1.0]
    """
    near = np.zeros(values.shape, np.bool_)
    widths = np.asarray(widths)[..., None]
    for some in known:
        place = some.searchsorted(values)
        near |= np.abs(some.take(place, mode="clip") - values) <= widths
        near |= np.abs(values - some.take(place - 1, mode="clip")) <= widths
    return np.asarray(np.count_nonzero(near, axis=-1) / values.shape[-1])


def knot_distance(knots: Float64, others: Float64) -> float:
    """The KS distance of two rows of knots, within 1/33.

    >>> knot_distance(np.arange(33.0), np.arange(33.0) + 100)
    1.0
    """
    places = np.concatenate([knots, others])
    below = [np.searchsorted(np.sort(x), places, side="right") / x.size for x in (knots, others)]
    return float(np.abs(below[0] - below[1]).max())


def _places(known: NDArray[np.int64] | int) -> NDArray[np.int64]:
    return np.asarray((np.arange(KNOTS) + 0.5) / KNOTS * known).astype(np.int64)
