"""Self-calibration: how much blocks of the reference differ, against independent rows.

In: the codes of the whole reference in time order. Out: a `Calibration`, kept in the profile.
Never: the live stream; what is normal is learnt from the reference alone.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import kolmogi

from monitor.detectors.dependence import dependence
from monitor.detectors.ks import CdfTables, ks_distances, sorted_rows
from monitor.detectors.scores import ALTERNATIVES, NATS, ScoreTables
from monitor.detectors.total_variation import CategoryTest
from monitor.events import Bool, Float64, Int64
from monitor.sketches.calibration import Calibration
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference
from schemas.model import Monitoring

MIN_BLOCKS = 5
"""Disjoint blocks of a size without which windows of that size cannot be judged."""
KS_MEAN = 0.8687
"""Mean of Kolmogorov's law of sqrt(n) D."""
KS_VARIATION = 0.3
"""Its standard deviation over its mean."""


def calibrate(
    codes: Codes,
    references: Sequence[NumberReference | CategoryReference],
    monitoring: Monitoring,
    *,
    time_ordered: bool,
) -> Calibration:
    """Measure the design effects of a reference.

    Parameters
    ----------
    codes
        uint16[F, N] of all reference rows, oldest first, in the order of `references`.
    monitoring
        The card's settings: window sizes and River detectors.
    time_ordered
        False: the order means nothing, so rows are taken as independent, and said to be.

    Each block of a scale's size is compared with the rest of the reference; phi is how much wider
    the distance spreads than independence allows.

    >>> rng = np.random.default_rng(7)
    >>> values = np.repeat(rng.normal(size=1_000), 10)  # every value ten times in a row
    >>> column = NumberReference.from_values("x", values)
    >>> found = calibrate(
    ...     column.codes(values)[None, :], [column], Monitoring(scales=(1_000,)), time_ordered=True
    ... )
    >>> found.blocks.tolist(), 5 < float(found.design_effect[0, 0]) < 20
    ([10], True)

    Kish (1965), Survey Sampling; Rao and Scott (1981), JASA 76.
    """
    columns, n = codes.shape
    scales = np.array(monitoring.scales, dtype=np.int64)
    shape = (columns, scales.size)
    effect, certainty, freedom = (np.full(shape, np.nan) for _ in range(3))
    missing, missing_certainty, unseen, unseen_certainty = (
        np.full(shape, np.nan) for _ in range(4)
    )
    counts = [_all_rows(reference, codes[row]) for row, reference in enumerate(references)]
    numeric = [row for row, r in enumerate(references) if isinstance(r, NumberReference)]
    tables = CdfTables.join([_cumulative(counts[row]) for row in numeric])
    for s, scale in enumerate(scales.tolist()):
        if n // scale < MIN_BLOCKS:
            continue
        starts = _starts(n, scale)
        distances = _block_distances(codes[numeric], tables, starts, scale)
        for at, row in enumerate(numeric):
            effect[row, s], certainty[row, s] = _ks_effect(distances[at], scale, n)
        for row, reference in enumerate(references):
            if isinstance(reference, CategoryReference):
                effect[row, s], certainty[row, s], freedom[row, s] = _category_effect(
                    codes[row], replace(reference, counts=counts[row]), starts, scale
                )
            other = len(reference.names) if isinstance(reference, CategoryReference) else NULL_CODE
            missing[row, s], missing_certainty[row, s] = _rate_effect(
                codes[row] == NULL_CODE, starts, scale
            )
            unseen[row, s], unseen_certainty[row, s] = (
                _rate_effect(codes[row] == other, starts, scale)
                if other != NULL_CODE
                else (np.nan, np.nan)
            )
    sequential = _sequential(codes, references)
    pairs = np.full((scales.size, columns, columns), np.nan)
    if not time_ordered:
        measured = ~np.isnan(effect)
        effect[measured] = missing[measured] = 1.0
        certainty[measured] = missing_certainty[measured] = np.inf
    return Calibration(
        scales=scales,
        blocks=n // scales,
        design_effect=effect,
        certainty=certainty,
        freedom=freedom,
        missing_effect=missing,
        missing_certainty=missing_certainty,
        unseen_effect=unseen,
        unseen_certainty=unseen_certainty,
        sequential_effect=sequential[0],
        sequential_error=sequential[1],
        sequential_peak=sequential[2],
        pair_mean=pairs,
        pair_spread=pairs.copy(),
        joint_mean=np.full(scales.size, np.nan),
        joint_spread=np.full(scales.size, np.nan),
        river_alarms=np.zeros(0, dtype=np.int64),
        river_names=(),
        time_ordered=time_ordered,
    )


