"""Codes: the small integers that stand for values behind validation.

In: nothing. Out: their type, the code for "no value", and what both kinds of reference share.
Never: a value.
"""

import numpy as np
from numpy.typing import NDArray

from monitor.events import Float64

Codes = NDArray[np.uint16]

NULL_CODE = 65_535
"""No usable value: missing, null, hidden null or wrong."""


def mid_ranks(cdf: Float64, codes: Codes) -> Float64:
    """Middle of each code's step of the cumulative table, NaN for NULL_CODE.

    >>> mid_ranks(np.array([0.0, 0.5, 1.0]), np.array([0, 1, NULL_CODE], np.uint16)).tolist()
    [0.25, 0.75, nan]
    """
    ranks = np.empty(cdf.size)
    ranks[:-1] = (cdf[:-1] + cdf[1:]) / 2
    ranks[-1] = np.nan
    return ranks.take(codes, mode="clip")
