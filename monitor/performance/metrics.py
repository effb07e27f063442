"""Everything that is measured of labelled predictions, by task.

In: `Labelled`: outcomes, scores and answers of one cohort, version or segment, in time order. Out:
named metrics, each with its band. Never: a verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np

from monitor.events import Bool, Float64, Int64
from monitor.performance.bands import jackknife_bands
from monitor.performance.decisions import Confusion
from monitor.performance.probabilities import ProbabilitySums
from monitor.performance.ranking import auc, average_precision, macro_auc
from monitor.performance.regression import ErrorSums
from schemas.model import Task

_SHARES: Final = (
    "auc",
    "pr_auc",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "ece",
    "selection_rate",
)
_LOSSES: Final = ("log_loss", "brier", "mae", "rmse")
_BOUNDS: Final = dict.fromkeys(_SHARES, (0.0, 1.0)) | dict.fromkeys(_LOSSES, (0.0, np.inf))


Reliability = tuple[Float64, Float64, Int64]
"""(mean probability, observed rate, count) of each bin that is not empty."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured number of one set of labelled predictions."""

    name: str
    value: float
    """NaN where these rows cannot say: one class alone, nothing labelled."""
    low: float
    """95 % band; NaN where there are too few rows."""
    high: float
    n: int
    """Labelled predictions it rests on."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Predictions with their labels, in time order (n rows).

    `truth` is 0 or 1, a class index, or a number; `answer` likewise; `score` is the probability of
    1 (binary), NaN elsewhere; `scores` is (n, classes), with no column but for multi-class models.
    """

    truth: Float64
    answer: Float64
    score: Float64
    scores: Float64

    def __len__(self) -> int:
        return len(self.truth)

    def kept(self, mask: Bool) -> Self:
        """Those rows."""
        return type(self)(*(getattr(self, field.name)[mask] for field in fields(self)))


def measured(task: Task, rows: Labelled) -> tuple[Metric, ...]:
    """All metrics of a task with 95 % bands.

    Parameters
    ----------
    task
        binary: log_loss (nats), brier, ece, calibration_bias, auc, pr_auc, accuracy, precision,
        recall, f1, selection_rate. multiclass: log_loss, brier, ece, auc (mean of one against the
        rest), accuracy and the means over classes of precision, recall, f1. regression: mae, rmse,
        bias (the target's unit) and r2.

    **Blind to** predictions without a label: see `coverage`.

    **Cost**: about 5 microseconds a row, nearly all of it the bands of auc and pr_auc.

    >>> rows = Labelled(truth=np.array([0.0, 1.0]), answer=np.array([0.0, 1.0]),
    ...     score=np.array([0.2, 0.8]), scores=np.zeros((2, 0)))
    >>> {metric.name: round(metric.value, 3) for metric in measured("binary", rows)}["log_loss"]
    0.223
    """
    measure = MEASURES[task]
    values = measure(rows)
    names = tuple(values)
    low, high = jackknife_bands(
        len(rows), lambda kept: np.array(list(measure(rows.kept(kept)).values()))
    )
    return tuple(
        _metric(name, values[name], float(low[k]), float(high[k]), len(rows))
        for k, name in enumerate(names)
    )


def reliability(task: Task, rows: Labelled) -> Reliability:
    """The reliability curve; of a regression model there is none."""
    if task == "regression":
        return np.zeros(0), np.zeros(0), np.zeros(0, np.int64)
    if task == "binary":
        return ProbabilitySums.binary(rows.truth, rows.score).reliability()
    return ProbabilitySums.multiclass(rows.truth, rows.scores).reliability()


def confusion(task: Task, rows: Labelled) -> Int64:
    """Counts, int64[classes, classes]: truth by answer; of a regression model there are none."""
    if task == "regression":
        return np.zeros((0, 0), np.int64)
    classes = 2 if task == "binary" else rows.scores.shape[1]
    return Confusion.of(rows.truth, rows.answer, classes=classes).counts.astype(np.int64)


def _metric(name: str, value: float, low: float, high: float, n: int) -> Metric:
    least, most = _BOUNDS.get(name, (-np.inf, np.inf))
    return Metric(name, value, float(np.maximum(low, least)), float(np.minimum(high, most)), n)


def _binary(rows: Labelled) -> dict[str, float]:
    sums = ProbabilitySums.binary(rows.truth, rows.score)
    decided = Confusion.of(rows.truth, rows.answer, classes=2)
    return {
        "log_loss": sums.log_loss,
        "brier": sums.brier,
        "ece": sums.ece,
        "calibration_bias": sums.calibration_bias,
        "auc": auc(rows.truth, rows.score),
        "pr_auc": average_precision(rows.truth, rows.score),
        "accuracy": decided.accuracy,
        "precision": decided.precision,
        "recall": decided.recall,
        "f1": decided.f1,
        "selection_rate": decided.selection_rate,
    }


def _multiclass(rows: Labelled) -> dict[str, float]:
    sums = ProbabilitySums.multiclass(rows.truth, rows.scores)
    decided = Confusion.of(rows.truth, rows.answer, classes=rows.scores.shape[1])
    return {
        "log_loss": sums.log_loss,
        "brier": sums.brier,
        "ece": sums.ece,
        "auc": macro_auc(rows.truth, rows.scores),
        "accuracy": decided.accuracy,
        "precision": decided.precision,
        "recall": decided.recall,
        "f1": decided.f1,
    }


def _regression(rows: Labelled) -> dict[str, float]:
    sums = ErrorSums.of(rows.truth, rows.answer)
    return {"mae": sums.mae, "rmse": sums.rmse, "bias": sums.bias, "r2": sums.r2}


MEASURES: Final[dict[Task, Callable[[Labelled], dict[str, float]]]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "regression": _regression,
}
