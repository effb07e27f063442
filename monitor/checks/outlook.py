"""What the next panes hold beside what the panes before them held, for many panes at once.

In: the last panes' summaries and those of the next ones. Out: an `Outlook`. Never: a decision of a
check; where one changes what is held or let go, the rest is looked out for anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.checks.knots import Float32, gaps, pooled
from monitor.checks.pane_view import PaneBlock
from monitor.checks.summaries import Summaries
from monitor.events import Bool, Float64, Int64

DEPTH: Final = 10
"""Panes kept."""
SHORT: Final = 2
LONG: Final = 4
"""Panes that "now" means: about half a day and a day of the flights."""
NOW: Final = (LONG, SHORT)
GAP: Final = 2
"""Panes between now and the past: a break that began there belongs to neither."""
PAST: Final = LONG
"""Panes that the past means, the oldest ones: as many as the longer present has."""
AHEAD: Final = 64
"""Panes at most that are looked out for at once."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Outlook:
    """Consecutive panes of a block, each beside the panes before it."""

    block: PaneBlock
    first: int
    """Place in the block of the first of them."""
    seen: int
    """Panes before that one."""
    panes: Summaries
    """Of `DEPTH` panes before, and of these."""
    past: Float64
    """float64[panes, numbers, KNOTS]: knots of the past of each number, NaN until there is one."""
    past_shares: Float64
    """float64[panes, width]."""
    now: Float64
    """Knots of `NOW` panes together, float64[2, panes, numbers, KNOTS]."""
    now_shares: Float64
    """float64[panes, width]: of `LONG` panes."""
    apart: Float64
    """How far `now` lies from the past, in each column's own units, float64[2, panes, numbers]."""
    rise: Float64
    """float64[panes, numbers]: by how much more of the values is new than in the past."""

    def __len__(self) -> int:
        return len(self.past)

    @property
    def whole(self) -> Bool:
        """Which of the panes have `DEPTH` panes, themselves included."""
        return np.arange(self.seen + 1, self.seen + 1 + len(self)) >= DEPTH


def look_out(
    block: PaneBlock,
    first: int,
    seen: int,
    before: Summaries,
    these: Summaries,
    held: Iterable[tuple[int, Float64]],
    held_shares: Iterable[tuple[slice, Float64]],
) -> Outlook:
    """The next panes, as if from here on nothing were held or let go.

    `before` are `DEPTH` panes, `these` those from `first` on. `held` are the rows of numbers whose
    past stands still, with it; `held_shares` the spans of categories.
    """
    panes = before.then(these.between(first, first + AHEAD))
    count = len(panes.knots) - DEPTH
    old, recent = np.arange(1, count + 1), DEPTH - LONG
    starts = np.concatenate([old[:recent], old + recent])  # what is recent once is old later
    windows = _pooled_from(panes.knots, starts, LONG)
    latest = _pooled_from(panes.knots, old + DEPTH - SHORT, SHORT)
    past, now = windows[:count], np.stack([windows[-count:], latest])
    shares = _means(panes.shares[1:], LONG)
    past_shares, now_shares = shares[:count].copy(), shares[recent:]
    for row, knots in held:
        past[:, row] = knots
    for span, kept in held_shares:
        past_shares[:, span] = kept
    return Outlook(
        block=block,
        first=first,
        seen=seen,
        panes=panes,
        past=past,
        past_shares=past_shares,
        now=now,
        now_shares=now_shares,
        apart=gaps(now, past),
        rise=panes.new[DEPTH:] - _means(panes.new[1:], PAST)[:count],
    )


def _pooled_from(knots: Float32, starts: Int64, panes: int) -> Float64:
    """Knots of `panes` panes together from each start on."""
    return pooled(knots[starts[:, None] + np.arange(panes)].transpose(0, 2, 1, 3))


def _means(rows: Float32 | Float64, panes: int) -> Float64:
    """Means of every `panes` rows in a row, summed in order."""
    total, count = rows.astype(np.float64), len(rows) - panes + 1
    found = total[:count] + total[1 : count + 1]
    for place in range(2, panes):
        found += total[place : place + count]
    return np.asarray(found / panes)
