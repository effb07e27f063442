"""Performance without labels: what the model's own probabilities, once calibrated, lead to expect.

In: a labelled reference; later scores or features without labels. Out: estimates, each beside its
realised value once labels land. Never: a claim that the link between score and outcome still holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from monitor.errors import ProfileError
from monitor.events import Float64
from monitor.performance.decisions import Confusion
from monitor.performance.loss_tree import LossTree
from monitor.performance.probabilities import EPSILON

ASSUMPTIONS: Final = (
    "Holds while the outcome depends on the score as it did in the reference: if the inputs move, "
    "the estimate follows; if the relation of input and outcome moves (concept drift), it does not."
)
MIN_ROWS: Final = 200
"""Labelled reference rows that an estimate needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibrator:
    """A rising function from score to probability: isotonic regression on the reference.

    >>> rng = np.random.default_rng(1)
    >>> score = rng.random(4_000)
    >>> truth = (rng.random(4_000) < score**2).astype(float)
    >>> Calibrator.fit(truth, score).of(np.array([0.2, 0.5, 0.8])).round(1).tolist()
    [0.0, 0.3, 0.6]

    Zadrozny and Elkan (2002).
    """

    scores: Float64
    probabilities: Float64

    @classmethod
    def fit(cls, truth: Float64, score: Float64) -> Self:
        """Of outcomes 0 or 1 and scores."""
        # Slow to import, and of use where labels come alone.
        from scipy.optimize import isotonic_regression

        known = ~(np.isnan(truth) | np.isnan(score))
        scores, place, n = np.unique(score[known], return_inverse=True, return_counts=True)
        rates = np.bincount(place, truth[known], len(scores)) / n
        fitted = np.asarray(isotonic_regression(rates, weights=n.astype(np.float64)).x, np.float64)
        steps = np.diff(fitted) != 0.0
        ends = np.append(True, steps) | np.append(steps, True)  # between them it is level
        return cls(scores[ends], fitted[ends])

    def of(self, score: Float64) -> Float64:
        """Calibrated probabilities."""
        return np.asarray(np.interp(score, self.scores, self.probabilities), np.float64)

    def table(self) -> Float64:
        """Both columns as one array, float64[2, n]."""
        return np.array([self.scores, self.probabilities])

    @classmethod
    def of_table(cls, table: Float64) -> Self:
        """The calibrator of `table` again; ProfileError unless it rises."""
        if table.ndim != 2 or len(table) != 2 or not table.size or not np.isfinite(table).all():
            raise ProfileError(f"a calibrator of shape {table.shape} is no pair of finite columns")
        if (np.diff(table[0]) <= 0).any():
            raise ProfileError("the scores of a calibrator do not rise")
        return cls(table[0], table[1])


def expected_binary(score: Float64, answer: Float64, probability: Float64) -> dict[str, float]:
    """Confidence-based performance estimation of a binary model (CBPE, as NannyML defines it).

    Parameters
    ----------
    score
        The model's scores, as logged: they rank, and are what log loss and Brier judge.
    answer
        Its decisions, 0 or 1.
    probability
        Calibrated probabilities of 1 for the same rows.

    **Blind to** concept drift (ASSUMPTIONS).

    **Cost**: one sort; 100 ns a row.

    >>> p = np.array([0.1, 0.4, 0.9])
    >>> found = expected_binary(p, (p > 0.3).astype(float), p)
    >>> round(found["accuracy"], 3), round(found["recall"], 3)
    (0.733, 0.929)

    NannyML, Performance Estimation: CBPE (Białek et al., 2023).
    """
    known = ~(np.isnan(score) | np.isnan(answer))
    score, answer, p = score[known], answer[known], probability[known]
    if not len(score):
        return {}
    yes = answer > 0.5
    cells = [(1.0 - p[~yes]).sum(), (1.0 - p[yes]).sum(), p[~yes].sum(), p[yes].sum()]
    decided = Confusion(np.array(cells, np.float64).reshape(2, 2))
    clipped = np.clip(score, EPSILON, 1.0 - EPSILON)
    log_loss = -(p * np.log(clipped) + (1.0 - p) * np.log1p(-clipped))
    return {
        "log_loss": float(log_loss.mean()),
        "brier": float((p * (1.0 - score) ** 2 + (1.0 - p) * score**2).mean()),
        "calibration_bias": float((p - score).mean()),
        "auc": _expected_auc(score, p),
        "pr_auc": _expected_average_precision(score, p),
        "accuracy": decided.accuracy,
        "precision": decided.precision,
        "recall": decided.recall,
        "f1": decided.f1,
        "selection_rate": decided.selection_rate,
    }


def _expected_auc(score: Float64, p: Float64) -> float:
    order = np.argsort(score)[::-1]
    hits, misses = np.cumsum(p[order]), np.cumsum(1.0 - p[order])
    if hits[-1] <= 0.0 or misses[-1] <= 0.0:
        return float("nan")
    return float(np.trapezoid(np.append(0.0, hits) / hits[-1], np.append(0.0, misses) / misses[-1]))


