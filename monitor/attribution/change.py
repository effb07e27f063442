"""Since which pane a column has been another one.

In: the codes of consecutive panes of one column, and its reference. Out: the place of the first
pane after the change. Never: a verdict; that there is a change has been found before.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from monitor.detectors.distance import distance
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.profile import Reference

LEAST_STEP: Final = 1 / 3
"""Part of the drift that must be new with the change; else it is older."""
LEAST_PART: Final = 0.2
"""Part of the spread of the panes' distances that a change must explain; else it is older."""


def drift_of(reference: Reference, codes: Codes) -> float:
    """How far codes are from their reference: KS distance, total variation or missing values.

    >>> from monitor.sketches.category import CategoryReference
    >>> plan = CategoryReference.from_values("plan", ["a", "b"] * 10)
    >>> drift_of(plan, plan.codes(["a"] * 6)), drift_of(plan, plan.codes([None, None, "a", "b"]))
    (0.5, 0.5)
    """
    if not codes.size:
        return 0.0
    apart, _ = distance(reference, codes)
    missing = float(np.count_nonzero(codes == NULL_CODE)) / codes.size
    return max(apart, abs(missing - reference.missing_rate))


def first_changed(reference: Reference, panes: Sequence[Codes]) -> int:
    """Place of the first pane of the changed column among `panes`, oldest first.

    0 where the change is older than all of them, or where no place stands out.

    Two means are fitted to the panes' distances from the reference (least squares); the change lies
    where they part, if the second one is the larger by a third.

    **Blind to** a change within a pane, and to slow ones, of which it gives the middle.

    **Cost**: 0.1 ms a pane.

    Hinkley (1970).
    """
    apart = np.array([drift_of(reference, pane) for pane in panes])
    n = apart.size
    if n < 2:
        return 0
    total = float(((apart - apart.mean()) ** 2).sum())
    best, place = 0.0, 0
    for split in range(1, n):
        before, after = apart[:split].mean(), apart[split:].mean()
        gained = float(split * (n - split) / n * (after - before) ** 2)
        if after - before >= LEAST_STEP * after and gained > best:
            best, place = gained, split
    return place if total > 0 and best >= LEAST_PART * total else 0
