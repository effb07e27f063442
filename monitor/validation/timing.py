"""Times that cannot be: an event from after its sending, a feature known only after its event.

In: validated events with their event and send times. Out: faults beside them, and how old their
oldest feature was. Never: an event refused or a time changed: both are stored as they came.
"""

from collections.abc import Mapping, Sequence, Set
from itertools import repeat
from typing import Any, Final

import numpy as np

from monitor.clock import US_PER_SECOND, to_us
from monitor.events import Fault, Float64, Int64

TIMES_PREFIX: Final = "feature_times."
"""Before the name of a feature: the fault is of its time, not of its value."""
EVENT_TIME: Final = "occurred_at"

KNOWN_LATER_US: Final = US_PER_SECOND
"""Clocks of two services differ; a feature later than its event by more than this is a leak."""


_get: Final[Any] = dict.get
"""Called on whole columns of events: they are dicts."""


def future_faults(occurred_us: Int64, sent_us: Int64, tolerance_us: int) -> list[Fault]:
    """`from_future`: event times after the send time; the value is by how many seconds.

    >>> hour_us = 3_600 * US_PER_SECOND
    >>> future_faults(np.array([0, 2 * hour_us]), np.array([hour_us, hour_us]), 300 * 10**6)
    [Fault(row=1, feature='occurred_at', reason='from_future', value=3600.0)]
    """
    ahead_us = occurred_us - sent_us
    return [
        Fault(row, EVENT_TIME, "from_future", float(ahead_us[row]) / US_PER_SECOND)
        for row in np.flatnonzero(ahead_us > tolerance_us).tolist()
    ]


def feature_time_faults(
    events: Sequence[Mapping[str, Any]], occurred_us: Int64, known: Set[str]
) -> tuple[list[Fault], Float64]:
    """`known_later` of the features in `known`, by how many seconds; and the age of the oldest.

    The age is float64[n] in seconds, NaN where an event tells no feature's time.
    """
    told: list[Any] = list(map(_get, events, repeat("feature_times")))
    age_s = np.full(len(events), np.nan)
    if not any(told):
        return [], age_s
    found = [
        (row, name, to_us(moment))
        for row, times in enumerate(told)
        for name, moment in (times or {}).items()
        if name in known
    ]
    if not found:
        return [], age_s
    rows = np.array([row for row, _, _ in found], np.int64)
    before_us = occurred_us[rows] - np.array([moment_us for _, _, moment_us in found], np.int64)
    return _later(before_us, [(row, name) for row, name, _ in found]), _oldest(
        len(events), rows, before_us
    )


def column_time_faults(
    times_us: Mapping[str, Int64], occurred_us: Int64, absent_us: int
) -> tuple[list[Fault], Float64]:
    """The same of whole columns: feature to int64[n], `absent_us` where it is not told."""
    faults: list[Fault] = []
    n = len(occurred_us)
    rows = np.arange(n)
    age_s = np.full(n, np.nan)
    for name, column in times_us.items():
        told = rows[column != absent_us]
        before_us = occurred_us[told] - column[told]
        faults += _later(before_us, [(row, name) for row in told.tolist()])
        age_s = np.fmax(age_s, _oldest(n, told, before_us))
    return faults, age_s


def _later(before_us: Int64, places: Sequence[tuple[int, str]]) -> list[Fault]:
    return [
        Fault(
            places[at][0],
            TIMES_PREFIX + places[at][1],
            "known_later",
            -float(before_us[at]) / US_PER_SECOND,
        )
        for at in np.flatnonzero(before_us < -KNOWN_LATER_US).tolist()
    ]


def _oldest(n: int, rows: Int64, before_us: Int64) -> Float64:
    age_s = np.full(n, -np.inf)
    np.maximum.at(age_s, rows, before_us / US_PER_SECOND)
    age_s[np.isneginf(age_s)] = np.nan
    return age_s
