"""Panes of the checks' tests with some of their arrays replaced, or put into one block."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.checks.pane_view import PaneBlock, PaneView


def altered(pane: PaneView, **arrays: Any) -> PaneView:
    """The pane in a block of its own; `arrays` are without the axis of panes."""
    names = ("codes", "values", "signals", "occurred_us")
    found = {name: arrays.get(name, getattr(pane, name))[None] for name in names}
    return PaneBlock(pane.index, **found, faults=(arrays.get("faults", pane.faults),)).pane(0)


def together(panes: Sequence[PaneView]) -> PaneBlock:
    """Consecutive panes in one block."""
    names = ("codes", "values", "signals", "occurred_us")
    found: dict[str, Any] = {n: np.stack([getattr(pane, n) for pane in panes]) for n in names}
    return PaneBlock(panes[0].index, **found, faults=tuple(pane.faults for pane in panes))
