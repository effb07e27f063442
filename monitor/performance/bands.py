"""How sure a metric is: a jackknife over consecutive blocks.

In: rows in time order and a function that measures a part of them. Out: an interval. Never: rows
taken as independent: consecutive ones share their weather, so whole blocks are left out at once.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.special import stdtrit

from monitor.events import Bool, Float64

BLOCKS: Final = 20
MIN_ROWS: Final = 100
"""With fewer rows there is no band."""
LEVEL: Final = 0.95


def jackknife_bands(n: int, measure: Callable[[Bool], Float64]) -> tuple[Float64, Float64]:
    """95 % intervals of several metrics at once.

    Parameters
    ----------
    n
        Rows, in time order.
    measure
        Mask of kept rows -> float64[metrics].

    Each of BLOCKS blocks is left out in turn (Quenouille, Tukey); the values spread as the metric
    would over data of the same dependence. NaN for fewer than MIN_ROWS rows, and where a metric
    cannot be measured without some block.

    **Blind to** dependence longer than a block (n / BLOCKS rows): the band of one day's cohort
    does not know how days differ. For a metric at the edge of its range (an expected calibration
    error near 0) the band is too narrow on one side.

    **Cost**: BLOCKS + 1 times the measure.

    >>> values = np.random.default_rng(3).normal(size=2_000)
    >>> low, high = jackknife_bands(2_000, lambda kept: values[kept].mean(keepdims=True))
    >>> bool(low[0] < 0.0 < high[0]), bool(high[0] - low[0] < 0.12)
    (True, True)

    Tukey (1958); Kunsch (1989) for blocks of dependent rows.
    """
    whole = np.asarray(measure(np.ones(n, np.bool_)))
    if n < MIN_ROWS:
        return np.full(whole.shape, np.nan), np.full(whole.shape, np.nan)
    block = np.arange(n) * BLOCKS // n
    left_out = np.array([measure(block != k) for k in range(BLOCKS)])
    error = np.sqrt((BLOCKS - 1) * left_out.var(axis=0))
    width = error * stdtrit(BLOCKS - 1, (1.0 + LEVEL) / 2.0)
    return whole - width, whole + width
