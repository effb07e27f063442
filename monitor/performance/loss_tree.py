"""A regression tree as plain numbers: fitted by scikit-learn, kept and asked without it.

In: inputs and targets; or the array that an earlier tree was kept as. Out: predictions. Never: an
object read from bytes: a tree is one table of numbers, checked before it is used.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from monitor.errors import ProfileError
from monitor.events import Float64, Int64

LEAVES: Final = 64
LEAF_ROWS: Final = 30
_COLUMNS: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class LossTree:
    """Nodes, float64[nodes, 6]: left, right, column, threshold, whether missing goes left, value.

    Left and right are -1 in a leaf; a threshold of infinity parts missing values from all others.
    Children stand behind their parent, so that every walk ends.

    >>> x = np.linspace(0, 1, 400)[:, None]
    >>> tree = LossTree.fit(x, (x[:, 0] > 0.5).astype(float), seed=0)
    >>> tree.predict(np.array([[0.1], [0.9]])).tolist()
    [0.0, 1.0]

    Breiman, Friedman, Olshen and Stone (1984).
    """

    nodes: Float64

    @classmethod
    def fit(cls, inputs: Float64, targets: Float64, seed: int) -> Self:
        """Learn; NaN among the inputs is a value of its own."""
        # Slow to import, and of use to regression models alone.
        from sklearn.tree import DecisionTreeRegressor

        model = DecisionTreeRegressor(
            max_leaf_nodes=LEAVES, min_samples_leaf=LEAF_ROWS, random_state=seed
        )
        tree = model.fit(inputs, targets).tree_
        columns = (
            tree.children_left,
            tree.children_right,
            tree.feature,
            tree.threshold,
            tree.missing_go_to_left,
            tree.value[:, 0, 0],
        )
        return cls(_children_behind(np.column_stack(columns).astype(np.float64)))

    @classmethod
    def of(cls, nodes: Float64, inputs: int) -> Self:
        """The tree that was kept as `nodes`; ProfileError unless it is one over so many inputs."""
        k = len(nodes)
        if nodes.ndim != 2 or nodes.shape[1] != _COLUMNS or not k:
            raise ProfileError(f"a loss tree of shape {nodes.shape} is no table of nodes")
        if np.isnan(nodes).any() or not np.isfinite(nodes[:, (0, 1, 2, 4, 5)]).all():
            raise ProfileError("a loss tree has nodes that are no numbers")
        inner = np.flatnonzero(nodes[:, 0] >= 0)
        children, column = nodes[inner, :2], nodes[inner, 2]
        behind = (children > inner[:, None]) & (children < k)
        if not behind.all() or ((column < 0) | (column >= inputs)).any():
            raise ProfileError("a loss tree has a node whose children or column do not exist")
        return cls(nodes)

    def predict(self, inputs: Float64) -> Float64:
        """The value of each row's leaf; inputs are compared as float32, as when it was fitted."""
        left, right, column = self.nodes[:, :3].astype(np.int64).T
        threshold, missing_left, value = self.nodes[:, 3:].T
        rows = inputs.astype(np.float32)
        at: Int64 = np.zeros(len(rows), np.int64)
        open_rows = np.flatnonzero(left[at] >= 0)
        while open_rows.size:
            node = at[open_rows]
            x = rows[open_rows, column[node]]
            goes_left = np.where(np.isnan(x), missing_left[node] > 0, x <= threshold[node])
            at[open_rows] = np.where(goes_left, left[node], right[node])
            open_rows = open_rows[left[at[open_rows]] >= 0]
        found: Float64 = value[at]
        return found


def _children_behind(nodes: Float64) -> Float64:
    """The same nodes, each behind its parent (a tree grown best first has them so already)."""
    order = [0]
    for node in order:
        order += [int(child) for child in nodes[node, :2] if child >= 0]
    place = np.full(len(nodes) + 1, -1.0)
    place[order] = np.arange(len(order))
    again = nodes[order]
    again[:, :2] = place[again[:, :2].astype(np.int64)]
    return again
