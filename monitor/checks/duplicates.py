"""Duplicate events: a producer that sends the same event ids again and again.

In: how many resends lie between the events of a pane. Out: `duplicates` measurements of the whole
version. Never: the resends themselves; the windows leave them out.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.share_check import Counted, ShareCheck
from monitor.checks.shares import NEVER, Excess, Usual


class Duplicates(ShareCheck):
    """The share of records that repeat an event id among the last N of the model.

    At-least-once delivery resends now and then; a share above the card's `effect_floor` is a retry
    storm, a producer started twice or a topic copied into itself.

    Parameters
    ----------
    context
        Card, profile and budget. N is the setting `worker.duplicate_memory`.

    **Blind to** a resend after more than N other events, the same prediction under a new id
    (`replayed`, `repeated_inputs`), and a stream of nothing but resends, which closes no pane.
    **Cost**: 3 us a pane.

    >>> _words(0.2, 50)
    '20.0% of the records repeat an event id: 50 in the last pane; they are kept out of the windows'
    """

    name: ClassVar[str] = "duplicates"
    never: ClassVar[Usual | None] = NEVER

    def counted(self, block: PaneBlock) -> Counted:
        """Resends among all records."""
        resends = block.signal("resends").sum(axis=-1).astype(np.int64)
        return resends, resends + block.occurred_us.shape[1]

    def words(self, pane: PaneView, excess: Excess) -> tuple[str, Mapping[str, float]]:
        """How many."""
        resends = int(pane.signal("resends").sum())
        return _words(excess.share, resends), {"resends": float(resends)}


def _words(share: float, resends: int) -> str:
    return (
        f"{share:.1%} of the records repeat an event id: {resends} in the last pane; they are kept "
        "out of the windows"
    )
