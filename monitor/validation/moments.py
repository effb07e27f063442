"""Event times: RFC 3339 texts -> microseconds since 1970.

In: texts that match the contract's pattern. Out: int64 microseconds, `NO_MOMENT` where a text names
no moment (30 February) or one outside the contract's range. Never: a guess at a missing offset.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from monitor.events import Int64
from schemas.contract import EARLIEST_TIME, LATEST_TIME

NO_MOMENT: Final = -(2**63)

_NANOSECONDS: Final = pa.timestamp("ns", tz="UTC")
_NS_PER_US: Final = 1_000
_MICROSECOND: Final = timedelta(microseconds=1)
LATEST_US: Final = (LATEST_TIME - EARLIEST_TIME) // _MICROSECOND


def moments_us(texts: Sequence[str]) -> Int64:
    """The moments that `texts` name; digits past the microsecond are cut off.

    >>> moments_us(["2013-03-01T05:00:00Z", "2013-03-01T05:00:00.5+01:00"]).tolist()
    [1362114000000000, 1362110400500000]
    >>> moments_us(["0001-01-01T00:00:00Z", "2013-02-30T05:00:00Z"]).tolist() == [NO_MOMENT] * 2
    True
    """
    try:
        moments_ns = pa.array(texts, pa.string()).cast(_NANOSECONDS).view(pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # it reads whole columns or nothing, and no "t", "z" or tenth digit
        return _in_range(np.array([_moment_us(text) for text in texts], dtype=np.int64))
    return _in_range(moments_ns // _NS_PER_US)


def _moment_us(text: str) -> int:
    try:
        return (datetime.fromisoformat(text.upper()) - EARLIEST_TIME) // _MICROSECOND
    except ValueError:
        return NO_MOMENT


def _in_range(moments: Int64) -> Int64:
    moments[(moments < 0) | (moments >= LATEST_US)] = NO_MOMENT
    return moments
