"""How well one column alone predicts the label: a column that knows the answer is a leak.

In: one column and the label of the same rows. Out: one number between .5 (knows nothing) and 1.
Never: a fit that is judged on the rows it was made from.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from monitor.events import Float64, Int64
from monitor.profiling.columns import Column

FOLDS: Final = 5
BINS: Final = 20
MAX_CLASSES: Final = 10
MIN_ROWS: Final = 100
"""Fewer labelled rows than this say nothing about a leak."""
MIN_CLASS_ROWS: Final = 20
"""A class with fewer rows is told apart by chance."""


def predictive_power(column: Column, label: Column, *, seed: int) -> float | None:
    """Area under the ROC curve of the column alone, the best over the label's classes.

    Numbers are taken as they stand and in out-of-fold bins (so that a hump is seen and a missing
    value can tell), other columns through out-of-fold means of the label. For a label of numbers:
    the absolute rank correlation, halved and added to .5 so that both read alike.
    None where the label has too few rows, one class or too many.

    >>> from monitor.profiling.columns import mixed_column
    >>> label = mixed_column("label", [i % 2 == 0 for i in range(200)])
    >>> predictive_power(mixed_column("leak", [i % 2 for i in range(200)]), label, seed=1)
    1.0
    """
    known = [i for i, value in enumerate(label.to_list()) if value is not None]
    if len(known) < MIN_ROWS:
        return None
    rows = np.array(known)
    answers = label.to_list()
    classes = sorted({answers[i] for i in known}, key=str)
    groups = _groups(column)[rows]
    values = column.floats()[rows]
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(rows))
    if len(classes) > MAX_CLASSES:
        return _power_on_numbers(values, groups, label.floats()[rows], fold)
    if len(classes) < 2:
        return None
    answer = np.array([classes.index(answers[i]) for i in known])
    targets = range(1, 2) if len(classes) == 2 else range(len(classes))
    powers = [
        _power_on_class(values, groups, answer == target, fold)
        for target in targets
        if MIN_CLASS_ROWS <= (answer == target).sum() <= len(rows) - MIN_CLASS_ROWS
    ]
    return max(powers, default=None)


def area_under_curve(score: Float64, positive: NDArray[np.bool_]) -> float:
    """Chance that a positive ranks above a negative, ties counted half; .5 without both.

    >>> area_under_curve(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return 0.5
    rank_sum = float(rankdata(score)[positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def _power_on_class(
    values: Float64, groups: Int64, positive: NDArray[np.bool_], fold: Int64
) -> float:
    grouped = area_under_curve(_out_of_fold(groups, positive.astype(np.float64), fold), positive)
    present = np.isfinite(values)
    alone = area_under_curve(values[present], positive[present])
    return max(grouped, alone, 1.0 - alone)


def _power_on_numbers(values: Float64, groups: Int64, target: Float64, fold: Int64) -> float | None:
    usable = np.isfinite(target)
    if usable.sum() < MIN_ROWS:
        return None
    both = usable & np.isfinite(values)
    candidates = [(values[both], target[both])]
    encoded = _out_of_fold(groups[usable], target[usable], fold[usable])
    candidates.append((encoded, target[usable]))
    power = 0.5
    for guess, truth in candidates:
        if len(guess) >= MIN_ROWS and np.ptp(guess) > 0 and np.ptp(truth) > 0:
            power = max(power, 0.5 + abs(float(spearmanr(guess, truth).statistic)) / 2)
    return power


def _out_of_fold(groups: Int64, target: Float64, fold: Int64) -> Float64:
    """For each row, the mean target of its group in the other folds, shrunk to their mean."""
    encoded = np.empty(len(target))
    size = int(groups.max()) + 1
    for held_out in range(FOLDS):
        inside = fold == held_out
        rest = ~inside
        overall = float(target[rest].mean()) if rest.any() else 0.0
        totals = np.bincount(groups[rest], weights=target[rest], minlength=size)
        counts = np.bincount(groups[rest], minlength=size)
        encoded[inside] = ((totals + overall) / (counts + 1))[groups[inside]]
    return encoded


def _groups(column: Column) -> Int64:
    """Rows in groups: bins of equal share for numbers, one for each value else, one for null."""
    values = column.floats()
    present = np.isfinite(values)
    if column.kind == "number" and present.any():
        edges = np.unique(np.quantile(values[present], np.linspace(0, 1, BINS + 1)[1:-1]))
        binned = np.searchsorted(edges, values, side="right").astype(np.int64)
        binned[~present] = len(edges) + 1
        return binned
    return _numbered(column.to_list())


def _numbered(values: Sequence[Any]) -> Int64:
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
