"""The rows of a cohort: its predictions, and the labels that name one of them.

In: a span of event time and bounds of offsets; rows in ClickHouse, in memory, or on their way
there. Out: one Arrow table of predictions and one of labels, each row once, in offset order. Never:
a difference between a row that is stored and one that is about to be.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.clock import US_PER_DAY
from monitor.events import Bool
from monitor.storage.arrays import EARLIEST_US, LATEST_US, TIME, moments
from monitor.storage.predictions import prediction_rows
from monitor.storage.store import StoreBatch
from monitor.storage.tables import label_rows

_TEXTS: Final = pa.map_(pa.string(), pa.string())
_NUMBERS: Final = pa.map_(pa.string(), pa.float64())
PREDICTION_SCHEMA: Final = pa.schema(
    {
        "event_id": pa.string(),
        "request_id": pa.string(),
        "model_version": pa.string(),
        "occurred_at": TIME,
        "sent_at": TIME,
        "role": pa.string(),
        "prediction": pa.string(),
        "prediction_number": pa.float64(),
        "score": pa.float64(),
        "scores": _NUMBERS,
        "numbers": _NUMBERS,
        "strings": _TEXTS,
        "faults": _TEXTS,
        "segments": _TEXTS,
        "attributions": _NUMBERS,
        "offset": pa.int64(),
    }
)
LABEL_SCHEMA: Final = pa.schema(
    {
        "event_id": pa.string(),
        "request_id": pa.string(),
        "label": pa.string(),
        "label_number": pa.float64(),
        "observed_at": TIME,
        "offline_numbers": _NUMBERS,
        "offline_strings": _TEXTS,
        "offset": pa.int64(),
    }
)
_ID_BATCH: Final = 1_000
"""Ids that one question names."""

PREDICTIONS_SQL: Final = """
SELECT event_id, request_id, model_version, occurred_at, sent_at, role, prediction,
    prediction_number, score, scores, numbers, strings, faults, segments, attributions, offset
FROM predictions
WHERE model = {model:String} AND topic = {predictions:String} AND partition = {partition:Int32}
    AND occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {latest:DateTime64(6, 'UTC')}
    AND least(occurred_at, sent_at) >= {since:DateTime64(6, 'UTC')}
    AND least(occurred_at, sent_at) < {until:DateTime64(6, 'UTC')}
    AND offset < {answers_below:Int64} AND registered AND NOT repeated AND status = 'ok'
ORDER BY offset
LIMIT 1 BY offset
"""
LABELS_SQL: Final = """
WITH ids AS
(
    SELECT event_id, request_id
    FROM predictions
    WHERE model = {model:String} AND topic = {predictions:String} AND partition = {partition:Int32}
        AND occurred_at >= {since:DateTime64(6, 'UTC')}
        AND occurred_at < {latest:DateTime64(6, 'UTC')}
        AND least(occurred_at, sent_at) >= {since:DateTime64(6, 'UTC')}
        AND least(occurred_at, sent_at) < {until:DateTime64(6, 'UTC')}
        AND offset < {answers_below:Int64} AND registered AND NOT repeated AND status = 'ok'
)
SELECT event_id, request_id, label, label_number, observed_at, offline_numbers, offline_strings,
    offset
FROM labels
WHERE model = {model:String} AND topic = {labels:String} AND partition = {partition:Int32}
    AND offset < {truths_below:Int64}
    AND (event_id IN (SELECT event_id FROM ids)
        OR (event_id = '' AND request_id IN (SELECT request_id FROM ids WHERE request_id != '')))
ORDER BY offset
LIMIT 1 BY offset
"""
LABELS_OF_SQL: Final = """
SELECT event_id, request_id, label, label_number, observed_at, offline_numbers, offline_strings,
    offset
FROM labels
WHERE model = {model:String} AND topic = {labels:String} AND partition = {partition:Int32}
    AND offset < {truths_below:Int64}
    AND (event_id IN {ids:Array(String)}
        OR (event_id = '' AND request_id IN {ids:Array(String)}))
ORDER BY offset
LIMIT 1 BY offset
"""


@dataclass(frozen=True, slots=True)
class CohortSpan:
    """Which predictions of a model, and up to where labels for them."""

    model: str
    predictions: str
    """Topic of the predictions."""
    labels: str
    """Topic of the labels."""
    partition: int
    started_us: int
    ended_us: int
    answers_below: int
    truths_below: int

    @property
    def latest_us(self) -> int:
        """Predictions that say to be from later than this are nobody's: no sending is so late."""
        return min(self.ended_us + US_PER_DAY, LATEST_US)

    def parameters(self) -> dict[str, Any]:
        """Values of the questions but for `ids`; moments as text."""
        return {
            "model": self.model,
            "predictions": self.predictions,
            "labels": self.labels,
            "partition": self.partition,
            "answers_below": self.answers_below,
            "truths_below": self.truths_below,
            "since": _moment(max(self.started_us, EARLIEST_US)),
            "until": _moment(min(self.ended_us, LATEST_US)),
            "latest": _moment(self.latest_us),
        }


Named = Callable[[Sequence[str]], Iterable[Any]]
"""Ids to the stored labels, in time for a span, that name one of them."""


