"""Consecutive rows as blocks: the unit in which losses are tested.

In: columns of rows in order, a cohort at a time. Out: means of full blocks; the rest waits for the
next cohort. Never: a block that depends on where a cohort ends.
"""

from typing import Any, Final

import numpy as np

from monitor.events import Float64

BLOCK_ROWS: Final = 100
"""Labelled predictions in a block: about as many as come while a label is on its way."""


class Blocks:
    """Means of BLOCK_ROWS rows.

    >>> blocks = Blocks(columns=1)
    >>> blocks.add(np.ones((150, 1))).tolist(), blocks.add(np.zeros((60, 1))).tolist()
    ([[1.0]], [[0.5]])
    """

    def __init__(self, columns: int) -> None:
        self._rest = np.zeros((0, columns))

    def add(self, rows: Float64) -> Float64:
        """Take (n, columns) rows; (blocks, columns) means of what became full."""
        together = np.concatenate((self._rest, rows))
        full = len(together) // BLOCK_ROWS
        self._rest = together[full * BLOCK_ROWS :]
        cut = together[: full * BLOCK_ROWS].reshape(full, BLOCK_ROWS, together.shape[1])
        return np.asarray(cut.mean(axis=1), np.float64)

    def state(self) -> Float64:
        """The rows that wait."""
        return self._rest

    def restore(self, state: Any) -> None:
        """Take up `state`."""
        self._rest = np.array(state, np.float64)
