"""A pane of the checks' tests with some of its arrays replaced."""

from typing import Any

from monitor.checks.pane_view import PaneBlock, PaneView


def altered(pane: PaneView, **arrays: Any) -> PaneView:
    """The pane in a block of its own; `arrays` are without the axis of panes."""
    names = ("codes", "values", "signals", "occurred_us")
    found = {name: arrays.get(name, getattr(pane, name))[None] for name in names}
    return PaneBlock(pane.index, **found, faults=(arrays.get("faults", pane.faults),)).pane(0)
