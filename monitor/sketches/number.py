"""A number column's reference: the sorted sample every later value is ranked against once.

In: the reference values of one column. Out: a frozen `NumberReference` and, for new values, their
codes. Never: a second search of the same value; everything that tests works on codes.
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from monitor.errors import ProfileError
from monitor.events import Float64, Int64
from monitor.sketches.codes import NULL_CODE, Codes, mid_ranks

MAX_POINTS = 10_000
"""Most values kept of a reference: 2 * 10,000 + 1 slots fit a uint16 beside NULL_CODE."""
SAMPLE_SEED = 20_130_201


@dataclass(frozen=True, slots=True, eq=False)
class NumberReference:
    """Sorted distinct values of a reference sample, with their counts.

    `points` float64[k] rise strictly, `counts` int64[k] are positive. `n_rows` counts all reference
    rows, missing ones included; `missing_rate` is the share of them without a value. A value's
    *slot* is 2i + 1 on point i and 2i in the gap before it, so slots keep the order and the ties.

    >>> reference = NumberReference.from_values("age", np.array([1.0, 2.0, 2.0, 5.0]))
    >>> reference.codes(np.array([0.0, 1.0, 1.5, 2.0, 9.0, np.nan])).tolist()
    [0, 1, 2, 3, 6, 65535]
    >>> reference.cdf.tolist()
    [0.0, 0.0, 0.25, 0.25, 0.75, 0.75, 1.0, 1.0]
    """

    name: str
    points: Float64
    counts: Int64
    n_rows: int
    missing_rate: float
    n: int = field(init=False)
    """Size of the sample that the points stand for."""

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "n", int(self.counts.sum()))
        if self.counts.size and (self.counts == 1).all():  # of a sample without ties: one number
            object.__setattr__(self, "counts", np.broadcast_to(np.int64(1), self.counts.shape))

    @classmethod
    def from_values(cls, name: str, values: Float64, *, seed: int = SAMPLE_SEED) -> Self:
        """Build from all reference values; what is not finite counts as missing."""
        present = values[np.isfinite(values)]
        missing_rate = 1.0 - present.size / values.size if values.size else 0.0
        if present.size > MAX_POINTS:
            present = np.random.default_rng(seed).choice(present, MAX_POINTS, replace=False)
        points, counts = np.unique(present, return_counts=True)
        return cls(
            name=name,
            points=points.astype(np.float64),
            counts=counts.astype(np.int64),
            n_rows=int(values.size),
            missing_rate=missing_rate,
        )

    @property
    def slots(self) -> int:
        """How many different codes a value can have: 2k + 1."""
        return 2 * self.points.size + 1

    @property
    def cdf(self) -> Float64:
        """float64[2k + 2]: `cdf[s]` = P_ref(slot < s), `cdf[s + 1]` = P_ref(slot <= s)."""
        return self.below / max(self.n, 1)

    @property
    def below(self) -> Int64:
        """int64[2k + 2]: how many of the sample lie in a slot below each."""
        table = np.zeros(self.slots + 1, dtype=np.int64)
        table[2::2] = table[3::2] = np.cumsum(self.counts)
        return table

    def codes(self, values: Float64) -> Codes:
        """Slot of each value, NULL_CODE for NaN."""
        if self.points.size == 0:
            return np.where(np.isnan(values), NULL_CODE, 0).astype(np.uint16)
        order = np.argsort(values)  # neighbours are found near each other: half the time
        place = np.empty(values.size, dtype=np.int64)
        place[order] = np.searchsorted(self.points, values[order])
        found = self.points.take(place, mode="clip") == values
        codes: Codes = (2 * place + found).astype(np.uint16)
        codes[np.isnan(values)] = NULL_CODE
        return codes

    def sample_for(self, events: int) -> float:
        """Reference values that `events` in a row are compared with: all of the sample."""
        del events
        return float(self.n)

    def ranks(self, codes: Codes) -> Float64:
        """Mid-ranks u = (P_ref(X < x) + P_ref(X <= x)) / 2 of coded values, NaN for NULL_CODE."""
        return mid_ranks(self.cdf, codes)


def _check(reference: NumberReference) -> None:
    points, counts = reference.points, reference.counts
    problem = ""
    if points.ndim != 1 or points.shape != counts.shape:
        problem = f"has {points.shape} points and {counts.shape} counts: they must pair up"
    elif points.size > MAX_POINTS:
        problem = f"has {points.size} points: at most {MAX_POINTS} fit the codes"
    elif not np.isfinite(points).all() or (np.diff(points) <= 0).any():
        problem = "has points that are not finite or do not rise strictly"
    elif (counts <= 0).any():
        problem = "has a count below 1"
    elif not 0.0 <= reference.missing_rate <= 1.0:
        problem = f"has missing_rate {reference.missing_rate}: it must lie in 0 to 1"
    if problem:
        raise ProfileError(f"reference of column {reference.name!r} {problem}")
