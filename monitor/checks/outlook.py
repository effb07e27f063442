"""What the next panes hold beside what the panes before them held, for many panes at once.

In: the last panes' summaries and those of the next ones. Out: an `Outlook`. Never: a decision of a
check; where one changes what is held or let go, the rest is looked out for anew.
"""

from collections.abc import Iterable, Mapping
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
GAP: Final = 2
"""Panes between now and the past: a break that began there belongs to neither."""
PAST: Final = DEPTH - LONG - GAP
"""Panes that the past means, the oldest ones."""
AHEAD: Final = 64
"""Panes at most that are looked out for at once."""


@dataclass(frozen=True, slots=True, eq=False)
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
    now: Mapping[int, Float64]
    """`LONG` and `SHORT` to knots of so many panes together, float64[panes, numbers, KNOTS]."""
    now_shares: Float64
    """float64[panes, width]: of `LONG` panes."""
    apart: Mapping[int, Float64]
    """How far `now` lies from the past, in each column's own units, float64[panes, numbers]."""
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
    old = np.arange(1, count + 1)
    starts, places = np.unique(np.concatenate([old, old + DEPTH - LONG]), return_inverse=True)
    windows = _pooled_from(panes.knots, starts, LONG)
    past, now = windows[places[:count]], windows[places[count:]]
    past_shares = _mean_from(panes.shares, old, PAST)
    for row, knots in held:
        past[:, row] = knots
    for span, shares in held_shares:
        past_shares[:, span] = shares
    latest = _pooled_from(panes.knots, old + DEPTH - SHORT, SHORT)
    return Outlook(
        block=block,
        first=first,
        seen=seen,
        panes=panes,
        past=past,
        past_shares=past_shares,
        now={LONG: now, SHORT: latest},
        now_shares=_mean_from(panes.shares, old + DEPTH - LONG, LONG),
        apart={LONG: gaps(now, past), SHORT: gaps(latest, past)},
        rise=panes.new[DEPTH:] - _mean_from(panes.new, old, PAST),
    )


def _pooled_from(knots: Float32, starts: Int64, panes: int) -> Float64:
    """Knots of `panes` panes together from each start on."""
    return pooled(np.stack([knots[starts + place] for place in range(panes)], axis=2))


def _mean_from(rows: Float32 | Float64, starts: Int64, panes: int) -> Float64:
    """Mean of `panes` rows from each start on, summed in order."""
    total = rows[starts].astype(np.float64)
    for place in range(1, panes):
        total += rows[starts + place]
    return np.asarray(total / panes)