class PendingRows:
    """Rows of commits that are on their way to the store; each is made a row once."""

    def __init__(self, batches: Sequence[StoreBatch] = ()) -> None:
        self._predictions = [one for batch in batches for one in batch.predictions]
        self._labels = [one for batch in batches for one in batch.labels]
        self._tables: dict[int, Any] = {}

    def predictions(self, span: CohortSpan) -> list[Any]:
        """Tables of the model's predictions, as far as any belongs to a span of time."""
        found = []
        for columns in self._predictions:
            if columns.model == span.model:
                times = columns.event_us
                if ((times >= span.started_us) & (times < span.ended_us)).any():
                    found.append(self._table(columns, prediction_rows))
        return found

    def labels(self, model: str) -> list[Any]:
        """Tables of the model's labels."""
        return [self._table(one, label_rows) for one in self._labels if one.model == model]

    def _table(self, columns: Any, rows_of: Callable[[Sequence[Any]], Any]) -> Any:
        key = id(columns)  # they are held here, so no other can have it
        if key not in self._tables:
            self._tables[key] = rows_of([columns])
        return self._tables[key]


def with_pending(
    span: CohortSpan, stored: tuple[Any, Any], named: Named, pending: PendingRows
) -> tuple[Any, Any] | None:
    """What is stored of a cohort, with the rows of commits that are on their way there.

    None without a prediction. `named` is asked for stored labels of predictions that are not yet.
    """
    predictions, labels = [stored[0]], [stored[1]]
    coming = [
        as_schema(PREDICTION_SCHEMA, rows.filter(pa.array(chosen(rows, span))))
        for rows in pending.predictions(span)
    ]
    predictions += coming
    ids = pa.chunked_array([one for rows in coming for one in _ids(rows)], pa.string()).unique()
    for start in range(0, len(ids), _ID_BATCH):
        labels += named(ids[start : start + _ID_BATCH].to_pylist())
    together = _once(PREDICTION_SCHEMA, predictions)
    if not len(together):
        return None
    every = pending.labels(span.model)
    if every:
        known = pa.chunked_array(_ids(together), pa.string())
        labels.append(labels_among(every, span, known))
    return together, _once(LABEL_SCHEMA, labels)


def chosen(rows: Any, span: CohortSpan) -> Bool:
    """Which rows of the predictions table belong to a span: the question in ClickHouse, again."""
    occurred_us, sent_us = (
        np.asarray(rows[name].cast(pa.int64())) for name in ("occurred_at", "sent_at")
    )
    event_us = np.minimum(occurred_us, sent_us)
    found: Bool = (event_us >= span.started_us) & (event_us < span.ended_us)
    if not found.any():
        return found
    found &= occurred_us < span.latest_us
    found &= np.asarray(rows["offset"]) < span.answers_below
    found &= np.asarray(rows["partition"]) == span.partition
    for name, wanted in (
        ("model", span.model),
        ("topic", span.predictions),
        ("registered", True),
        ("repeated", False),
        ("status", "ok"),
    ):
        found &= pc.equal(rows[name], wanted).to_numpy()
    return found


def named_labels(rows: Any, span: CohortSpan, ids: Any) -> Any:
    """The rows of one table of labels in time for a span that name one of `ids`."""
    found = pc.equal(rows["model"], span.model).to_numpy()
    found = found & pc.equal(rows["topic"], span.labels).to_numpy()
    found &= np.asarray(rows["partition"]) == span.partition
    found &= np.asarray(rows["offset"]) < span.truths_below
    event, request = (
        pc.is_in(rows[name], value_set=ids).to_numpy() for name in ("event_id", "request_id")
    )
    has_event = pc.not_equal(rows["event_id"], "").to_numpy()
    return rows.filter(pa.array(found & np.where(has_event, event, request)))


def of_memory(span: CohortSpan, predictions: Sequence[Any], labels: Sequence[Any]) -> Any:
    """What tables in memory hold of a cohort: (predictions, labels)."""
    kept = [
        as_schema(PREDICTION_SCHEMA, one.filter(pa.array(chosen(one, span)))) for one in predictions
    ]
    together = _once(PREDICTION_SCHEMA, kept)
    return together, labels_among(labels, span, pa.chunked_array(_ids(together), pa.string()))


def labels_among(labels: Sequence[Any], span: CohortSpan, ids: Any) -> Any:
    """The rows of tables of labels in time for a span that name one of `ids`."""
    return _once(
        LABEL_SCHEMA, [as_schema(LABEL_SCHEMA, named_labels(one, span, ids)) for one in labels]
    )


def _ids(predictions: Any) -> list[Any]:
    """Event ids and request ids, as pieces of one column."""
    events, requests = (predictions[name].combine_chunks() for name in ("event_id", "request_id"))
    return [events, requests.filter(pc.not_equal(requests, ""))]


def as_schema(schema: Any, rows: Any) -> Any:
    """The columns of a schema: dictionaries as what they stand for, absent ones filled."""
    columns = []
    for field in schema:
        if field.name not in rows.schema.names:
            empty = [] if pa.types.is_map(field.type) else ""
            columns.append(pa.array([empty] * len(rows), field.type))
        else:
            columns.append(_plain(rows[field.name], field.type))
    return pa.table(columns, schema=schema)


def _plain(column: Any, kind: Any) -> Any:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_map(kind):
        return whole.cast(kind)
    ends = whole.offsets
    first, last = ends[0].as_py(), ends[-1].as_py()
    keys = whole.keys[first:last].cast(pa.string())
    items = whole.items[first:last].cast(kind.item_type)
    return pa.MapArray.from_arrays(pc.subtract(ends, first), keys, items)


def _once(schema: Any, parts: Iterable[Any]) -> Any:
    """Every offset once, in order."""
    together = pa.concat_tables([schema.empty_table(), *parts]).combine_chunks()
    _, places = np.unique(np.asarray(together["offset"]), return_index=True)
    return together.take(pa.array(places))


def _moment(time_us: int) -> str:
    return str(moments([time_us])[0].as_py().strftime("%Y-%m-%d %H:%M:%S.%f"))
