"""A data file as predictions: checked columns in, events of the stream's own shape out.

In: a CSV, Parquet or NDJSON file, or a data frame, and the model card. Out: a `Dataset`: columns,
times, events as `PredictionEvent` has them or read by whole columns, a fingerprint. Never: a value
judged here (that is validation's part), a row dropped, a guess about what a column means.

Columns by name: `event_id`, `occurred_at`, `model_version`, `prediction`, `score` or
`score_<class>`, `label`, and the card's features. `occurred_at` may be absent: the rows then have
no time order.
"""

import difflib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from monitor.clock import US_PER_SECOND, to_datetime
from monitor.errors import ConfigError
from monitor.events import Bool, Fault, Float64, Int64
from monitor.profiling.columns import Column, fingerprint
from monitor.profiling.readers import IDENTIFIERS, frame_columns, read_columns
from monitor.validation.columns import ColumnReader, Columns
from monitor.validation.signals import (
    AGE,
    INCOHERENCE,
    LAG,
    LATENCY,
    STATUS,
    STATUS_CODES,
    incoherence,
    no_signals,
)
from monitor.validation.timing import column_time_faults
from monitor.validation.values import Coded, Floats, RawValues
from schemas.model import ModelCard
from schemas.values import class_text

SCORE_PREFIX: Final = "score_"
OUTPUTS: Final = ("prediction", "score")
LABEL: Final = "label"
TIME: Final = "occurred_at"
SENT: Final = "sent_at"
FEATURE_TIME_PREFIX: Final = "feature_time_"
"""Before the name of a feature: when its value was known."""

EVENT_COLUMNS: Final = IDENTIFIERS | {
    TIME,
    LABEL,
    *OUTPUTS,
    "observed_at",
    "schema_version",
    "role",
    "latency_ms",
    "status",
    "trace_id",
    SENT,
}
"""Columns that an event or a label has beside its features."""

