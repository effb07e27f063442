"""A check of one share of all events of a version: the part that such checks have in common.

In: panes. Out: one measurement of the whole version where the share is beyond its usual one.
Never: what is counted; the checks that derive from it say that.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, ClassVar, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.pane_view import InBulk, PaneBlock, PaneView
from monitor.checks.shares import Excess, ShareWatch, Usual, measured
from monitor.events import Int64
from monitor.findings import Measurement
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

Counted = tuple[Int64, Int64]
"""int64[panes] events with the property, and events that tell."""


def usual_share(count: Callable[[PaneBlock], Counted], panes: Sequence[PaneView]) -> Learned:
    """What panes of the reference say of a share; empty where no event tells."""
    counted, told = in_lists(count), []
    for pane in panes:
        hits, sizes = counted.of(pane.block)
        if sizes[pane.place]:
            told.append((hits[pane.place], sizes[pane.place]))
    if not told:
        return {}
    return {"usual": Usual.of(*np.array(told, np.float64).T).array()}


def in_lists(count: Callable[[PaneBlock], Counted]) -> InBulk[tuple[list[int], list[int]]]:
    """What is counted of a block's panes, as plain numbers."""

    def counted(block: PaneBlock) -> tuple[list[int], list[int]]:
        hits, sizes = count(block)
        return hits.tolist(), sizes.tolist()

    return InBulk(counted)


class ShareCheck(ABC):
    """See `monitor.checks.check.Check`; a subclass counts and speaks."""

    name: ClassVar[str]
    assumed: ClassVar[float | None] = None
    """The usual share where neither the reference nor the stream has told one yet."""

    def __init__(self, context: CheckContext) -> None:
        learned = context.learned.get("usual")
        self._watch = ShareWatch(
            context,
            floor=self.floor(context),
            usual=self.never if learned is None else Usual.from_array(learned),
            assumed=self.assumed,
        )
        self._pane_events = context.card.monitoring.pane_events
        self._counted = in_lists(self.counted)

    never: ClassVar[Usual | None] = None
    """`NEVER` where the property is never right; None: the stream's own first panes tell."""

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """The reference's own share; nothing where that cannot be counted."""
        del card, profile, panes
        return {}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """It applies to every version."""
        return cls(context)

    @classmethod
    def floor(cls, context: CheckContext) -> float:
        """Smallest difference of shares worth an alert: the card's."""
        return max(context.card.monitoring.effect_floor, 1e-3)

    @abstractmethod
    def counted(self, block: PaneBlock) -> Counted:
        """Events of each pane with the property, and events that tell."""

    @abstractmethod
    def words(self, pane: PaneView, excess: Excess) -> tuple[str, Mapping[str, float]]:
        """One plain sentence, and the numbers behind it."""

    def prepare(self, block: PaneBlock) -> None:
        """See `Check`."""
        self._counted.of(block)

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """One measurement of the whole version, where there is something to say."""
        hits, sizes = self._counted.of(pane.block)
        too_often = self._watch.look(hits[pane.place], sizes[pane.place])
        if "" not in raised and not too_often:
            return []
        excess = self._watch.excess
        reason, values = ("", {}) if excess is None else self.words(pane, excess)
        return [measured(self.name, excess, scale=self._pane_events, reason=reason, values=values)]

    def state(self) -> dict[str, Any]:
        """See `Check`."""
        return self._watch.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check`."""
        self._watch.restore(state)
