"""A chain of versions: each no worse than its predecessor within noise, together clearly worse.

In: the verdict of each replacement, in order. Out: the stretch of versions over which the loss has
risen. Never: one replacement counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.special import ndtr

from monitor.performance.compare import VersionVerdict
from monitor.performance.sequential_t import MIN_BLOCKS

ALPHA: Final = 0.001
MIN_LINKS: Final = 2


@dataclass(frozen=True, slots=True)
class ChainRise:
    """The loss of a version against that of an ancestor, summed over the versions between."""

    first: str
    last: str
    links: int
    difference: float
    standard_error: float
    p_value: float
    """One-sided, corrected for the stretches and the times that were looked at."""
    found: bool


def chain_rise(verdicts: Sequence[VersionVerdict], alpha: float = ALPHA) -> ChainRise | None:
    """The clearest rise over at least two replacements that ends with the newest version.

    Parameters
    ----------
    verdicts
        Verdicts whose comparison is over, oldest first, each version replacing the one before.
        Differences of different replacements rest on different predictions, so their errors add
        as squares.
    alpha
        Chance of a false alarm over the whole chain: the k-th replacement spends
        alpha / (k (k + 1)), shared by the stretches that end there.

    **Blind to** a rise that a single replacement shows: that is its own verdict's.

    **Cost**: a sum. None for fewer than two usable verdicts.

    >>> from monitor.performance.compare import Outcome
    >>> link = dict(outcome=Outcome.NO_DIFFERENCE_YET, pairing=None, difference=0.01,
    ...     standard_error=0.004, blocks=50, labelled=5_000, evidence=1.0, smallest_visible=0.02,
    ...     final=True)
    >>> rise = chain_rise([VersionVerdict(str(k), str(k + 1), **link) for k in range(6)])
    >>> rise.first, rise.last, round(rise.difference, 3), rise.found
    ('0', '6', 0.06, True)
    """
    usable = [one for one in verdicts if one.blocks >= MIN_BLOCKS]
    best: ChainRise | None = None
    k = len(usable)
    for start in range(k - MIN_LINKS + 1):
        part = usable[start:]
        if any(a.new != b.old for a, b in pairwise(part)):
            continue
        difference = float(sum(one.difference for one in part))
        error = float(np.sqrt(sum(one.standard_error**2 for one in part)))
        looks = k * (k + 1) * (k - MIN_LINKS + 1)
        p = float(min(1.0, ndtr(-difference / error) * looks)) if error > 0 else 1.0
        if best is None or p < best.p_value:
            best = ChainRise(
                part[0].old, part[-1].new, len(part), difference, error, p, found=p <= alpha
            )
    return best