def _expected_average_precision(score: Float64, p: Float64) -> float:
    ordered = p[np.argsort(score)[::-1]]
    hits = np.cumsum(ordered)
    if hits[-1] <= 0.0:
        return float("nan")
    return float((ordered * hits / np.arange(1, len(hits) + 1)).sum() / hits[-1])


def expected_multiclass(
    scores: Float64, answer: Float64, probabilities: Float64
) -> dict[str, float]:
    """The same of a multi-class model: log loss, accuracy and the means over classes.

    `probabilities` are calibrated class by class and sum to 1.

    >>> p = np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    >>> round(expected_multiclass(p, np.array([0.0, 2.0]), p)["accuracy"], 2)
    0.7
    """
    known = ~(np.isnan(scores).any(axis=1) | np.isnan(answer))
    scores, answer, p = scores[known], answer[known], probabilities[known]
    if not len(scores):
        return {}
    chosen = answer.astype(np.int64)
    counts = np.zeros((p.shape[1], p.shape[1]))
    np.add.at(counts.T, chosen, p)
    decided = Confusion(counts)
    log_loss = -(p * np.log(np.clip(scores, EPSILON, 1.0 - EPSILON))).sum(axis=1)
    return {
        "log_loss": float(log_loss.mean()),
        "accuracy": decided.accuracy,
        "precision": decided.precision,
        "recall": decided.recall,
        "f1": decided.f1,
    }


@dataclass(frozen=True, slots=True, eq=False)
class LossEstimator:
    """Direct loss estimation for regression: a second model that knows how wrong the first one is.

    Fitted on features and prediction against |error| of the reference; gives the expected mean
    absolute error, and from squared errors the RMSE.

    **Blind to** concept drift (ASSUMPTIONS), and to inputs outside the reference: a tree does not
    extrapolate.

    **Cost**: 50 ms to fit 5,000 rows; 100 ns a row to ask.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.uniform(0, 1, (2_000, 1))
    >>> estimator = LossEstimator.fit(x, x[:, 0], x[:, 0] + rng.normal(0.0, 0.1 + x[:, 0]), seed=0)
    >>> far = np.full((500, 1), 0.9)
    >>> 0.6 < estimator.expected(far, far[:, 0])["mae"] < 1.0
    True

    NannyML, Performance Estimation: Direct Loss Estimation.
    """

    absolute: LossTree
    square: LossTree

    @classmethod
    def fit(cls, features: Float64, answer: Float64, truth: Float64, seed: int) -> Self | None:
        """Learn from labelled rows; None where they are too few. `seed` is of the trees' ties."""
        known = ~(np.isnan(answer) | np.isnan(truth))
        if known.sum() < MIN_ROWS:
            return None
        inputs = np.column_stack((features, answer))[known]
        error = np.abs(answer - truth)[known]
        return cls(LossTree.fit(inputs, error, seed), LossTree.fit(inputs, error**2, seed))

    def expected(self, features: Float64, answer: Float64) -> dict[str, float]:
        """The expected errors of rows without labels; empty without a row."""
        known = ~np.isnan(answer)
        if not known.any():
            return {}
        inputs = np.column_stack((features, answer))[known]
        mean = float(self.absolute.predict(inputs).mean())
        square = float(self.square.predict(inputs).mean())
        return {"mae": max(mean, 0.0), "rmse": float(np.sqrt(max(square, 0.0)))}


@dataclass(frozen=True, slots=True)
class Reconciled:
    """An estimate beside what the labels showed."""

    metric: str
    estimated: float
    realised: float

    @property
    def error(self) -> float:
        """Estimated minus realised."""
        return self.estimated - self.realised


class EstimateErrors:
    """How wrong the estimates of a version have been: the running mean absolute error by metric.

    >>> errors = EstimateErrors()
    >>> errors.add([Reconciled("auc", 0.7, 0.6), Reconciled("auc", 0.7, 0.8)])
    >>> {name: round(value, 3) for name, value in errors.mean_absolute().items()}
    {'auc': 0.1}
    """

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}

    def add(self, found: list[Reconciled]) -> None:
        """Count the estimates of a cohort."""
        for one in found:
            if np.isfinite(one.error):
                total = self._sums.setdefault(one.metric, [0.0, 0.0])
                total[0] += abs(one.error)
                total[1] += 1.0

    def mean_absolute(self) -> dict[str, float]:
        """Metric to the mean of |estimated - realised| over cohorts."""
        return {metric: total / n for metric, (total, n) in self._sums.items()}

    def state(self) -> dict[str, list[float]]:
        """Plain numbers."""
        return {metric: list(total) for metric, total in self._sums.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self._sums = {str(metric): [float(v) for v in total] for metric, total in state.items()}
