"""Effect sizes for people: PSI, Jensen-Shannon divergence, Wasserstein distance.

In: counts of a window in bins cut from the reference alone. Out: numbers for `Measurement.values`.
Never: a verdict; these sizes have no false-alarm rate of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

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


def population_stability(reference: Float64, current: Float64) -> float:
    """PSI = sum (q - p) ln(q / p) over bins, from counts.

    >>> population_stability(np.array([50.0, 50.0]), np.array([50.0, 50.0]))
    0.0
    """
    p, q = _shares(reference), _shares(current)
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(reference: Float64, current: Float64) -> float:
    """Square root of the Jensen-Shannon divergence in bits: 0 for equal, 1 for disjoint.

    >>> jensen_shannon(np.array([1.0, 3.0]), np.array([1.0, 3.0]))
    0.0
    """
    p, q = _shares(reference), _shares(current)
    middle = (p + q) / 2
    divergence = (p * np.log2(p / middle)).sum() + (q * np.log2(q / middle)).sum()
    return float(np.sqrt(max(divergence / 2, 0.0)))


def _shares(counts: Float64) -> Float64:
    smooth = counts + SMOOTHING
    shares: Float64 = smooth / smooth.sum()
    return shares


@dataclass(frozen=True, slots=True, eq=False)
class NumberBins:
    """Bins of one number column: about `BINS` of equal share, cut from the reference alone.

    >>> column = NumberReference.from_values("x", np.arange(100.0))
    >>> bins = NumberBins.of(column)
    >>> values = bins.effects(np.sort(column.codes(np.arange(50.0))), 50)
    >>> sorted(values), values["psi"] > 0.5
    (['jensen_shannon', 'psi', 'wasserstein'], True)
    """

    edges: Codes
    counts: Float64
    widths: Float64
    """Distance between the bins' first values, in standard deviations of the reference."""

    @classmethod
    def of(cls, column: NumberReference) -> Self:
        """Cut the bins of a column."""
        cdf = column.cdf
        edges = slot_edges(cdf, np.arange(1, BINS) / BINS) if column.n else np.zeros(1, np.int64)
        counts = np.diff(np.append(cdf[edges], cdf[-1])) * column.n
        widths = np.zeros(edges.size)
        if column.points.size > 1:
            mean = (column.points * column.counts).sum() / column.n
            spread = np.sqrt((column.counts * (column.points - mean) ** 2).sum() / column.n)
            at = column.points.take(np.minimum(edges // 2, column.points.size - 1))
            widths = np.diff(np.append(at, column.points[-1])) / spread
        return cls(edges.astype(np.uint16), counts, widths)

    def effects(self, sorted_codes: Codes, n_cur: int) -> dict[str, float]:
        """PSI, Jensen-Shannon and Wasserstein distance of one row of sorted codes.

        The Wasserstein distance is in standard deviations of the reference, read at the bins'
        edges: it is **blind to** how far beyond the reference's range a value lies.
        """
        if n_cur == 0 or self.counts.sum() == 0:
            return {}
        before = np.searchsorted(sorted_codes, self.edges).astype(np.float64)
        current = np.diff(np.append(before, n_cur))
        shares = np.cumsum(current) / n_cur - np.cumsum(self.counts) / self.counts.sum()
        return {
            "psi": population_stability(self.counts, current),
            "jensen_shannon": jensen_shannon(self.counts, current),
            "wasserstein": float((np.abs(shares) * self.widths).sum()),
        }


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
        "psi": population_stability(reference, current),
        "jensen_shannon": jensen_shannon(reference, current),
        f"share:{label}": float(current[most] / current.sum()),
    }
