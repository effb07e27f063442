"""A share of events against its usual one: what most checks of rates have in common.

In: how many of a pane's events have some property. Out: whether the share over the last pane, or
over the last eight, is beyond what is usual. Never: what the property is; each check says that.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from scipy.special import betainc

from monitor.checks.check import CheckContext
from monitor.errors import StateError
from monitor.events import Float64
from monitor.findings import Measurement, Verdict

LONG_PANES: Final = 8
"""Panes of the longer look: 2,000 events of 250."""
LEARN_PANES: Final = 16
"""Own panes from which a usual share is learnt where the reference tells none."""
FIRST_PANES: Final = 4
"""Fewer learnt panes say nothing yet."""
CLEAR: Final = 0.6
"""A share is clear when it passes the usual one by less than this part of what an alert needs."""
NEVER_FLOOR: Final = 0.01
"""Smallest share worth an alert of what is never right, such as an event from the future."""
_SPREAD: Final = 3.0
"""Standard errors by which the usual share may be underestimated."""


@dataclass(frozen=True, slots=True)
class Usual:
    """A usual share, as some panes have it."""

    share: float
    events: float
    """Events that it was learnt from; 0: it is assumed."""
    design_effect: float
    """How much wider it varies from pane to pane than of independent events, at least 1."""

    @classmethod
    def of(cls, hits: Float64, sizes: Float64) -> Self:
        """Learn from panes: float64[panes] events with the property, and events.

        >>> usual = Usual.of(np.array([5.0, 4.0, 6.0, 5.0]), np.full(4, 250.0))
        >>> round(usual.share, 3), usual.events, usual.design_effect
        (0.02, 1000.0, 1.0)
        """
        n = float(sizes.sum())
        if n == 0.0:
            return cls(0.0, 0.0, 1.0)
        share = float(hits.sum()) / n
        effect = 1.0
        for panes in (1, LONG_PANES):
            blocks = hits.size // panes
            if blocks < 3 or not 0.0 < share < 1.0:
                continue
            some = hits[: blocks * panes].reshape(blocks, panes).sum(axis=1)
            of = sizes[: blocks * panes].reshape(blocks, panes).sum(axis=1)
            spread = float(((some - share * of) ** 2).sum()) / (blocks - 1)
            # a variance of few blocks is itself uncertain: take it larger by two standard errors
            doubt = 1.0 + 2.0 * np.sqrt(2.0 / (blocks - 1))
            expected = float(of.mean()) * share * (1.0 - share)
            if spread > expected:
                effect = max(effect, spread * doubt / expected)
        return cls(share, n, effect)

    def threshold(self, n: float, alpha: float) -> float:
        """The share that `n` events pass with chance `alpha` at most; 1 where none does.

        >>> bool(0.01 < Usual(0.0, 10_000.0, 1.0).threshold(250, 1e-5) < 0.03)
        True
        """
        worth = n / self.design_effect
        known = self.events / self.design_effect
        upper = self.share
        if known > 0:
            error = np.sqrt(max(self.share * (1.0 - self.share), 1.0 / known) / known)
            upper = min(self.share + _SPREAD * float(error), 1.0)
        upper = max(upper, 1e-6)
        low, high = upper * worth, worth
        if betainc(max(high, 1e-9), 1.0, upper) > alpha:
            return 1.0
        for _ in range(40):
            middle = 0.5 * (low + high)
            passed = betainc(max(middle, 1e-9), worth - middle + 1.0, upper)
            low, high = (middle, high) if passed > alpha else (low, middle)
        return high / worth

    def p_value(self, share: float, n: float) -> float:
        """Chance of a share as high as this one among `n` events."""
        worth = max(n / self.design_effect, 1e-9)
        hits = share * worth
        return float(betainc(max(hits, 1e-9), worth - hits + 1.0, max(self.share, 1e-6)))

    def array(self) -> Float64:
        """As the profile and the state keep it."""
        return np.array([self.share, self.events, self.design_effect])

    @classmethod
    def from_array(cls, saved: Float64) -> Self:
        """What `array` gave."""
        if saved.shape != (3,):
            raise StateError(f"a usual share is three numbers, not {saved.shape}")
        return cls(*(float(number) for number in saved))


NEVER: Final = Usual(0.0, 0.0, 1.0)
"""Of what is never right: no event has it."""


@dataclass(frozen=True, slots=True)
class Excess:
    """What the last panes show."""

    share: float
    """Over the look that shows most: the last pane, or the last eight."""
    n: int
    against: Usual
    needed: float
    """Share above the usual one from which it is an alert."""
    found: bool
    clear: bool

    @property
    def usual(self) -> float:
        """The usual share."""
        return self.against.share

    @property
    def effect(self) -> float:
        """Share above the usual one."""
        return self.share - self.against.share


class ShareWatch:
    """Watches one share of a version's events.

    Parameters
    ----------
    context
        Budget and card: `share_of` tests share the check's budget.
    floor
        Smallest difference of shares worth an alert, 0 to 1.
    usual
        What the reference says; None: it is learnt from the first 16 panes of the version that
        show nothing, against `assumed` at first.
    assumed
        The usual share where nothing is learnt yet, None: nothing is said before four panes.

    **Blind to** a fault that is there from the first event where the share is learnt, unless
    `assumed` tells. **Cost**: 1 us a pane.
    """

    def __init__(
        self,
        context: CheckContext,
        *,
        floor: float,
        usual: Usual | None,
        share_of: int = 1,
        assumed: float | None = None,
    ) -> None:
        self._alpha = context.per_pane / (2 * share_of)
        self._floor = floor
        self._pane = context.card.monitoring.pane_events
        self._learning = usual is None
        self._assumed = None if assumed is None else Usual(assumed, 0.0, 1.0)
        self._learnt: list[tuple[float, float]] = []
        self._last: deque[tuple[float, float]] = deque(maxlen=LONG_PANES)
        """(hits, events) of the last panes that told."""
        self._hits = self._events = 0.0
        """Of these together: counts, whose sums are exact."""
        self._usual = usual if usual is not None else self._assumed
        self._needed = self._needs()
        self._against: tuple[Usual, tuple[float, float]] | None = None
        """The usual share and what is needed above it, as they were for the newest pane."""

    def look(self, hits: float, n: int) -> bool:
        """Take the next pane, `hits` of `n` events: whether the share is beyond its usual one.

        `excess` has the numbers.
        """
        self._against = None
        if n == 0:
            return False
        last = self._last
        if len(last) == LONG_PANES:
            gone, size = last[0]
            self._hits -= gone
            self._events -= size
        last.append((hits, n))
        self._hits += hits
        self._events += n
        usual, found = self._usual, False
        if usual is not None:
            self._against, share = (usual, self._needed), usual.share
            one, eight = self._needed
            found = (hits / n - share) / one > 1.0 or (
                len(last) == LONG_PANES and (self._hits / self._events - share) / eight > 1.0
            )
        if self._learning and not found:
            self._learn(float(hits), float(n))
        return found

    @property
    def excess(self) -> Excess | None:
        """What the last panes show, the newest included. None where nothing can be said of it."""
        if self._against is None:
            return None
        usual, (needed, long_needed) = self._against
        hits, events = self._last[-1]
        share, n = hits / events, int(events)
        most, clear = (share - usual.share) / needed, share - usual.share < CLEAR * needed
        if len(self._last) == LONG_PANES:
            long = self._hits / self._events
            clear = clear and long - usual.share < CLEAR * long_needed
            if (long - usual.share) / long_needed > most:
                share, n, needed = long, int(self._events), long_needed
                most = (share - usual.share) / needed
        return Excess(share, n, usual, needed, most > 1.0, clear)

    def _learn(self, hits: float, n: float) -> None:
        self._learnt.append((hits, n))
        if len(self._learnt) >= FIRST_PANES:
            usual = Usual.of(*np.array(self._learnt).T)
            if self._assumed is not None and usual.share > self._assumed.share + self._floor:
                usual = replace(usual, share=self._assumed.share + self._floor)
            self._usual = usual
            self._needed = self._needs()
        self._learning = len(self._learnt) < LEARN_PANES

    def _needs(self) -> tuple[float, float]:
        usual = self._usual
        if usual is None:
            return 1.0, 1.0
        one, eight = (
            max(usual.threshold(self._pane * panes, self._alpha) - usual.share, self._floor)
            for panes in (1, LONG_PANES)
        )
        return one, eight

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "last": np.array(list(self._last), np.float64).reshape(-1, 2),
            "learnt": np.array(self._learnt, np.float64).reshape(-1, 2),
            "learning": self._learning,
            "usual": None if self._usual is None else self._usual.array(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where `state` was taken."""
        try:
            self._last = deque(_pairs(state["last"]), maxlen=LONG_PANES)
            self._learnt = _pairs(state["learnt"])
            self._learning = bool(state["learning"])
            usual = state["usual"]
            self._usual = None if usual is None else Usual.from_array(np.asarray(usual))
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the saved state of a share cannot be read: {error!r}") from error
        self._hits = sum(hits for hits, _ in self._last)
        self._events = sum(n for _, n in self._last)
        self._needed = self._needs()
        self._against = None


