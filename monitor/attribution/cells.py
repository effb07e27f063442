"""Features as small cells: bins of a number, the commonest names of a category, "no value".

In: the reference's own values, once; then values of events. Out: `Cells`, which say in which cell
of its feature a value lies. Never: more than MAX_CELLS over all features; rare names are pooled.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from monitor.errors import ProfileError
from monitor.events import Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.profile import Reference
from schemas.model import OUTPUT_NAMES
from schemas.prediction import FeatureValue

MAX_CELLS: Final = 2_048
BINS: Final = 16
"""Most bins of a number."""
NAMES: Final = 32
"""Most names of a category that have a cell of their own."""
_LEAST: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class FeatureCells:
    """The cells of one feature: values first, then (a category's) other names, then no value.

    A number lies in cell k where k of `edges` are not above it.

    >>> age = FeatureCells("age", edges=(18.0, 65.0))
    >>> [age.cell(v) for v in (17, 18, 90, None)], age.size
    ([0, 1, 2, 3], 4)
    >>> plan = FeatureCells("plan", names=("free", "paid"))
    >>> [plan.cell(v) for v in ("paid", "trial", None)], plan.words(2)
    ([1, 2, 3], 'plan other')
    """

    name: str
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] | None = None
    """None: a number."""
    _index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {name: k for k, name in enumerate(self.names or ())})

    @property
    def size(self) -> int:
        """How many cells it has."""
        return 2 + len(self.edges if self.names is None else self.names)

    def cell(self, value: FeatureValue) -> int:
        """Cell of one value as it was logged."""
        none = self.size - 1
        if value is None:
            return none
        if self.names is not None:
            return self._index.get(str(value), none - 1)
        if isinstance(value, str) or not np.isfinite(float(value)):
            return none
        return bisect_right(self.edges, float(value))

    def cells(self, values: Float64 | Sequence[str | None]) -> Int64:
        """Cells of a column: float64[n] of a number (NaN: no value), texts of a category."""
        if self.names is None:
            numbers = np.asarray(values, np.float64)
            found = np.searchsorted(np.array(self.edges), numbers, side="right").astype(np.int64)
            return np.where(np.isfinite(numbers), found, self.size - 1)
        known, other, none = self._index, self.size - 2, self.size - 1
        return np.array(
            [none if one is None else known.get(str(one), other) for one in values], np.int64
        )

    def words(self, cell: int) -> str:
        """What a cell holds, for people.

        >>> FeatureCells("age", edges=(18.0, 65.0)).words(1)
        'age 18 to 65'
        """
        if cell == self.size - 1:
            return f"{self.name} missing"
        if self.names is not None:
            return (
                f"{self.name}={self.names[cell]}"
                if cell < len(self.names)
                else f"{self.name} other"
            )
        if not self.edges:
            return f"{self.name} present"
        if cell == 0:
            return f"{self.name} below {self.edges[0]:g}"
        if cell == len(self.edges):
            return f"{self.name} from {self.edges[-1]:g}"
        return f"{self.name} {self.edges[cell - 1]:g} to {self.edges[cell]:g}"


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells of all features of a model version, one feature after the other."""

    features: tuple[FeatureCells, ...]

    @classmethod
    def fit(cls, columns: Sequence[Reference], numbers: Mapping[str, Float64]) -> Self:
        """Of the features among the references; `numbers` are the reference's own values."""
        features = [column for column in columns if column.name not in OUTPUT_NAMES]
        most = max(_LEAST, MAX_CELLS // max(len(features), 1) - 2)
        return cls(
            tuple(
                FeatureCells(one.name, names=one.names[: min(NAMES, most)])
                if isinstance(one, CategoryReference)
                else FeatureCells(one.name, _edges(numbers[one.name], min(BINS, most)))
                for one in features
            )
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The features."""
        return tuple(one.name for one in self.features)

    @property
    def starts(self) -> Int64:
        """int64[features]: place of each feature's first cell among all."""
        sizes = [one.size for one in self.features]
        return np.cumsum([0, *sizes[:-1]]) if sizes else np.zeros(0, np.int64)

    @property
    def size(self) -> int:
        """Cells of all features together."""
        return sum(one.size for one in self.features)

    def parts(self) -> Iterator[tuple[FeatureCells, slice]]:
        """Each feature and where its cells lie."""
        start = 0
        for one in self.features:
            yield one, slice(start, start + one.size)
            start += one.size

    def arrays(self) -> dict[str, Float64]:
        """As a profile keeps them: how many edges or names each feature has, and the edges."""
        counts = [len(one.edges) if one.names is None else len(one.names) for one in self.features]
        edges = [edge for one in self.features for edge in one.edges]
        return {"counts": np.array(counts, np.float64), "edges": np.array(edges, np.float64)}

    @classmethod
    def of_arrays(cls, columns: Sequence[Reference], arrays: Mapping[str, Float64]) -> Self:
        """The cells of `arrays` again; ProfileError where they do not fit the references."""
        columns = [column for column in columns if column.name not in OUTPUT_NAMES]
        counts, edges = arrays["counts"], arrays["edges"].tolist()
        if counts.shape != (len(columns),):
            raise ProfileError(
                f"a surrogate of {counts.size} features, but there are {len(columns)}"
            )
        features = []
        for column, count in zip(columns, counts.astype(int).tolist(), strict=True):
            if isinstance(column, CategoryReference):
                features.append(FeatureCells(column.name, names=column.names[:count]))
            else:
                features.append(FeatureCells(column.name, tuple(edges[:count])))
                edges = edges[count:]
        if edges:
            raise ProfileError(f"a surrogate has {len(edges)} edges that belong to no feature")
        return cls(tuple(features))


def _edges(values: Float64, bins: int) -> tuple[float, ...]:
    """So that about as many values lie in each bin; every value its own, where there are few."""
    present = values[np.isfinite(values)]
    distinct = np.unique(present)
    if distinct.size > bins:
        at = np.linspace(0, 1, bins + 1)[1:-1]
        distinct = np.unique(np.quantile(present, at, method="lower"))
        return tuple(edge for edge in distinct.tolist() if edge > present.min())
    return tuple(distinct[1:].tolist())
