"""Stored predictions as the columns that step 2 made of them, before they were stored.

In: an Arrow table of the predictions of one model version, in order of offset; its card. Out:
`PredictionColumns` equal to those that were tested, resends flagged as they were. Never: a rule of
validation: what was wrong with a value stands beside it in the row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from monitor.clock import US_PER_SECOND
from monitor.events import Fault, Float64, Int64, PredictionColumns
from monitor.storage.evidence import Log
from monitor.validation.columns import ColumnLayout, column_layout
from monitor.validation.signals import event_signals
from monitor.validation.timing import TIMES_PREFIX, feature_time_faults
from monitor.validation.values import shown_value
from schemas.model import OUTPUT_NAMES, ModelCard
from schemas.values import MAX_STRING_CHARS, USABLE_FAULTS, class_text

_FROM_FUTURE: Final = "from_future"
_KNOWN_LATER: Final = "known_later"


def stored_columns(rows: pa.Table, log: Log, card: ModelCard) -> PredictionColumns:
    """The columns of stored rows."""
    n = rows.num_rows
    occurred_us, sent_us = microseconds(rows["occurred_at"]), microseconds(rows["sent_at"])
    layout = column_layout(card)
    events = list(_events(rows))
    numbers, categories = _values(rows, layout, events)
    known = frozenset(name for name, spec in card.features.items() if spec.column)
    later, age_s = feature_time_faults(events, occurred_us, known)
    faults = list(_faults(rows, occurred_us - sent_us))
    for fault in faults:
        if fault.reason in USABLE_FAULTS:
            continue
        if fault.feature in numbers:
            numbers[fault.feature][fault.row] = np.nan
        elif fault.feature in categories:
            categories[fault.feature][fault.row] = None
    return PredictionColumns(
        model=log.model,
        model_version=log.version,
        registered=True,
        topic=log.topic,
        partition=log.partition,
        offsets=rows["offset"].to_numpy(),
        appended_us=microseconds(rows["appended_at"]),
        occurred_us=occurred_us,
        sent_us=sent_us,
        event_ids=rows["event_id"].to_pylist(),
        numbers=numbers,
        categories=categories,
        faults=(*faults, *later),
        events=events,
        repeated=rows["repeated"].to_numpy().astype(np.bool_),
        attributions=[event["attributions"] for event in events]
        if n and "attributions" in events[0]
        else (),
        signals=event_signals(events, sent_us - occurred_us, age_s) if n else np.empty((0, 0)),
    )


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries of a Map column, all rows one after the other."""

    rows: Int64
    keys: list[str]
    codes: Int64
    values: pa.Array

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Self:
        chunks = column.combine_chunks()
        array = chunks.chunk(0) if isinstance(chunks, pa.ChunkedArray) else chunks
        ends = np.asarray(array.offsets)
        keys, values = array.keys, array.items
        first, last = int(ends[0]), int(ends[-1])
        keys, values = keys[first:last], values[first:last]
        if not pa.types.is_dictionary(keys.type):
            keys = keys.dictionary_encode()
        return cls(
            rows=np.repeat(np.arange(len(array)), np.diff(ends)),
            keys=keys.dictionary.to_pylist(),
            codes=np.asarray(keys.indices, np.int64),
            values=values,
        )

    def of_key(self, key: str) -> tuple[Int64, pa.Array]:
        """The rows that have a key, and their values."""
        if key not in self.keys:
            return np.empty(0, np.int64), self.values[:0]
        found = np.flatnonzero(self.codes == self.keys.index(key))
        return self.rows[found], self.values.take(pa.array(found))

    def by_place(self) -> Iterator[tuple[int, str, Any]]:
        """(row, key, value) of every entry."""
        for row, code, value in zip(
            self.rows.tolist(), self.codes.tolist(), self.values.to_pylist(), strict=True
        ):
            yield row, self.keys[code], value


def _values(
    rows: pa.Table, layout: ColumnLayout, events: Sequence[dict[str, Any]]
) -> tuple[dict[str, Float64], dict[str, list[str | None]]]:
    n = rows.num_rows
    logged, texts = _Entries.of(rows["numbers"]), _Entries.of(rows["strings"])
    numbers: dict[str, Float64] = {}
    categories: dict[str, list[str | None]] = {}
    for name in layout.numbers:
        numbers[name] = np.full(n, np.nan)
        if name in OUTPUT_NAMES:
            column = "score" if name == "score" else "prediction_number"
            numbers[name][:] = rows[column].to_numpy(zero_copy_only=False)
        else:
            places, values = logged.of_key(name)
            numbers[name][places] = values.to_numpy(zero_copy_only=False)
    for name in layout.categories:
        if name in OUTPUT_NAMES:
            categories[name] = [class_text(event["prediction"]) for event in events]
        else:
            places, values = texts.of_key(name)
            known = np.full(n, None, dtype=object)
            known[places] = values.to_pylist()
            categories[name] = known.tolist()
    return numbers, categories


def _faults(rows: pa.Table, ahead_us: Int64) -> Iterator[Fault]:
    """What was found wrong, but `known_later`, which the times tell."""
    marks = list(_Entries.of(rows["faults"]).by_place())
    if not marks:
        return
    faulty = {(row, feature) for row, feature, _ in marks}
    logged: dict[tuple[int, str], float | str | None] = {}
    for name in ("strings", "numbers"):
        for row, feature, value in _Entries.of(rows[name]).by_place():
            if (row, feature) in faulty:
                logged[row, feature] = shown_value(value, MAX_STRING_CHARS)
    scores = rows["score"].to_pylist()
    for row, feature, reason in marks:
        if reason == _KNOWN_LATER and feature.startswith(TIMES_PREFIX):
            continue
        value = logged.get((row, feature))
        if reason == _FROM_FUTURE:
            value = float(ahead_us[row]) / US_PER_SECOND
        elif value is None and feature == "score":
            value = scores[row]
        yield Fault(row, feature, reason, value)


def _events(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """What of each event does not stand in its columns.

    A class that was logged as a number or a boolean is stored as text and as a number: either will
    do, but for integers past 2**53.
    """
    answers = zip(
        rows["prediction"].to_pylist(), rows["prediction_number"].to_pylist(), strict=True
    )
    columns = (
        rows["status"].to_pylist(),
        rows["role"].to_pylist(),
        [text if number is None or text.isdecimal() else number for text, number in answers],
    )
    optional = {"latency_ms": rows["latency_ms"].to_pylist()}
    for name in ("scores", "feature_times", "attributions"):
        if len(_Entries.of(rows[name]).rows):
            optional[name] = [dict(row) or None for row in rows[name].to_pylist()]
    for row, (status, role, prediction) in enumerate(zip(*columns, strict=True)):
        event = {"status": status, "role": role, "prediction": prediction}
        for name, values in optional.items():
            event[name] = values[row]
        yield event


def microseconds(column: pa.ChunkedArray) -> Int64:
    """Stored times as microseconds since 1970."""
    return np.asarray(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy())
