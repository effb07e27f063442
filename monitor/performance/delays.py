"""How long labels take: the learnt delay curve, with predictions that are still waiting counted.

In: the delays of labelled predictions and the ages at which the others were last seen unlabelled.
Out: the share of predictions that has its label after some time. Never: an unlabelled prediction
taken for one that never gets a label.
"""

from typing import Any, Final, Self

import numpy as np

from monitor.errors import StateError
from monitor.events import Float64, Int64

BINS: Final = 96
SHORTEST_US: Final = 1_000_000
LONGEST_US: Final = 400 * 86_400_000_000
EDGES_US: Final = np.geomspace(SHORTEST_US, LONGEST_US, BINS - 1)
"""Upper ends of the first bins: about 20 % apart."""


class DelayCurve:
    """Kaplan and Meier's estimate of the delay of labels, on a fixed logarithmic grid.

    Parameters
    ----------
    labelled, waiting
        int64[BINS]: labels by delay, and predictions without one by the age they had reached.

    **Blind to** when: all cohorts so far weigh the same; `coverage` tells a change.

    **Cost**: a search in 95 numbers a prediction; 192 numbers of memory.

    >>> curve = DelayCurve()
    >>> hour = 3_600_000_000
    >>> curve.add(np.array([1, 2, 3]) * hour, waiting_us=np.array([1, 9, 9]) * hour)
    >>> round(curve.share_after(5 * hour), 2), round(curve.share_after(hour * 1.5), 2)
    (0.58, 0.17)

    Kaplan and Meier (1958).
    """

    def __init__(self, labelled: Int64 | None = None, waiting: Int64 | None = None) -> None:
        self._labelled = np.zeros(BINS, np.int64) if labelled is None else labelled
        self._waiting = np.zeros(BINS, np.int64) if waiting is None else waiting

    def add(self, delays_us: Int64, waiting_us: Int64) -> None:
        """Count the delays of labels, and how long other predictions have waited in vain."""
        self._labelled = self._labelled + _counts(delays_us)
        self._waiting = self._waiting + _counts(waiting_us)

    def merged(self, other: Self) -> Self:
        """The curve of both."""
        return type(self)(self._labelled + other._labelled, self._waiting + other._waiting)

    @property
    def n(self) -> int:
        """Predictions counted."""
        return int(self._labelled.sum() + self._waiting.sum())

    @property
    def labels(self) -> int:
        """Labels counted."""
        return int(self._labelled.sum())

    def shares(self) -> Float64:
        """Share of the predictions that has its label by the upper end of each bin."""
        leaving = self._labelled + self._waiting
        at_risk = self.n - np.concatenate(([0], np.cumsum(leaving)[:-1]))
        with np.errstate(divide="ignore", invalid="ignore"):
            stay = np.where(at_risk > 0, 1.0 - self._labelled / at_risk, 1.0)
        shares: Float64 = np.asarray(1.0 - np.cumprod(stay), np.float64)
        return shares

    def share_after(self, age_us: float) -> float:
        """Share of predictions of this age that has its label; NaN before any label."""
        if not self.labels:
            return float("nan")
        place = int(np.searchsorted(EDGES_US, age_us))
        return float(self.shares()[place - 1]) if place else 0.0

    def quantile_us(self, share: float) -> float:
        """Age at which a share of those labels that ever come has come; NaN before any."""
        if not self.labels:
            return float("nan")
        shares = self.shares()
        place = int(np.searchsorted(shares, share * shares[-1] - 1e-12))
        return float(EDGES_US[min(place, BINS - 2)])

    def maturity(self, age_us: float) -> float:
        """Share of the labels that ever come which has come at this age: 1 is mature."""
        if not self.labels:
            return float("nan")
        return self.share_after(age_us) / float(self.shares()[-1])

    def distance(self, other: Self) -> tuple[float, float]:
        """(largest lead, largest lag) of this curve of labels against another: shares."""
        ours, theirs = (
            np.cumsum(curve._labelled) / max(curve.labels, 1) for curve in (self, other)
        )
        return float(np.max(ours - theirs)), float(np.max(theirs - ours))

    def state(self) -> dict[str, Any]:
        """Plain arrays."""
        return {"labelled": self._labelled, "waiting": self._waiting}

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """The curve of `state` again."""
        curve = cls(np.array(state["labelled"], np.int64), np.array(state["waiting"], np.int64))
        if curve._labelled.shape != (BINS,) or curve._waiting.shape != (BINS,):
            raise StateError(f"a saved delay curve does not have {BINS} bins: let it start anew")
        return curve


def _counts(ages_us: Int64) -> Int64:
    return np.bincount(np.searchsorted(EDGES_US, ages_us), minlength=BINS).astype(np.int64)
