"""A number column compared with the same hour of the day or day of the week.

In: the reference values of one column with their times. Out: a reference whose codes are ranks
within the value's own season, so that a window of mornings is compared with mornings. Never: a
season that the reference has not seen often enough; such a column is compared with the whole.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from monitor.errors import ProfileError
from monitor.events import Float64, Int64
from monitor.sketches.codes import Codes
from monitor.sketches.number import MAX_POINTS, SAMPLE_SEED, NumberReference

Season = Literal["hour_of_day", "day_of_week"]

BUCKETS: dict[Season, int] = {"hour_of_day": 24, "day_of_week": 7}
MIN_VALUES = 100
"""Values that every hour (or day) of the reference must have."""
MIN_CYCLES = 4
"""Days (or weeks) that the reference must span."""
_US_PER_HOUR = 3_600_000_000
_US_PER_DAY = 24 * _US_PER_HOUR
_FIRST_WEEKDAY = 3
"""1970 began on a Thursday; Monday is 0."""


def season_of(occurred_us: Int64, season: Season) -> Int64:
    """Hour 0 to 23 or day 0 (Monday) to 6 of each time, in UTC as `schemas.time_features`.

    >>> season_of(np.array([0, 5 * 3_600_000_000]), "hour_of_day").tolist()
    [0, 5]
    >>> season_of(np.array([0]), "day_of_week").tolist()
    [3]
    """
    if season == "hour_of_day":
        return occurred_us // _US_PER_HOUR % 24
    return (occurred_us // _US_PER_DAY + _FIRST_WEEKDAY) % 7


@dataclass(frozen=True, slots=True, eq=False)
class SeasonalReference(NumberReference):
    """A reference over ranks within the season; `points` are such ranks, 0 to 1.

    `buckets` hold the reference of each hour or day. `whole_events` is how many events the
    reference has in a whole cycle: a shorter window meets only some of the buckets, each of which
    is a smaller sample.

    >>> hours = np.arange(24 * 200) % 24 * 3_600_000_000 + np.arange(4_800) // 24 * 86_400_000_000
    >>> values = hours / 3_600_000_000 % 24 + np.random.default_rng(1).random(4_800)
    >>> column = seasonal_reference("x", values, hours, "hour_of_day")
    >>> noon, late = 12 * 3_600_000_000, 22 * 3_600_000_000
    >>> usual, odd = column.codes_at(np.array([12.5, 12.5]), np.array([noon, late]))
    >>> bool(0.4 < column.ranks(usual) < 0.6), bool(column.ranks(odd) < 0.01)
    (True, True)
    """

    season: Season
    buckets: tuple[NumberReference, ...]
    whole_events: float

    def __post_init__(self) -> None:
        NumberReference.__post_init__(self)
        expected = BUCKETS.get(self.season)
        if expected != len(self.buckets):
            raise ProfileError(
                f"reference of column {self.name!r} has {len(self.buckets)} buckets for season "
                f"{self.season!r}: it must have {expected}"
            )
        if not self.whole_events > 0:
            raise ProfileError(
                f"reference of column {self.name!r} has whole_events {self.whole_events}: "
                "it must be above 0"
            )

    def codes(self, values: Float64) -> Codes:
        """Refused: a value without its time has no season."""
        raise ProfileError(
            f"column {self.name!r} is compared by {self.season}: give the times of the "
            f"{values.size} events too"
        )

    def codes_at(self, values: Float64, occurred_us: Int64) -> Codes:
        """Codes of values at their times, NULL_CODE for NaN."""
        return NumberReference.codes(self, _ranks(self.buckets, self.season, values, occurred_us))

    def sample_for(self, events: int) -> float:
        """Reference values that `events` in a row are compared with."""
        return self.n * min(1.0, max(events / self.whole_events, 1.0 / len(self.buckets)))


def seasonal_reference(
    name: str, values: Float64, occurred_us: Int64, season: Season, *, seed: int = SAMPLE_SEED
) -> NumberReference:
    """A `SeasonalReference` where the reference covers the season, else a plain one."""
    count = BUCKETS[season]
    buckets = season_of(occurred_us, season)
    present = np.isfinite(values)
    cycle_us = _US_PER_DAY if season == "hour_of_day" else 7 * _US_PER_DAY
    covered = np.bincount(buckets[present], minlength=count).min() >= MIN_VALUES
    if not covered or np.unique(occurred_us // cycle_us).size < MIN_CYCLES:
        return NumberReference.from_values(name, values, seed=seed)
    limit = MAX_POINTS // count
    rng = np.random.default_rng(seed)
    references = []
    for bucket in range(count):
        mine = values[present & (buckets == bucket)]
        if mine.size > limit:
            mine = rng.choice(mine, limit, replace=False)
        references.append(NumberReference.from_values(f"{name} {season} {bucket}", mine))
    finite = np.where(present, values, np.nan)
    ranks = NumberReference.from_values(
        name, _ranks(tuple(references), season, finite, occurred_us), seed=seed
    )
    cycles = (occurred_us.max() - occurred_us.min()) / cycle_us
    return SeasonalReference(
        name=name,
        points=ranks.points,
        counts=ranks.counts,
        n_rows=ranks.n_rows,
        missing_rate=ranks.missing_rate,
        season=season,
        buckets=tuple(references),
        whole_events=float(values.size / cycles),
    )


def _ranks(
    references: tuple[NumberReference, ...], season: Season, values: Float64, occurred_us: Int64
) -> Float64:
    """Mid-rank of each value within its season, NaN for NaN."""
    ranks = np.full(values.size, np.nan)
    buckets = season_of(occurred_us, season)
    for bucket in np.unique(buckets).tolist():
        mine = buckets == bucket
        reference = references[bucket]
        ranks[mine] = reference.ranks(reference.codes(values[mine]))
    return ranks
