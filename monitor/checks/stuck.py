"""Stuck feature: a feature that has kept one value for longer than its reference ever did.

In: closed panes. Out: a claim on each feature that has stopped changing. Never: a claim on the
model's own outputs; `collapsed` has those.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.pane_view import InBulk, PaneBlock, PaneView
from monitor.checks.runs import Runs, longest_runs
from monitor.events import Float64, Int64
from monitor.findings import Measurement, Verdict
from monitor.sketches.category import CategoryReference
from monitor.sketches.profile import Profile
from schemas.model import OUTPUT_NAMES, ModelCard

MARGIN: Final = 1.6
"""A run has to be this many times as long as the longest of the reference."""
USUAL_MARGIN: Final = 5.0
"""The same of a value that the reference had half of the time: such runs grow with the season."""


class Stuck:
    """A run of one value, longer than the reference explains.

    Parameters
    ----------
    context
        The longest runs of the reference, of each feature's most frequent value and of all others
        (events), and the share of the budget.

    A claim needs a run of at least a pane, of 1.6 times the longest one of the reference (5 times
    for a value that the reference had half of the time), and of what the budget allows where the
    reference's second value comes independently. Events without a value do not end a run.

    **Blind to** a feature stuck at the value that it has most of the time anyway, where the
    reference has runs of that as long (no rain for days); a feature that was constant in the
    reference; one that repeats a few values in turn; one of several sources being stuck.
    **Cost** 4 us a pane for 13 columns, as the runs of the history; 16 bytes a column.

    >>> from monitor.checks.example import example_panes, example_suite
    >>> suite = example_suite()
    >>> for pane in example_panes(0, 3):
    ...     assert suite.look(pane) == []
    >>> [m.reason for pane in example_panes(3, 2, x=7.0) for m in suite.look(pane)][-1]
    'x is stuck: the same value 7 for 500 events; the reference never kept one for more than 3'
    """

    name: ClassVar[str] = "stuck"

    def __init__(self, context: CheckContext, usual: Float64, longest: Float64) -> None:
        columns = context.profile.columns
        self._columns = columns
        self._scale = context.card.monitoring.pane_events
        self._runs = context.history.runs
        self._usual = usual
        shares = np.array([_other_share(column.counts) for column in columns])
        chance = context.per_pane / max(len(columns), 1)
        independent = np.log(chance) / np.log(np.clip(shares, 1e-6, 0.999))
        self._longest = longest
        others = np.maximum(np.maximum(self._scale, MARGIN * longest[1]), independent)
        ruling = [column.counts.max(initial=0) * 2 >= column.n for column in columns]
        margins = np.where(ruling, USUAL_MARGIN, MARGIN)
        self._needed = np.stack([np.maximum(others, margins * longest[0]), others])
        """By whether the value is any other or the usual one (0): float64[2, columns]."""
        self._watched = np.array([column.name not in OUTPUT_NAMES for column in columns])
        self._watched &= [np.count_nonzero(column.counts) > 1 for column in columns]

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """The longest runs of each column's most frequent value, and of all others."""
        del card
        if not panes:
            return {}
        runs = Runs(profile)
        known = InBulk(runs.values)
        values = np.concatenate([known.of(pane.block)[pane.place] for pane in panes], axis=1)
        found = np.array([longest_runs(row) for row in values]).reshape(len(values), 3)
        return {"usual": found[:, 0].copy(), "longest": found[:, 1:].T.copy()}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """None where the reference held no whole pane."""
        if not context.learned:
            return None
        return cls(context, context.learned["usual"], context.learned["longest"])

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        del pane
        lengths = self._runs.lengths
        if not raised and not self._runs.whole:
            return []
        at_usual = self._runs.last == self._usual
        needed = np.where(at_usual, self._needed[0], self._needed[1])
        stuck = self._watched & (lengths >= needed)
        names = self._runs.names
        rows = np.flatnonzero(stuck).tolist()
        rows += [names.index(name) for name in sorted(raised) if not stuck[names.index(name)]]
        return [self._say(row, bool(stuck[row]), int(at_usual[row]), needed) for row in rows]

    def state(self) -> dict[str, Any]:
        """Nothing: the history is the suite's."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check.restore`."""

    def _say(self, row: int, stuck: bool, usual: int, needed: Float64) -> Measurement:
        column, length = self._columns[row], int(self._runs.lengths[row])
        longest = int(self._longest[1 - usual, row])
        reason = f"{column.name} changes again: {length} events with the same value"
        if stuck:
            value = self._runs.last[row]
            shown = f"{value:g}"
            if isinstance(column, CategoryReference):
                shown = repr(column.names[int(value)])
            reason = (
                f"{column.name} is stuck: the same value {shown} for {length} events; the "
                f"reference never kept one for more than {longest}"
            )
        return claim(
            self.name,
            column.name,
            Verdict.DRIFT if stuck else Verdict.OK,
            scale=self._scale,
            events=max(length, 1) if stuck else None,
            effect=float(length),
            threshold=float(needed[row]),
            reason=reason,
            immediate=True,
        )


def _other_share(counts: Int64) -> float:
    """The share of the second most frequent value: what a run of other values is made of."""
    if counts.size < 2 or not counts.sum():
        return 0.0
    return float(np.sort(counts)[-2] / counts.sum())
