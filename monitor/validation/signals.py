"""Signals: what an event tells beside its values, as rows of numbers.

In: events of one model version, or the columns of a file. Out: float64[len(SIGNALS), n], NaN where
an event does not tell. Never: a judgement; the checks of step 4 read these rows. A field that no
event of a batch has costs one look-up an event.
"""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import numpy as np

from monitor.clock import US_PER_SECOND
from monitor.events import SIGNALS, Float64, Int64
from schemas.values import class_text

STATUS_CODES: Final = {"ok": 0.0, "fallback": 1.0, "error": 2.0}
LATENCY, STATUS, LAG, RESENDS, AGE, INCOHERENCE = range(len(SIGNALS))
"""Row numbers in the order of SIGNALS."""

OUTSIDE, NO_SUM, NOT_LARGEST = 1, 2, 4
"""Bits of `incoherence`: a score outside 0 to 1; scores that do not sum to 1; a prediction that is
not the class with the largest score."""
SUM_TOLERANCE: Final = 0.01
"""Scores are often rounded before they are logged."""


_get: Final[Any] = dict.get
"""Called on whole columns of events: they are dicts."""


def event_signals(events: Sequence[Mapping[str, Any]], lag_us: Int64, age_s: Float64) -> Float64:
    """Signals of validated events.

    `lag_us` int64[n] is send time minus event time, `age_s` float64[n] how long before its event
    the oldest feature was known.

    >>> event_signals([{"latency_ms": 12.5}, {"status": "error"}], np.array([2_000_000, 0]),
    ...     np.array([np.nan, 60.0]))
    array([[12.5,  nan],
           [ 0. ,  2. ],
           [ 2. ,  0. ],
           [ 0. ,  0. ],
           [ nan, 60. ],
           [ nan,  nan]])
    """
    signals = no_signals(len(events))
    signals[LATENCY] = [_number(event.get("latency_ms")) for event in events]
    signals[STATUS] = [STATUS_CODES[event.get("status", "ok")] for event in events]
    signals[LAG] = lag_us / US_PER_SECOND
    signals[AGE] = age_s
    scores: list[Any] = list(map(_get, events, repeat("scores")))
    if any(scores):
        rows = [row for row, values in enumerate(scores) if values]
        answers = [class_text(events[row]["prediction"]) for row in rows]
        signals[INCOHERENCE, rows] = incoherence([scores[row] for row in rows], answers)
    return signals


def incoherence(scores: Sequence[Mapping[str, float]], answers: Sequence[str]) -> Float64:
    """Bits of what is wrong between the scores of each event and its answer, as numbers.

    An answer that has no score of its own is not compared.

    >>> incoherence([{"a": 0.9, "b": 0.1}, {"a": 0.9, "b": 0.4}, {"a": 0.9, "b": 0.1}],
    ...     ["a", "a", "b"]).tolist()
    [0.0, 2.0, 4.0]
    """
    sizes = np.fromiter(map(len, scores), np.int64, len(scores))
    starts = np.cumsum(sizes) - sizes
    flat = np.array([value for row in scores for value in row.values()], np.float64)
    own = np.array(
        [row.get(answer, np.nan) for row, answer in zip(scores, answers, strict=True)], np.float64
    )
    outside = np.logical_or.reduceat(~((flat >= 0.0) & (flat <= 1.0)), starts)
    with np.errstate(invalid="ignore"):
        off = np.abs(np.add.reduceat(flat, starts) - 1.0) > SUM_TOLERANCE
        beaten = own < np.maximum.reduceat(flat, starts)
    found: Float64 = outside * float(OUTSIDE) + off * float(NO_SUM) + beaten * float(NOT_LARGEST)
    return found


def no_signals(n: int) -> Float64:
    """Signals of n events that tell nothing beside their values."""
    signals = np.full((len(SIGNALS), n), np.nan)
    signals[RESENDS] = 0.0
    return signals


def _number(value: float | None) -> float:
    return np.nan if value is None else value
