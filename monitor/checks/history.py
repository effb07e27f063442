"""What the checks remember of the last panes: one small summary a column and pane, shared by all.

In: closed panes in order. Out: what the last panes hold beside what the panes before them held, so
that a break is seen whatever the season has made of the reference. Never: an event; a column that
a check has raised keeps the past from before its trouble for as long as that lasts.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.runs import Runs
from monitor.checks.vectors import Inputs
from monitor.errors import StateError
from monitor.events import Bool, Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.sketches.seasonal import SeasonalReference

KNOTS: Final = 33
"""Values kept of a number column and pane, evenly spaced in order: each a value that occurred."""
DEPTH: Final = 10
"""Panes kept."""
SHORT: Final = 2
LONG: Final = 4
"""Panes that "now" means: about half a day and a day of the flights."""
_GAP: Final = 2
"""Panes between now and the past: a break that began there belongs to neither."""
LATEST: Final = 3
"""Panes whose most frequent values are kept."""
_PAST: Final = slice(0, DEPTH - LONG - _GAP)
MAX_NAMES: Final = 64
"""Names of a category that are counted one by one; the rarer ones are pooled."""

Float32 = NDArray[np.float32]


class History:
    """Summaries of the last `DEPTH` panes.

    Parameters
    ----------
    profile
        Its columns, in their order.

    `knots` float32[DEPTH, numbers, KNOTS] and `counts` uint16[DEPTH, width], newest last: NaN and 0
    where there was no pane. The counts of a category lie at its `spans`: its names (most frequent
    first), those pooled, and what the reference never had. 1.3 kB a number column.
    """

    def __init__(self, profile: Profile) -> None:
        self.numbers = tuple(c.name for c in profile.columns if isinstance(c, NumberReference))
        rows = [row for row, c in enumerate(profile.columns) if isinstance(c, CategoryReference)]
        self.category_rows = np.array(rows, np.int64)
        found = [profile.columns[row] for row in rows]
        self.categories = tuple(c for c in found if isinstance(c, CategoryReference))
        named = np.array([len(c.names) for c in self.categories], np.int64)
        widths = np.minimum(named, MAX_NAMES) + 2
        ends = np.cumsum(widths)
        self._starts: Int64 = ends - widths
        self._named = named
        self.spans = [slice(a, b) for a, b in zip(self._starts, ends, strict=True)]
        self._width = int(widths.sum())
        self._widths = widths
        self.runs = Runs(profile)
        """How long each column has been at one value."""
        self.inputs = Inputs(profile)
        """The vectors of the events."""
        self.knots: Float32 = np.full((DEPTH, len(self.numbers), KNOTS), np.nan, np.float32)
        self.counts = np.zeros((DEPTH, self._width), np.uint16)
        self.shares: Float32 = np.zeros((DEPTH, self._width), np.float32)
        """The counts of each category as shares of its values."""
        self.tops: Float32 = np.full((LATEST, len(self.numbers)), np.nan, np.float32)
        """The most frequent value of each number in the last panes, as its knots show it."""
        rows = [row for row, c in enumerate(profile.columns) if isinstance(c, NumberReference)]
        self._number_rows = np.array(rows, np.int64)
        self._points = [
            np.empty(0) if isinstance(c, SeasonalReference) else c.points
            for c in profile.columns
            if isinstance(c, NumberReference)
        ]
        self._coded = np.array([points.size > 0 for points in self._points], np.bool_)
        self.new: Float64 = np.zeros((DEPTH, len(self.numbers)))
        """Share of each number's values in the last panes that are no value of the reference's."""
        self.panes = 0
        self._held: dict[str, Float64] = {}
        self.past: Float64 = np.full((len(self.numbers), KNOTS), np.nan)
        """Knots of the past of each number, NaN until there is one."""
        self.past_shares: Float64 = np.zeros(self._width)
        self._now: dict[int, tuple[Float64, Float64]] = {}

    def prepare(self, block: PaneBlock) -> None:
        """Summarise the next panes at once, before each is taken."""

    def add(self, pane: PaneView) -> None:
        """Take the next closed pane."""
        self._now = {}
        self.runs.add(pane)
        self.knots[:-1] = self.knots[1:]
        self.knots[-1] = _knots(pane.values)
        self.counts[:-1] = self.counts[1:]
        self.counts[-1] = self._count(pane)
        self.shares[:-1] = self.shares[1:]
        self.shares[-1] = self._shares(self.counts[-1])
        self.tops[:-1] = self.tops[1:]
        self.tops[-1] = _most_frequent(self.knots[-1])
        codes = pane.codes[self._number_rows]
        self.new[:-1] = self.new[1:]
        self.new[-1] = ((codes & 1) == 0).sum(axis=1) / codes.shape[1]  # a null's code is odd
        self.new[-1, ~self._coded] = 0.0
        self.panes += 1
        self.past = pooled(self.knots[_PAST])
        self.past_shares = self.shares[_PAST].mean(axis=0, dtype=np.float64)
        for name, kept in self._held.items():
            if name in self.numbers:
                self.past[self.numbers.index(name)] = kept
            else:
                self.past_shares[self._span(name)] = kept

    def now(self, panes: int) -> Float64:
        """Knots of the last `panes` panes together, float64[numbers, KNOTS]."""
        return self._present(panes)[0]

    def apart(self, panes: int) -> Float64:
        """How far these lie from the past, in each column's own units, float64[numbers]."""
        return self._present(panes)[1]

    def _present(self, panes: int) -> tuple[Float64, Float64]:
        if panes not in self._now:
            now = pooled(self.knots[DEPTH - panes :])
            self._now[panes] = (now, gaps(now, self.past))
        return self._now[panes]

    def turned(self, by: float) -> Bool:
        """Which numbers have become new, by this share more than they were: bool[numbers]."""
        return np.asarray(self.new[-1] - self.new[_PAST].mean(axis=0) >= by)

    def known(self, row: int) -> Float64:
        """The values of a number in the reference and its past, rising."""
        held = self.numbers[row] in self._held
        past = self.past[row] if held else self.knots[:-LONG, row].ravel().astype(np.float64)
        return np.unique(np.concatenate([self._points[row], past[~np.isnan(past)]]))

    @property
    def held(self) -> Set[str]:
        """The columns in trouble."""
        return self._held.keys()

    def hold(self, names: Iterable[str]) -> None:
        """From the next pane on, keep the past of these columns as it is; let go of the others.

        What came while a column was in trouble is no past to it: it begins with a new one.
        """
        held = {}
        for name in sorted(set(names)):
            if name in self._held:
                held[name] = self._held[name]
            elif name in self.numbers:
                held[name] = self.past[self.numbers.index(name)].copy()
            elif any(name == column.name for column in self.categories):
                held[name] = self.past_shares[self._span(name)].copy()
        for name in self._held.keys() - held.keys():
            if name in self.numbers:
                self.knots[:-SHORT, self.numbers.index(name)] = np.nan
            else:
                self.counts[:-SHORT, self._span(name)] = 0
                self.shares[:-SHORT, self._span(name)] = 0.0
        self._held = held

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {
            "panes": self.panes,
            "knots": self.knots.copy(),
            "counts": self.counts.copy(),
            "tops": self.tops.copy(),
            "new": self.new.copy(),
            "runs": self.runs.state(),
            "inputs": self.inputs.state(),
            "held": {name: kept.copy() for name, kept in self._held.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; raises StateError where it does not fit."""
        knots, counts = np.asarray(state["knots"]), np.asarray(state["counts"])
        if knots.shape != self.knots.shape or counts.shape != self.counts.shape:
            raise StateError(
                f"saved history has shapes {knots.shape} and {counts.shape}, not "
                f"{self.knots.shape} and {self.counts.shape}: start the windows of the version anew"
            )
        self.knots = knots.astype(np.float32)
        self.counts = counts.astype(np.uint16)
        self.tops = np.asarray(state["tops"]).astype(np.float32).reshape(self.tops.shape)
        self.new = np.asarray(state["new"]).astype(np.float64).reshape(self.new.shape)
        self.shares = np.stack([self._shares(row) for row in self.counts])
        self.runs.restore(state["runs"])
        if "inputs" in state:  # a state from before they were shared: they begin anew
            self.inputs.restore(state["inputs"])
        self.panes = int(state["panes"])
        self._held = {str(k): np.array(v, np.float64) for k, v in state["held"].items()}

    def _span(self, name: str) -> slice:
        place = [column.name for column in self.categories].index(name)
        return self.spans[place]

    def _shares(self, counts: NDArray[np.uint16]) -> Float32:
        if not counts.size:
            return np.zeros(0, np.float32)
        totals = np.maximum(np.add.reduceat(counts.astype(np.int64), self._starts), 1)
        shares: Float32 = (counts / np.repeat(totals, self._widths)).astype(np.float32)
        return shares

    def _count(self, pane: PaneView) -> Int64:
        if not self.categories:
            return np.zeros(0, np.int64)
        codes = pane.codes[self.category_rows].astype(np.int64)
        named = self._named[:, None]
        pooled_at = np.minimum(named, MAX_NAMES)
        places = np.where(codes >= named, pooled_at + 1, np.minimum(codes, pooled_at))
        places += self._starts[:, None]
        places[codes == NULL_CODE] = self._width
        return np.bincount(places.ravel(), minlength=self._width + 1)[:-1]


def pooled(knots: Float32) -> Float64:
    """Knots of several panes as those of all their values, float64[numbers, KNOTS].

    NaN where not half of the panes have any.

    >>> pane = np.arange(KNOTS, dtype=np.float32)
    >>> pooled(np.stack([pane, pane + 100])[:, None, :])[0, [0, 16, 32]].tolist()
    [1.0, 100.0, 132.0]
    """
    panes, numbers, _ = knots.shape
    together = np.sort(knots.transpose(1, 0, 2).reshape(numbers, panes * KNOTS), axis=1)
    known = (~np.isnan(knots[:, :, 0])).sum(axis=0)
    if (known == panes).all():
        return together[:, panes // 2 :: panes].astype(np.float64)
    places = np.arange(KNOTS) * known[:, None] + known[:, None] // 2
    found = np.take_along_axis(together, places, axis=1).astype(np.float64)
    found[known * 2 < panes] = np.nan
    return found


def gaps(knots: Float64, others: Float64) -> Float64:
    """How far two distributions lie apart, in the column's own units: the mean gap of their knots.

    It is Wasserstein's distance.

    >>> gaps(np.array([[1.0, 2.0]]), np.array([[2.0, 5.0]])).tolist()
    [2.0]
    """
    return np.asarray(np.abs(knots - others).mean(axis=-1))


def slack(known: Float64) -> float:
    """How far a value may lie from a known one and be it: the history keeps float32."""
    return 1e-5 * float(np.abs(known[[0, -1]]).max())


def landed(values: Float64, known: Float64, widths: Float64 | float) -> Float64:
    """The share of each row of values that lie within its width of a known one.

    >>> landed(np.array([[1.0, 2.5], [2.0, 3.0]]), np.array([1.0, 2.0, 3.0]), 0.1).tolist()
    [0.5, 1.0]
    """
    place = np.searchsorted(known, values)
    above = known[np.minimum(place, known.size - 1)] - values
    below = values - known[np.maximum(place - 1, 0)]
    near = np.minimum(np.abs(above), np.abs(below)) <= np.asarray(widths)[..., None]
    return np.asarray(near.mean(axis=-1))


def knot_distance(knots: Float64, others: Float64) -> float:
    """The KS distance of two rows of knots, within 1/33.

    >>> knot_distance(np.arange(33.0), np.arange(33.0) + 100)
    1.0
    """
    places = np.concatenate([knots, others])
    below = [np.searchsorted(np.sort(x), places, side="right") / x.size for x in (knots, others)]
    return float(np.abs(below[0] - below[1]).max())


def _knots(values: Float64) -> Float32:
    ordered = np.sort(values, axis=1)  # NaN goes last
    n = np.full(len(values), values.shape[1])
    nulls = np.flatnonzero(np.isnan(ordered[:, -1:]))
    if nulls.size:
        n[nulls] -= np.isnan(ordered[nulls]).sum(axis=1)
    places = ((np.arange(KNOTS) + 0.5) / KNOTS * n[:, None]).astype(np.int64)
    places += (np.arange(len(values)) * values.shape[1])[:, None]
    found = ordered.ravel().take(places) if values.size else np.empty((len(values), KNOTS))
    found[n * 4 < values.shape[1]] = np.nan
    return found.astype(np.float32)


def _most_frequent(knots: Float32) -> Float32:
    """A value that is in many knots of each row, the most where its share is clear."""
    found = knots[:, KNOTS // 2].copy()
    for width in (3, 9):
        same = knots[:, width:] == knots[:, :-width]
        hit = np.flatnonzero(same.any(axis=1))
        if hit.size:
            found[hit] = knots[hit, same[hit].argmax(axis=1)]
    return found
