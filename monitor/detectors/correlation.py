"""Breaks in how number columns move together: the cheap multivariate check.

In: ranks of the values of one window. Out: the rank correlations of all pairs, and how far the
most broken one is from the reference. Never: a model of the columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from monitor.detectors.ks import CdfTables
from monitor.events import Float64
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference

MAX_COLUMNS = 50
"""More number columns than this are not paired: 1,225 pairs are checked at most."""
LIMIT = 0.999
LIVELY = 0.25
"""A column that varies less in a window than this share of its variance in the reference (long
constant, mostly missing) tells nothing of its pairs there."""


class RankCorrelations:
    """Rank correlations of all pairs of number columns in a window.

    Parameters
    ----------
    columns
        The columns.
    tables
        Their cumulative tables.

    >>> column = NumberReference.from_values("x", np.arange(100.0))
    >>> ranks = RankCorrelations([column, column], CdfTables.of([column, column]))
    >>> up = column.codes(np.arange(100.0))
    >>> float(np.tanh(ranks.of(np.stack([up, up[::-1]]))[0, 1]).round(2))
    -1.0
    """

    __slots__ = ("_tables", "_variances")

    def __init__(self, columns: Sequence[NumberReference], tables: CdfTables) -> None:
        self._tables = tables
        variances = []
        for column in columns:
            cdf = column.cdf
            middle = (cdf[:-1] + cdf[1:]) / 2 - 0.5
            variances.append(float((np.diff(cdf) * middle**2).sum()))
        self._variances = np.array(variances)

    def of(self, codes: Codes) -> Float64:
        """Fisher-transformed rank correlations float64[F, F] of uint16[F, W].

        A missing value counts as a middle one. NaN where a column of the pair hardly varies.
        """
        tables, n_ref = self._tables, self._tables.n_ref[:, None]
        place = np.minimum(codes, tables.last[:, None] - 1) + tables.offsets[:, None]
        ranks = tables.counts.take(place) / n_ref
        ranks += tables.counts[1:].take(place) / n_ref
        ranks *= 0.5
        missing = codes == NULL_CODE
        if missing.any():
            ranks[missing] = 0.5
        ranks -= ranks.mean(axis=1, keepdims=True)
        products = ranks @ ranks.T
        power = np.diag(products)
        lively = power >= np.maximum(LIVELY * self._variances * codes.shape[1], 1e-9)
        size = np.where(lively, np.sqrt(np.maximum(power, 1e-9)), np.nan)
        fisher: Float64 = np.arctanh(np.clip(products / np.outer(size, size), -LIMIT, LIMIT))
        return fisher


@dataclass(frozen=True, slots=True)
class CorrelationBreak:
    """The pair whose correlation is hardest to explain by the reference's blocks."""

    first: int
    second: int
    correlation: float
    usual: float
    effect: float
    """Their difference."""
    p_value: float
    """Two-sided, of this pair alone."""


def strongest_break(
    found: Float64, mean: Float64, spread: Float64, blocks: int, scale: int
) -> CorrelationBreak:
    """The most significant pair of `found` (float64[F, F]), by Student's t over the blocks.

    `mean` and `spread` are over the reference's disjoint blocks; a spread below that of
    independent rows is raised to it.

    **Blind to** dependence that ranks do not show, and to three columns that only together break.

    **Cost**: about 0.15 us an event for ten columns, the ranks included.

    >>> mean = np.zeros((2, 2)); spread = np.full((2, 2), 0.05)
    >>> pair = strongest_break(np.full((2, 2), 0.5), mean, spread, 20, 1_000)
    >>> pair.first, pair.second, round(pair.effect, 2), pair.p_value < 1e-6
    (0, 1, 0.46, True)
    """
    least = 1.0 / np.sqrt(max(scale - 3, 1))
    t = np.abs(found - mean) / (np.maximum(spread, least) * np.sqrt(1.0 + 1.0 / blocks))
    t[np.tri(len(t), dtype=np.bool_) | ~np.isfinite(t)] = -1.0
    first, second = divmod(int(np.argmax(t)), t.shape[1])
    now, usual = float(np.tanh(found[first, second])), float(np.tanh(mean[first, second]))
    return CorrelationBreak(
        first=first,
        second=second,
        correlation=now,
        usual=usual,
        effect=abs(now - usual),
        p_value=float(2.0 * stdtr(blocks - 1, -max(float(t[first, second]), 0.0))),
    )
