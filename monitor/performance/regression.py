"""How good numbers are: mean absolute error, RMSE, R2 and bias; sums that merge exactly.

In: predicted and true numbers. Out: `ErrorSums`. Never: a probability.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from monitor.events import Float64


@dataclass(frozen=True, slots=True)
class ErrorSums:
    """Sums over labelled predictions of a regression model.

    Parameters
    ----------
    n
        Predictions with a number and a label.
    absolute, squared, signed
        Sums of |error|, error squared and error = predicted - true, in the target's unit.
    mean, spread
        Mean of the true values, and their squared distances from it (Chan's merge: no
        cancellation far from 0).

    **Blind to** where in the range the errors lie.

    **Cost**: about 20 ns a row; 6 numbers of memory.

    >>> found = ErrorSums.of(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 3.0]))
    >>> round(found.mae, 3), round(found.rmse, 3), found.bias, round(found.r2, 3)
    (0.667, 0.816, 0.0, 0.571)

    Chan, Golub and LeVeque (1983).
    """

    n: int
    absolute: float
    squared: float
    signed: float
    mean: float
    spread: float

    @classmethod
    def of(cls, truth: Float64, answer: Float64) -> Self:
        """Of numbers; rows where either is NaN are left out."""
        known = ~(np.isnan(truth) | np.isnan(answer))
        truth, answer = truth[known], answer[known]
        error = answer - truth
        mean = float(truth.mean()) if len(truth) else 0.0
        return cls(
            n=len(truth),
            absolute=float(np.abs(error).sum()),
            squared=float((error**2).sum()),
            signed=float(error.sum()),
            mean=mean,
            spread=float(((truth - mean) ** 2).sum()),
        )

    def merged(self, other: Self) -> Self:
        """The sums of both."""
        n = self.n + other.n
        apart = other.mean - self.mean
        weight = other.n / n if n else 0.0
        return type(self)(
            n=n,
            absolute=self.absolute + other.absolute,
            squared=self.squared + other.squared,
            signed=self.signed + other.signed,
            mean=self.mean + apart * weight,
            spread=self.spread + other.spread + apart**2 * self.n * weight,
        )

    @property
    def mae(self) -> float:
        """Mean absolute error; NaN of nothing."""
        return self.absolute / self.n if self.n else float("nan")

    @property
    def rmse(self) -> float:
        """Root of the mean squared error; NaN of nothing."""
        return float(np.sqrt(self.squared / self.n)) if self.n else float("nan")

    @property
    def bias(self) -> float:
        """Mean of predicted minus true; NaN of nothing."""
        return self.signed / self.n if self.n else float("nan")

    @property
    def r2(self) -> float:
        """Share of the variance explained; NaN below two rows and for a constant target."""
        return 1.0 - self.squared / self.spread if self.n > 1 and self.spread else float("nan")
