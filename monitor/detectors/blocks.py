"""What blocks of the reference say: design effects of one column at one scale.

In: distances or codes of blocks. Out: how much wider they spread than independent rows would, and
how well that is known. Never: a threshold.
"""

import numpy as np
from scipy.special import kolmogi

from monitor.detectors.ks import CdfTables
from monitor.detectors.total_variation import CategoryTest
from monitor.detectors.window_distances import sorted_panes, window_distances
from monitor.events import Bool, Float64, Int64
from monitor.sketches.codes import Codes

KS_MEAN = 0.8687
"""Mean of Kolmogorov's law of sqrt(n) D."""
KS_VARIATION = 0.3
"""Its standard deviation over its mean."""
_AT_ONCE = 64


def block_starts(n: int, scale: int) -> Int64:
    """First rows of the blocks: overlapping by three quarters, as the looks do.

    >>> block_starts(2_000, 1_000).tolist()
    [0, 250, 500, 750, 1000]
    """
    return np.arange(0, n - scale + 1, scale // 4, dtype=np.int64)


def two_sample_size(n: int, scale: int) -> float:
    """What a block against the rest is worth with independent rows.

    >>> two_sample_size(2_000, 1_000)
    500.0
    """
    return 1.0 / (1.0 / scale + 1.0 / (n - scale))


def block_distances(codes: Codes, tables: CdfTables, starts: Int64, scale: int) -> Float64:
    """float64[F, blocks]: KS distance of each block from the rest; `tables` hold all rows."""
    n, size = codes.shape[1], scale // 4
    distances = np.zeros((codes.shape[0], starts.size))
    for at in range(0, starts.size, _AT_ONCE):
        some = starts[at : at + _AT_ONCE]
        panes = sorted_panes(codes[:, some[0] : some[-1] + scale], size, tables)
        d, _ = window_distances(list(panes), (some - some[0]) // size, 4, tables)
        distances[:, at : at + _AT_ONCE] = d.T * n / (n - scale)
    return distances


def block_ratios(codes: Codes, test: CategoryTest, starts: Int64, scale: int) -> Float64:
    """float64[blocks]: chi-squared over its degrees of freedom of each block against the rest."""
    n = codes.size
    # The block is inside all rows here: (q - all) n / (n - W) is its distance from the rest.
    part = (n / (n - scale)) ** 2 * (1 / scale + 1 / n) * two_sample_size(n, scale)
    counts = np.array([test.count(codes[a : a + scale]) for a in starts.tolist()])
    return part * test.chi_squared(counts, counts.sum(axis=1))


def ks_effect(distances: Float64, scale: int, n: int) -> tuple[float, float]:
    """Design effect of one column's KS distance, and its degrees of freedom.

    The larger of what the blocks' mean says and what their largest does: the mean alone leaves
    the upper tail too light where a few blocks (a weekend, a storm) stand out.

    >>> round(ks_effect(np.full(20, 2 * 0.8687 / np.sqrt(950)), 1_000, 20_000)[0], 2)
    4.0
    """
    size = two_sample_size(n, scale)
    mean = float(distances.mean())
    blocks = n // scale
    usual = mean**2 * size / KS_MEAN**2
    worst = float(distances.max()) ** 2 * size / float(kolmogi(1.0 - 0.5 ** (1.0 / blocks))) ** 2
    variation = max(KS_VARIATION, float(distances.std()) / mean if mean > 0 else 0.0)
    return max(1.0, usual, worst), blocks / (2.0 * variation**2)


def category_effect(ratios: Float64, test: CategoryTest, blocks: int) -> tuple[float, float, float]:
    """Design effect of chi-squared, its certainty, and Satterthwaite's degrees of freedom."""
    if test.freedom == 0:
        return 1.0, np.inf, 1.0
    mean, variance = float(ratios.mean()), float(ratios.var())
    freedom = float(np.clip(2 * mean**2 / max(variance, 1e-12), 1.0, test.freedom))
    return max(1.0, mean), blocks * freedom, freedom


def rate_effect(hit: Bool, starts: Int64, scale: int) -> tuple[float, float]:
    """Design effect of a rate from the spread of the blocks' rates, and its certainty.

    >>> rate_effect(np.zeros(4_000, bool), block_starts(4_000, 500), 500)
    (1.0, inf)
    """
    n = hit.size
    rate = float(hit.mean())
    if rate in (0.0, 1.0):
        return 1.0, np.inf
    total: Float64 = np.append(0.0, np.cumsum(hit))
    rates = (total[starts + scale] - total[starts]) / scale
    independent = rate * (1 - rate) / two_sample_size(n, scale)
    spread = float((((rates - rate) * n / (n - scale)) ** 2).mean())
    return max(1.0, spread / independent), float(n // scale)
