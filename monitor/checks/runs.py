"""How long each column has been at one value.

In: closed panes in order. Out: the length of the run that the stream is in, column by column, and
at which value. Never: a judgement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.checks.pane_view import InBulk, PaneBlock, PaneView
from monitor.errors import StateError
from monitor.events import Bool, Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.profile import Profile


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """How panes end: [panes, columns] each."""

    newest: Float64
    """The last value, NaN without any."""
    lengths: Int64
    """Events of the pane that had it, in a row; 0 of an unknown name."""
    whole: Bool
    """Whether it has no other value: a run of before may go on."""
    empty: Bool
    before: list[bool]
    """Of each pane, whether what came before it counts for any column."""


class Runs:
    """Runs of equal values; events without a value neither count nor end one.

    `last` float64[columns] is the value of a number, the code of a category (NaN: none yet, or one
    that the reference never had), `lengths` int64[columns] how many events in a row had it.
    """

    def __init__(self, profile: Profile) -> None:
        self.names = tuple(column.name for column in profile.columns)
        categories = [isinstance(c, CategoryReference) for c in profile.columns]
        self._categories, self._numbers = (
            np.flatnonzero(categories),
            np.flatnonzero(~np.array(categories, np.bool_)),
        )
        names = [len(c.names) for c in profile.columns if isinstance(c, CategoryReference)]
        self._unknown = np.array(names, np.float64)[:, None]
        self.last: Float64 = np.full(len(self.names), np.nan)
        self.lengths: Int64 = np.zeros(len(self.names), np.int64)
        self.whole = False
        """Whether any run may be as long as the newest pane, or longer."""
        self._ends = InBulk(self._measure)

    def values(self, block: PaneBlock) -> Float64:
        """float64[panes, columns, n]: what runs are counted in; infinity for an unknown name."""
        found = np.empty(block.codes.shape)
        found[:, self._numbers] = block.values
        found[:, self._categories] = self._named(block)
        return found

    def _named(self, block: PaneBlock) -> Float64:
        """The same of categories."""
        codes = block.codes[:, self._categories].astype(np.float64)
        codes[codes == NULL_CODE] = np.nan
        codes[codes == self._unknown] = np.inf
        return codes

    def prepare(self, block: PaneBlock) -> None:
        """Measure the next panes at once, before each is taken."""
        self._ends.of(block)

    def add(self, pane: PaneView) -> None:
        """Take the next pane."""
        ends, place = self._ends.of(pane.block), pane.place
        newest, lengths = ends.newest[place], ends.lengths[place]
        self.whole = ends.before[place]
        if self.whole:
            empty = ends.empty[place]
            going_on = ends.whole[place] & (newest == self.last)
            newest = np.where(empty, self.last, newest)
            lengths = np.where(empty, self.lengths, lengths + np.where(going_on, self.lengths, 0))
        self.last, self.lengths = newest, lengths

    def _measure(self, block: PaneBlock) -> "_Ends":
        """How each pane ends, whatever came before it."""
        shape = block.codes.shape[:2]
        newest, lengths = np.empty(shape), np.empty(shape, np.int64)
        whole, empty = np.empty((2, *shape), np.bool_)
        for columns, values in (
            (self._numbers, block.values),
            (self._categories, self._named(block)),
        ):
            ends = _ends_of(values)
            newest[:, columns], lengths[:, columns], whole[:, columns], empty[:, columns] = ends
        return _Ends(newest, lengths, whole, empty, np.any(whole | empty, axis=1).tolist())

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


def _ends_of(values: Float64) -> tuple[Float64, Int64, Bool, Bool]:
    """Newest value, events in a row that had it, whether all had, whether none has any.

    Of panes of columns, float64[panes, columns, n].
    """
    n = values.shape[2]
    newest: Float64 = values[:, :, -1].copy()
    lengths: Int64 = np.ones(newest.shape, np.int64)
    whole: Bool = np.zeros(newest.shape, np.bool_)
    empty: Bool = np.zeros(newest.shape, np.bool_)
    # of a column whose last two values differ all is known
    before = values[:, :, -min(n, 2)]
    hit = np.nonzero((before == newest) | np.isnan(before) | np.isnan(newest))
    if hit[0].size:
        rows = values[hit]
        there = ~np.isnan(rows)
        backwards = there[:, ::-1]
        last = rows[np.arange(len(rows)), n - 1 - backwards.argmax(axis=1)]
        other = there & (rows != last[:, None])
        only = ~other.any(axis=1)
        ended = np.where(only, n, other[:, ::-1].argmax(axis=1))  # events since another value
        lengths[hit] = (backwards & (np.arange(n) < ended[:, None])).sum(axis=1)
        newest[hit], whole[hit], empty[hit] = last, only, ~there.any(axis=1)
    lengths[np.isinf(newest)] = 0
    return newest, lengths, whole, empty


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
