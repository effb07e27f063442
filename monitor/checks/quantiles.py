"""The usual level and tail of one signal, learnt from the reference or from the first panes.

In: the signal's values pane by pane, NaN where it is not told. Out: quantiles, and how each pane's
share above them varies. Never: a value kept past the learning.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from monitor.checks.shares import Usual
from monitor.errors import StateError
from monitor.events import Float64

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
    """Keeps the first panes of a signal until there are enough to learn from.

    >>> first = FirstPanes(None)
    >>> [first.take(np.full(250, 5.0)) for _ in range(9)][-1][:, 0].tolist()
    [5.0, 5.0, 5.0]
    """

    def __init__(self, learned: Float64 | None) -> None:
        self.levels = learned
        self._panes: list[Float64] = []

    def take(self, values: Float64) -> Float64 | None:
        """The usual levels if they were known before this pane, which is learnt from if not."""
        known = self.levels
        if known is None and np.isfinite(values).any():
            self._panes.append(values.copy())
            if len(self._panes) >= LEARN_PANES:
                self.levels = usual_levels(self._panes)
                self._panes = [] if self.levels is not None else self._panes[-LEARN_PANES:]
        return known

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {"levels": self.levels, "panes": self._panes}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where `state` was taken."""
        try:
            levels, panes = state["levels"], state["panes"]
            self.levels = None if levels is None else np.asarray(levels, np.float64).reshape(3, 4)
            self._panes = [np.asarray(values, np.float64) for values in panes]
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the saved first panes cannot be read: {error!r}") from error
