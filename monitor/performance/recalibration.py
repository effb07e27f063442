"""What the same model would lose if only its promises were put right, by two fitted numbers.

In: labelled rows. Out: `Recalibration`, and the losses of other rows under it. Never: features;
what a recalibration cannot mend, only new training can.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from monitor.events import Float64
from monitor.performance.losses import LEAST_PROBABILITY
from monitor.performance.recent import LabelledRows
from schemas.model import Task

PRIOR_ROWS: Final = 20.0
"""What "nothing to put right" is worth in labelled rows."""
_STEPS: Final = 25


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Binary: log-odds become shift + slope x log-odds. Regression: the answer likewise.

    Of a multi-class model nothing is put right: shift 0, slope 1.

    >>> rng = np.random.default_rng(1)
    >>> score = rng.uniform(0.05, 0.95, 4_000)
    >>> truth = (rng.random(4_000) < score / 2).astype(float)
    >>> nothing = np.zeros(4_000)
    >>> rows = LabelledRows(np.arange(4_000), truth, nothing, score, nothing, nothing,
    ...     np.zeros((4_000, 0), np.uint8))
    >>> fitted = Recalibration.fit("binary", rows)
    >>> bool(abs(fitted.scores(score).mean() - truth.mean()) < 0.01)
    True

    Platt (1999); Cox (1958).
    """

    task: Task
    shift: float
    slope: float

    @classmethod
    def fit(cls, task: Task, rows: LabelledRows) -> Self:
        """Of labelled rows, drawn to no change as if PRIOR_ROWS rows had asked for none."""
        if task == "multiclass" or not len(rows):
            return cls(task, 0.0, 1.0)
        if task == "regression":
            return cls(task, *_line(rows.answer, rows.truth))
        return cls(task, *_logistic(_log_odds(rows.score), rows.truth))

    def scores(self, score: Float64) -> Float64:
        """Probabilities put right."""
        return 1.0 / (1.0 + np.exp(-(self.shift + self.slope * _log_odds(score))))

    def losses(self, rows: LabelledRows) -> tuple[Float64, Float64]:
        """Loss of each row, and the least that it may lie below the model's own (0 or less).

        The latter is known before the label: the worse of what either outcome would have given.
        """
        if self.task == "multiclass":
            return rows.loss, np.zeros(len(rows))
        if self.task == "regression":
            answer = self.shift + self.slope * rows.answer
            return np.abs(answer - rows.truth), -np.abs(answer - rows.answer)
        right = _by_outcome(self.scores(rows.score))
        loss = np.where(rows.truth > 0, right[1], right[0])
        return loss, (_by_outcome(rows.score) - right).min(axis=0)


def least_gain(rows: LabelledRows) -> Float64:
    """The least that a binary model's baseline may lie below it, known before the label."""
    b = np.exp(-rows.base)
    other = _by_outcome(np.where(rows.truth > 0, b, 1.0 - b))
    least: Float64 = (_by_outcome(rows.score) - other).min(axis=0)
    return least


def _by_outcome(score: Float64) -> Float64:
    """float64[2, n]: the loss where 0 comes true, and where 1 does."""
    p = np.clip(score, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    loss: Float64 = -np.log(np.stack((1.0 - p, p)))
    return loss


def _log_odds(score: Float64) -> Float64:
    p = np.clip(score, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    odds: Float64 = np.log(p / (1.0 - p))
    return odds


def _line(answer: Float64, truth: Float64) -> tuple[float, float]:
    """Least squares, drawn to the line of no change."""
    known = ~(np.isnan(answer) | np.isnan(truth))
    x, y = answer[known], truth[known]
    if not x.size:
        return 0.0, 1.0
    centre, spread = float(x.mean()), float(((x - x.mean()) ** 2).sum())
    weight = PRIOR_ROWS / x.size * spread
    slope = (float(((x - centre) * (y - y.mean())).sum()) + weight) / (spread + weight or 1.0)
    shift = (float(y.mean()) - slope * centre) * x.size / (x.size + PRIOR_ROWS)
    return shift, slope


def _logistic(x: Float64, truth: Float64) -> tuple[float, float]:
    """Newton's steps on the log loss, drawn to (0, 1)."""
    known = ~(np.isnan(x) | np.isnan(truth))
    design = np.column_stack((np.ones(int(known.sum())), x[known]))
    y, at, start = truth[known], np.array([0.0, 1.0]), np.array([0.0, 1.0])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-(design @ at)))
        slope = design.T @ (y - p) - PRIOR_ROWS / 4 * (at - start)
        curve = (design * (p * (1.0 - p))[:, None]).T @ design + PRIOR_ROWS / 4 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        at = at + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    return float(at[0]), float(at[1])
