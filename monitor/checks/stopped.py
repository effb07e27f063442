"""Stream stopped: no event of a model for longer than the hour of the week allows.

In: how long it has been silent, since when, and what its reference says. Out: a measurement.
Never: the clock itself; the pipeline's tick brings the time.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from monitor.checks.hourly import HourlyRate
from monitor.clock import US_PER_SECOND
from monitor.findings import Measurement, Verdict
from monitor.sketches.profile import Profile

MINIMUM_MINUTES: Final = 15.0
MISSED_EVENTS: Final = 20.0
"""So many events must at least have been due: independent ones are so late once in 5e8 gaps."""
_US_PER_MINUTE: Final = 60 * US_PER_SECOND
_STEP_MINUTES: Final = 5
_LONGEST_MINUTES: Final = 14 * 24 * 60


@dataclass(frozen=True, slots=True)
class AllowedSilence:
    """For how long a version may be silent, by the hour of the week in which it fell silent.

    What the card asks goes first. Else: until 20 events are overdue by the reference's own hours,
    or twice as many as its longest gap swallowed, and never longer than twice its longest gap; at
    least 15 minutes. A stream that rests at night may rest at night, and is missed soon by day.

    >>> AllowedSilence(5.0, 0, None, 0.0).minutes(since_us=0)
    5.0
    >>> AllowedSilence(None, 3_600_000_000, None, 0.0).minutes(since_us=0)
    120.0
    >>> busy_after_six = HourlyRate(np.tile(np.repeat([0.0, 60.0], [6, 18]), 7))
    >>> silence = AllowedSilence(None, 24 * 3_600_000_000, busy_after_six, 0.0)
    >>> hour_us = 3_600_000_000
    >>> silence.minutes(since_us=2 * hour_us), silence.minutes(since_us=12 * hour_us)
    (320.0, 20.0)
    """

    asked_minutes: float | None
    longest_gap_us: int
    rate: HourlyRate | None
    gap_events: float
    """The most events that were due in a gap of the reference."""

    @classmethod
    def of(cls, profile: Profile, asked_minutes: float | None) -> Self:
        """From what the profile has learnt."""
        gap = profile.checks.get("thinned", {}).get("gap")
        rate = None if gap is None else HourlyRate.of(profile)
        return cls(
            asked_minutes, profile.longest_gap_us, rate, 0.0 if gap is None else float(gap[0])
        )

    @property
    def least_minutes(self) -> float:
        """No silence up to this is ever too long."""
        return least_minutes(self.asked_minutes)

    def minutes(self, since_us: int) -> float:
        """How long a silence may last that began at an event time."""
        if self.asked_minutes is not None:
            return float(self.asked_minutes)
        longest = max(MINIMUM_MINUTES, 2 * self.longest_gap_us / _US_PER_MINUTE)
        if self.rate is None:
            return longest
        steps = np.arange(_STEP_MINUTES, _LONGEST_MINUTES, _STEP_MINUTES, dtype=np.int64)
        since = np.full(steps.size, since_us, dtype=np.int64)
        due = self.rate.least(since, since + steps * _US_PER_MINUTE)
        enough = np.flatnonzero(due >= max(MISSED_EVENTS, 2 * self.gap_events) - 1e-6)
        if not enough.size:
            return longest
        return min(longest, max(MINIMUM_MINUTES, float(steps[enough[0]])))


def least_minutes(asked_minutes: float | None) -> float:
    """No silence up to this is ever too long for a version whose card asks this."""
    return MINIMUM_MINUTES if asked_minutes is None else float(asked_minutes)


def stopped(silent_minutes: float, allowed_minutes: float) -> Measurement:
    """Compare a silence with the allowed one.

    **Blind to** a stream that is thinner than usual without stopping (`thinned`), and by night to
    one that has nothing to say then anyway. **Cost** nothing.

    >>> stopped(silent_minutes=30, allowed_minutes=15).verdict.value
    'drift'
    """
    drift = silent_minutes > allowed_minutes
    words = "no event" if drift else "events again"
    return Measurement(
        check="stopped",
        feature="",
        scale=0,
        verdict=Verdict.DRIFT if drift else Verdict.OK,
        statistic=silent_minutes,
        effect=silent_minutes,
        threshold=allowed_minutes,
        p_value=0.0 if drift else 1.0,
        n_ref=0,
        n_cur=0,
        n_effective=0.0,
        smallest_visible=allowed_minutes,
        cleared=not drift,
        immediate=True,
        reason=f"{words} for {silent_minutes:.0f} minutes; {allowed_minutes:.0f} are usual at most",
        values={"silent_minutes": silent_minutes},
    )
