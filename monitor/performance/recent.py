"""The last labelled rows of one version, and in which cell of each feature they lie.

In: the labelled rows of each closed cohort. Out: the same, the newest RECENT_ROWS of them, and sums
over those that left. Never: more memory for a longer stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from monitor.errors import StateError
from monitor.events import Bool, Float64, Int64

RECENT_ROWS: Final = 4_000
NAMED: Final = 32
"""Values of a feature that have a cell of their own."""
OTHER: Final = NAMED
NONE: Final = NAMED + 1
WIDTH: Final = NAMED + 2
"""Cells of one feature: named values or bins, other values, no value."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Labelled predictions in time order (n rows) with their losses.

    `score` is NaN but for binary models; `cells` is uint8[n, features].
    """

    occurred_us: Int64
    truth: Float64
    answer: Float64
    score: Float64
    loss: Float64
    base: Float64
    """Loss of the baseline."""
    cells: Bytes

    def __len__(self) -> int:
        return len(self.truth)

    def kept(self, rows: Bool | Int64 | slice) -> Self:
        """Those rows."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def joined(self, other: Self) -> Self:
        """These rows and then those."""
        return type(self)(
            *(
                np.concatenate((getattr(self, field.name), getattr(other, field.name)))
                for field in fields(self)
            )
        )

    @classmethod
    def none(cls, features: int) -> Self:
        """No rows."""
        empty = np.zeros(0)
        cells = np.zeros((0, features), np.uint8)
        return cls(np.zeros(0, np.int64), empty, empty, empty, empty, empty, cells)


_NUMBERS: Final = ("truth", "answer", "score", "loss", "base")


class RecentRows:
    """The newest rows, and sums of the loss over all that left, by feature and cell.

    **Cost**: 13 bytes and one a feature for each of RECENT_ROWS rows in the state (28 in memory).

    >>> recent = RecentRows(features=1)
    >>> one = np.ones(3_000)
    >>> rows = LabelledRows(np.arange(3_000), *[one] * 5, np.zeros((3_000, 1), np.uint8))
    >>> recent.add(rows)
    >>> recent.add(rows)
    >>> len(recent.rows), recent.left[0, 0].tolist()
    (4000, [2000.0, 2000.0, 2000.0])
    """

    def __init__(self, features: int) -> None:
        self.rows = LabelledRows.none(features)
        self.left: Float64 = np.zeros((features, WIDTH, 3))
        """Number, sum of losses and of their squares, of the rows that left."""
        self.total = 0
        """Rows ever taken."""

    def add(self, rows: LabelledRows) -> None:
        """Take the labelled rows of a cohort."""
        self.total += len(rows)
        together = self.rows.joined(_rounded(rows))
        leave = max(0, len(together) - RECENT_ROWS)
        if leave:
            self.left += cell_sums(together.kept(slice(0, leave)))
            together = together.kept(slice(leave, None))
        self.rows = together

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "occurred_us": self.rows.occurred_us,
            "numbers": np.stack([getattr(self.rows, name) for name in _NUMBERS]).astype("<f4"),
            "cells": self.rows.cells.tobytes(),
            "left": self.left,
            "total": self.total,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`; StateError where it is of other features."""
        left = np.array(state["left"], np.float64)
        if left.shape != self.left.shape:
            raise StateError(f"saved rows of {len(left)} features, the card has {len(self.left)}")
        numbers = np.array(state["numbers"], np.float64)
        cells = np.frombuffer(state["cells"], np.uint8).reshape(-1, len(left)).copy()
        self.rows = LabelledRows(
            occurred_us=np.array(state["occurred_us"], np.int64),
            cells=cells,
            **dict(zip(_NUMBERS, numbers, strict=True)),
        )
        self.left, self.total = left, int(state["total"])


def cell_sums(rows: LabelledRows) -> Float64:
    """float64[features, WIDTH, 3]: number, sum of losses and of their squares by cell."""
    features = rows.cells.shape[1]
    place = (rows.cells.astype(np.int64) + WIDTH * np.arange(features)).ravel()
    size = features * WIDTH
    sums = [
        np.bincount(place, np.repeat(weight, features), size).reshape(features, WIDTH)
        for weight in (np.ones(len(rows)), rows.loss, rows.loss**2)
    ]
    return np.stack(sums, axis=2).astype(np.float64)


def _rounded(rows: LabelledRows) -> LabelledRows:
    """As the state keeps them, so that a restart changes nothing."""
    return replace(
        rows,
        **{name: getattr(rows, name).astype(np.float32).astype(np.float64) for name in _NUMBERS},
    )
