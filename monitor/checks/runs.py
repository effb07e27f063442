"""How long each column has been at one value.

In: closed panes in order. Out: the length of the run that the stream is in, column by column, and
at which value. Never: a judgement.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.checks.pane_view import PaneView
from monitor.errors import StateError
from monitor.events import Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile


class Runs:
    """Runs of equal values; events without a value neither count nor end one.

    `last` float64[columns] is the value of a number, the code of a category (NaN: none yet, or one
    that the reference never had), `lengths` int64[columns] how many events in a row had it.
    """

    def __init__(self, profile: Profile) -> None:
        self.names = tuple(column.name for column in profile.columns)
        self._numbers = np.array(
            [row for row, c in enumerate(profile.columns) if isinstance(c, NumberReference)],
            np.int64,
        )
        self._unknown = np.full((len(self.names), 1), NULL_CODE, np.int64)
        for row, column in enumerate(profile.columns):
            if isinstance(column, CategoryReference):
                self._unknown[row] = len(column.names)
        self._categories = np.setdiff1d(np.arange(len(self.names)), self._numbers)
        self.last: Float64 = np.full(len(self.names), np.nan)
        self.lengths: Int64 = np.zeros(len(self.names), np.int64)

    def values(self, pane: PaneView) -> Float64:
        """float64[columns, n]: what runs are counted in; infinity where the name is unknown."""
        found = np.empty(pane.codes.shape)
        found[self._numbers] = pane.values
        rows = self._categories
        codes = pane.codes[rows].astype(np.float64)
        codes[codes == NULL_CODE] = np.nan
        codes[codes == self._unknown[rows]] = np.inf
        found[rows] = codes
        return found

    def add(self, pane: PaneView) -> None:
        """Take the next pane."""
        values = self.values(pane)
        self.last, before = values[:, -1].copy(), self.last
        self.lengths, lengths = np.ones(len(values), np.int64), self.lengths
        if values.shape[1] < 2:
            rows = np.arange(len(values))
        else:  # of a column whose last two values differ all is known
            same = values[:, -1] == values[:, -2]
            rows = np.flatnonzero(same | np.isnan(values[:, -2:]).any(axis=1))
        if rows.size:
            self._count(rows, values[rows], before[rows], lengths[rows])
        self.lengths[np.isinf(self.last)] = 0

    def _count(self, rows: Int64, values: Float64, before: Float64, lengths: Int64) -> None:
        """Runs of some columns, given the values that they were at and for how long."""
        n = values.shape[1]
        there = ~np.isnan(values)
        backwards = there[:, ::-1]
        newest = np.take_along_axis(values, n - 1 - backwards.argmax(axis=1)[:, None], axis=1)
        other = there & (values != newest)
        ended = other[:, ::-1].argmax(axis=1)  # events since the last one of another value
        whole = ~other.any(axis=1)
        ended = np.where(whole, n, ended)
        length = np.where(
            whole,
            there.sum(axis=1),
            (backwards & (np.arange(n) < ended[:, None])).sum(axis=1),
        )
        newest = newest[:, 0]
        going_on = whole & (newest == before)
        empty = ~there.any(axis=1)
        self.lengths[rows] = np.where(empty, lengths, length + np.where(going_on, lengths, 0))
        self.last[rows] = np.where(empty, before, newest)

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"last": self.last.copy(), "lengths": self.lengths.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; raises StateError where it does not fit."""
        last, lengths = np.asarray(state["last"]), np.asarray(state["lengths"])
        if last.shape != self.last.shape or lengths.shape != self.lengths.shape:
            raise StateError(
                f"saved runs of {lengths.shape} columns do not fit {len(self.names)} columns: "
                "start the windows of the version anew"
            )
        self.last, self.lengths = last.astype(np.float64), lengths.astype(np.int64)


def longest_runs(values: Float64) -> tuple[float, float, float]:
    """Of one column: its most frequent value, the longest run of that, the longest of any other.

    >>> longest_runs(np.array([0, 0, 0, 5, 5, np.nan, 0, 0]))
    (0.0, 3.0, 2.0)
    """
    present = values[~np.isnan(values)]
    if not present.size:
        return np.nan, 0.0, 0.0
    distinct, counts = np.unique(present, return_counts=True)
    usual = float(distinct[counts.argmax()])
    starts = np.flatnonzero(np.append(True, present[1:] != present[:-1]))
    lengths = np.diff(np.append(starts, present.size))
    at_usual = present[starts] == usual
    return (
        usual,
        float(lengths[at_usual].max(initial=0)),
        float(lengths[~at_usual].max(initial=0)),
    )
