"""Where values lie among the points of several number references, all columns at once.

In: the references of number columns, and a row of values for each. Out: the codes that
`NumberReference.codes` gives, for the columns whose points lie evenly enough. Never: another code
than that.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import Float64, Int64
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference

_CELLS_A_POINT: Final = 3
_TAIL: Final = 200
"""One point in so many lies outside the even cells, on either side."""
_STEPS: Final = 4
_UNEVEN: Final = 0.05
"""Where more of the points have so many in their cell, a search of its own is faster."""
_FEW: Final = 64
"""Where one value in so many is still above its point, these are searched by halves."""
_AT_ONCE: Final = 65_536
"""Values in hand: their arrays stay in the processor's cache."""


class PointSearch:
    """Finds a value by the even cell that it falls in, and a step or two from there.

    A cell knows how many points lie in the cells below it. A value's cell is computed as that of
    the points is, and no rounding turns an order round: so points of lower cells are below the
    value, and those of higher ones above it.

    Parameters
    ----------
    columns
        Number references by their row. `rows` are the rows of those that are searched here.

    **Cost**: 15 to 30 ns a value, half of a search; 14 bytes a point.

    >>> column = NumberReference.from_values("x", np.array([1.0, 2.0, 2.0, 5.0]))
    >>> search = PointSearch({3: column})
    >>> search.rows
    (3,)
    >>> search.codes(np.array([[0.0, 1.0, 1.5, 2.0, 9.0, np.nan]])).tolist()
    [[0, 1, 2, 3, 6, 65535]]
    """

    def __init__(self, columns: Mapping[int, NumberReference]) -> None:
        grids = [(row, _grid(column.points)) for row, column in columns.items()]
        found = [(row, grid) for row, grid in grids if grid is not None]
        self.rows = tuple(row for row, _ in found)
        self._low, self._scale, self._top = (
            np.array([grid[at] for _, grid in found], np.float64)[:, None] for at in range(3)
        )
        below = [grid[3] for _, grid in found]
        self._below = np.concatenate([np.zeros(0, np.uint16), *below])
        points = [columns[row].points for row in self.rows]
        # no value is above NaN: the steps end there
        self._points = np.concatenate([np.zeros(0), *(np.append(one, np.nan) for one in points)])
        self._cells, self._first = _before(below), _before(points, more=1)
        """Of each column among all cells, and among all points."""

    def points(self, row: int) -> Float64:
        """The points of one of `rows`, so that they need not be kept twice."""
        at = self.rows.index(row)
        first = int(self._first[at, 0])
        last = int(self._first[at + 1, 0]) if at + 1 < len(self.rows) else self._points.size
        return self._points[first : last - 1]

    def codes(self, values: Float64) -> Codes:
        """uint16[rows, n] of float64[rows, n], NULL_CODE for NaN."""
        codes = np.empty(values.shape, np.uint16)
        step = max(_AT_ONCE // max(values.shape[1], 1), 1)
        for start in range(0, len(values), step):
            rows = slice(start, start + step)
            codes[rows] = self._codes(values[rows], rows)
        return codes

    def _codes(self, values: Float64, rows: slice) -> Int64:
        first = self._first[rows]
        cell = _cell(values, self._low[rows], self._scale[rows], self._top[rows])
        cell += self._cells[rows]
        place = self._below.take(cell) + first
        point = self._points.take(place)
        below = point < values
        for _ in range(_STEPS):
            if np.count_nonzero(below) * _FEW <= below.size:
                break
            place += below
            point = self._points.take(place)
            below = point < values
        at = np.flatnonzero(below)
        if at.size:
            low = place.take(at)
            high = self._below.take(cell.take(at) + 1) + first.ravel().take(at // values.shape[1])
            np.put(place, at, self._halved(values.take(at), low, high))
            np.put(point, at, self._points.take(place.take(at)))
        codes: Int64 = 2 * (place - first) + (point == values)
        codes[np.isnan(values)] = NULL_CODE
        return codes

    def _halved(self, values: Float64, low: Int64, high: Int64) -> Int64:
        """The first place from `low` on whose point is not below; it is `high` at most."""
        while (low < high).any():
            middle = (low + high) // 2
            below = self._points.take(middle) < values
            low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
        return low


def _grid(points: Float64) -> tuple[float, float, float, Codes] | None:
    """Begin, cells a unit and last cell of even cells, and how many points lie below each.

    None where they are of no use.
    """
    if points.size < 2:
        return None
    margin, cells = points.size // _TAIL, _CELLS_A_POINT * points.size
    low, high = float(points[margin]), float(points[-1 - margin])
    with np.errstate(over="ignore"):
        scale = float(cells / np.float64(high - low))
    if not 0.0 < scale < np.inf:
        return None
    in_cell = np.bincount(_cell(points, low, scale, cells - 1.0), minlength=cells)
    if in_cell[in_cell > _STEPS].sum() > _UNEVEN * points.size:
        return None
    below = np.zeros(cells + 1, np.uint16)
    np.cumsum(in_cell, out=below[1:])
    return low, scale, cells - 1.0, below


def _cell(
    values: Float64, low: Float64 | float, scale: Float64 | float, top: Float64 | float
) -> Int64:
    """The cell of each value; NaN has the last."""
    with np.errstate(over="ignore"):
        cell = (values - low) * scale
    np.fmin(cell, top, out=cell)
    return np.fmax(cell, 0.0, out=cell).astype(np.int64)


def _before(parts: Sequence[NDArray[Any]], more: int = 0) -> Int64:
    """int64[columns, 1]: the size of all parts before each, each with so many more."""
    sizes = np.array([part.size + more for part in parts], np.int64)
    return (np.cumsum(sizes) - sizes)[:, None]
