"""The labels of a backtest: how many events got one, and when.

In: the events and the labels as data sets. Out: `LabelCoverage`. Never: a performance measured.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import ConfigError
from monitor.events import Float64
from monitor.profiling.columns import Column
from monitor.profiling.dataset import Dataset

QUANTILES: Final = (0.5, 0.9, 0.99)
NEEDED: Final = ("event_id", "label", "observed_at")

_US_PER_HOUR: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class LabelCoverage:
    """What became known of a backtest's events."""

    source: str
    labels: int
    """Rows of the file."""
    unknown: int
    """Labels whose event is not among the events."""
    repeated: int
    """Further labels of an event that has one."""
    labelled: int
    """Events with a label."""
    events: int
    delay_hours: tuple[float, ...]
    """Quantiles (half, 90 %, 99 %) of the time from an event to its first label; else empty."""
    early: int
    """Events whose label was observed before they occurred."""

    @property
    def coverage(self) -> float:
        """Share of the events that got a label."""
        return self.labelled / self.events

    def to_json(self) -> dict[str, Any]:
        """The coverage as one JSON object."""
        return {
            "labels": self.labels,
            "unknown": self.unknown,
            "repeated": self.repeated,
            "labelled": self.labelled,
            "coverage": self.coverage,
            "early": self.early,
            "delay_hours": {
                f"{share:g}": hours
                for share, hours in zip(QUANTILES, self.delay_hours, strict=False)
            },
        }


def label_coverage(events: Dataset, labels: Dataset) -> LabelCoverage:
    """Match labels to events by event id; ConfigError names a column that is missing or wrong."""
    _check(events, labels)
    rows = _rows_of(labels, events)
    known = np.flatnonzero(rows >= 0)
    labelled = np.unique(rows[known])
    delays = _delays_hours(events, labels, rows, known)
    shown = np.quantile(delays, QUANTILES).tolist() if delays.size else ()
    return LabelCoverage(
        source=labels.source,
        labels=labels.n_rows,
        unknown=labels.n_rows - len(known),
        repeated=len(known) - len(labelled),
        labelled=len(labelled),
        events=events.n_rows,
        delay_hours=tuple(shown),
        early=int(np.count_nonzero(delays < 0)),
    )


def _rows_of(labels: Dataset, events: Dataset) -> Any:
    """The row of the event of each label, -1 where there is none."""
    ids = events.columns["event_id"].values
    found = pc.index_in(labels.columns["event_id"].values, value_set=ids)
    return found.fill_null(-1).to_numpy(zero_copy_only=False)


def _delays_hours(events: Dataset, labels: Dataset, rows: Any, known: Any) -> Float64:
    """From each labelled event to its first label."""
    occurred_us = events.occurred_us
    if occurred_us is None or not len(known):
        return np.empty(0)
    observed_us = np.asarray(labels.columns["observed_at"].values.cast(pa.int64()))
    first_us = np.full(events.n_rows, np.iinfo(np.int64).max)
    np.minimum.at(first_us, rows[known], observed_us[known])
    labelled = np.unique(rows[known])
    return np.asarray((first_us[labelled] - occurred_us[labelled]) / _US_PER_HOUR)


def _check(events: Dataset, labels: Dataset) -> None:
    if "event_id" not in events.columns:
        raise ConfigError(f"{events.source}: labels need a column event_id to be matched by")
    for name in NEEDED:
        column = labels.columns.get(name)
        if column is None:
            raise ConfigError(
                f"{labels.source}: no column {name}: labels have {', '.join(NEEDED)} "
                f"(columns: {', '.join(labels.columns)})"
            )
        if column.null_count():
            raise ConfigError(f"{labels.source}, column {name}: {_gap(column)} has no value")
    if labels.columns["observed_at"].kind != "time":
        raise ConfigError(
            f"{labels.source}, column observed_at: not every value is a time: write UTC times "
            "such as 2013-02-01T05:00:00Z"
        )


def _gap(column: Column) -> str:
    return f"row {column.to_list().index(None) + 1}"
