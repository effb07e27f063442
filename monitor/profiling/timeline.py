"""The time axis of a data file: does it run forwards, from when to when, where are the holes.

In: event times in the file's order. Out: a `TimeAudit`. Never: the clock of this machine.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.clock import US_PER_DAY, US_PER_SECOND, to_datetime
from monitor.events import Int64

SHOWN_GAPS: Final = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without events."""

    started: str
    """ISO time of the last event before it."""
    seconds: float


@dataclass(frozen=True, slots=True)
class TimeAudit:
    """What the event times of a file say about themselves."""

    started: str
    ended: str
    events_per_day: float
    backward_steps: int
    """How often a row is earlier than the one before it."""
    first_backward_row: int | None
    """Counted from 1."""
    largest_step_back_seconds: float
    gaps: tuple[Gap, ...]
    """The longest stretches between two events, longest first."""


def audit_times(occurred_us: Int64) -> TimeAudit:
    """Audit the times of a file with at least one row.

    >>> minutes = np.array([0, 1, 2, 1, 50], dtype=np.int64) * 60 * US_PER_SECOND
    >>> audit = audit_times(minutes)
    >>> audit.backward_steps, audit.first_backward_row, audit.gaps[0].seconds
    (1, 4, 2880.0)
    """
    steps = np.diff(occurred_us)
    backward = np.flatnonzero(steps < 0)
    ordered = np.sort(occurred_us)
    first, last = int(ordered[0]), int(ordered[-1])
    days = (last - first) / US_PER_DAY
    gaps = np.diff(ordered)
    longest = [int(i) for i in np.argsort(-gaps, kind="stable")[:SHOWN_GAPS] if gaps[i] > 0]
    return TimeAudit(
        started=to_datetime(first).isoformat(),
        ended=to_datetime(last).isoformat(),
        events_per_day=len(occurred_us) / days if days else float(len(occurred_us)),
        backward_steps=len(backward),
        first_backward_row=int(backward[0]) + 2 if len(backward) else None,
        largest_step_back_seconds=float(-steps.min()) / US_PER_SECOND if len(backward) else 0.0,
        gaps=tuple(
            Gap(to_datetime(int(ordered[i])).isoformat(), float(gaps[i]) / US_PER_SECOND)
            for i in longest
        ),
    )