def _all_rows(reference: NumberReference | CategoryReference, codes: Codes) -> Int64:
    """How many of all rows have each code: a sample of them is in the reference."""
    slots = reference.slots
    return np.bincount(np.minimum(codes, slots), minlength=slots + 1)[:slots].astype(np.int64)


def _cumulative(counts: Int64) -> Float64:
    """Counts by slot as a table like `NumberReference.cdf`."""
    return np.append(0, np.cumsum(counts)) / max(int(counts.sum()), 1)


def _starts(n: int, scale: int) -> Int64:
    """First rows of the blocks: overlapping by three quarters, as the looks do."""
    return np.arange(0, n - scale + 1, scale // 4, dtype=np.int64)


def _block_distances(codes: Codes, tables: CdfTables, starts: Int64, scale: int) -> Float64:
    """float64[F, blocks]: KS distance of each block from the rest of the reference."""
    n = codes.shape[1]
    distances = np.zeros((codes.shape[0], starts.size))
    for at, start in enumerate(starts.tolist()):
        rows = sorted_rows(codes[:, start : start + scale])
        distances[:, at] = ks_distances(rows, tables)[0] * n / (n - scale)
    return distances


def _ks_effect(distances: Float64, scale: int, n: int) -> tuple[float, float]:
    """Design effect of one column at one scale, and its degrees of freedom."""
    size = 1.0 / (1.0 / scale + 1.0 / (n - scale))
    mean = distances.mean()
    blocks = n // scale
    usual = (mean * np.sqrt(size) / KS_MEAN) ** 2
    worst = (distances.max() * np.sqrt(size) / kolmogi(1.0 - 0.5 ** (1.0 / blocks))) ** 2
    variation = max(KS_VARIATION, distances.std() / mean if mean > 0 else 0.0)
    return max(1.0, usual, worst), blocks / (2.0 * variation**2)


def _category_effect(
    codes: Codes, reference: CategoryReference, starts: Int64, scale: int
) -> tuple[float, float, float]:
    """Design effect of chi-squared, its certainty, and Satterthwaite's degrees of freedom."""
    test = CategoryTest.of(reference, scale)
    n = codes.size
    if test.freedom == 0:
        return 1.0, np.inf, 1.0
    # The block is inside the reference here: (q - all) n / (n - W) is its distance from the rest.
    part = (n / (n - scale)) ** 2 * (1 / scale + 1 / n) / (1 / scale + 1 / (n - scale))
    ratios = part * np.array(
        [test.chi_squared(test.count(codes[a : a + scale])) for a in starts.tolist()]
    )
    mean, variance = ratios.mean(), ratios.var()
    blocks = n // scale
    freedom = float(np.clip(2 * mean**2 / max(variance, 1e-12), 1.0, test.freedom))
    return max(1.0, float(mean)), blocks * freedom, freedom


def _rate_effect(hit: Bool, starts: Int64, scale: int) -> tuple[float, float]:
    """Design effect of a rate from the spread of the blocks' rates."""
    n = hit.size
    rate = hit.mean()
    if rate in (0.0, 1.0):
        return 1.0, np.inf
    total: Float64 = np.append(0.0, np.cumsum(hit))
    rates = (total[starts + scale] - total[starts]) / scale * n / (n - scale)
    independent = rate * (1 - rate) * (1 / scale + 1 / (n - scale))
    centre = rate * n / (n - scale)
    return max(1.0, float(((rates - centre) ** 2).mean() / independent)), float(n // scale)


def _sequential(
    codes: Codes, references: Sequence[NumberReference | CategoryReference]
) -> tuple[Float64, Float64, Float64]:
    """Dependence of every score of every column: effect, its error, the sum's peak."""
    columns = codes.shape[0]
    shape = (columns, len(ALTERNATIVES))
    effect, error, peak = np.ones(shape), np.zeros(shape), np.zeros(shape)
    tables = ScoreTables.of(references)
    for row in range(columns):
        for k in range(len(ALTERNATIVES)):
            found = dependence(tables.of_column(row, k, codes[row]) / NATS)
            effect[row, k], error[row, k], peak[row, k] = found.effect, found.error, found.peak
    return effect, error, peak
