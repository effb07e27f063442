"""The usual level and tail of one signal, learnt from the reference or from the first panes.

In: the signal's values pane by pane, NaN where it is not told. Out: quantiles, and how each pane's
share above them varies. Never: a value kept past the learning.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from monitor.checks.pane_view import InBulk, PaneBlock, PaneView
from monitor.checks.shares import Usual
from monitor.errors import StateError
from monitor.events import Bool, Float64

QUANTILES: Final = (0.5, 0.9, 0.99)
"""Level, upper part, tail."""
LEARN_PANES: Final = 8
"""Own panes that are learnt from where the reference does not tell."""
MIN_VALUES: Final = 500
"""Fewer values say nothing of a tail."""


def usual_levels(panes: Sequence[Float64]) -> Float64 | None:
    """float64[3, 4]: quantile, then share above it, events and design effect; None of too little.

    >>> usual_levels([np.arange(1_000.0)])[:, :2].round(2).tolist()
    [[499.5, 0.5], [899.1, 0.1], [989.01, 0.01]]
    """
    told = [pane[np.isfinite(pane)] for pane in panes]
    told = [pane for pane in told if pane.size]
    if sum(pane.size for pane in told) < MIN_VALUES:
        return None
    sizes = np.array([float(pane.size) for pane in told])
    rows = []
    for level in np.quantile(np.concatenate(told), QUANTILES).tolist():
        hits = np.array([float(np.count_nonzero(pane > level)) for pane in told])
        rows.append([level, *Usual.of(hits, sizes).array().tolist()])
    return np.array(rows)


class FirstPanes:
    """A signal against its usual levels: the reference's, else those of its first panes.

    Parameters
    ----------
    signal
        Its name.
    limits
        What of the usual levels its values are counted against.
    learned
        The reference's levels; None: the first panes are kept until there are enough to learn from.

    >>> from monitor.checks.example import example_panes
    >>> first = FirstPanes("resends", lambda levels: levels[:2, 0].tolist(), None)
    >>> [first.take(pane) for pane in example_panes(0, 9)][-2:], first.levels[:, 0].tolist()
    ([(250, None), (250, (0, 0))], [0.0, 0.0, 0.0])
    """

    def __init__(
        self, signal: str, limits: Callable[[Float64], list[float]], learned: Float64 | None
    ) -> None:
        self.signal = signal
        self._limits_of = limits
        self._panes: list[Float64] = []
        self._knows(learned)

    def _knows(self, levels: Float64 | None) -> None:
        self.levels = levels
        self._limits = [] if levels is None else self._limits_of(levels)
        self._counts = InBulk(self._count)

    def _count(self, block: PaneBlock) -> tuple[list[int], list[tuple[int, ...]]]:
        """Of each pane the events that tell, and those of them above each limit."""
        values = block.signal(self.signal)
        finite = np.isfinite(values)
        told = np.count_nonzero(finite, axis=-1).tolist()
        if not any(told):
            return told, [(0,) * len(self._limits)] * len(block)
        above = [np.count_nonzero(finite & (values > limit), axis=-1) for limit in self._limits]
        return told, list(zip(*(one.tolist() for one in above), strict=True))

    def prepare(self, block: PaneBlock) -> None:
        """Count these panes at once."""
        self._counts.of(block)

    def take(self, pane: PaneView) -> tuple[int, tuple[int, ...] | None]:
        """Events of a pane that tell, and those above each limit.

        None where the usual levels were not known before this pane, which is learnt from then.
        """
        told, above = self._counts.of(pane.block)
        n = told[pane.place]
        if self.levels is not None:
            return n, above[pane.place]
        if n:
            self._panes.append(pane.signal(self.signal).copy())
            if len(self._panes) >= LEARN_PANES:
                levels = usual_levels(self._panes)
                self._panes = [] if levels is not None else self._panes[-LEARN_PANES:]
                self._knows(levels)
        return n, None

    def above(self, pane: PaneView) -> Bool:
        """Which events lie above the first limit of what is known by now."""
        found: Bool = pane.signal(self.signal) > self._limits[0]
        return found

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {"levels": self.levels, "panes": self._panes}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where `state` was taken."""
        try:
            levels, panes = state["levels"], state["panes"]
            self._knows(None if levels is None else np.asarray(levels, np.float64).reshape(3, 4))
            self._panes = [np.asarray(values, np.float64) for values in panes]
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the saved first panes cannot be read: {error!r}") from error
