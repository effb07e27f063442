"""How far a stretch of codes is from its reference, whatever the column.

In: codes of one column, its reference. Out: KS distance or total variation, and how many values it
rests on. Never: a verdict.
"""

import numpy as np

from monitor.detectors.ks import CdfTables
from monitor.detectors.window_distances import ks_distances
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference


def distance(reference: NumberReference | CategoryReference, codes: Codes) -> tuple[float, int]:
    """(distance, values): (0, 0) where no code is a value.

    >>> column = CategoryReference.from_values("origin", ["EWR", "JFK"])
    >>> distance(column, column.codes(["EWR", "EWR", None]))
    (0.5, 2)
    """
    present = codes[codes != NULL_CODE]
    if present.size == 0 or reference.n == 0:
        return 0.0, 0
    if isinstance(reference, NumberReference):
        d, _ = ks_distances(present[None, :], CdfTables.of([reference], buckets=1))
        return float(d[0]), int(present.size)
    shares = np.bincount(present, minlength=reference.slots) / present.size
    return float(np.abs(shares - reference.counts / reference.n).sum() / 2), int(present.size)
