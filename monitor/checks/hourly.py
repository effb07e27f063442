"""How many events a stretch of time should have, by the reference's own hours.

In: a profile with its hourly counts. Out: expected events between two event times. Never: a rate
for a reference too short to know its days: there is none.
"""

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from monitor.clock import US_PER_DAY, US_PER_SECOND
from monitor.events import Float64, Int64
from monitor.sketches.profile import HOURS_PER_WEEK, Profile

_US_PER_HOUR: Final = 3_600 * US_PER_SECOND
_EPOCH_HOUR_OF_WEEK: Final = 3 * 24
"""1970 began on a Thursday; the week of `hourly_counts` begins on Monday."""
WEEKS: Final = 2
"""So often must the reference have seen each hour of the week; with less, hours of the day."""
DAYS: Final = 2
_SHIFTS_US: Final = np.array([[-_US_PER_HOUR], [0], [_US_PER_HOUR]])
"""Hours are UTC, and local clocks change by an hour: what is expected is the least of the three."""


@dataclass(frozen=True, slots=True, eq=False)
class HourlyRate:
    """Events by hour of the week (UTC, Monday 00:00 first).

    >>> rate = HourlyRate(np.full(168, 10.0))
    >>> hour_us = 3_600_000_000
    >>> rate.expected(np.array([0]), np.array([36 * hour_us])).tolist()
    [360.0]
    """

    by_hour: Float64
    """float64[168]: expected events in each hour."""
    _ends: Float64 = field(init=False, repr=False)
    """float64[169]: expected events until the end of each hour."""
    _hours: tuple[tuple[float, float], ...] = field(init=False, repr=False)
    """Expected events until each hour, and in it."""

    def __post_init__(self) -> None:
        ends = np.concatenate([[0.0], np.cumsum(self.by_hour)])
        object.__setattr__(self, "_ends", ends)
        hours = zip(ends.tolist(), self.by_hour.tolist(), strict=False)  # and the end of the week
        object.__setattr__(self, "_hours", tuple(hours))

    @classmethod
    def of(cls, profile: Profile) -> Self | None:
        """The rate of a profile; None where its reference has no times or less than two days."""
        span_us = profile.ended_us - profile.started_us
        counts = profile.hourly_counts
        if not profile.time_ordered or span_us < DAYS * US_PER_DAY or not counts.any():
            return None
        covered = _covered(profile.started_us, profile.ended_us)
        if span_us < WEEKS * 7 * US_PER_DAY:
            days = counts.reshape(7, 24).sum(axis=0), covered.reshape(7, 24).sum(axis=0)
            return cls(np.tile(days[0] / np.maximum(days[1], 1e-9), 7))
        return cls(counts / np.maximum(covered, 1e-9))

    def expected(self, from_us: Int64, to_us: Int64) -> Float64:
        """Events expected in [from, to), float64 of their shape."""
        return self._until(to_us) - self._until(from_us)

    def least(self, from_us: Int64, to_us: Int64) -> Float64:
        """The same of rows of times: the least over clocks an hour early, right and late."""
        between = self._until(to_us + _SHIFTS_US) - self._until(from_us + _SHIFTS_US)
        found: Float64 = between.min(axis=0)
        return found

    def least_between(self, from_us: int, to_us: int) -> float:
        """`least` of two times: for one stretch a tenth of the cost.

        >>> rate = HourlyRate(np.arange(168.0))
        >>> rate.least_between(7_200_000_000, 9_000_000_000)
        36.5
        """
        return min(
            self._until_one(to_us + shift_us) - self._until_one(from_us + shift_us)
            for shift_us in (-_US_PER_HOUR, 0, _US_PER_HOUR)
        )

    def _until_one(self, moment_us: int) -> float:
        weeks, within = divmod(moment_us / _US_PER_HOUR + _EPOCH_HOUR_OF_WEEK, HOURS_PER_WEEK)
        hour = int(within)
        before, rate = self._hours[hour]
        return weeks * float(self._ends[-1]) + (before + (within - hour) * rate)

    def _until(self, moment_us: Int64) -> Float64:
        weeks, within = np.divmod(moment_us / _US_PER_HOUR + _EPOCH_HOUR_OF_WEEK, HOURS_PER_WEEK)
        hours = within.astype(np.int64)
        before = self._ends[hours] + (within - hours) * self.by_hour[hours]
        found: Float64 = weeks * self._ends[-1] + before
        return found


def _covered(started_us: int, ended_us: int) -> Float64:
    """float64[168]: how often each hour of the week lies between two times."""
    first, last = started_us // _US_PER_HOUR, ended_us // _US_PER_HOUR
    hours = np.arange(first, last + 1)
    begin = np.maximum(hours * _US_PER_HOUR, started_us)
    end = np.minimum((hours + 1) * _US_PER_HOUR, ended_us)
    covered: Float64 = np.bincount(
        (hours + _EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK,
        weights=(end - begin) / _US_PER_HOUR,
        minlength=HOURS_PER_WEEK,
    ).astype(np.float64)
    return covered
