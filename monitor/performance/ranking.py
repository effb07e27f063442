"""How well scores rank: area under the ROC curve and average precision, ties included.

In: outcomes 0 or 1 and scores. Out: one number. Never: a probability needed; any rising transform
of the scores gives the same.
"""

import numpy as np

from monitor.events import Float64


def auc(truth: Float64, score: Float64) -> float:
    """Chance that a positive scores above a negative, a tie counting half; NaN for one class.

    Parameters
    ----------
    truth
        Outcomes 0 or 1.
    score
        Any numbers; rows where either is NaN are left out.

    **Blind to** calibration: a model that is wrong by a constant keeps its AUC.

    **Cost**: one sort, about 90 ns a row. Two cohorts' values do not merge: rows are needed.

    >>> auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875

    Mann and Whitney (1947); Hanley and McNeil (1982).
    """
    hits, misses = _steps(truth, score)
    positives, negatives = hits.sum(), misses.sum()
    if positives == 0 or negatives == 0:
        return float("nan")
    above = positives - np.cumsum(hits)
    return float((misses * (above + hits / 2.0)).sum() / (positives * negatives))


def average_precision(truth: Float64, score: Float64) -> float:
    """Mean precision over the recall that each score adds (area under precision and recall).

    NaN without a positive. Parameters, cost and merging as `auc`.

    **Blind to** the share of positives changing: compare it between cohorts of like rates only.

    >>> round(average_precision(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8])), 3)
    0.833
    """
    hits, misses = _steps(truth, score)
    positives = hits.sum()
    if positives == 0:
        return float("nan")
    hits, misses = hits[::-1], misses[::-1]
    found = np.cumsum(hits)
    precision = found / (found + np.cumsum(misses))
    return float((hits * precision).sum() / positives)


def macro_auc(truth: Float64, scores: Float64) -> float:
    """Mean over classes of the AUC of one class against the rest; NaN where one never came true.

    >>> macro_auc(np.array([0.0, 1.0]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    1.0
    """
    return float(
        np.mean(
            [auc((truth == k).astype(np.float64), scores[:, k]) for k in range(scores.shape[1])]
        )
    )


def _steps(truth: Float64, score: Float64) -> tuple[Float64, Float64]:
    """Positives and negatives at every distinct score, rising."""
    known = ~(np.isnan(truth) | np.isnan(score))
    truth, score = truth[known], score[known]
    order = np.argsort(score, kind="stable")
    truth, score = truth[order], score[order]
    if not len(score):
        return np.zeros(0), np.zeros(0)
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    hits = np.diff(np.cumsum(truth)[last], prepend=0.0)
    rows = np.diff(last, prepend=-1).astype(np.float64)
    return hits, rows - hits
