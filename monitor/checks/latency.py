"""Latency jump: the service answers more slowly than it did, on the whole or in its tail.

In: `latency_ms` of a pane's events. Out: `latency` measurements of the whole version. Never: a
limit in milliseconds; what is usual is learnt.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.quantiles import QUANTILES, FirstPanes, usual_levels
from monitor.checks.shares import Excess, ShareWatch, Usual, measured, most_telling
from monitor.events import Float64
from monitor.findings import Measurement
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

JUMPS: Final = (1.5, 1.5, 2.0)
"""By so many times the median, the 90th and the 99th percentile must have risen."""


class Latency:
    """Shares of events slower than the usual median, 90th and 99th percentile.

    An alert needs a share beyond its usual one by the floor and beyond what panes differ by, and
    the percentile itself risen by 1.5 times (median, 90th) or twice (99th).

    Parameters
    ----------
    context
        Card, profile and budget. The floor is the card's `effect_floor` (difference of shares).
        What is usual is the reference's, where its file has `latency_ms`, else that of the
        version's first eight panes that tell it.

    **Blind to** a rise of less than 1.5 times, to a tail of less than a tenth of the events, to a
    service that was slow from its first event, and to answers that come too fast. **Cost**: 10
    us a pane, 3 us where no event tells its latency.
    """

    name: ClassVar[str] = "latency"

    def __init__(self, context: CheckContext) -> None:
        self._context = context
        self._pane_events = context.card.monitoring.pane_events
        self._first = FirstPanes(
            "latency_ms", lambda levels: levels[:, 0].tolist(), context.learned.get("levels")
        )
        self._watches = self._made(self._first.levels)

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """The reference's own latencies, where its file tells them."""
        del card, profile
        levels = usual_levels([pane.signal("latency_ms") for pane in panes])
        return {} if levels is None else {"levels": levels}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """It applies to every version."""
        return cls(context)

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._first.prepare(block)

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """One measurement of the whole version, where there is something to say."""
        n, slower = self._first.take(pane)
        levels = self._first.levels
        if not self._watches:
            self._watches = self._made(levels)
        if slower is None or levels is None or not n:
            return [measured(self.name, None, scale=self._pane_events)] if raised else []
        found = [w.look(hits, n) for w, hits in zip(self._watches, slower, strict=True)]
        if not raised and not any(found):
            return []
        latency_ms = pane.signal("latency_ms")
        told = latency_ms[np.isfinite(latency_ms)]
        now = np.quantile(told, QUANTILES)
        place, most = most_telling(
            [
                _if_risen(watch.excess, ms, usual_ms, jump)
                for watch, ms, usual_ms, jump in zip(
                    self._watches, now.tolist(), levels[:, 0].tolist(), JUMPS, strict=True
                )
            ]
        )
        if not raised and (most is None or not most.found):
            return []
        usual_ms, now_ms = float(levels[place, 0]), float(now[place])
        said = (
            "latency rose" if most is not None and most.found else "latency is not above its usual"
        )
        reason = (
            f"{said}: {QUANTILES[place]:.0%} of the answers came within {usual_ms:.3g} ms, "
            f"now within {now_ms:.3g} ms ({now_ms / max(usual_ms, 1e-9):.1f} times)"
        )
        values = {
            "latency_ms": now_ms,
            "usual_latency_ms": usual_ms,
            "percentile": QUANTILES[place],
        }
        return [measured(self.name, most, scale=self._pane_events, reason=reason, values=values)]

    def state(self) -> dict[str, Any]:
        """See `Check`."""
        return {"first": self._first.state(), "watches": [w.state() for w in self._watches]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check`."""
        self._first.restore(state.get("first", {}))
        self._watches = self._made(self._first.levels)
        for watch, saved in zip(self._watches, state.get("watches", ()), strict=True):
            watch.restore(saved)

    def _made(self, levels: Float64 | None) -> list[ShareWatch]:
        if levels is None:
            return []
        floor = max(self._context.card.monitoring.effect_floor, 1e-3)
        return [
            ShareWatch(
                self._context, floor=floor, usual=Usual.from_array(row[1:]), share_of=len(QUANTILES)
            )
            for row in levels
        ]


def _if_risen(excess: Excess | None, ms: float, usual_ms: float, jump: float) -> Excess | None:
    """An excess that is no jump is none; where it has not risen at all, it is clear too."""
    if excess is None or ms >= jump * usual_ms:
        return excess
    return replace(excess, found=False)
