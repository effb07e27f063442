"""The only place that reads wall time.

In: nothing. Out: the time. Never: imported by a detector, which sees arrays only.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

US_PER_SECOND = 1_000_000
US_PER_DAY = 86_400 * US_PER_SECOND


class Clock(Protocol):
    """What the pipeline asks for the time."""

    def now_us(self) -> int:
        """Wall time, microseconds since 1970 in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back, for durations."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        return time.monotonic()


@dataclass(slots=True)
class ManualClock:
    """A clock that moves only when told: for tests and for file replays.

    >>> clock = ManualClock(start_us=0)
    >>> clock.advance(seconds=1.5)
    >>> clock.now_us()
    1500000
    """

    start_us: int = 0

    def now_us(self) -> int:
        return self.start_us

    def monotonic_s(self) -> float:
        return self.start_us / US_PER_SECOND

    def advance(self, *, seconds: float) -> None:
        """Move both times forward."""
        self.start_us += round(seconds * US_PER_SECOND)


def to_datetime(moment_us: int) -> datetime:
    """Microseconds since 1970 as an aware UTC datetime.

    >>> to_datetime(1_362_114_000_000_000).isoformat()
    '2013-03-01T05:00:00+00:00'
    """
    seconds, micros = divmod(moment_us, US_PER_SECOND)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=micros)


def to_us(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970 in UTC.

    >>> to_us(datetime(2013, 3, 1, 5, tzinfo=UTC))
    1362114000000000
    """
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * US_PER_SECOND + delta.microseconds
