"""Predictions, labels and what the join makes of them, as columns.

In: what `reading` makes of events. Out: the records that the join, the cohorts and the port to
older data exchange. Never: a rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, Self, TypeVar

import numpy as np

from monitor.events import Bool, Float64, Int64
from monitor.performance.metrics import Labelled


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What performance needs of n predictions of one model, in offset order."""

    offsets: Int64
    occurred_us: Int64
    event_ids: Sequence[str]
    request_ids: Sequence[str]
    """Empty where a prediction answers no named request."""
    versions: tuple[str, ...]
    version: Int64
    """Place in `versions`."""
    live: Bool
    """False: a shadow's answer."""
    answer: Float64
    """Class index or number; NaN where it is unreadable."""
    score: Float64
    """Probability of class 1 (binary); NaN elsewhere."""
    scores: Float64
    """(n, classes) of multi-class models, else (n, 0)."""
    features: Float64
    """(n, features): numbers as they are, categories as codes; NaN where there is no value."""

    def __len__(self) -> int:
        return len(self.offsets)

    def at(self, rows: Int64) -> "Answers":
        """Those rows."""
        return _rows_of(self, rows)

    @classmethod
    def join(cls, parts: Sequence["Answers"]) -> "Answers":
        """Batches (at least one) as one, in offset order."""
        names = tuple(dict.fromkeys(name for part in parts for name in part.versions))
        places = [np.array([names.index(name) for name in part.versions]) for part in parts]
        coded = [
            replace(part, versions=names, version=place[part.version])
            for part, place in zip(parts, places, strict=True)
        ]
        return _in_offset_order(coded)


@dataclass(frozen=True, slots=True, eq=False)
class Truths:
    """n labels of one model, in offset order. Each has an event id or a request id."""

    offsets: Int64
    observed_us: Int64
    event_ids: Sequence[str]
    request_ids: Sequence[str]
    value: Float64
    """Class index or number; NaN where it is none of the model's."""

    def __len__(self) -> int:
        return len(self.offsets)

    @classmethod
    def none(cls) -> "Truths":
        """No labels."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), [], [], np.zeros(0))

    def at(self, rows: Int64) -> "Truths":
        """Those rows."""
        return _rows_of(self, rows)

    @classmethod
    def join(cls, parts: Sequence["Truths"]) -> "Truths":
        """Batches (at least one) as one, in offset order."""
        return _in_offset_order(parts)


@dataclass(frozen=True, slots=True, eq=False)
class CohortRows:
    """The predictions of one cohort of one model with their labels, in offset order (n rows)."""

    versions: tuple[str, ...]
    offset: Int64
    occurred_us: Int64
    version: Int64
    live: Int64
    request: Int64
    """Hash of the request id; 0 without one."""
    answer: Float64
    score: Float64
    scores: Float64
    features: Float64
    truth: Float64
    """NaN where no label came in time."""
    observed_us: Int64
    """When the first label was observed; 0 without one."""
    corrections: Int64
    """Labels that changed an earlier one; the last one counts."""
    repeats: Int64
    """Labels that said the same again."""

    def __len__(self) -> int:
        return len(self.offset)

    @property
    def labelled(self) -> Bool:
        """Where a label came in time."""
        return ~np.isnan(self.truth)

    def kept(self, mask: Bool | Int64) -> Self:
        """Those rows."""
        return type(self)(
            self.versions,
            *(getattr(self, name)[mask] for name in ROW_COLUMNS),
        )

    def of_version(self, version: str) -> Self:
        """The rows of one version; none where it is unknown."""
        place = self.versions.index(version) if version in self.versions else -1
        return self.kept(self.version == place)

    def measurable(self) -> Labelled:
        """The labelled rows, as metrics take them."""
        mask = self.labelled
        return Labelled(self.truth[mask], self.answer[mask], self.score[mask], self.scores[mask])

    def state(self) -> dict[str, Any]:
        """Plain arrays."""
        return {"versions": list(self.versions)} | {
            name: getattr(self, name) for name in ROW_COLUMNS
        }

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """The rows of `state` again."""
        return cls(tuple(state["versions"]), *(state[name] for name in ROW_COLUMNS))


ROW_COLUMNS = tuple(field.name for field in fields(CohortRows) if field.name != "versions")

_Batch = TypeVar("_Batch", Answers, Truths)


def _rows_of(batch: _Batch, rows: Int64) -> _Batch:
    changed: dict[str, Any] = {}
    for field in fields(batch):
        values = getattr(batch, field.name)
        if isinstance(values, np.ndarray):
            changed[field.name] = values[rows]
        elif field.name != "versions":
            changed[field.name] = [values[row] for row in rows.tolist()]
    return replace(batch, **changed)


def _in_offset_order(parts: Sequence[_Batch]) -> _Batch:
    if len(parts) == 1:
        return parts[0]
    changed: dict[str, Any] = {}
    for field in fields(parts[0]):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], np.ndarray):
            changed[field.name] = np.concatenate(values)
        elif field.name != "versions":
            changed[field.name] = list(chain.from_iterable(values))
    whole = replace(parts[0], **changed)
    return _rows_of(whole, np.argsort(whole.offsets, kind="stable"))
