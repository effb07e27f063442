"""The distribution that a person has accepted as normal, in place of one column's reference.

In: codes of a column against its original reference. Out: how often each slot occurs, and the
reference that these counts are: what stands in its place, and which code each old code becomes.
Never: a value that is not in the codes: values of one gap of the original are as good as equal.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from monitor.errors import StateError
from monitor.events import Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import MAX_POINTS, NumberReference
from monitor.sketches.profile import Reference

MOST_EVENTS = MAX_POINTS
"""So many events are accepted at most: each may need a point of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class SlotCounts:
    """How often each slot of a column occurs in a stretch of events.

    `slots` uint16[k] rise strictly, `counts` int64[k] are positive; `n_rows` counts the events,
    those without a value included.
    """

    slots: Codes
    counts: Int64
    n_rows: int

    @classmethod
    def of(cls, codes: Codes) -> Self:
        """Count the codes uint16[n] of one column.

        >>> found = SlotCounts.of(np.array([3, 1, 3, NULL_CODE], np.uint16))
        >>> found.slots.tolist(), found.counts.tolist(), found.n_rows
        ([1, 3], [1, 2], 4)
        """
        slots, counts = np.unique(codes[codes != NULL_CODE], return_counts=True)
        return cls(slots.astype(np.uint16), counts.astype(np.int64), int(codes.size))

    @property
    def n(self) -> int:
        """Events with a value."""
        return int(self.counts.sum())

    def beyond(self, original: Reference) -> float:
        """Share of the values that lie below or above all of the original's, where one slot is all.

        >>> original = NumberReference.from_values("x", np.array([1.0, 2.0]))
        >>> SlotCounts.of(original.codes(np.array([0.0, 1.5, 7.0, 9.0]))).beyond(original)
        0.75
        """
        if isinstance(original, CategoryReference):
            return 0.0
        ends = (self.slots == 0) | (self.slots == original.slots - 1)
        return float(self.counts[ends].sum() / max(self.n, 1))

    def reference(self, original: Reference) -> tuple[Reference, Codes]:
        """The reference that stands in the original's place, and uint16[slots + 1]: its codes.

        The last one is for NULL_CODE. The missing rate stays the original's. Distances on the new
        codes are exactly those between the counts of slots.

        >>> original = NumberReference.from_values("x", np.arange(5.0))
        >>> moved = SlotCounts.of(original.codes(np.array([3.0, 3.5, 3.5, 9.0])))
        >>> accepted, table = moved.reference(original)
        >>> accepted.points.tolist(), accepted.counts.tolist()
        ([3.0, 3.5, 4.000000000000001], [1, 2, 1])
        >>> table[original.codes(np.array([1.0, 3.0, 3.2, 4.0, 20.0]))].tolist()
        [0, 1, 3, 4, 5]
        """
        if self.slots.size and int(self.slots[-1]) >= original.slots:
            raise StateError(
                f"the accepted distribution of {original.name!r} has slot {self.slots[-1]}, its "
                f"reference only {original.slots}: it belongs to another reference"
            )
        every = np.arange(original.slots)
        if isinstance(original, CategoryReference):
            counts = np.zeros(original.slots, dtype=np.int64)
            counts[self.slots] = self.counts
            accepted: Reference = CategoryReference(
                original.name, original.names, counts, self.n_rows, original.missing_rate
            )
            codes = every
        else:
            accepted = NumberReference(
                name=original.name,
                points=_places(original.points)[self.slots],
                counts=self.counts,
                n_rows=self.n_rows,
                missing_rate=original.missing_rate,
            )
            codes = 2 * np.searchsorted(self.slots, every) + np.isin(every, self.slots)
        return accepted, np.append(codes, NULL_CODE).astype(np.uint16)


def _places(points: Float64) -> Float64:
    """float64[2k + 1]: a value for each slot: the points, and the middles of the gaps."""
    places = np.zeros(2 * points.size + 1)
    if points.size:
        places[1::2] = points
        places[2:-1:2] = points[:-1] / 2 + points[1:] / 2
        places[0] = np.nextafter(points[0], -np.inf)
        places[-1] = np.nextafter(points[-1], np.inf)
    return places
