"""Target encodings that were fitted on the rows they stand in: they know part of each label.

In: a number column, a category column and the label of the same rows. Out: how much of the label's
own noise the numbers repeat. Never: a verdict on an encoding of other rows, however good it is.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from monitor.events import Float64, Int64
from monitor.profiling.columns import Column

MIN_ROWS: Final = 200
MIN_GROUPS: Final = 5
SAME_SHARE: Final = 0.999
"""So many rows must have the number of their category, for it to be a function of it."""
ALIKE: Final = 0.95
"""Correlation with the categories' own label means from which it is a target encoding."""
BEYOND: Final = 0.05
"""And so far above what an encoding of other rows could reach."""


@dataclass(frozen=True, slots=True)
class InSample:
    """A number that is the label's mean of a category, taken over these very rows."""

    category: str
    correlation: float
    """With the label means of the categories in these rows."""
    attainable: float
    """What an encoding that never saw these labels could reach."""


def in_sample_encoding(number: Column, category: Column, label: Column) -> InSample | None:
    """Whether `number` is a function of `category` that repeats the noise of its label means.

    The means of two halves of the rows agree only as far as they are signal; from that follows how
    well any encoding of other rows can agree with the means of all. Categories with many rows each
    have no noise to repeat: then nothing is said, and nothing much leaks.

    >>> from monitor.profiling.columns import mixed_column
    >>> random = np.random.default_rng(1)
    >>> shops = random.integers(0, 200, 1_000)
    >>> late = random.random(1_000) < 0.3
    >>> means = np.bincount(shops, late, 200) / np.maximum(np.bincount(shops, minlength=200), 1)
    >>> columns = [mixed_column(name, values.tolist()) for name, values in
    ...     (("shop_rate", means[shops]), ("shop", shops.astype(str)), ("label", late))]
    >>> found = in_sample_encoding(*columns)
    >>> found.category, round(found.correlation, 2), found.attainable < 0.6
    ('shop', 1.0, True)
    """
    values, target = number.floats(), _target(label)
    if target is None or number.kind != "number" or category.kind in ("number", "time"):
        return None
    told = np.isfinite(values) & np.isfinite(target)
    if int(told.sum()) < MIN_ROWS:
        return None
    values, target = values[told], target[told]
    groups = _numbered([v for v, keep in zip(category.to_list(), told, strict=True) if keep])
    counts = np.bincount(groups)
    if counts.size < MIN_GROUPS or counts.size > values.size / 2:
        return None
    own = _of_group(groups, values, counts.size)
    if (own[groups] == values).mean() < SAME_SHARE or np.unique(own).size < MIN_GROUPS:
        return None
    means = np.bincount(groups, weights=target) / counts
    correlation = _correlation(own, means, counts.astype(np.float64))
    attainable = _attainable(groups, target, counts.size)
    if correlation < ALIKE or correlation <= attainable + BEYOND:
        return None
    return InSample(category.name, correlation, attainable)


def _target(label: Column) -> Float64 | None:
    """The label as numbers: itself, or of two classes 0 and 1; None of more classes."""
    if label.kind in ("number", "boolean"):
        return label.floats()
    answers = label.to_list()
    classes = sorted({str(value) for value in answers if value is not None})
    if len(classes) != 2:
        return None
    return np.array([np.nan if v is None else float(str(v) == classes[1]) for v in answers])


def _of_group(groups: Int64, values: Float64, size: int) -> Float64:
    """The number of each category: that of its first row."""
    found = np.zeros(size)
    found[groups[::-1]] = values[::-1]
    return found


def _attainable(groups: Int64, target: Float64, size: int) -> float:
    """How well the true means could correlate with these: from the agreement of two halves."""
    even = np.arange(groups.size) % 2 == 0
    halves = []
    for part in (even, ~even):
        counts = np.bincount(groups[part], minlength=size)
        sums = np.bincount(groups[part], weights=target[part], minlength=size)
        halves.append((sums, counts))
    both = (halves[0][1] > 0) & (halves[1][1] > 0)
    if int(both.sum()) < MIN_GROUPS:
        return 0.0
    first, second = (sums[both] / counts[both] for sums, counts in halves)
    weights = (halves[0][1] + halves[1][1])[both].astype(np.float64)
    agreement = max(_correlation(first, second, weights), 0.0)
    return float(np.sqrt(2 * agreement / (1 + agreement)))


def _correlation(first: Float64, second: Float64, weights: Float64) -> float:
    """Pearson's, weighted; 0 where one does not vary."""
    share = weights / weights.sum()
    a, b = first - (share * first).sum(), second - (share * second).sum()
    scale = np.sqrt((share * a**2).sum() * (share * b**2).sum())
    return float((share * a * b).sum() / scale) if scale > 0 else 0.0


def _numbered(values: list[Any]) -> Int64:
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
