"""A category column's reference: the names it knows and how often each occurs.

In: the reference values of one column. Out: a frozen `CategoryReference` and, for new values,
their codes. Never: more names than `MAX_NAMES`; the rest are pooled as "other".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Self

import numpy as np

from monitor.errors import ProfileError
from monitor.events import Float64, Int64
from monitor.sketches.codes import NULL_CODE, Codes, mid_ranks

MAX_NAMES = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class CategoryReference:
    """Known names, most frequent first, with their counts; the last count is "other".

    A value's code is its index in `names`; `len(names)` stands for every value that is not among
    them: pooled rare ones (where the reference has more than `MAX_NAMES`) and unseen ones.

    >>> reference = CategoryReference.from_values("origin", ["EWR", "JFK", "EWR", None])
    >>> reference.codes(["JFK", "LGA", None, "EWR"]).tolist()
    [1, 2, 65535, 0]
    >>> reference.counts.tolist(), reference.missing_rate
    ([2, 1, 0], 0.25)
    """

    name: str
    names: tuple[str, ...]
    counts: Int64
    n_rows: int
    missing_rate: float
    n: int = field(init=False)
    _index: dict[str | None, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "n", int(self.counts.sum()))
        index = {name: i for i, name in enumerate(self.names)}
        object.__setattr__(self, "_index", {None: NULL_CODE, **index})

    @classmethod
    def from_values(cls, name: str, values: Sequence[str | None]) -> Self:
        """Build from all reference values; None counts as missing."""
        tally = Counter(value for value in values if value is not None)
        ranked = sorted(tally.items(), key=lambda item: (-item[1], item[0]))
        kept, rest = ranked[:MAX_NAMES], ranked[MAX_NAMES:]
        counts = [count for _, count in kept] + [sum(count for _, count in rest)]
        present = sum(counts)
        return cls(
            name=name,
            names=tuple(value for value, _ in kept),
            counts=np.array(counts, dtype=np.int64),
            n_rows=len(values),
            missing_rate=1.0 - present / len(values) if values else 0.0,
        )

    @property
    def slots(self) -> int:
        """How many different codes a value can have: the names and "other"."""
        return len(self.names) + 1

    @property
    def cdf(self) -> Float64:
        """float64[slots + 1]: `cdf[s]` = P_ref(code < s)."""
        table = np.zeros(self.slots + 1)
        np.cumsum(self.counts, out=table[1:])
        return table / max(self.n, 1)

    def codes(self, values: Sequence[str | None]) -> Codes:
        """Code of each value, NULL_CODE for None."""
        found = map(self._index.get, values, repeat(len(self.names)))
        return np.fromiter(found, np.uint16, len(values))

    def sample_for(self, events: int) -> float:
        """Reference values that `events` in a row are compared with: all of them."""
        del events
        return float(self.n)

    def ranks(self, codes: Codes) -> Float64:
        """Mid-ranks in the order of the names (most frequent first), NaN for NULL_CODE."""
        return mid_ranks(self.cdf, codes)


def _check(reference: CategoryReference) -> None:
    names, counts = reference.names, reference.counts
    problem = ""
    if len(names) > MAX_NAMES:
        problem = f"has {len(names)} names: at most {MAX_NAMES} are kept"
    elif len(set(names)) != len(names):
        problem = "names a category twice"
    elif counts.shape != (len(names) + 1,):
        problem = f"has {counts.size} counts for {len(names)} names and one for other"
    elif (counts < 0).any():
        problem = "has a negative count"
    elif not 0.0 <= reference.missing_rate <= 1.0:
        problem = f"has missing_rate {reference.missing_rate}: it must lie in 0 to 1"
    if problem:
        raise ProfileError(f"reference of column {reference.name!r} {problem}")
