"""Signals: what an event tells beside its values, as rows of numbers.

In: events of one model version, or the columns of a file. Out: float64[len(SIGNALS), n], NaN where
an event does not tell. Never: a judgement; the checks of step 4 read these rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from monitor.events import SIGNALS, Float64, Int64

STATUS_CODES: Final = {"ok": 0.0, "fallback": 1.0, "error": 2.0}
LATENCY, STATUS, LAG, RESENDS = range(len(SIGNALS))
"""Row numbers in the order of SIGNALS."""


def event_signals(events: Sequence[Mapping[str, Any]], lag_us: Int64) -> Float64:
    """Signals of validated events; `lag_us` int64[n] is send time minus event time.

    >>> event_signals([{"latency_ms": 12.5}, {"status": "error"}], np.array([2_000_000, 0]))
    array([[12.5,  nan],
           [ 0. ,  2. ],
           [ 2. ,  0. ],
           [ 0. ,  0. ]])
    """
    signals = no_signals(len(events))
    signals[LATENCY] = [event.get("latency_ms", np.nan) for event in events]
    signals[STATUS] = [STATUS_CODES[event.get("status", "ok")] for event in events]
    signals[LAG] = lag_us / 1e6
    return signals


def no_signals(n: int) -> Float64:
    """Signals of n events that tell nothing beside their values."""
    signals = np.full((len(SIGNALS), n), np.nan)
    signals[STATUS] = 0.0
    signals[RESENDS] = 0.0
    return signals
