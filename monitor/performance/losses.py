"""The loss of each prediction: what models, baselines and versions are compared by.

In: rows with a truth. Out: one number each, 0 at best. Never: a loss without a bound.
"""

from typing import Final

import numpy as np

from monitor.events import Float64
from schemas.model import Task

LEAST_PROBABILITY: Final = 0.001
"""Probabilities are kept this far from 0 and 1 where losses are compared: one loss is at most
6.9 nats, and one bad row cannot decide."""


def losses(task: Task, truth: Float64, answer: Float64, scores: Float64) -> Float64:
    """Log loss in nats (classification), absolute error in the target's unit (regression).

    `scores` is (n, classes); binary models have the two columns 1 - p and p. NaN where something
    is missing.

    >>> losses("binary", np.array([1.0]), np.array([1.0]), np.array([[0.5, 0.5]])).round(3)
    array([0.693])
    """
    if task == "regression":
        return np.abs(answer - truth)
    known = ~np.isnan(truth)
    place = np.where(known, truth, 0.0).astype(np.int64)
    p = scores[np.arange(len(place)), place]
    p = np.clip(p, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return np.where(known, -np.log(p), np.nan)


def two_columns(score: Float64) -> Float64:
    """Probabilities of both classes from that of class 1.

    >>> two_columns(np.array([0.2])).tolist()
    [[0.8, 0.2]]
    """
    return np.column_stack((1.0 - score, score))
