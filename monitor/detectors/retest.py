"""The KS test on a stored summary: history re-tested after its events are gone.

In: a (merged) KLL summary, a reference. Out: the distance with the summary's own error, and a
verdict that holds whichever way that error fell. Never: an exact distance; that needs the codes.
"""

from dataclasses import dataclass

import numpy as np

from monitor.detectors.ks import effective_size, ks_thresholds
from monitor.findings import Verdict
from monitor.sketches.kll import KllSummary
from monitor.sketches.number import NumberReference
from monitor.sketches.seasonal import SeasonalReference

GRID = 512
"""Points of the reference at which the two distributions are compared, at most."""


@dataclass(frozen=True, slots=True)
class Retest:
    """A distance read from a summary: the true one lies within `error` of `d` (99 %)."""

    d: float
    error: float
    threshold: float
    verdict: Verdict


def retest(
    summary: KllSummary,
    column: NumberReference,
    *,
    alpha: float,
    design_effect: float = 1.0,
    certainty: float = np.inf,
) -> Retest:
    """Test the values behind a summary against the reference.

    Drift is claimed where even d - error is significant, no drift where not even d + error is;
    between the two the summary cannot tell.

    A column that is compared by season cannot be told from a summary, which has no times.

    **Blind to** what lies between the grid's points: up to 1 / `GRID` of the reference, which is
    part of the error.

    **Cost**: about 1 ms.

    >>> column = NumberReference.from_values("x", np.arange(2_000.0))
    >>> found = retest(KllSummary(np.arange(900.0, 1_100.0)), column, alpha=1e-6)
    >>> round(found.d, 2), found.verdict.value
    (0.45, 'drift')
    >>> retest(KllSummary(np.arange(0.0, 2_000.0, 7.0)), column, alpha=1e-6).verdict.value
    'ok'
    """
    if summary.n == 0 or column.n == 0 or isinstance(column, SeasonalReference):
        return Retest(0.0, 1.0, 1.0, Verdict.CANNOT_TELL)
    k = column.points.size
    at = np.unique(np.linspace(0, k - 1, min(k, GRID)).astype(np.int64))
    cumulative = np.cumsum(column.counts) / column.n
    ranks = np.array([summary.rank(float(point)) for point in column.points[at]])
    steps = np.diff(cumulative[at], prepend=0.0)
    d = float(np.abs(ranks - cumulative[at]).max())
    error = summary.rank_error + (float(steps.max()) if k > GRID else 0.0)
    one = np.ones(1)
    n = effective_size(summary.n * one, column.n_rows * one, column.n * one, design_effect * one)
    threshold = float(ks_thresholds(alpha * one, n, certainty * one)[0])
    if d - error >= threshold:
        verdict = Verdict.DRIFT
    elif d + error < threshold:
        verdict = Verdict.OK
    else:
        verdict = Verdict.CANNOT_TELL
    return Retest(d, error, threshold, verdict)