def most_telling(excesses: Sequence[Excess | None]) -> tuple[int, Excess | None]:
    """Of several shares that mean one trouble: the one that shows most, clear if all are.

    >>> most_telling([None, None])
    (0, None)
    """
    told = [(place, excess) for place, excess in enumerate(excesses) if excess is not None]
    if not told:
        return 0, None
    place, most = max(told, key=lambda one: (one[1].found, one[1].effect / one[1].needed))
    return place, replace(most, clear=all(excess.clear for _, excess in told))


def measured(
    check: str,
    excess: Excess | None,
    *,
    feature: str = "",
    scale: int,
    reason: str = "",
    values: Mapping[str, float] | None = None,
    immediate: bool = True,
) -> Measurement:
    """The measurement of an excess; CANNOT_TELL of none."""
    if excess is None:
        return Measurement(
            check=check,
            feature=feature,
            scale=scale,
            verdict=Verdict.CANNOT_TELL,
            statistic=0.0,
            effect=0.0,
            threshold=1.0,
            p_value=1.0,
            n_ref=0,
            n_cur=scale,
            n_effective=0.0,
            smallest_visible=1.0,
            cleared=False,
            reason=reason or "no event tells",
        )
    return Measurement(
        check=check,
        feature=feature,
        scale=scale,
        verdict=Verdict.DRIFT if excess.found else Verdict.OK,
        statistic=excess.share,
        effect=excess.effect,
        threshold=excess.needed,
        p_value=excess.against.p_value(excess.share, excess.n),
        n_ref=int(excess.against.events),
        n_cur=excess.n,
        n_effective=excess.n / excess.against.design_effect,
        smallest_visible=excess.needed,
        cleared=excess.clear,
        immediate=immediate and excess.found,
        reason=reason,
        values={"share": excess.share, "usual_share": excess.usual, **(values or {})},
    )


def _pairs(saved: Sequence[Any]) -> list[tuple[float, float]]:
    return [(float(hits), float(n)) for hits, n in np.asarray(saved).reshape(-1, 2)]
