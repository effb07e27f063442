"""Fallbacks and errors: events that the model itself did not answer.

In: the status of every event. Out: `status` measurements of the whole version. Never: a look at
the answers; a fallback's answer is well-formed, which is why nobody notices.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from monitor.checks.check import Learned
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.share_check import Counted, ShareCheck, usual_share
from monitor.checks.shares import Excess
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

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
    were usual from its first event (up to 15 % and the floor). **Cost**: 4 us a pane.

    >>> _words(3, 40, 0.17, 0.01)[:63]
    '17.0% of the events were not answered by the model (usual: 1.0%'
    """

    name: ClassVar[str] = "status"
    assumed: ClassVar[float | None] = 0.15

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """Fallbacks and errors, where the file has a status."""
        del card, profile
        return usual_share(_counted, panes)

    def counted(self, block: PaneBlock) -> Counted:
        """Fallbacks and errors."""
        return _counted(block)

    def words(self, pane: PaneView, excess: Excess) -> tuple[str, Mapping[str, float]]:
        """How many of each."""
        status = pane.signal("status")
        errors = int(np.count_nonzero(status == ERROR))
        fallbacks = int(np.count_nonzero(status == FALLBACK))
        values = {"errors": float(errors), "fallbacks": float(fallbacks)}
        return _words(errors, fallbacks, excess.share, excess.usual), values


def _counted(block: PaneBlock) -> Counted:
    status = block.signal("status")
    return np.count_nonzero(status > 0.0, axis=-1), np.count_nonzero(status >= 0.0, axis=-1)


def _words(errors: int, fallbacks: int, share: float, usual: float) -> str:
    return (
        f"{share:.1%} of the events were not answered by the model (usual: {usual:.1%}): in the "
        f"last pane {errors} errors, {fallbacks} fallbacks"
    )
