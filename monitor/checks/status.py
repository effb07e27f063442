"""Fallbacks and errors: events that the model itself did not answer.

In: the status of every event. Out: `status` measurements of the whole version. Never: a look at
the answers; a fallback's answer is well-formed, which is why nobody notices.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from monitor.checks.pane_view import PaneView
from monitor.checks.share_check import Counted, ShareCheck
from monitor.checks.shares import Excess

FALLBACK, ERROR = 1.0, 2.0


class Status(ShareCheck):
    """The share of events whose status is `fallback` or `error`, against its usual one.

    The usual share is the reference's where its file has `status`, else that of the version's own
    first 16 panes; until those are in, up to 15 % are taken as usual.

    Parameters
    ----------
    context
        Card, profile and budget. The floor is the card's `effect_floor` (difference of shares).

    **Blind to** a model that answers nonsense with status `ok`, and to a service whose fallbacks
    were usual from its first event (up to 15 % and the floor). **Cost**: 5 us a pane.

    >>> _words(3, 40, 0.17, 0.01)[:63]
    '17.0% of the events were not answered by the model (usual: 1.0%'
    """

    name: ClassVar[str] = "status"
    assumed: ClassVar[float | None] = 0.15

    @classmethod
    def in_reference(cls, pane: PaneView) -> Counted:
        """Fallbacks and errors, where the file has a status."""
        status = pane.signal("status")
        return int(np.count_nonzero(status > 0.0)), int(np.count_nonzero(status >= 0.0))

    def counted(self, pane: PaneView) -> Counted:
        """Fallbacks and errors."""
        return self.in_reference(pane)

    def words(self, pane: PaneView, excess: Excess) -> tuple[str, Mapping[str, float]]:
        """How many of each."""
        status = pane.signal("status")
        errors = int(np.count_nonzero(status == ERROR))
        fallbacks = int(np.count_nonzero(status == FALLBACK))
        values = {"errors": float(errors), "fallbacks": float(fallbacks)}
        return _words(errors, fallbacks, excess.share, excess.usual), values


def _words(errors: int, fallbacks: int, share: float, usual: float) -> str:
    return (
        f"{share:.1%} of the events were not answered by the model (usual: {usual:.1%}): in the "
        f"last pane {errors} errors, {fallbacks} fallbacks"
    )
