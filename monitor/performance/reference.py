"""What is known of a version before its first label: its performance on the reference.

In: labelled reference predictions. Out: rates for the baseline, calibrators and loss trees for the
estimates, as plain arrays. Never: a row of the stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from monitor.errors import ProfileError
from monitor.events import Float64
from monitor.performance.estimate import (
    MIN_ROWS,
    Calibrator,
    LossEstimator,
    expected_binary,
    expected_multiclass,
)
from monitor.performance.loss_tree import LossTree
from monitor.performance.metrics import Labelled
from schemas.model import Task

SEED: Final = 7


@dataclass(frozen=True, slots=True, eq=False)
class PerformanceReference:
    """What labelled predictions of a version tell, as far as it is needed later.

    `outcome` holds the rates of the classes, or the mean of the target. Features and prediction are
    the inputs of `loss`, in the order of `AnswerReader.features`.
    """

    task: Task
    n: int
    outcome: Float64
    calibrators: tuple[Calibrator, ...]
    loss: LossEstimator | None
    """Of a regression model."""

    @classmethod
    def fit(cls, task: Task, labelled: Labelled, features: Float64) -> Self:
        """Of labelled rows in time order and their features."""
        truth, n = labelled.truth, len(labelled)
        calibrators: tuple[Calibrator, ...] = ()
        if task == "regression":
            loss = LossEstimator.fit(features, labelled.answer, truth, SEED)
            return cls(task, n, np.array([truth.mean()]), (), loss)
        if task == "binary":
            outcome = np.array([1.0 - truth.mean(), truth.mean()])
            judged = [(truth, labelled.score)]
        else:
            classes = np.arange(labelled.scores.shape[1])
            hits = (truth[:, None] == classes).astype(np.float64)
            outcome = hits.mean(axis=0)
            judged = [(hits[:, k], labelled.scores[:, k]) for k in classes.tolist()]
        enough = all(np.count_nonzero(~np.isnan(score)) >= MIN_ROWS for _, score in judged)
        if enough:
            calibrators = tuple(Calibrator.fit(hit, score) for hit, score in judged)
        return cls(task, n, outcome, calibrators, None)

    def arrays(self) -> dict[str, Float64]:
        """Plain arrays by name, as a profile holds them."""
        found = {"n": np.array([float(self.n)]), "outcome": self.outcome}
        found |= {f"calibrator_{k}": one.table() for k, one in enumerate(self.calibrators)}
        if self.loss is not None:
            found |= {
                "loss_absolute": self.loss.absolute.nodes,
                "loss_square": self.loss.square.nodes,
            }
        return found

    @classmethod
    def of_arrays(cls, task: Task, arrays: Mapping[str, Float64], features: int) -> Self:
        """The reference of `arrays` again, for so many features; ProfileError where it is none."""
        outcome, n = arrays.get("outcome"), arrays.get("n")
        if outcome is None or n is None or n.shape != (1,) or outcome.ndim != 1:
            raise ProfileError(f"no performance reference: it has only {sorted(arrays)}")
        if not np.isfinite(outcome).all() or not n[0] >= 1:
            raise ProfileError(f"a performance reference has outcome {outcome} of {n[0]} labels")
        names = [f"calibrator_{k}" for k in range(len(outcome))]
        calibrators = tuple(Calibrator.of_table(arrays[k]) for k in names if k in arrays)
        needed = {"binary": 1, "multiclass": len(outcome), "regression": 0}[task]
        if len(calibrators) not in (0, needed):
            raise ProfileError(f"{len(calibrators)} calibrators, but a {task} model has {needed}")
        loss = None
        if "loss_absolute" in arrays and "loss_square" in arrays:
            trees = (arrays["loss_absolute"], arrays["loss_square"])
            loss = LossEstimator(*(LossTree.of(nodes, features + 1) for nodes in trees))
        return cls(task, int(n[0]), outcome, calibrators, loss)

    def expected(
        self, answer: Float64, score: Float64, scores: Float64, features: Float64
    ) -> dict[str, float]:
        """Metric to its expectation without labels; empty where nothing can be said."""
        if self.loss is not None:
            return self.loss.expected(features, answer)
        if not self.calibrators:
            return {}
        if self.task == "binary":
            return expected_binary(score, answer, self.calibrators[0].of(score))
        p = np.column_stack([one.of(scores[:, k]) for k, one in enumerate(self.calibrators)])
        total = p.sum(axis=1, keepdims=True)
        even = np.full_like(p, 1.0 / p.shape[1])
        p = np.divide(p, total, out=even, where=total > 0)
        return expected_multiclass(scores, answer, p)
