"""Effect sizes for people: PSI, Jensen-Shannon divergence, Wasserstein distance.

In: counts of a window in bins cut from the reference alone. Out: numbers for `Measurement.values`.
Never: a verdict; these sizes have no false-alarm rate of their own.
"""

from collections.abc import Sequence

import numpy as np

from monitor.events import Float64, Int64
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference

BINS = 20
SMOOTHING = 0.5
"""Added to every bin's count on both sides, so that an empty bin is rare and not impossible."""


def slot_edges(cdf: Float64, levels: Float64) -> Int64:
    """First slots of bins that end near the given levels of the reference, atoms kept apart.

    A value that holds more than a level's step gets a bin of its own: in a column that is 90 % zero
    the zeros are one bin and the rest is still cut.

    >>> slot_edges(np.array([0, 0, 0.9, 0.9, 0.95, 0.95, 1.0]), np.array([0.25, 0.5, 0.75]))
    array([0, 1, 2])
    """
    slots = cdf.size - 1
    at = np.searchsorted(cdf, levels)
    heavy = np.flatnonzero(np.diff(cdf) >= np.diff(levels, prepend=0.0).max())
    inside = np.concatenate((at, heavy, heavy + 1))
    inside = inside[(cdf[np.minimum(inside, slots)] > 0.0) & (cdf[np.minimum(inside, slots)] < 1.0)]
    first_atom = heavy[cdf[heavy] <= 0.0] if heavy.size else heavy
    return np.unique(np.concatenate((np.zeros(1, np.int64), first_atom, inside)))


def population_stability(reference: Float64, current: Float64) -> Float64:
    """PSI = sum (q - p) ln(q / p) over the last axis, from counts.

    >>> float(population_stability(np.array([50.0, 50.0]), np.array([50.0, 50.0])))
    0.0
    """
    p, q = _shares(reference), _shares(current)
    total: Float64 = ((q - p) * np.log(q / p)).sum(axis=-1)
    return total


def jensen_shannon(reference: Float64, current: Float64) -> Float64:
    """Square root of the Jensen-Shannon divergence in bits: 0 for equal, 1 for disjoint.

    >>> float(jensen_shannon(np.array([1.0, 3.0]), np.array([1.0, 3.0])))
    0.0
    """
    p, q = _shares(reference), _shares(current)
    middle = (p + q) / 2
    divergence: Float64 = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum(axis=-1) / 2
    distance: Float64 = np.sqrt(np.maximum(divergence, 0.0))
    return distance


def _shares(counts: Float64) -> Float64:
    smooth = counts + SMOOTHING
    shares: Float64 = smooth / smooth.sum(axis=-1, keepdims=True)
    return shares


class NumberBins:
    """Bins of number columns: about `BINS` of equal share each, cut from the references alone.

    The Wasserstein distance is in standard deviations of the reference, read at the bins' edges:
    it is **blind to** how far beyond the reference's range a value lies.

    >>> column = NumberReference.from_values("x", np.arange(100.0))
    >>> bins = NumberBins([column])
    >>> values = bins.effects(0, np.sort(column.codes(np.arange(50.0))), 50)
    >>> {name: round(value, 2) for name, value in values.items()}
    {'psi': 1.0, 'jensen_shannon': 0.4, 'wasserstein': 0.87}
    """

    __slots__ = (
        "_cumulative",
        "_edges",
        "_entropy",
        "_log_shares",
        "_shape",
        "_shares",
        "_smoothing",
        "_total",
        "_widths",
    )

    def __init__(self, columns: Sequence[NumberReference]) -> None:
        self._edges = [_edges(column).astype(np.uint16) for column in columns]
        bins = max((edges.size for edges in self._edges), default=0)
        self._shape = (len(columns), bins)
        counts, self._widths = np.zeros(self._shape), np.zeros(self._shape)
        # Bins that a column does not have weigh next to nothing on both sides.
        self._smoothing = np.full(self._shape, 1e-9)
        for row, (column, edges) in enumerate(zip(columns, self._edges, strict=True)):
            cdf = column.cdf
            counts[row, : edges.size] = np.diff(np.append(cdf[edges], cdf[-1])) * column.n
            self._widths[row, : edges.size] = _widths(column, edges.astype(np.int64))
            self._smoothing[row, : edges.size] = SMOOTHING
        self._total = self._smoothing.sum(axis=1, keepdims=True)
        self._shares = counts + self._smoothing
        self._shares /= self._shares.sum(axis=1, keepdims=True)
        self._log_shares = np.log(self._shares)
        self._entropy = (self._shares * self._log_shares).sum(axis=1)
        self._cumulative = np.cumsum(counts, axis=1)
        self._cumulative /= np.maximum(self._cumulative[:, -1:], 1.0)

    def effects(self, row: int, sorted_codes: Codes, n_cur: int) -> dict[str, float]:
        """PSI, Jensen-Shannon and Wasserstein distance of sorted codes of one column."""
        edges = self._edges[row]
        before = np.minimum(sorted_codes.searchsorted(edges), n_cur)
        current = np.zeros(self._shape[1])
        current[: edges.size] = np.diff(before, append=n_cur)
        apart = np.cumsum(current) / max(n_cur, 1) - self._cumulative[row]
        shares = self._shares[row]
        q = (current + self._smoothing[row]) / (n_cur + self._total[row])
        log_q = np.log(q)
        middle = (q + shares) / 2
        psi = ((q - shares) * (log_q - self._log_shares[row])).sum()
        divergence = (self._entropy[row] + (q * log_q).sum()) / 2
        divergence -= (middle * np.log(middle)).sum()
        return {
            "psi": float(psi),
            "jensen_shannon": float(np.sqrt(max(divergence, 0.0) / np.log(2.0))),
            "wasserstein": float((np.abs(apart) * self._widths[row]).sum()),
        }


def _edges(column: NumberReference) -> Int64:
    if column.n == 0:
        return np.zeros(1, np.int64)
    return slot_edges(column.cdf, np.arange(1, BINS) / BINS)


def _widths(column: NumberReference, edges: Int64) -> Float64:
    """Distance between the bins' first values, in standard deviations of the reference."""
    points, counts = column.points, column.counts
    if points.size < 2:
        return np.zeros(edges.size)
    mean = (points * counts).sum() / column.n
    spread = np.sqrt((counts * (points - mean) ** 2).sum() / column.n)
    at = points.take(np.minimum(edges // 2, points.size - 1))
    widths: Float64 = np.diff(np.append(at, points[-1])) / spread
    return widths


def category_effects(
    reference: Float64, current: Float64, names: Sequence[str]
) -> dict[str, float]:
    """PSI, Jensen-Shannon, and the category whose share moved most (`share:<name>`)."""
    if current.sum() == 0 or reference.sum() == 0:
        return {}
    moved = current / current.sum() - reference / reference.sum()
    most = int(np.argmax(np.abs(moved)))
    label = names[most] if most < len(names) else "(not in the reference)"
    return {
        "psi": float(population_stability(reference, current)),
        "jensen_shannon": float(jensen_shannon(reference, current)),
        f"share:{label}": float(current[most] / current.sum()),
    }
