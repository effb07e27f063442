"""A stretch of event time, and the buckets that it is cut into.

In: what the address of a page asks for (`range=30d`, or `from` and `to`) and the newest event.
Out: a `Stretch`. Never: the wall clock; a range ends at the newest event, so that old data that is
replayed shows as new data does.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from monitor.clock import US_PER_DAY, US_PER_SECOND, to_datetime, to_us

RangeName = Literal["1d", "7d", "30d", "90d", "1y", "all"]
RANGES: Final[dict[str, int]] = {"1d": 1, "7d": 7, "30d": 30, "90d": 90, "1y": 366}
"""Days that a range name stands for."""
BUCKETS: Final = 60
"""Most buckets that a stretch is cut into."""
FEWEST: Final = 6
"""However few panes there are."""
_MINUTE_US: Final = 60 * US_PER_SECOND
_WIDTHS_US: Final = (
    *(minutes * _MINUTE_US for minutes in (1, 5, 15, 30, 60, 180, 360, 720)),
    *(days * US_PER_DAY for days in (1, 2, 3, 7, 14, 30, 90, 365, 3_650)),
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `since` (inclusive) to `until` (exclusive), in buckets of `width_us`."""

    since: datetime
    until: datetime
    width_us: int

    @classmethod
    def between(cls, since: datetime, until: datetime, most: int = BUCKETS) -> "Stretch":
        """Cut into at most `most` buckets of a width that people know, begun at whole ones.

        >>> from datetime import UTC
        >>> march = datetime(2013, 3, 1, 10, tzinfo=UTC)
        >>> one = Stretch.between(march, march + timedelta(days=30))
        >>> one.since.isoformat(), one.width, one.buckets
        ('2013-03-01T00:00:00+00:00', '12 h', 61)
        """
        until = max(until, since + timedelta(minutes=1))
        length_us = to_us(until) - to_us(since)
        width_us = next((w for w in _WIDTHS_US if length_us <= w * most), _WIDTHS_US[-1])
        begun_us = to_us(since) // width_us * width_us
        return cls(to_datetime(begun_us), until, width_us)

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return -(-(to_us(self.until) - to_us(self.since)) // self.width_us)

    @property
    def width(self) -> str:
        """The width of a bucket in words."""
        minutes = self.width_us // _MINUTE_US
        if minutes % 1_440 == 0:
            return f"{minutes // 1_440} d"
        return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"

    def at(self, bucket: int) -> datetime:
        """When a bucket begins."""
        return to_datetime(to_us(self.since) + bucket * self.width_us)

    def values(self) -> dict[str, object]:
        """As parameters of the page queries."""
        return {"since": self.since, "until": self.until, "width_us": self.width_us}


def stretch_of(
    name: str,
    since: datetime | None,
    until: datetime | None,
    first_at: datetime,
    last_at: datetime,
    panes: float = math.inf,
) -> Stretch:
    """What an address asks for, of data between `first_at` and `last_at`.

    Where there are few `panes` between the two, the buckets are wide enough to hold one or two.

    >>> from datetime import UTC
    >>> first, last = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 12, 31, tzinfo=UTC)
    >>> stretch_of("7d", None, None, first, last).since.isoformat()
    '2013-12-24T00:00:00+00:00'
    >>> stretch_of("all", None, None, first, last).width
    '7 d'
    """
    end = until or last_at + timedelta(microseconds=1)  # the newest event is in it
    days = RANGES.get(name)
    begin = since or (first_at if days is None else max(first_at, end - timedelta(days=days)))
    begin = min(begin, end)
    length = (last_at - first_at) / timedelta(seconds=1)
    part = min((end - begin) / timedelta(seconds=1) / length, 1.0) if length > 0 else 1.0
    most = min(max(panes * part / 1.5, FEWEST), BUCKETS)
    return Stretch.between(begin, end, int(most))
