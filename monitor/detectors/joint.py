"""One test for many columns that move together, each perhaps too little to be seen alone.

In: every column's distance over what its window's noise would make it. Out: one p-value and the
columns ranked by their shift. Never: a column's own verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from scipy.special import stdtr, stdtrit

MIN_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class JointShift:
    """The mean standardised shift of all columns, against the reference's own blocks."""

    statistic: float
    """Mean over columns of the shift over its expected noise: near 1 without drift."""
    p_value: float
    effect: float
    """Median shift of the columns, in their own units (KS distance, total variation)."""
    threshold: float
    """The median shift that would just be significant."""


def critical_shift(*, mean: float, spread: float, blocks: int, alpha: float) -> float:
    """The statistic whose p-value is alpha."""
    return mean - _of_a_new_block(spread, blocks) * float(stdtrit(blocks - 1, alpha))


def joint_shift(
    standardised: Sequence[float],
    effects: Sequence[float],
    *,
    mean: float,
    spread: float,
    blocks: int,
    critical: float,
) -> JointShift:
    """Compare the mean standardised shift with its mean and spread over reference blocks.

    Parameters
    ----------
    standardised, effects
        Each column's shift over its expected noise, and in its own units.
    mean, spread, blocks
        Of the same statistic over the disjoint blocks of the reference: Student's t with
        `blocks` - 1 degrees of freedom, for a new block.
    critical
        `critical_shift` of these.

    **Blind to** one column alone (its own test sees that) and to what the columns do together
    while each keeps its distribution.

    **Cost**: microseconds; the distances are there already.

    >>> law = {"mean": 1.0, "spread": 0.1, "blocks": 25}
    >>> critical = critical_shift(**law, alpha=1e-5)
    >>> shift = joint_shift([2.5] * 8, [0.12] * 8, **law, critical=critical)
    >>> shift.p_value < 1e-9, round(shift.effect, 2)
    (True, 0.12)
    """
    statistic, effect = fmean(standardised), median(effects)
    scale = _of_a_new_block(spread, blocks)
    return JointShift(
        statistic=statistic,
        p_value=float(stdtr(blocks - 1, -(statistic - mean) / scale)),
        effect=effect,
        threshold=min(effect * critical / statistic, 1.0) if statistic > 0 else 1.0,
    )


def _of_a_new_block(spread: float, blocks: int) -> float:
    scale: float = max(spread, 1e-9) * (1.0 + 1.0 / blocks) ** 0.5
    return scale
