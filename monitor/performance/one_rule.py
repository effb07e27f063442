"""The best rule of one feature: the simplest model that looks at its input.

In: features and outcomes of the past. Out: predictions for later rows. Never: two features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from monitor.events import Float64, Int64

CELLS: Final = 10
PRIOR_ROWS: Final = 20.0
"""Weight of the overall rate in each cell."""


@dataclass(frozen=True, slots=True, eq=False)
class OneRule:
    """One feature cut into cells, each with its own rate of the classes (or mean).

    Parameters
    ----------
    feature
        Its place among the features.
    edges
        Ends of the cells of a number; the codes of the CELLS most frequent values of a category.
    is_category
        How `edges` is read.
    values
        float64[CELLS + 2, outputs]: by cell; the last two are "none of these" and "no value".

    **Cost**: to fit, a sort of each feature; to predict, a search.

    >>> x, y = np.arange(200.0)[:, None], np.repeat([0.0, 1.0], 100)[:, None]
    >>> rule = OneRule.fit(x, y, categories=(False,))
    >>> rule.predict(np.array([[3.0], [190.0]])).round(1).ravel().tolist()
    [0.2, 0.8]

    Holte (1993), Very simple classification rules perform well on most commonly used datasets.
    """

    feature: int
    edges: Float64
    is_category: bool
    values: Float64

    @classmethod
    def fit(cls, features: Float64, outcomes: Float64, categories: tuple[bool, ...]) -> Self:
        """The rule with the smallest squared error on these rows: (n, features), (n, outputs)."""
        best: tuple[float, Self] | None = None
        for feature, is_category in enumerate(categories):
            column = features[:, feature]
            edges = _edges(column, is_category=is_category)
            cells = _cells(column, edges, is_category=is_category)
            values = _rates(cells, outcomes)
            error = float(((values[cells] - outcomes) ** 2).sum())
            if best is None or error < best[0]:
                best = error, cls(feature, edges, is_category, values)
        assert best is not None, "a rule needs a feature"
        return best[1]

    def predict(self, features: Float64) -> Float64:
        """(n, outputs)."""
        cells = _cells(features[:, self.feature], self.edges, is_category=self.is_category)
        return self.values[cells]

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "feature": self.feature,
            "edges": self.edges,
            "is_category": self.is_category,
            "values": self.values,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The rule of `state` again."""
        return cls(
            int(state["feature"]),
            np.array(state["edges"], np.float64),
            bool(state["is_category"]),
            np.array(state["values"], np.float64),
        )


def _edges(column: Float64, *, is_category: bool) -> Float64:
    known = column[~np.isnan(column)]
    if not len(known):
        return np.zeros(0)
    if is_category:
        values, counts = np.unique(known, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:CELLS]
        return np.sort(values[most])
    return np.unique(np.quantile(known, np.arange(1, CELLS) / CELLS))


def _cells(column: Float64, edges: Float64, *, is_category: bool) -> Int64:
    cells = np.searchsorted(edges, column, side="left" if is_category else "right")
    if is_category and len(edges):
        near = np.minimum(cells, len(edges) - 1)
        cells = np.where(edges[near] == column, near, CELLS)
    return np.where(np.isnan(column), CELLS + 1, cells).astype(np.int64)


def _rates(cells: Int64, outcomes: Float64) -> Float64:
    mean = outcomes.mean(axis=0)
    sums = np.array([np.bincount(cells, one, CELLS + 2) for one in outcomes.T]).T
    counts = np.bincount(cells, minlength=CELLS + 2)[:, None]
    rates: Float64 = (sums + PRIOR_ROWS * mean) / (counts + PRIOR_ROWS)
    return rates
