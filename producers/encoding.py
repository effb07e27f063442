"""Target encoding that does not leak: a category as the mean label of rows that are not its own.

In: the categories and labels of the training rows. Out: a number for each row from the other folds,
or from the rows before it, and one mapping for serving. Never: a row's own label in its own number;
that is how a model learns to trust a feature that knows nothing in production.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Order = Literal["folds", "time"]

FOLDS: Final = 5
SMOOTHING: Final = 20.0
SEED: Final = 2013


class TargetEncoder:
    """Mean label of a category, shrunk to the mean of all where it has few rows.

    Parameters
    ----------
    order
        `folds`: a row is encoded from the other folds, drawn by `seed`. `time`: from the rows
        before it only, for rows in the order of their labels' arrival.
    folds
        How many, at least 2.
    smoothing
        The mean of all counts as so many rows beside a category's own.
    seed
        Of the folds.

    `fit_transform` is for training: its numbers differ from row to row of one category.
    `transform` is for serving (and for the reference, if it is not the training data): one number a
    category, from all rows of the training. Use the same encoder object for both, or save `mapping`
    and `prior` and read them with `from_mapping`.

    >>> encoder = TargetEncoder(smoothing=0.0, folds=2, seed=1)
    >>> trained = encoder.fit_transform(["a", "a", "b", "b"], [1, 0, 1, 1])
    >>> encoder.transform(["a", "b", "new", None]).tolist()
    [0.5, 1.0, 0.75, 0.75]
    >>> in_time = TargetEncoder(order="time", smoothing=1.0)
    >>> in_time.fit_transform(["a", "a", "a"], [1, 1, 0]).tolist()
    [0.0, 1.0, 1.0]
    """

    def __init__(
        self,
        *,
        order: Order = "folds",
        folds: int = FOLDS,
        smoothing: float = SMOOTHING,
        seed: int = SEED,
    ) -> None:
        if folds < 2:
            raise ValueError(f"folds is {folds}: a row needs others to be encoded from, at least 2")
        if smoothing < 0:
            raise ValueError(f"smoothing is {smoothing}: it is a number of rows, 0 or more")
        self._order = order
        self._folds = folds
        self._smoothing = smoothing
        self._seed = seed
        self.mapping: dict[Any, float] = {}
        """Category to its number in serving."""
        self.prior = 0.0
        """Number of a category that training did not have."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[Any, float], prior: float) -> "TargetEncoder":
        """An encoder for serving from what a trained one had."""
        encoder = cls()
        encoder.mapping, encoder.prior = dict(mapping), float(prior)
        return encoder

    def fit_transform(
        self, categories: Sequence[Any], labels: Sequence[float] | Float64
    ) -> Float64:
        """Numbers for the training rows, none of which has seen its own label.

        Raises ValueError where the two differ in length or a label is no finite number.
        """
        target = np.asarray(labels, dtype=np.float64)
        if len(categories) != target.size:
            raise ValueError(
                f"{len(categories)} categories and {target.size} labels: give one label a row"
            )
        if not np.isfinite(target).all():
            row = int(np.argmin(np.isfinite(target)))
            raise ValueError(f"the label of row {row} is {target[row]}: leave out unlabelled rows")
        numbers: dict[Any, int] = {}
        codes = np.array(
            [numbers.setdefault(value, len(numbers)) for value in categories], dtype=np.int64
        )
        self.prior = float(target.mean()) if target.size else 0.0
        totals = np.bincount(codes, weights=target, minlength=len(numbers))
        counts = np.bincount(codes, minlength=len(numbers))
        means = self._shrunk(totals, counts, self.prior)
        self.mapping = dict(zip(numbers, means.tolist(), strict=True))
        if self._order == "time":
            return self._from_before(codes, target)
        return self._from_other_folds(codes, target, len(numbers))

    def transform(self, categories: Sequence[Any]) -> Float64:
        """Numbers for serving."""
        return np.array([self.mapping.get(value, self.prior) for value in categories])

    def _from_other_folds(self, codes: NDArray[np.int64], target: Float64, size: int) -> Float64:
        order = np.random.default_rng(self._seed).permutation(target.size)
        fold = np.empty(target.size, dtype=np.int64)
        fold[order] = np.arange(target.size) % self._folds
        encoded = np.empty(target.size)
        for held_out in range(self._folds):
            inside = fold == held_out
            rest = ~inside
            overall = float(target[rest].mean()) if rest.any() else 0.0
            totals = np.bincount(codes[rest], weights=target[rest], minlength=size)
            counts = np.bincount(codes[rest], minlength=size)
            encoded[inside] = self._shrunk(totals, counts, overall)[codes[inside]]
        return encoded

    def _from_before(self, codes: NDArray[np.int64], target: Float64) -> Float64:
        by_category = np.argsort(codes, kind="stable")
        ordered = codes[by_category]
        sums = np.cumsum(target[by_category]) - target[by_category]
        first = np.searchsorted(ordered, ordered)
        totals = np.empty(target.size)
        counts = np.empty(target.size)
        totals[by_category] = sums - sums[first]
        counts[by_category] = np.arange(target.size) - first
        rows = np.arange(target.size)
        overall = np.divide(
            np.cumsum(target) - target, rows, out=np.zeros(target.size), where=rows > 0
        )
        return self._shrunk(totals, counts, overall)

    def _shrunk(self, totals: Any, counts: Any, overall: Any) -> Float64:
        """Means of `counts` rows and `smoothing` more of the overall mean."""
        weight = counts + self._smoothing
        known = np.divide(
            totals + self._smoothing * overall,
            weight,
            out=np.zeros(np.shape(weight)),
            where=weight > 0,
        )
        shrunk: Float64 = np.where(weight > 0, known, overall)
        return shrunk
