"""What a check sees: closed panes of one model version, n events each, resends left out.

In: closed panes, their numbers, signals and faults. Out: `PaneView`s, of the stream and of the
reference alike, and the `PaneBlock` that those closed by one batch stand in. Never: an earlier
pane; a check keeps what it needs of those.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Generic, Self, TypeVar
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from monitor.events import SIGNALS, Float64, Int64
from monitor.sketches.codes import Codes

PaneFault = tuple[int, str, str, float | str | None]
"""(row in the pane, feature, reason, what was logged)."""

UNSEEN = "unseen_by_reference"
"""Reason of a category's value that the reference never had, beside the faults of validation."""

Source = TypeVar("Source")
Measures = TypeVar("Measures")
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PaneBlock:
    """Consecutive panes in whole arrays, so that what is measured of each is measured at once.

    How panes are put into blocks depends on how events come in batches: nothing that is said of a
    pane may depend on the others of its block.
    """

    index: int
    """Of the first pane in its stream."""
    codes: Codes
    """uint16[panes, columns, n] against the profile."""
    values: Float64
    """float64[panes, number columns, n], NaN where there is no usable value."""
    signals: Float64
    """float64[panes, len(SIGNALS), n]."""
    occurred_us: Int64
    """int64[panes, n]."""
    faults: tuple[tuple[PaneFault, ...], ...]
    """Of each pane."""

    @classmethod
    def cut(
        cls,
        index: int,
        size: int,
        codes: Codes,
        values: Float64,
        signals: Float64,
        occurred_us: Int64,
        faults: Iterable[PaneFault],
    ) -> Self:
        """As many panes of `size` events as there are, from arrays whose last axis is the event.

        The rows of `faults`, in their order, count from the first event; an odd rest is left out.
        """
        panes = occurred_us.size // size
        found: list[list[PaneFault]] = [[] for _ in range(panes)]
        for row, feature, reason, value in takewhile(lambda one: one[0] < panes * size, faults):
            found[row // size].append((row % size, feature, reason, value))
        return cls(
            index,
            _in_panes(codes, panes, size),
            _in_panes(values, panes, size),
            _in_panes(signals, panes, size),
            occurred_us[: panes * size].reshape(panes, size),
            tuple(map(tuple, found)),
        )

    def __len__(self) -> int:
        return len(self.codes)

    def signal(self, name: str) -> Float64:
        """One of the signals, float64[panes, n]."""
        row: Float64 = self.signals[:, SIGNALS.index(name)]
        return row

    def pane(self, place: int) -> "PaneView":
        """The pane at a place, counted from 0."""
        return PaneView(self, place)


@dataclass(frozen=True, slots=True, eq=False)
class PaneView:
    """One pane of a block, oldest event first."""

    block: PaneBlock
    place: int

    def __len__(self) -> int:
        return int(self.block.codes.shape[2])

    @property
    def index(self) -> int:
        """Of the pane in its stream, counted from 0."""
        return self.block.index + self.place

    @property
    def codes(self) -> Codes:
        """uint16[columns, n] against the profile."""
        rows: Codes = self.block.codes[self.place]
        return rows

    @property
    def values(self) -> Float64:
        """float64[number columns, n], NaN where there is no usable value."""
        rows: Float64 = self.block.values[self.place]
        return rows

    @property
    def signals(self) -> Float64:
        """float64[len(SIGNALS), n]."""
        rows: Float64 = self.block.signals[self.place]
        return rows

    @property
    def occurred_us(self) -> Int64:
        """int64[n]."""
        rows: Int64 = self.block.occurred_us[self.place]
        return rows

    @property
    def faults(self) -> tuple[PaneFault, ...]:
        """What validation and the profile found of its values."""
        return self.block.faults[self.place]

    def unseen(self, feature: str) -> list[str]:
        """The values of a category that the reference never had."""
        return [str(v) for _, name, why, v in self.faults if why == UNSEEN and name == feature]

    def signal(self, name: str) -> Float64:
        """One row of the signals, float64[n]."""
        row: Float64 = self.signals[SIGNALS.index(name)]
        return row


def _in_panes(rows: NDArray[Value], panes: int, size: int) -> NDArray[Value]:
    """Rows of events as [panes, rows, size], each pane in one piece."""
    cut = rows[:, : panes * size].reshape(len(rows), panes, size)
    return np.ascontiguousarray(cut.transpose(1, 0, 2))


class Remembered(Generic[Source, Measures]):
    """What is measured of a source; the last one's is remembered while the source is there."""

    def __init__(self, measure: Callable[[Source], Measures]) -> None:
        self._measure = measure
        self._known: tuple[ref[Source], Measures] | None = None

    def of(self, source: Source) -> Measures:
        """The measures of a source."""
        known = self._known
        if known is None or known[0]() is not source:
            self._known = None
            self._known = known = (ref(source, self._forget), self._measure(source))
        return known[1]

    def _forget(self, gone: ref[Source]) -> None:
        if self._known is not None and self._known[0] is gone:
            self._known = None


class InBulk(Remembered[PaneBlock, Measures]):
    """What is measured of a block's panes at once.

    >>> highest = InBulk(lambda block: block.values.max(axis=2))
    >>> none, times = np.zeros((0, 4)), np.zeros(4, np.int64)
    >>> values = np.array([[1.0, 5.0, 2.0, 3.0]])
    >>> block = PaneBlock.cut(7, 2, none.astype(np.uint16), values, none, times, ())
    >>> highest.of(block).tolist(), block.pane(1).index
    ([[5.0], [3.0]], 8)
    """
