"""When a cohort begins and ends, and from when on nothing more is taken for it.

In: event times, horizons. Out: cohort numbers and their bounds; the offset that sealed each cohort
on a partition. Never: the wall clock: a partition's own events are its clock.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from monitor.errors import StateError
from monitor.events import Int64, LabelColumns

WITNESSES: Final = 5
"""Events that must have reached a time before a partition's clock shows it."""
LADDER_HOURS: Final = (1, 6, 24, 168)
SHORT_US: Final = (600_000_000, 60_000_000)
"""Cohorts of busy models: ten minutes, a minute."""
COHORT_EVENTS: Final = 500
MOST_COHORT_EVENTS: Final = 100_000
TICK_US: Final = 600_000_000
"""Ten minutes: what a labels partition's clock shows is a multiple of it."""
STEPS: Final = 2_000
NEVER_US: Final = -(2**62)
US_PER_HOUR: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Calendar:
    """Cuts event time into cohorts.

    Parameters
    ----------
    width_us
        Length of a cohort, microseconds; cohort k begins at k x width_us since 1970 (UTC).
    horizon_us
        A label later than this after the end of its cohort is not waited for.
    lateness_us
        How far predictions may come out of order.

    >>> day = Calendar.of(events_per_day=930.0, horizon_us=2 * US_PER_HOUR)
    >>> day.width_us // US_PER_HOUR, day.start_us(1) // US_PER_HOUR
    (24, 24)
    """

    width_us: int
    horizon_us: int
    lateness_us: int

    @classmethod
    def of(cls, events_per_day: float, horizon_us: int) -> "Calendar":
        """The shortest of LADDER_HOURS that holds COHORT_EVENTS at this rate.

        Shorter ones only where an hour holds more than MOST_COHORT_EVENTS.
        """
        per_us = events_per_day / 24 / US_PER_HOUR
        enough = (h for h in LADDER_HOURS if per_us * h * US_PER_HOUR >= COHORT_EVENTS)
        width_us = next(enough, LADDER_HOURS[-1]) * US_PER_HOUR
        for shorter_us in SHORT_US:
            if per_us * width_us > MOST_COHORT_EVENTS:
                width_us = shorter_us
        return cls(width_us, horizon_us, lateness_us=US_PER_HOUR)

    def cohort_of(self, occurred_us: Int64) -> Int64:
        """Number of the cohort of each event time."""
        return occurred_us // self.width_us

    def start_us(self, cohort: int) -> int:
        """Where a cohort begins; it ends where the next one begins."""
        return cohort * self.width_us

    def answers_sealed(self, clock_us: Int64) -> Int64:
        """The last cohort that takes no more predictions when their clock shows this."""
        return (clock_us - self.lateness_us) // self.width_us - 1

    def truths_sealed(self, clock_us: Int64) -> Int64:
        """The last cohort that takes no more labels when their clock shows this."""
        return (clock_us - self.horizon_us) // self.width_us - 1


class Clock:
    """What time a log shows: the WITNESSES-th latest event time so far, never going back.

    A few events with a wrong, far later time do not move it. Deterministic in the log's order,
    whatever the batches.

    >>> clock = Clock()
    >>> clock.advance(np.array([1, 2, 3, 4, 5, 9_999, 6]))[-2:].tolist()
    [2, 3]
    """

    def __init__(self) -> None:
        self._latest: list[int] = [NEVER_US] * WITNESSES
        """Falling."""

    @property
    def now_us(self) -> int:
        """The time shown; far in the past before WITNESSES events."""
        return self._latest[-1]

    def advance(self, times_us: Int64) -> Int64:
        """Take event times in the log's order; what the clock shows after each."""
        sinking = times_us
        for place, held in enumerate(self._latest):
            highest = np.maximum.accumulate(np.concatenate(([held], sinking)))
            sinking = np.minimum(highest[:-1], sinking)
            self._latest[place] = int(highest[-1])
        return highest[1:].astype(np.int64)

    def state(self) -> list[int]:
        """Plain numbers."""
        return list(self._latest)

    def restore(self, state: Sequence[int]) -> None:
        """Take up `state`; StateError where it has another form."""
        found = sorted((int(time_us) for time_us in state), reverse=True)
        if len(found) != WITNESSES:
            raise StateError(f"a saved clock has {len(found)} witnesses, not {WITNESSES}")
        self._latest = found


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """Rows of a partition in offset order, and what its clock showed before and after each."""

    offsets: Int64
    before_us: Int64
    after_us: Int64

    @classmethod
    def of(cls, clock: Clock, offsets: Int64, times_us: Int64) -> "Passed":
        """Let rows go by a clock."""
        before = clock.now_us
        after = clock.advance(times_us)
        return cls(offsets, np.concatenate(([before], after[:-1])).astype(np.int64), after)

    def before_at(self, offsets: Int64) -> Int64:
        """What the clock showed before each of some of these rows."""
        return self.before_us[np.searchsorted(self.offsets, offsets)]


