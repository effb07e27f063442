"""Replayed data: old events again, under new ids.

In: features and event times of panes. Out: `replayed` measurements of the whole version. Never: a
look at send times: a replay that carries its own send time is no trouble, and here the same events
come a second time within one stream.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.future import spoken
from monitor.checks.pane_view import InBulk, PaneBlock, PaneView
from monitor.checks.shares import ShareWatch, Usual, measured
from monitor.checks.vectors import VectorMemory, Vectors, distinct, places
from monitor.clock import US_PER_SECOND
from monitor.findings import Measurement
from monitor.sketches.profile import Profile
from schemas.model import ModelCard


class Replayed:
    """Events whose time goes back behind the pane before, with features that were seen then.

    Either alone is usual: late events go back in time with features of their own (`stale`), and
    inputs of some models repeat. Both together for a tenth of the events mean that a producer, a
    backfill or an offset set back sends old data as if it were new.

    Parameters
    ----------
    context
        Card, profile and budget. The floor is the card's `effect_floor` (difference of shares).

    **Blind to** data older than the last 32 panes (8,000 events of 250; of that `stale` sees the
    lag), to old data under new times (`stale`, `repeated_inputs`), to data already resent under its
    ids (`duplicates`), and to a model whose inputs repeat by nature. **Cost**: 40 us a
    pane, with the shared inputs, as the first that asks for them.
    """

    name: ClassVar[str] = "replayed"

    def __init__(self, context: CheckContext) -> None:
        self._inputs = context.history.inputs
        self._pane_events = context.card.monitoring.pane_events
        self._watch = ShareWatch(
            context,
            floor=max(context.card.monitoring.effect_floor, 1e-3),
            usual=Usual.from_array(context.learned["usual"]),
        )

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """How often inputs of the reference were seen before: what late events would look like."""
        del card
        return {"usual": seen_before(profile, panes).array()} if panes else {}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """Off where inputs repeat by nature, or nothing tells whether they do."""
        learned = context.learned.get("usual")
        if learned is None or learned[0] > 0.5:
            return None
        return cls(context)

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._inputs.hashes(block)

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """One measurement of the whole version, where there is something to say."""
        recalled = self._inputs.of(pane)
        again = recalled.seen
        if again.size:
            again = again[pane.occurred_us[again] < recalled.latest_us]
        hits = distinct(recalled.hashes[again]) if again.size else 0
        too_often = self._watch.look(hits, len(pane))
        if "" not in raised and not too_often:
            return []
        excess = self._watch.excess
        back_us = recalled.latest_us - pane.occurred_us[again]
        back_s = float(np.median(back_us)) / US_PER_SECOND if hits else 0.0
        share = 0.0 if excess is None else excess.share
        reason = (
            f"{share:.1%} of the events are old ones under new ids: their features were seen "
            f"before and their times go back by {spoken(back_s)}"
        )
        if not hits and not too_often:
            reason = "no event of the last pane is an old one under a new id"
        return [
            measured(
                self.name,
                excess,
                scale=self._pane_events,
                reason=reason,
                values={"back_s": back_s},
            )
        ]

    def state(self) -> dict[str, Any]:
        """See `Check`."""
        return {"watch": self._watch.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check`."""
        self._watch.restore(state.get("watch", {}))


def seen_before(profile: Profile, panes: Sequence[PaneView]) -> Usual:
    """The share of the reference's events whose features stood in its last 32 panes."""
    vectors, memory = Vectors.of(profile), VectorMemory()
    hits, sizes = [], []
    hashed = InBulk(vectors.of_block)
    for pane in panes:
        hashes = hashed.of(pane.block)[pane.place]
        place = places(hashes)
        hits.append(float(distinct(hashes[memory.seen(hashes, place)])))
        sizes.append(float(len(pane)))
        memory.add(hashes, place, 0)
    return Usual.of(np.array(hits), np.array(sizes))
