"""Features derived from a time, by one function that training, serving and monitor share."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

TimeBucket = Literal["night", "morning", "afternoon", "evening"]
_BUCKETS: tuple[TimeBucket, ...] = ("night", "morning", "afternoon", "evening")


@dataclass(frozen=True, slots=True)
class TimeFeatures:
    """Parts of a time, in UTC: `hour` 0-23, `day_of_week` 0 (Monday) to 6."""

    hour: int
    day_of_week: int
    is_weekend: bool
    time_bucket: TimeBucket


def time_features(moment: datetime) -> TimeFeatures:
    """The time features of an aware `moment`, always computed in UTC.

    >>> from datetime import timedelta, timezone
    >>> new_york = timezone(timedelta(hours=-5))
    >>> time_features(datetime(2013, 3, 1, 20, 15, tzinfo=new_york))
    TimeFeatures(hour=1, day_of_week=5, is_weekend=True, time_bucket='night')
    >>> time_features(datetime(2013, 3, 1))
    Traceback (most recent call last):
    ...
    ValueError: a naive time has no hour: give it a UTC offset (2013-03-01T00:00:00)
    """
    if moment.tzinfo is None:
        raise ValueError(f"a naive time has no hour: give it a UTC offset ({moment.isoformat()})")
    utc = moment.astimezone(UTC)
    weekday = utc.weekday()
    return TimeFeatures(
        hour=utc.hour,
        day_of_week=weekday,
        is_weekend=weekday >= 5,
        time_bucket=_BUCKETS[utc.hour // 6],
    )
