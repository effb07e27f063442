"""The synthetic streams: ten features in time order, at most one of which changes.

In: a `Stream` and a seed. Out: a `Source` that gives the reference rows and then, where they end,
the rows of the stream, in blocks: the same rows whatever the size of the blocks. Never: more than
a block in memory.

Features have mean 0 and standard deviation 1, so that a shift of 1 is one sigma. An eleventh
column, `prediction`, is made in the same way; only Plumbline, which watches it too, sees it.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.signal import lfilter

from monitor.events import Float64, Int64

FEATURES: Final = 10
NAMES: Final = (*(f"f{i}" for i in range(FEATURES)), "prediction")
DRAW_ROWS: Final = 10_000
"""Rows are drawn so many at a time, whatever is asked for."""
RAMP_EVENTS: Final = 2_000
HORIZON: Final = 10_000
"""Events after the onset: a change not seen by then is missed."""
WARM_UP: Final = (3_000, 8_000)
"""The onset is drawn between these."""
START_US: Final = 1_767_571_200_000_000
"""Monday, 5 January 2026, 00:00 UTC."""
BUDGET: Final = 1e-6
"""False alarms per event that the card asks for, the whole model together."""

Noise = Literal["normal", "t3", "lognormal"]
Season = Literal["none", "daily", "weekly"]
Kind = Literal["none", "mean", "variance", "ramp"]

_DAYS_PER_WEEK = 7
_WEEKDAYS = 5
_LOGNORMAL_MEAN = float(np.exp(0.5))
_LOGNORMAL_SD = float(np.sqrt((np.e - 1) * np.e))


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one feature from the onset on."""

    kind: Kind = "none"
    size: float = 0.0
    """Sigmas that the mean moves (`mean`, and `ramp` after `RAMP_EVENTS`), or the factor on the
    variance."""

    def applied(self, values: Float64, age: Int64) -> Float64:
        """`values` of a feature, `age` events after the onset (negative: before)."""
        after = age >= 0
        if self.kind == "mean":
            return values + self.size * after
        if self.kind == "variance":
            return np.where(after, values * np.sqrt(self.size), values)
        if self.kind == "ramp":
            return values + self.size * np.clip((age + 1) / RAMP_EVENTS, 0, 1)
        return values


@dataclass(frozen=True, slots=True)
class Stream:
    """One row of the table."""

    name: str
    noise: Noise = "normal"
    ar: float = 0.0
    """Correlation of consecutive events (of normal noise)."""
    season: Season = "none"
    """`daily`: a sine of amplitude 1; `weekly`: half of it, and weekends one sigma lower."""
    change: Change = Change()
    events_per_day: float = 1_000_000 / 30
    reference_rows: int = 40_000
    effect_floor: float | None = None
    """Of Plumbline's card; None: the default."""

    @property
    def us_per_event(self) -> float:
        """Time between two events."""
        return 86_400e6 / self.events_per_day


class Source:
    """The rows of one stream under one seed.

    >>> source = Source(Stream("null"), seed=1)
    >>> reference = source.reference()
    >>> reference.shape, source.take(5).shape, source.onset
    ((40000, 11), (5, 11), None)
    """

    def __init__(self, stream: Stream, seed: int) -> None:
        self.stream = stream
        # The noise of a seed is the same whatever the change: rows of the table can be compared.
        noise_seed, plan_seed = np.random.SeedSequence(seed).spawn(2)
        self._rng = np.random.default_rng(noise_seed)
        plan = np.random.default_rng(plan_seed)
        self._phases = plan.uniform(0, 2 * np.pi, len(NAMES))
        self.feature = int(plan.integers(FEATURES))
        """The one that changes, if any does."""
        onset = int(plan.integers(*WARM_UP))
        self.onset = None if stream.change.kind == "none" else onset
        """First changed event of the stream, counted from the end of the reference."""
        self._next = 0
        self._state = self._rng.standard_normal(len(NAMES))
        self._rest = np.empty((0, len(NAMES)))

    def reference(self) -> Float64:
        """The rows of the reference; ask for them first."""
        return self.take(self.stream.reference_rows)

    def take(self, n: int) -> Float64:
        """The next n rows, float64[n, 11]."""
        parts, have = [self._rest], len(self._rest)
        while have < n:
            parts.append(self._draw())
            have += DRAW_ROWS
        rows = np.concatenate(parts)
        self._rest = rows[n:]
        return rows[:n]

    def times_us(self, first: int, n: int) -> Int64:
        """Event times of n rows; row 0 is the first of the reference."""
        places = np.arange(first, first + n)
        return START_US + (places * self.stream.us_per_event).astype(np.int64)

    def _draw(self) -> Float64:
        places = np.arange(self._next, self._next + DRAW_ROWS)
        self._next += DRAW_ROWS
        rows = self._noise() + self._season(places)
        if self.onset is not None:
            age = places - self.stream.reference_rows - self.onset
            rows[:, self.feature] = self.stream.change.applied(rows[:, self.feature], age)
        return rows

    def _noise(self) -> Float64:
        shape = (DRAW_ROWS, len(NAMES))
        drawn: Float64
        if self.stream.noise == "t3":
            drawn = self._rng.standard_t(3, shape) / np.sqrt(3)
            return drawn
        drawn = self._rng.standard_normal(shape)
        if self.stream.noise == "lognormal":
            return (np.exp(drawn) - _LOGNORMAL_MEAN) / _LOGNORMAL_SD
        ar = self.stream.ar
        if ar:
            drawn, _ = lfilter(
                [np.sqrt(1 - ar * ar)], [1, -ar], drawn, axis=0, zi=ar * self._state[None, :]
            )
            self._state = drawn[-1]
        return drawn

    def _season(self, places: Int64) -> Float64:
        if self.stream.season == "none":
            return np.zeros((1, len(NAMES)))
        days = places / self.stream.events_per_day
        daily = np.sin(2 * np.pi * days[:, None] + self._phases)
        if self.stream.season == "daily":
            return daily
        weekend = days % _DAYS_PER_WEEK >= _WEEKDAYS
        return 0.5 * daily - weekend[:, None]