NO_TIME_US: Final = 0
"""Event time of rows without `occurred_at`: there is no order to read from it."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The content of one data file."""

    source: str
    columns: Mapping[str, Column]
    n_rows: int

    def fingerprint(self) -> str:
        """`sha256:` of the content in its present order, whatever the file's format."""
        return fingerprint(self.columns, self.n_rows)

    @property
    def occurred_us(self) -> Int64 | None:
        """Event times in the file's order, or None without `occurred_at`."""
        column = self.columns.get(TIME)
        if column is None:
            return None
        return np.asarray(column.values.cast(pa.int64()), dtype=np.int64)

    @property
    def sent_us(self) -> Int64 | None:
        """Send times in the file's order: `sent_at`, where that is not told the event time."""
        occurred_us = self.occurred_us
        column = self.columns.get(SENT)
        if column is None or column.kind != "time" or occurred_us is None:
            return occurred_us
        return np.where(_told(column), _moments(column), occurred_us)

    def time_faults(self, known: Set[str]) -> tuple[list[Fault], Float64]:
        """`known_later` by the columns `feature_time_<feature>`, and the age of the oldest."""
        occurred_us = self.occurred_us
        times_us = {
            name.removeprefix(FEATURE_TIME_PREFIX): _moments(column)
            for name, column in self.columns.items()
            if name.startswith(FEATURE_TIME_PREFIX)
            and column.kind == "time"
            and name.removeprefix(FEATURE_TIME_PREFIX) in known
        }
        if occurred_us is None or not times_us:
            return [], np.full(self.n_rows, np.nan)
        return column_time_faults(times_us, occurred_us, _NOT_TOLD_US)

    def time_order(self) -> Int64:
        """Row numbers in time order; rows of the same moment, or without times, as in the file."""
        occurred_us = self.occurred_us
        if occurred_us is None:
            return np.arange(self.n_rows, dtype=np.int64)
        return np.argsort(occurred_us, kind="stable").astype(np.int64)

    def in_time_order(self) -> "Dataset":
        """The same rows, earliest first."""
        order = self.time_order()
        if bool(np.all(order[1:] > order[:-1])):
            return self
        columns = {name: _taken(column, order) for name, column in self.columns.items()}
        return Dataset(self.source, columns, self.n_rows)

    def rows(self, start: int, stop: int, kept: Int64 | None = None) -> "Dataset":
        """The rows [start, stop), or of them those at the places `kept`."""
        columns = {name: column.part(start, stop) for name, column in self.columns.items()}
        if kept is None:
            return Dataset(self.source, columns, stop - start)
        columns = {name: _taken(column, kept) for name, column in columns.items()}
        return Dataset(self.source, columns, len(kept))

    def signals(self) -> Float64:
        """What the rows tell beside their values, float64[len(SIGNALS), n_rows]."""
        signals = no_signals(self.n_rows)
        latency = self.columns.get("latency_ms")
        if latency is not None and latency.kind == "number":
            signals[LATENCY] = latency.values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        status = self.columns.get("status")
        if status is not None:
            signals[STATUS] = [STATUS_CODES.get(word, 0.0) for word in status.to_list()]
        sent_us, occurred_us = self.sent_us, self.occurred_us
        if SENT in self.columns and sent_us is not None and occurred_us is not None:
            signals[LAG] = (sent_us - occurred_us) / US_PER_SECOND
        told = [name for name in self.columns if name.startswith(FEATURE_TIME_PREFIX)]
        if told:
            known = {name.removeprefix(FEATURE_TIME_PREFIX) for name in told}
            signals[AGE] = self.time_faults(known)[1]
        signals[INCOHERENCE] = self._incoherence()
        return signals

    def _incoherence(self) -> Float64:
        """What is wrong between the scores of classes and the predictions, NaN without either."""
        found = np.full(self.n_rows, np.nan)
        answers = self.columns.get("prediction")
        columns = self.score_columns()
        if not columns or answers is None:
            return found
        values = self._objects(columns, 0, self.n_rows)
        said = answers.to_list()
        scores = [{name: v for name, v in row.items() if v is not None} for row in values]
        rows = [row for row, value in enumerate(said) if value is not None and scores[row]]
        if rows:
            found[rows] = incoherence(
                [scores[row] for row in rows], [class_text(said[row]) for row in rows]
            )
        return found

    def score_columns(self) -> dict[str, str]:
        """Class to the column with its score: `score_<class>`, where it holds numbers."""
        return {
            name.removeprefix(SCORE_PREFIX): name
            for name, column in self.columns.items()
            if name.startswith(SCORE_PREFIX) and column.kind == "number"
        }

    def read(self, reader: ColumnReader, start: int = 0, stop: int | None = None) -> Columns:
        """Rows [start, stop) by whole columns: what `reader` makes of their `events`."""
        end = self.n_rows if stop is None else min(stop, self.n_rows)
        layout = reader.layout
        table: dict[str, RawValues] = {}
        for name in (*layout.numbers, *layout.categories):
            if name in self.columns:
                part = self.columns[name].part(start, end)
                table[name] = _coded(part) if name in layout.categories else _packed(part)
        scores = {
            name: _floats(self.columns[column].part(start, end))
            for name, column in self.score_columns().items()
            if column not in table
        }
        return reader.read_table(table, scores, end - start)

    def events(
        self, card: ModelCard, start: int = 0, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """Rows [start, stop) as prediction events of the card's model, in the file's order.

        What a file lacks is filled by the card (`model`, `model_version`), by the row's number
        (`event_id`) or by None (`prediction`, `score`); features are as they stand in the file.
        """
        end = self.n_rows if stop is None else min(stop, self.n_rows)
        n = end - start
        fields: dict[str, Iterable[Any]] = {
            "event_id": self._filled("event_id", start, end)
            or [f"row-{i}" for i in range(start, end)],
            "model": [card.model] * n,
            "model_version": self._filled("model_version", start, end) or [card.model_version] * n,
            TIME: self._moments(start, end),
            "features": self._objects({name: name for name in card.features}, start, end),
        }
        for name in OUTPUTS:
            present = name in self.columns
            fields[name] = _json_values(self.columns[name], start, end) if present else [None] * n
        scores = {
            name: column
            for name, column in self.score_columns().items()
            if column not in card.features
        }
        if scores:
            fields["scores"] = [
                {name: value for name, value in row.items() if value is not None}
                for row in self._objects(scores, start, end)
            ]
        names = tuple(fields)
        return [dict(zip(names, row, strict=True)) for row in zip(*fields.values(), strict=True)]

    def _filled(self, name: str, start: int, end: int) -> list[Any] | None:
        column = self.columns.get(name)
        if column is None or column.null_count():
            return None
        return column.to_list(start, end)

    def _moments(self, start: int, end: int) -> list[Any]:
        if TIME in self.columns:
            return self.columns[TIME].to_list(start, end)
        return [to_datetime(NO_TIME_US)] * (end - start)

    def _objects(self, names: Mapping[str, str], start: int, end: int) -> list[dict[str, Any]]:
        keys = tuple(names)
        values = [_json_values(self.columns[column], start, end) for column in names.values()]
        return [dict(zip(keys, row, strict=True)) for row in zip(*values, strict=True)]


def read_dataset(path: Path, card: ModelCard | None = None) -> Dataset:
    """Read a data file; with a card, its features must all be there.

    ConfigError names file, column, row, value and fix.
    """
    declared = {name: spec.type for name, spec in card.features.items()} if card else {}
    return _checked(str(path), read_columns(path, declared), card)


def frame_dataset(
    frame: pd.DataFrame, card: ModelCard | None = None, *, source: str = "the data frame"
) -> Dataset:
    """A data frame as the file that it would be written to; `source` names it in errors.

    >>> dataset = frame_dataset(pd.DataFrame({"age": [31, 40], "plan": ["a", None]}))
    >>> dataset.n_rows, dataset.columns["plan"].to_list()
    (2, ['a', None])
    """
    return _checked(source, frame_columns(frame, source), card)


def _checked(path: str, columns: Mapping[str, Column], card: ModelCard | None) -> Dataset:
    if card is not None:
        _check_features(path, columns, card)
    if TIME in columns:
        _check_times(path, columns[TIME])
    n_rows = len(next(iter(columns.values())))
    return Dataset(path, columns, n_rows)


def _check_features(path: str, columns: Mapping[str, Column], card: ModelCard) -> None:
    lines = []
    for name in card.features:
        if name in columns or card.features[name].column is None:
            continue
        close = difflib.get_close_matches(name, list(columns), n=1)
        meant = f"rename column {close[0]!r} if that is it" if close else "add it to the file"
        lines.append(
            f"{path}: no column {name}, a feature of {card.model} {card.model_version}: "
            f"{meant}, or take the feature out of the card (columns: {', '.join(columns)})"
        )
    if lines:
        raise ConfigError("\n".join(lines))


def _check_times(path: str, column: Column) -> None:
    """Every row needs a readable moment, once the file has any."""
    if column.kind == "time" and not column.null_count():
        return
    fix = "write a UTC time such as 2013-02-01T05:00:00Z in every row, or leave the column out"
    for row, value in enumerate(column.to_list(), start=1):
        if column.kind == "time" and value is not None:
            continue
        if column.kind == "text" and value is not None and not _is_odd_time(value):
            continue
        shown = "there is no value" if value is None else f"{value!r} is not a time"
        raise ConfigError(f"{path}, column {TIME}, row {row}: {shown}: {fix}")
    raise ConfigError(
        f"{path}, column {TIME}: some times have a UTC offset and some have none: {fix}"
    )


def _is_odd_time(value: str) -> bool:
    """Whether a text is no time by itself (a column of them can still mix two notations)."""
    for kind in (pa.timestamp("us", tz="UTC"), pa.timestamp("us")):
        try:
            pc.cast(pa.array([value]), kind)
        except pa.ArrowInvalid:
            continue
        return False
    return True


_NOT_TOLD_US: Final = -(2**63)


def _told(column: Column) -> Bool:
    return np.asarray(column.values.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _moments(column: Column) -> Int64:
    """Microseconds of a column of times, `_NOT_TOLD_US` where there is none."""
    moments = column.values.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    filled = moments.fill_null(_NOT_TOLD_US).to_numpy(zero_copy_only=False)
    return np.asarray(filled, dtype=np.int64)


def _packed(column: Column) -> RawValues:
    """A column of numbers or booleans as arrays, any other by its values."""
    if column.kind in ("number", "boolean"):
        return _floats(column)
    if column.kind == "empty":
        n = len(column)
        return Floats(float, np.full(n, np.nan), np.ones(n, dtype=np.bool_))
    return _json_values(column, 0, len(column))


def _floats(column: Column) -> Floats:
    absent = np.asarray(column.values.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
    return Floats(bool if column.kind == "boolean" else float, column.floats(), absent)


def _coded(column: Column) -> RawValues:
    """A column with each distinct value written once."""
    if column.kind == "mixed":
        return column.to_list()
    encoded = column.values.dictionary_encode()
    distinct = Column(column.name, column.kind, encoded.dictionary)
    absent = len(encoded.dictionary)  # null has no code of its own
    codes = encoded.indices.fill_null(absent).to_numpy(zero_copy_only=False).astype(np.int64)
    return Coded([*_json_values(distinct, 0, absent), None], codes)


def _json_values(column: Column, start: int, end: int) -> list[Any]:
    """Values as JSON has them: a time in a feature is its ISO text."""
    values = column.to_list(start, end)
    if column.kind == "time":
        return [None if value is None else value.isoformat() for value in values]
    return values


def _taken(column: Column, order: Int64) -> Column:
    if column.kind == "mixed":
        values: Any = [column.values[i] for i in order]
    else:
        values = column.values.take(pa.array(order))
    return Column(column.name, column.kind, values, column.naive)
