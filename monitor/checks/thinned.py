"""Thinned stream: events still come, but fewer than the reference's hours say.

In: event times of panes. Out: `thinned` measurements of the whole version. Never: the wall clock;
a pane that no event closes is the business of `stopped`.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Final, Self

import numpy as np
from scipy.special import ndtr, ndtri

from monitor.checks.check import CheckContext, Learned
from monitor.checks.hourly import HourlyRate
from monitor.checks.pane_view import InBulk, PaneBlock, PaneView
from monitor.errors import StateError
from monitor.events import Float64, Int64
from monitor.findings import Measurement, Verdict
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

LOOKS: Final = (1, 8)
"""Panes of each look."""
FLOOR: Final = 0.27
"""So many of the events must be gone: the days about Thanksgiving miss a quarter of the flights."""
CLEAR: Final = 0.6
MIN_PANES: Final = 10


class Thinned:
    """Events that came against those expected for the same hours of the week.

    Over the last pane and the last eight: one minus the ratio (over the reference's own mean
    ratio), against the spread of the reference's own panes (z sd of the log ratio, and 1.25 times
    its lowest). Of the last pane alone two looks in a row must agree: a holiday's morning is soon
    over. The longest silence of a pane is left out: that a stream stopped for a while is said by
    `stopped`. What is expected is the least over clocks an hour early, right and late, so that
    daylight saving is no thinning.

    Parameters
    ----------
    context
        Card, profile and budget. The floor is 27 % of the events, or the card's `effect_floor`
        where that is larger.

    **Blind to** thinning that is there in the reference too, to less than 27 %, to a stream
    whose pane takes longer than the harm, and wherever the reference has no times or less than two
    days. **Cost**: 30 us a pane.
    """

    name: ClassVar[str] = "thinned"

    def __init__(self, context: CheckContext, rate: HourlyRate) -> None:
        self._rate = rate
        self._moments = InBulk(_Moments)
        self._pane_events = context.card.monitoring.pane_events
        self._floor = max(context.card.monitoring.effect_floor, FLOOR)
        self._usual = context.learned["log_ratio"]
        z = float(-ndtri(context.per_pane / len(LOOKS)))
        self._needed = [self._needs(row, z) for row in self._usual]
        self._ratio: list[float] = np.exp(self._usual[:, 0]).tolist()
        """The reference's own mean ratio, of each look."""
        self._until_us: int | None = None
        """Latest event time so far."""
        self._expected: list[float] = []
        """Of the last panes."""

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """How the reference's own panes differ from its hours; what its longest gap swallowed.

        `log_ratio` float64[2, 4]: mean, standard deviation, lowest and number for each look.
        `gap` float64[1]: the most events that were expected in a gap of the reference.
        """
        rate = HourlyRate.of(profile)
        if rate is None or len(panes) < MIN_PANES:
            return {}
        size = float(card.monitoring.pane_events)
        moments = InBulk(_Moments)
        found, since_us = [], None
        for pane in panes:
            ordered = moments.of(pane.block)
            if since_us is not None:
                found.append(ordered.expected(rate, pane.place, since_us))
            since_us = ordered.last_us[pane.place]
        expected = np.array(found)
        rows = []
        for count in LOOKS:
            together = np.lib.stride_tricks.sliding_window_view(expected, count).sum(axis=1)
            logs = np.log(count * size / np.maximum(together, 1.0))
            rows.append([logs.mean(), logs.std(ddof=1), logs.min(), expected.size / count])
        times = np.concatenate([pane.occurred_us for pane in panes])
        gaps = rate.least(times[:-1], times[1:])
        return {"log_ratio": np.array(rows), "gap": np.array([float(gaps.max())])}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """Only where the reference knows its days."""
        rate = HourlyRate.of(context.profile)
        if rate is None or "log_ratio" not in context.learned:
            return None
        return cls(context, rate)

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._moments.of(block)

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """One measurement of the whole version, where there is something to say."""
        moments = self._moments.of(pane.block)
        latest_us = moments.last_us[pane.place]
        if self._until_us is None:
            self._until_us = latest_us
            return []
        expected = moments.expected(self._rate, pane.place, self._until_us)
        self._expected = [*self._expected[-(LOOKS[-1] - 1) :], expected]
        self._until_us = max(self._until_us, latest_us)
        looks = []
        for place, (count, needed) in enumerate(zip(LOOKS, self._needed, strict=True)):
            if count <= len(self._expected):
                due = max(sum(self._expected[-count:]), 1.0)
                ratio = count * self._pane_events / due / self._ratio[place]
                looks.append((1.0 - ratio, needed, count, due, place))
        effect, needed, count, due, place = max(looks, key=lambda look: look[0] / look[1])
        found = effect > needed
        if not found and not raised:
            return []
        n, usual = count * self._pane_events, self._usual[place]
        due *= self._ratio[place]
        deviation = np.log(n / due) / max(usual[1], n**-0.5)
        return [
            Measurement(
                check=self.name,
                feature="",
                scale=self._pane_events,
                verdict=Verdict.DRIFT if found else Verdict.OK,
                statistic=1.0 - effect,
                effect=effect,
                threshold=needed,
                p_value=float(ndtr(deviation)),
                n_ref=int(usual[3]) * n,
                n_cur=n,
                n_effective=float(n),
                smallest_visible=needed + (1.0 - needed) * max(float(usual[1]), n**-0.5),
                immediate=found and count > 1,
                cleared=all(look[0] < CLEAR * look[1] for look in looks),
                reason=(
                    f"{n} events came where the reference's hours have {due:.0f}: "
                    f"{max(effect, 0.0):.0%} fewer than usual"
                ),
                values={"expected_events": due, "events": float(n)},
            )
        ]

    def state(self) -> dict[str, Any]:
        """See `Check`."""
        return {"until_us": self._until_us, "expected": self._expected}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check`."""
        try:
            until_us = state["until_us"]
            self._until_us = None if until_us is None else int(until_us)
            self._expected = [float(expected) for expected in state["expected"]]
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the saved state of `thinned` cannot be read: {error!r}") from error

    def _needs(self, usual: Float64, z: float) -> float:
        """Share of the events that must be gone, for one look."""
        mean, spread, lowest, count = usual.tolist()
        spread = max(spread * (1.0 + 1.5 / np.sqrt(max(count, 1.0))), self._pane_events**-0.5)
        unusual = min(-z * spread, 1.25 * (lowest - mean))
        return max(self._floor, 1.0 - float(np.exp(unusual)))


class _Moments:
    """Event times of a block's panes in order, and what lies between them."""

    def __init__(self, block: PaneBlock) -> None:
        self._times_us: Int64 = np.sort(block.occurred_us, axis=-1)
        self._gaps_us: Int64 = np.diff(self._times_us, axis=-1)
        self._first_us: list[int] = self._times_us[:, 0].tolist()
        self.last_us: list[int] = self._times_us[:, -1].tolist()
        self._longest: list[int] = self._gaps_us.argmax(axis=-1).tolist()

    def expected(self, rate: HourlyRate, place: int, since_us: int) -> float:
        """Events expected until the last of a pane since the pane before.

        Its longest gap is left out.
        """
        last_us, begin_us, end_us = self.last_us[place], since_us, self._first_us[place]
        if last_us <= since_us:
            return 0.0
        longest = self._longest[place]
        times_us, gaps_us = self._times_us[place], self._gaps_us[place]
        if end_us <= since_us:  # some came late: what lies before that time is no gap of this pane
            late = int(times_us.searchsorted(since_us, "right"))
            end_us = int(times_us[late])
            longest = late + int(gaps_us[late:].argmax()) if late < gaps_us.size else -1
        if longest >= 0 and gaps_us[longest] > end_us - begin_us:
            begin_us, end_us = int(times_us[longest]), int(times_us[longest + 1])
        whole = rate.least_between(since_us, last_us)
        return max(whole - rate.least_between(begin_us, end_us), 0.0)
