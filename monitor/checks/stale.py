"""Stale inputs: events that come late, features known long ago, features of earlier events.

In: send and event times, feature times and features of panes. Out: `stale` measurements of the
whole version. Never: the wall clock: a replay of last year's data says in a header when each event
was sent, and its lag is measured against that.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.future import spoken
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.quantiles import FirstPanes, usual_levels
from monitor.checks.replayed import seen_before
from monitor.checks.shares import ShareWatch, Usual, measured, most_telling
from monitor.events import Float64, Int64
from monitor.findings import Measurement
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

TIMES: Final = 4.0
AT_LEAST_S: Final = 60.0
"""A lag or age is far above usual when it is over 4 times the usual 99th percentile, and over it
by a minute."""
SEEN_MOST: Final = 0.5
"""Where more of the inputs were seen before by nature, that they were tells nothing."""
_OVER = Usual(0.01, 0.0, 1.0)


class Stale:
    """Three shares, each against its usual one: the loudest is told.

    1. Events sent long after they happened. Those that `replayed` recognises are left to it.
    2. Events whose oldest feature was known long before (`feature_times`).
    3. Events of the present with the features of an event some panes ago: a feature service that
       answers from yesterday.

    Parameters
    ----------
    context
        Card, profile and budget. The floor is the card's `effect_floor` (difference of shares).
        Usual lags and ages are the reference's where its file tells them (`sent_at`,
        `feature_time_<feature>`), else those of the version's first eight panes.

    **Blind to** lags and ages up to 4 times the usual 99th percentile, or a minute above it; to
    late rows of a file that does not tell `sent_at`, to stale values of a few features without
    `feature_times`, to a stream that was late from its first event, and to all features held back
    by a constant time once that is past (no vector is seen twice then).
    **Cost**: 13 us a pane; the inputs are shared.
    """

    name: ClassVar[str] = "stale"

    def __init__(self, context: CheckContext) -> None:
        learned = context.learned
        self._pane_events = context.card.monitoring.pane_events
        floor = max(context.card.monitoring.effect_floor, 1e-3)
        self._lag = FirstPanes("lag_s", _far_above, learned.get("lag"))
        self._age = FirstPanes("age_s", _far_above, learned.get("age"))
        seen = learned.get("seen")
        usual = [_OVER, _OVER, Usual(1.0, 0.0, 1.0) if seen is None else Usual.from_array(seen)]
        self._sees = usual[2].share <= SEEN_MOST
        self._watches = [
            ShareWatch(context, floor=floor, usual=one, share_of=len(usual)) for one in usual
        ]
        self._inputs = context.history.inputs

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """Lags and ages where the file tells them; how often inputs were seen before."""
        del card
        learned: dict[str, Float64] = {}
        for name, signal in (("lag", "lag_s"), ("age", "age_s")):
            levels = usual_levels([pane.signal(signal) for pane in panes])
            if levels is not None:
                learned[name] = levels
        if panes:
            learned["seen"] = seen_before(profile, panes).array()
        return learned

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """It applies to every version."""
        return cls(context)

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._lag.prepare(block)
        self._age.prepare(block)
        self._inputs.hashes(block)

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """One measurement of the whole version, where there is something to say."""
        lag, age = self._lag.take(pane), self._age.take(pane)
        again, old = self._seen(pane)
        late, aged = (above[0] if above else 0 for _, above in (lag, age))
        if late and old.size:
            late -= int(np.count_nonzero(self._lag.above(pane)[old]))
        counted = (
            (late, lag[0] if self._lag.levels is not None else 0),
            (aged, age[0] if self._age.levels is not None else 0),
            (again, len(pane) if self._sees else 0),
        )
        found = [w.look(hits, n) for w, (hits, n) in zip(self._watches, counted, strict=True)]
        if not raised and not any(found):
            return []
        place, most = most_telling([watch.excess for watch in self._watches])
        share = 0.0 if most is None else most.share
        reason, seconds = self._words(place, share, counted[place][0], old, pane)
        return [
            measured(
                self.name,
                most,
                scale=self._pane_events,
                reason=reason,
                values={"seconds": seconds},
            )
        ]

    def state(self) -> dict[str, Any]:
        """See `Check`."""
        return {
            "lag": self._lag.state(),
            "age": self._age.state(),
            "watches": [watch.state() for watch in self._watches],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check`."""
        self._lag.restore(state.get("lag", {}))
        self._age.restore(state.get("age", {}))
        for watch, saved in zip(self._watches, state.get("watches", ()), strict=True):
            watch.restore(saved)

    def _seen(self, pane: PaneView) -> tuple[int, Int64]:
        """Features of an earlier event: how often in the present, and in the rows of old events."""
        recalled = self._inputs.of(pane)
        seen = recalled.seen
        if not seen.size:
            return 0, seen
        back = pane.occurred_us[seen] < recalled.latest_us
        first = np.zeros(recalled.hashes.size, dtype=np.bool_)
        first[np.unique(recalled.hashes, return_index=True)[1]] = True
        return int(np.count_nonzero(first[seen[~back]])), seen[back]

    def _words(
        self, place: int, share: float, hits: int, old: Int64, pane: PaneView
    ) -> tuple[str, float]:
        if place == 2:
            return f"{share:.1%} of the events have all features of an event some panes ago", 0.0
        first, seconds = (self._lag, self._age)[place], 0.0
        if hits:
            beyond = first.above(pane)
            if place == 0:
                beyond[old] = False
            seconds = float(np.median(pane.signal(first.signal)[beyond]))
        usual_s = 0.0 if first.levels is None else float(first.levels[2, 0])
        what = "came late" if place == 0 else "had a feature known long before"
        reason = (
            f"{share:.1%} of the events {what}: by {spoken(seconds)}, where {spoken(usual_s)} is "
            "usual at most"
        )
        return reason, seconds


def _far_above(levels: Float64) -> list[float]:
    """The limit, of usual levels."""
    usual_s = max(float(levels[2, 0]), 0.0)
    return [max(TIMES * usual_s, usual_s + AT_LEAST_S)]
