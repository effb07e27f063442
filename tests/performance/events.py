"""Predictions and labels for tests, and a plain oracle of the join."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monitor.events import Int64
from monitor.performance.calendar import Calendar, Clock
from monitor.performance.rows import Answers, Truths

HOUR_US = 3_600_000_000
CALENDAR = Calendar(width_us=HOUR_US, horizon_us=2 * HOUR_US, lateness_us=HOUR_US // 4)


@dataclass(frozen=True, slots=True)
class Answer:
    event: str
    occurred_us: int
    request: str = ""
    version: str = "1"
    score: float = 0.5


@dataclass(frozen=True, slots=True)
class Label:
    observed_us: int
    value: float
    event: str = ""
    request: str = ""


def answers_of(events: Sequence[Answer], first_offset: int = 0) -> Answers:
    versions = tuple(dict.fromkeys(event.version for event in events))
    n = len(events)
    return Answers(
        offsets=np.arange(first_offset, first_offset + n, dtype=np.int64),
        occurred_us=np.array([event.occurred_us for event in events], np.int64),
        event_ids=[event.event for event in events],
        request_ids=[event.request for event in events],
        versions=versions,
        version=np.array([versions.index(event.version) for event in events], np.int64),
        live=np.ones(n, np.bool_),
        answer=np.zeros(n),
        score=np.array([event.score for event in events], np.float64),
        scores=np.zeros((n, 0)),
        features=np.zeros((n, 0)),
    )


def truths_of(labels: Sequence[Label], first_offset: int = 0) -> Truths:
    n = len(labels)
    return Truths(
        offsets=np.arange(first_offset, first_offset + n, dtype=np.int64),
        observed_us=np.array([label.observed_us for label in labels], np.int64),
        event_ids=[label.event for label in labels],
        request_ids=[label.request for label in labels],
        value=np.array([label.value for label in labels], np.float64),
    )


Row = tuple[str, float | None, int, int]
"""Event, last label in time, corrections, repeats."""


def _one(sealed: Callable[[Int64], Int64], clock_us: int) -> int:
    return int(sealed(np.array([clock_us]))[0])


def oracle(events: Sequence[Answer], labels: Sequence[Label]) -> dict[int, list[Row]]:
    """Each cohort that both partitions have sealed, with loops and no memory bound."""
    clock, taken = Clock(), []
    for event in events:
        cohort = event.occurred_us // CALENDAR.width_us
        if cohort > _one(CALENDAR.answers_sealed, clock.now_us):
            taken.append((cohort, event))
        clock.advance(np.array([event.occurred_us]))
    answers_through = _one(CALENDAR.answers_sealed, clock.now_us)
    clock, in_order = Clock(), []
    for label in labels:
        in_order.append((clock.now_us, label))
        clock.advance(np.array([label.observed_us]))
    through = min(answers_through, _one(CALENDAR.truths_sealed, clock.now_us))
    closed: dict[int, list[Row]] = {}
    for cohort, event in taken:
        if cohort > through:
            continue
        values = [
            label.value
            for before_us, label in in_order
            if (label.event == event.event or (not label.event and label.request == event.request))
            and cohort > _one(CALENDAR.truths_sealed, before_us)
        ]
        changed = sum(a != b for a, b in pairwise(values))
        row = (
            event.event,
            values[-1] if values else None,
            changed,
            max(len(values) - 1, 0) - changed,
        )
        closed.setdefault(cohort, []).append(row)
    return closed
