"""Rows of the predictions table, out of the columns of a commit's predictions.

In: `PredictionColumns` of any number of models. Out: one Arrow table, all models together.
Never: a value other than the one that was logged: where the tested column has none because of a
fault (a hidden null such as -999), it is taken from the event. Text is cut where the fault's is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa

from monitor.clock import to_us
from monitor.events import PredictionColumns
from monitor.storage.arrays import (
    TIME,
    MapColumn,
    answers,
    maps,
    moments,
    optional_numbers,
    repeated_words,
    texts,
    words,
)
from schemas.model import OUTPUT_NAMES
from schemas.values import USABLE_FAULTS

_NESTED_CHARS: Final = 512
"""So much is kept of a feature that came as a list or an object."""

_OPTIONAL_TEXTS: Final = ("request_id", "entity_id", "trace_id")
_OPTIONAL_MAPS: Final = (
    ("scores", pa.float64()),
    ("segments", pa.string()),
    ("attributions", pa.float64()),
)


@dataclass(frozen=True, slots=True)
class _Features:
    """The three Map columns that hold what a model saw."""

    numbers: MapColumn
    strings: MapColumn
    faults: MapColumn

    def add(self, row: int, name: str, value: object) -> None:
        """One logged value, told apart by its type; null is no entry."""
        if isinstance(value, str):
            self.strings.add(row, name, value)
        elif isinstance(value, int | float):
            try:
                self.numbers.add(row, name, float(value))
            except OverflowError:  # an integer beyond 1.8e308 stays text
                self.strings.add(row, name, str(value))
        elif value is not None:
            self.strings.add(row, name, json.dumps(value, ensure_ascii=False)[:_NESTED_CHARS])


def prediction_rows(parts: Sequence[PredictionColumns]) -> Any:
    """The rows of `parts`, in their order."""
    sizes = [len(part) for part in parts]
    total = sum(sizes)
    events = list(chain.from_iterable(part.events for part in parts))
    sent: set[str] = set().union(*events)
    text, number = zip(
        *(answers([event["prediction"] for event in part.events]) for part in parts), strict=True
    )
    features = _Features(MapColumn(pa.float64()), MapColumn(pa.string()), MapColumn(pa.string()))
    first_row = 0
    for part in parts:
        _add_features(features, first_row, part)
        first_row += len(part)
    columns = {
        "model": repeated_words((part.model, len(part)) for part in parts),
        "model_version": repeated_words((part.model_version, len(part)) for part in parts),
        "event_id": texts(list(chain.from_iterable(part.event_ids for part in parts))),
        "occurred_at": moments(np.concatenate([part.occurred_us for part in parts])),
        "appended_at": moments(np.concatenate([part.appended_us for part in parts])),
        "sent_at": moments(np.concatenate([part.sent_us for part in parts])),
        "registered": pa.array(np.repeat([part.registered for part in parts], sizes)),
        "repeated": pa.array(np.concatenate([part.repeated for part in parts])),
        "role": _words_or("live", "role", events, sent),
        "status": _words_or("ok", "status", events, sent),
        "prediction": pa.concat_arrays(text),
        "prediction_number": pa.concat_arrays(number),
        "score": pa.concat_arrays([_scores(part, sent) for part in parts]),
        "numbers": features.numbers.array(total),
        "strings": features.strings.array(total),
        "faults": features.faults.array(total),
        "topic": repeated_words((part.topic, len(part)) for part in parts),
        "partition": pa.array(
            np.repeat(np.array([part.partition for part in parts], np.int32), sizes)
        ),
        "offset": pa.array(np.concatenate([part.offsets for part in parts])),
    }
    return pa.table(columns | _optional_columns(events, sent))


def _add_features(features: _Features, first_row: int, part: PredictionColumns) -> None:
    if not part.registered:
        for row, event in enumerate(part.events, first_row):
            for name, value in event["features"].items():
                features.add(row, name, value)
        return
    number_names = [name for name in part.numbers if name not in OUTPUT_NAMES]
    text_names = [name for name in part.categories if name not in OUTPUT_NAMES]
    matrix = np.empty((len(part), len(number_names)))
    for column, name in enumerate(number_names):
        matrix[:, column] = part.numbers[name]
    present = ~np.isnan(matrix)
    place = {name: column for column, name in enumerate(number_names)}
    for fault in part.faults:
        features.faults.add(first_row + fault.row, fault.feature, fault.reason)
        if fault.reason in USABLE_FAULTS:  # the value stands in its column
            continue
        value = part.events[fault.row]["features"].get(fault.feature)
        if isinstance(value, float) and fault.feature in place:
            matrix[fault.row, place[fault.feature]] = value
            present[fault.row, place[fault.feature]] = True
        else:
            shown = fault.value if isinstance(value, str) else value
            features.add(first_row + fault.row, fault.feature, shown)
    if number_names:
        features.numbers.add_matrix(first_row, number_names, matrix, present)
    if text_names:
        features.strings.add_texts(
            first_row, text_names, [part.categories[name] for name in text_names]
        )


def _words_or(default: str, name: str, events: Sequence[dict[str, Any]], sent: set[str]) -> Any:
    if name not in sent:
        return repeated_words([(default, len(events))])
    return words([event.get(name, default) for event in events])


def _scores(part: PredictionColumns, sent: set[str]) -> Any:
    if "score" in part.numbers:
        return optional_numbers(part.numbers["score"])
    if "score" not in sent:
        return pa.nulls(len(part), pa.float64())
    return pa.array([event.get("score") for event in part.events], pa.float64())


def _optional_columns(events: Sequence[dict[str, Any]], sent: set[str]) -> dict[str, Any]:
    """Columns that most producers leave out: built only where an event has them."""
    columns: dict[str, Any] = {}
    for name in _OPTIONAL_TEXTS:
        if name in sent:
            columns[name] = texts([event.get(name) for event in events])
    if "latency_ms" in sent:
        columns["latency_ms"] = pa.array([event.get("latency_ms") for event in events], "float64")
    for name, value_type in _OPTIONAL_MAPS:
        if name in sent:
            columns[name] = maps([event.get(name) for event in events], value_type)
    if "feature_times" in sent:
        columns["feature_times"] = maps(
            [
                {name: to_us(moment) for name, moment in (event.get("feature_times") or {}).items()}
                for event in events
            ],
            TIME,
        )
    return columns
