"""Future timestamps: events that say they happened after they were sent.

In: the fault `from_future` of a pane's events. Out: `future` measurements of the whole version.
Never: a changed event; it is stored as it came, and windows take its send time.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from monitor.checks.check import CheckContext
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.share_check import Counted, ShareCheck
from monitor.checks.shares import NEVER, NEVER_FLOOR, Excess, Usual

FAULT = "from_future"


class Future(ShareCheck):
    """The share of events later than their sending by more than `limits.future_tolerance_s`.

    Parameters
    ----------
    context
        Card, profile and budget. An alert from 1 % of the events on, or the card's `effect_floor`
        where that is smaller.

    **Blind to** a clock that runs ahead by less than the tolerance, and to one that is behind
    (`stale`). **Cost**: 4 us a pane, and 0.1 us a fault of it.

    >>> _words(0.04, 7_200.0)
    '4.0% of the events happened after they were sent, by 2.0 hours: a clock or time zone is wrong'
    """

    name: ClassVar[str] = "future"
    never: ClassVar[Usual | None] = NEVER

    @classmethod
    def floor(cls, context: CheckContext) -> float:
        """It is never right."""
        return min(super().floor(context), NEVER_FLOOR)

    def counted(self, block: PaneBlock) -> Counted:
        """Events from the future."""
        ahead = [sum(reason == FAULT for _, _, reason, _ in faults) for faults in block.faults]
        return np.array(ahead, np.int64), np.full(len(block), block.occurred_us.shape[1])

    def words(self, pane: PaneView, excess: Excess) -> tuple[str, Mapping[str, float]]:
        """By how much."""
        ahead = [float(value) for _, _, reason, value in pane.faults if reason == FAULT and value]
        ahead_s = float(np.median(ahead)) if ahead else 0.0
        if not ahead and not excess.found:
            return "no event of the last pane happened after it was sent", {"ahead_s": 0.0}
        return _words(excess.share, ahead_s), {"ahead_s": ahead_s}


def _words(share: float, ahead_s: float) -> str:
    return (
        f"{share:.1%} of the events happened after they were sent, by {spoken(ahead_s)}: a clock "
        "or time zone is wrong"
    )


def spoken(seconds: float) -> str:
    """A duration for a person.

    >>> [spoken(s) for s in (0.2, 90, 7_200, 200_000)]
    ['0.2 seconds', '1.5 minutes', '2.0 hours', '2.3 days']
    """
    for unit, size in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
