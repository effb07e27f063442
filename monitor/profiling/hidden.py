"""Values that look like a null in disguise: "", "NA", -999 far below everything else.

In: how often each value of a column occurs. Out: suspicions, with the reason for each.
Never: a decision; the model card's `hidden_nulls` decide.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.values import NULL_WORDS

SENTINELS: Final = (-1, -9, -99, -999, -9999, -99999, 99, 999, 9999, 99999, 999999, 1e20, -1e20)
"""Numbers that commonly stand for "no value"."""

MIN_REPEATS: Final = 2
MIN_SPREAD_VALUES: Final = 5
"""Other distinct values that a column needs before a number can stand out."""


@dataclass(frozen=True, slots=True)
class SuspectedNull:
    """One value that may stand for "unknown"."""

    value: float | int | str
    count: int
    reason: str


def suspected_nulls(
    counts: Mapping[Any, int], declared: Collection[Any] = ()
) -> tuple[SuspectedNull, ...]:
    """Values of a column that look like nulls and are not among the `declared` ones.

    >>> [s.value for s in suspected_nulls({"AA": 7, "unknown": 2, "N/A": 1}, declared=["N/A"])]
    ['unknown']
    >>> [s.value for s in suspected_nulls(Counter([-999, -999, 18, 21, 30, 34, 52, 61]))]
    [-999]
    >>> suspected_nulls(Counter([-2, -1, -1, 0, 1, 2, 3]))  # -1 among its neighbours is a value
    ()
    """
    found = [*_words(counts, declared), *_sentinels(counts, declared)]
    return tuple(sorted(found, key=lambda suspect: (-suspect.count, str(suspect.value))))


def _words(counts: Mapping[Any, int], declared: Collection[Any]) -> list[SuspectedNull]:
    found = []
    for value, count in counts.items():
        if isinstance(value, str) and value not in declared and value.strip().lower() in NULL_WORDS:
            found.append(SuspectedNull(value, count, "a word for no value"))
    return found


def _sentinels(counts: Mapping[Any, int], declared: Collection[Any]) -> list[SuspectedNull]:
    numbers = {
        value: count
        for value, count in counts.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value not in declared
    }
    found: list[SuspectedNull] = []
    for sentinel in SENTINELS:
        if numbers.get(sentinel, 0) < MIN_REPEATS:
            continue
        rest = Counter({v: c for v, c in numbers.items() if v != sentinel and v not in SENTINELS})
        if len(rest) < MIN_SPREAD_VALUES:
            continue
        low, high = min(rest), max(rest)
        if _stands_out(sentinel, low, high):
            reason = f"every other value lies in {low:g} to {high:g}"
            found.append(SuspectedNull(sentinel, numbers[sentinel], reason))
    return found


def _stands_out(sentinel: float, low: float, high: float) -> bool:
    """-1 where nothing else is negative; any other sentinel at least a spread away."""
    if sentinel == -1:
        return low >= 0
    distance = max(low - sentinel, sentinel - high)
    return distance > high - low
