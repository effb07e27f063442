"""Panes counted once, for all windows that hold them.

In: codes of consecutive panes. Out: of each pane its sorted numbers and counted categories, of
some windows the distances and counts that their tests need. Never: a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.detectors.ks import CdfTables
from monitor.detectors.window_distances import SortedPane, sorted_panes, window_distances
from monitor.events import Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Reference


@dataclass(frozen=True, slots=True, eq=False)
class CountedPane:
    """A pane of all columns."""

    numbers: SortedPane
    categories: Int64
    """int64[T]: how often each name of each category column occurs, and no value at all."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowCounts:
    """L windows of W events."""

    d: Float64
    """float64[L, numbers]: KS distance of each number column."""
    n: Int64
    """int64[L, numbers]: how many values it has."""
    categories: tuple[Int64, ...]
    """int64[L, slots] of each category column: how often each code occurs."""
    panes: Sequence[CountedPane]
    firsts: Int64
    """First pane of each window."""
    count: int
    """How many panes a window has."""

    def sorted_codes(self, window: int, row: int) -> Codes:
        """uint16[W]: the codes of one number column in one window, in rising order."""
        first = int(self.firsts[window])
        panes = self.panes[first : first + self.count]
        return np.sort(np.concatenate([pane.numbers.codes[row] for pane in panes]), kind="stable")


class PaneCounter:
    """Counts panes of some columns against their references."""

    def __init__(self, columns: Sequence[Reference], tables: CdfTables) -> None:
        self._tables = tables
        numbers = [row for row, one in enumerate(columns) if isinstance(one, NumberReference)]
        self._numbers = np.array(numbers, dtype=np.int64)
        categories = [
            (row, one.slots)
            for row, one in enumerate(columns)
            if isinstance(one, CategoryReference)
        ]
        self._categories = np.array([row for row, _ in categories], dtype=np.int64)
        self._slots = np.array([slots for _, slots in categories], dtype=np.int64)[:, None]
        self._ends = np.cumsum(self._slots + 1)

    def panes(self, codes: Codes, size: int) -> list[CountedPane]:
        """The panes of `size` events that codes uint16[columns, n] begin with."""
        numbers = list(sorted_panes(codes[self._numbers], size, self._tables))
        count = codes.shape[1] // size
        total = int(self._ends[-1]) if self._ends.size else 0
        named = codes[self._categories, : count * size]
        at = np.minimum(named, self._slots) + (self._ends[:, None] - self._slots - 1)
        at += np.arange(count).repeat(size) * total
        counts = np.bincount(at.ravel(), minlength=count * total).reshape(count, total)
        return list(map(CountedPane, numbers, counts))

    def windows(self, panes: Sequence[CountedPane], firsts: Int64, count: int) -> WindowCounts:
        """What the windows of `count` of the consecutive `panes` hold that begin with `firsts`."""
        since = int(firsts.min())
        panes, firsts = panes[since : int(firsts.max()) + count], firsts - since
        d, n = window_distances([one.numbers for one in panes], firsts, count, self._tables)
        running = np.zeros((len(panes) + 1, panes[0].categories.size), np.int64)
        np.cumsum([one.categories for one in panes], axis=0, out=running[1:])
        held = running[firsts + count] - running[firsts]
        parts = np.split(held, self._ends[:-1], axis=1) if self._ends.size else []
        return WindowCounts(d, n, tuple(part[:, :-1] for part in parts), panes, firsts, count)