class LabelClock:
    """The clock of one labels partition, over the labels of all its models.

    It shows whole TICK_US, so that few numbers tell all it ever showed: a model whose first
    prediction is read after its labels is shown the last STEPS of them.
    """

    def __init__(self) -> None:
        self._clock = Clock()
        self._steps: deque[tuple[int, int]] = deque(maxlen=STEPS)
        """(offset of the label, what the clock showed from it on)."""

    @property
    def now_us(self) -> int:
        """The time shown."""
        return _ticked(self._clock.now_us)

    def pass_labels(self, groups: Sequence[LabelColumns]) -> Passed:
        """Take the labels of a batch, of all models of the partition."""
        offsets = np.concatenate([np.empty(0, np.int64), *(one.offsets for one in groups)])
        times = np.concatenate([np.empty(0, np.int64), *(one.observed_us for one in groups)])
        order = np.argsort(offsets, kind="stable")
        before_us = self.now_us
        shown: Int64 = self._clock.advance(times[order]) // TICK_US * TICK_US
        passed = Passed(offsets[order], np.append(before_us, shown[:-1]).astype(np.int64), shown)
        rises = np.flatnonzero(passed.after_us > passed.before_us)
        self._steps.extend(
            zip(passed.offsets[rises].tolist(), passed.after_us[rises].tolist(), strict=True)
        )
        return passed

    def past(self) -> Passed:
        """The labels at which the clock rose, as far as that is remembered."""
        steps = np.array(self._steps, np.int64).reshape(-1, 2)
        offsets, after = steps[:, 0], steps[:, 1]
        return Passed(offsets, np.append(_ticked(NEVER_US), after[:-1])[: len(after)], after)

    def state(self) -> dict[str, Any]:
        """Plain numbers."""
        steps = np.array(self._steps, np.int64).reshape(-1, 2)
        return {"latest": self._clock.state(), "steps": steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self._clock.restore(state["latest"])
        self._steps.clear()
        self._steps.extend((int(offset), int(time_us)) for offset, time_us in state["steps"])


def _ticked(time_us: int) -> int:
    return time_us // TICK_US * TICK_US


class Seals:
    """At which offset each cohort was sealed on one partition.

    >>> seals = Seals()
    >>> seals.add(np.array([7, 8, 9]), np.array([2, 2, 4]))
    >>> seals.through, seals.below(1), seals.below(3), seals.below(5)
    (4, 8, 10, None)
    """

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int]] = deque()
        """(last cohort sealed, offset below which its rows lie)."""

    @property
    def through(self) -> int:
        """The last sealed cohort."""
        return self._steps[-1][0] if self._steps else NEVER_US

    def add(self, offsets: Int64, sealed: Int64) -> None:
        """Which cohort was the last sealed one after each row."""
        rises = np.flatnonzero(np.diff(sealed, prepend=max(self.through, NEVER_US)) > 0)
        for row in rises.tolist():
            self._steps.append((int(sealed[row]), int(offsets[row]) + 1))

    def below(self, cohort: int) -> int | None:
        """The offset below which a cohort's rows lie; None while it is open."""
        return next((offset for last, offset in self._steps if last >= cohort), None)

    def forget_through(self, cohort: int) -> None:
        """Drop what only cohorts up to this one need."""
        while len(self._steps) > 1 and self._steps[0][0] <= cohort:
            self._steps.popleft()

    def state(self) -> Int64:
        """Plain numbers."""
        return np.array(self._steps, np.int64).reshape(-1, 2)

    def restore(self, state: Any) -> None:
        """Take up `state`."""
        self._steps = deque((int(last), int(offset)) for last, offset in state)
