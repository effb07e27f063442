"""Labelled rows of a binary model for tests of segments and of retraining."""

from collections.abc import Sequence

import numpy as np

from monitor.events import Float64, Int64
from monitor.performance.recalibration import Recalibration
from monitor.performance.recent import LabelledRows


def binary_rows(
    rng: np.random.Generator,
    score: Float64,
    truth_rate: Float64,
    cells: Sequence[Int64],
    *,
    base_rate: float = 0.3,
) -> LabelledRows:
    """Rows whose truth comes with `truth_rate`; the baseline says `base_rate` of all."""
    n = len(score)
    truth = (rng.random(n) < truth_rate).astype(np.float64)
    bare = LabelledRows(
        occurred_us=np.arange(n, dtype=np.int64),
        truth=truth,
        answer=(score >= 0.5).astype(np.float64),
        score=score,
        loss=np.zeros(n),
        base=-np.log(np.where(truth > 0, base_rate, 1 - base_rate)),
        cells=np.array(cells, np.uint8).reshape(-1, n).T,
    )
    loss, _ = Recalibration("binary", 0.0, 1.0).losses(bare)
    return LabelledRows(bare.occurred_us, truth, bare.answer, score, loss, bare.base, bare.cells)
