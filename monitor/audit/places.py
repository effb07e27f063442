"""Where a value stands among the reference's: its percentile, its share, how rare it is.

In: the reference of one column, a value, the time of the event. Out: a `Place`. Never: a value
searched in raw rows; the profile holds a sample of at most 10,000 values a feature.
"""

import numpy as np

from monitor.audit.explanation import Place
from monitor.events import Float64
from monitor.sketches.category import CategoryReference
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Reference
from monitor.sketches.seasonal import SeasonalReference, season_of

THE_REFERENCE = "the reference"


def place_of(reference: Reference, value: bool | int | float | str, at_us: int) -> Place | None:
    """The place of a usable value; None where the reference has no values to compare with.

    >>> ages = NumberReference.from_values("age", np.array([20.0, 30.0, 30.0, 40.0]))
    >>> place = place_of(ages, 40, 0)
    >>> place.percentile, place.share, place.one_in, place.unseen
    (87.5, 0.25, 2.0, False)
    >>> plans = CategoryReference.from_values("plan", ["free"] * 9 + ["paid"])
    >>> place_of(plans, "paid", 0).one_in, place_of(plans, "gold", 0).unseen
    (10.0, True)
    """
    if isinstance(reference, CategoryReference):
        return _category(reference, value if isinstance(value, str) else str(value))
    if isinstance(value, str):
        return None
    if isinstance(reference, SeasonalReference):
        bucket = int(season_of(np.array([at_us]), reference.season)[0])
        compared_with = f"{reference.season} {bucket} of {THE_REFERENCE}"
        return _number(reference.buckets[bucket], float(value), compared_with)
    return _number(reference, float(value), THE_REFERENCE)


def _number(reference: NumberReference, value: float, compared_with: str) -> Place | None:
    if not reference.n:
        return None
    slot = int(reference.codes(np.array([value]))[0])
    below, up_to = reference.cdf[slot : slot + 2].tolist()
    tail = min(1.0, 2.0 * min(up_to, 1.0 - below))
    points = reference.points
    return Place(
        compared_with=compared_with,
        percentile=50.0 * (below + up_to),
        share=up_to - below,
        one_in=1.0 / tail if tail > 0.0 else None,
        of=reference.n,
        reference_low=float(points[0]),
        reference_median=_median(points, reference),
        reference_high=float(points[-1]),
        unseen=bool(value < points[0] or value > points[-1]),
    )


def _median(points: Float64, reference: NumberReference) -> float:
    return float(points[np.searchsorted(np.cumsum(reference.counts), reference.n / 2)])


def _category(reference: CategoryReference, value: str) -> Place | None:
    if not reference.n:
        return None
    code = int(reference.codes([value])[0])
    known = code < len(reference.names)
    count = int(reference.counts[code]) if known else 0
    counts = reference.counts[:-1]
    as_rare = int(counts[counts <= count].sum()) + int(reference.counts[-1])
    return Place(
        compared_with=THE_REFERENCE,
        percentile=None,
        share=count / reference.n,
        one_in=reference.n / as_rare if as_rare else None,
        of=reference.n,
        reference_low=None,
        reference_median=None,
        reference_high=None,
        unseen=not known,
    )
