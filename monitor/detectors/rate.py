"""Tests of a rate that rises: missing values, unseen categories; and categories that vanish.

In: how often something happened in a window and in the reference. Out: p-values, thresholds.
Never: an alarm about a rate that falls; fewer missing values are no fault.
"""

import numpy as np
from scipy.special import betainc

from monitor.events import Float64, Int64


def rate_p_values(
    hits: Float64 | Int64, n: Float64 | Int64, hits_ref: Float64, n_ref: Float64, effect: Float64
) -> Float64:
    """Chance of at least `hits` of `n`, given `hits_ref` of `n_ref`, without a rise.

    Conditional test of two Poisson rates: given all hits, those in the window are binomial with
    probability n / (n + n_ref). Exact for rare events, cautious for frequent ones, and defined
    where the reference has none. Counts are divided by the design effect.

    **Blind to** a falling rate.

    >>> rate_p_values(
    ...     np.array([5]), np.array([1000]), np.array([0.0]), np.array([9000.0]), np.array([1.0])
    ... ).round(6)
    array([1.e-05])

    Przyborowski and Wilenski (1940), Biometrika 31.
    """
    some = np.asarray(hits > 0)
    if not some.any():
        return np.ones(some.shape)
    share = n / np.maximum(n + n_ref, 1.0)
    p = betainc(np.where(some, hits / effect, 1.0), hits_ref / effect + 1.0, share)
    return np.where(some, p, 1.0)


def rate_thresholds(
    alpha: Float64, n: Float64, hits_ref: Float64, n_ref: Float64, effect: Float64
) -> Float64:
    """Smallest rise of the rate whose p-value is at most alpha (1 where there is none).

    >>> rate_thresholds(
    ...     np.array([1e-5]), np.array([1e3]), np.array([0.0]), np.array([9e3]), np.array([1.0])
    ... ).round(4)
    array([0.005])
    """
    base = hits_ref / np.maximum(n_ref, 1.0)
    low, high = np.zeros_like(n), n.copy()
    reachable = rate_p_values(high, n, hits_ref, n_ref, effect) <= alpha
    for _ in range(40):
        middle = (low + high) / 2
        significant = rate_p_values(middle, n, hits_ref, n_ref, effect) <= alpha
        high = np.where(significant, middle, high)
        low = np.where(significant, low, middle)
    rise = high / np.maximum(n, 1.0) - base
    return np.where(reachable, np.clip(rise, 0.0, 1.0), 1.0)


def vanished(counts: Int64, shares: Float64, n_effective: float, alpha: float) -> Int64:
    """Codes that do not occur although the chance of that is at most alpha.

    >>> vanished(np.array([70, 30, 0]), np.array([0.5, 0.25, 0.25]), 100.0, 1e-6)
    array([2])
    """
    absent = (counts == 0) & (shares > 0)
    with np.errstate(divide="ignore"):
        chance = n_effective * np.log1p(-np.minimum(shares, 1.0))
    return np.flatnonzero(absent & (chance <= np.log(alpha)))
