"""Repeated inputs: the same feature vector for many different events.

In: the features of a pane. Out: `repeated_inputs` measurements of the whole version. Never: a look
at ids: every event of a pane has one of its own, which is what makes equal inputs odd.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.share_check import Counted, ShareCheck, usual_share
from monitor.checks.shares import Excess
from monitor.checks.vectors import Hashes, Vectors, often
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

MANY = 3
"""Twice the same happens; so often in one pane is counted."""


class RepeatedInputs(ShareCheck):
    """The share of a pane's events whose features occur three times or more in it.

    A feature service that answers every request from one cached entry gives well-formed values
    whose distribution may even look right. What is usual is the reference's own share.

    Parameters
    ----------
    context
        Card, profile and budget. The floor is the card's `effect_floor` (difference of shares).

    **Blind to** models of few features with few values, whose inputs repeat by nature (where more
    than half do, it is switched off); to inputs that come just twice; to a single feature that
    repeats (`stuck`); and to repeats farther apart than a pane (`replayed`, `stale`).
    **Cost**: 8 us a pane; the inputs are shared.

    >>> hashes = np.array([[7, 7, 7, 8, 8, 9], [1, 2, 3, 4, 5, 6]], np.uint32)
    >>> [n.tolist() for n in _counted(hashes)]
    [[3, 0], [6, 6]]
    """

    name: ClassVar[str] = "repeated_inputs"

    def __init__(self, context: CheckContext) -> None:
        super().__init__(context)
        self._inputs = context.history.inputs

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """The reference's own share."""
        del card
        vectors = Vectors.of(profile)
        return usual_share(lambda block: _counted(vectors.of_block(block)), panes)

    @classmethod
    def of(cls, context: CheckContext) -> Any:
        """Off where inputs repeat by nature."""
        learned = context.learned.get("usual")
        if learned is None or learned[0] > 0.5:
            return None
        return cls(context)

    def counted(self, block: PaneBlock) -> Counted:
        """Events whose features occur three times or more in their pane."""
        return _counted(self._inputs.hashes(block))

    def words(self, pane: PaneView, excess: Excess) -> tuple[str, Mapping[str, float]]:
        """How many events share how many vectors."""
        [many] = often(self._inputs.hashes(pane.block)[pane.place :][:1], MANY)
        vectors, most = int(many.size), int(many.max(initial=0))
        reason = (
            f"{excess.share:.1%} of the events have the same features as others of their pane "
            f"(usual: {excess.usual:.1%}): {vectors} different inputs, the commonest {most} times"
        )
        return reason, {"repeated_vectors": float(vectors), "commonest": float(most)}


def _counted(hashes: Hashes) -> Counted:
    repeats = [int(many.sum()) for many in often(hashes, MANY)]
    return np.array(repeats, np.int64), np.full(*hashes.shape)
