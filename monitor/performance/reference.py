"""What is known of a version before its first label: its performance on the reference.

In: labelled reference predictions. Out: rates for the baseline, calibrators for the estimates, as
plain arrays. Never: a row of the stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from monitor.events import Float64
from monitor.performance.estimate import (
    MIN_ROWS,
    Calibrator,
    LossEstimator,
    expected_binary,
    expected_multiclass,
)
from monitor.performance.metrics import Labelled
from schemas.model import Task

REGRESSION_ROWS: Final = 5_000
"""Reference rows kept for a regression model's loss estimate."""
SEED: Final = 7


@dataclass(frozen=True, slots=True, eq=False)
class PerformanceReference:
    """Labelled predictions of a version, as far as they are needed later.

    `outcome` holds the rates of the classes, or the mean of the target; `rows` (regression) holds
    features, answer and truth of a sample.
    """

    task: Task
    n: int
    outcome: Float64
    calibrators: tuple[Calibrator, ...]
    rows: Float64

    @classmethod
    def fit(cls, task: Task, labelled: Labelled, features: Float64) -> Self:
        """Of labelled rows in time order and their features."""
        truth, n = labelled.truth, len(labelled)
        calibrators: tuple[Calibrator, ...] = ()
        rows = np.zeros((0, features.shape[1] + 2))
        if task == "binary":
            outcome = np.array([1.0 - truth.mean(), truth.mean()])
            if n >= MIN_ROWS:
                calibrators = (Calibrator.fit(truth, labelled.score),)
        elif task == "multiclass":
            classes = np.arange(labelled.scores.shape[1])
            hits = (truth[:, None] == classes).astype(np.float64)
            outcome = hits.mean(axis=0)
            if n >= MIN_ROWS:
                calibrators = tuple(
                    Calibrator.fit(hits[:, k], labelled.scores[:, k]) for k in classes.tolist()
                )
        else:
            outcome = np.array([truth.mean()])
            kept = np.linspace(0, n - 1, min(n, REGRESSION_ROWS)).astype(np.int64)
            rows = np.column_stack((features, labelled.answer, truth))[kept]
        return cls(task, n, outcome, calibrators, rows)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "task": self.task,
            "n": self.n,
            "outcome": self.outcome,
            "calibrators": [one.state() for one in self.calibrators],
            "rows": self.rows,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The reference of `state` again."""
        return cls(
            state["task"],
            int(state["n"]),
            np.array(state["outcome"], np.float64),
            tuple(Calibrator.from_state(one) for one in state["calibrators"]),
            np.array(state["rows"], np.float64),
        )


class Estimator:
    """Estimates the performance of rows without looking at their labels."""

    def __init__(self, reference: PerformanceReference) -> None:
        self._reference = reference
        self._losses: LossEstimator | None = None
        """Made at the first question: it takes a second."""

    def expected(
        self, answer: Float64, score: Float64, scores: Float64, features: Float64
    ) -> dict[str, float]:
        """Metric to its expectation; empty where nothing can be said."""
        if self._reference.task == "regression":
            return self._fitted().expected(features, answer)
        calibrators = self._reference.calibrators
        if not calibrators:
            return {}
        if self._reference.task == "binary":
            return expected_binary(score, answer, calibrators[0].of(score))
        p = np.column_stack([one.of(scores[:, k]) for k, one in enumerate(calibrators)])
        total = p.sum(axis=1, keepdims=True)
        even = np.full_like(p, 1.0 / p.shape[1])
        p = np.divide(p, total, out=even, where=total > 0)
        return expected_multiclass(scores, answer, p)

    def _fitted(self) -> LossEstimator:
        if self._losses is None:
            rows = self._reference.rows
            self._losses = LossEstimator(SEED)
            self._losses.fit(rows[:, :-2], rows[:, -2], rows[:, -1])
        return self._losses
