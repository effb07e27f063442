"""How far sums over the reference wander, against sums of independent rows.

In: one score per reference row, in time order. Out: the long-run variance over the variance, how
well that is known, and the highest excursion. Never: a threshold.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from monitor.events import Float64

BLOCK_SIZES = (10, 50, 250, 1_000)
"""Sizes at which sums of blocks are compared, so that slow waves and seasons count too."""
MIN_BLOCKS = 10
SIGNIFICANT = 2.0
"""Standard errors that an autocorrelation must exceed to count; the first below ends the sum."""
BLOCK_SIGNIFICANT = 3.0


@dataclass(frozen=True, slots=True)
class Dependence:
    """What the order of the reference says of one score."""

    effect: float
    """Long-run variance over variance, at least 1."""
    error: float
    """Relative standard error of `effect`."""
    peak: float
    """Highest sum above its lowest point so far, in the score's unit."""


def dependence(scores: Float64) -> Dependence:
    """Measure one score's dependence.

    The larger of two estimates: 1 plus twice the autocorrelations up to the first that is not
    significant (precise for dependence that fades), and the variance of sums of blocks where it is
    significantly above that (which sees seasons).

    >>> rng = np.random.default_rng(5)
    >>> found = dependence(np.repeat(rng.normal(size=4_000), 5))
    >>> 4 < found.effect < 6, found.error < 0.1
    (True, True)
    >>> dependence(rng.normal(size=20_000)).effect < 1.2
    True
    """
    n = scores.size
    variance = float(scores.var()) if n else 0.0
    if n < 2 or variance <= 0.0:
        return Dependence(1.0, 0.0, 0.0)
    total = np.concatenate((np.zeros(1), np.cumsum(scores)))
    peak = float((total - np.minimum.accumulate(total)).max())
    effect, error = _from_autocorrelation(scores, variance)
    effect = max(effect, 1.0)
    for size in BLOCK_SIZES:
        blocks = n // size
        if blocks < MIN_BLOCKS:
            continue
        sums = np.diff(total[: blocks * size + 1 : size])
        ratio = float(sums.var(ddof=1)) / (size * variance)
        spread = float(np.sqrt(2.0 / blocks))
        if ratio > effect * (1.0 + BLOCK_SIGNIFICANT * spread):
            effect, error = ratio, spread
    return Dependence(effect, error, peak)


def _from_autocorrelation(scores: Float64, variance: float) -> tuple[float, float]:
    n = scores.size
    length = next_fast_len(2 * n, real=True)
    spectrum = rfft(scores - scores.mean(), length)
    correlation = irfft(np.abs(spectrum) ** 2, length)[1 : n // 4] / (n * variance)
    weak = np.flatnonzero(correlation < SIGNIFICANT / np.sqrt(n))
    lags = int(weak[0]) if weak.size else correlation.size
    effect = 1.0 + 2.0 * float(correlation[:lags].sum())
    return effect, float(np.sqrt(2.0 * (2 * lags + 1) / n))
