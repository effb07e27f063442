"""One small summary a column and pane: knots of numbers, counts of categories.

In: blocks of panes. Out: `Summaries`, the axis of panes first. Never: a pane's summary that depends
on the others of its block.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from monitor.checks.knots import KNOTS, Float32, knots_of, most_frequent
from monitor.checks.pane_view import PaneBlock
from monitor.events import Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.sketches.seasonal import SeasonalReference

MAX_NAMES: Final = 64
"""Names of a category that are counted one by one; the rarer ones are pooled."""


@dataclass(frozen=True, slots=True, eq=False)
class Summaries:
    """Of consecutive panes; NaN and 0 where there was no pane."""

    knots: Float32
    """float32[panes, numbers, KNOTS]."""
    counts: NDArray[np.uint16]
    """uint16[panes, width]."""
    shares: Float32
    """float32[panes, width]: the counts of each category as shares of its values."""
    tops: Float32
    """float32[panes, numbers]: the most frequent value of each number, as its knots show it."""
    new: Float64
    """float64[panes, numbers]: share of the values that are no value of the reference's."""

    def between(self, first: int, end: int) -> "Summaries":
        """Some of these panes, as views."""
        return Summaries(
            self.knots[first:end],
            self.counts[first:end],
            self.shares[first:end],
            self.tops[first:end],
            self.new[first:end],
        )

    def then(self, others: Self) -> "Summaries":
        """These panes and others after them, in arrays of their own."""
        return Summaries(
            np.concatenate([self.knots, others.knots]),
            np.concatenate([self.counts, others.counts]),
            np.concatenate([self.shares, others.shares]),
            np.concatenate([self.tops, others.tops]),
            np.concatenate([self.new, others.new]),
        )


class Summing:
    """Summarises blocks of a profile's columns.

    The counts of a category lie at its `spans`: its names (most frequent first), those pooled, and
    what the reference never had.
    """

    def __init__(self, profile: Profile) -> None:
        self.numbers = tuple(c.name for c in profile.columns if isinstance(c, NumberReference))
        rows = [row for row, c in enumerate(profile.columns) if isinstance(c, CategoryReference)]
        self._category_rows = np.array(rows, np.int64)
        found = [profile.columns[row] for row in rows]
        self.categories = tuple(c for c in found if isinstance(c, CategoryReference))
        self._named = np.array([len(c.names) for c in self.categories], np.int64)
        self._widths = np.minimum(self._named, MAX_NAMES) + 2
        ends = np.cumsum(self._widths)
        self._starts: Int64 = ends - self._widths
        self.spans = [slice(a, b) for a, b in zip(self._starts, ends, strict=True)]
        self.width = int(self._widths.sum())
        rows = [row for row, c in enumerate(profile.columns) if isinstance(c, NumberReference)]
        self._number_rows = np.array(rows, np.int64)
        self.points = [
            np.empty(0) if isinstance(c, SeasonalReference) else c.points
            for c in profile.columns
            if isinstance(c, NumberReference)
        ]
        """The values of each number in the reference, rising; none of a seasonal one."""
        self._coded = np.array([points.size > 0 for points in self.points], np.bool_)

    def none(self, panes: int) -> Summaries:
        """Of panes that were not there."""
        numbers, width = len(self.numbers), self.width
        return Summaries(
            np.full((panes, numbers, KNOTS), np.nan, np.float32),
            np.zeros((panes, width), np.uint16),
            np.zeros((panes, width), np.float32),
            np.full((panes, numbers), np.nan, np.float32),
            np.zeros((panes, numbers)),
        )

    def of(self, block: PaneBlock) -> Summaries:
        """Of all panes of a block."""
        knots, counts = knots_of(block.values), self._count(block)
        return Summaries(knots, counts, self.shares(counts), most_frequent(knots), self._new(block))

    def shares(self, counts: NDArray[np.uint16]) -> Float32:
        """Counts as shares of each category's values."""
        if not self.categories:
            return counts.astype(np.float32)
        totals = np.maximum(np.add.reduceat(counts.astype(np.int64), self._starts, axis=1), 1)
        shares: Float32 = (counts / np.repeat(totals, self._widths, axis=1)).astype(np.float32)
        return shares

    def _count(self, block: PaneBlock) -> NDArray[np.uint16]:
        panes = len(block)
        if not self.categories:
            return np.zeros((panes, 0), np.uint16)
        codes = block.codes[:, self._category_rows].astype(np.int64)
        named, width = self._named[:, None], self.width + 1
        pooled_at = np.minimum(named, MAX_NAMES)
        places = np.where(codes >= named, pooled_at + 1, np.minimum(codes, pooled_at))
        places += self._starts[:, None]
        places[codes == NULL_CODE] = self.width
        places += np.arange(0, panes * width, width)[:, None, None]
        counts = np.bincount(places.ravel(), minlength=panes * width)
        return counts.reshape(panes, width)[:, :-1].astype(np.uint16)

    def _new(self, block: PaneBlock) -> Float64:
        size = block.codes.shape[2]
        odd = block.codes[:, self._number_rows] & 1  # of values of the reference's, and of nulls
        found = (size - odd.sum(axis=2, dtype=np.int32)) / size
        found[:, ~self._coded] = 0.0
        return np.asarray(found)
