"""Rows as the messages that a replay sends, in the order of their time.

In: batches of rows, the model's card, which column holds which field. Out: JSON of
`PredictionEvent`s in the order of the rows, each `LabelEvent` at the time it was observed.
Never: more in memory than a batch and the labels that wait for their time.
"""

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from producers.errors import InputFileError
from producers.rows import Batch
from schemas import SCHEMA_VERSION, ModelCard

PREDICTION_FIELDS: Final = ("event_id", "occurred_at", "prediction")
LABEL_FIELDS: Final = ("event_id", "label", "observed_at")

PREDICTION: Final = 0
LABEL: Final = 1
Message = tuple[int, int, bytes]
"""Simulated send time in microseconds, PREDICTION or LABEL, value."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds which field: `{"occurred_at": "ts", "age": "customer_age"}`.

    Fields are `event_id`, `occurred_at`, `prediction`, `score`, `model_version`, `label`,
    `observed_at` and the names of features. A field that is not named lies in its own column.
    """

    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """The column of a field."""
        return self.names.get(name, name)

    def check(self, card: ModelCard) -> None:
        """Refuse a mapping of something that is no field."""
        known = {*PREDICTION_FIELDS, *LABEL_FIELDS, "score", "model_version", *card.features}
        for name in self.names:
            if name not in known:
                raise InputFileError(
                    f"cannot map {name!r}: a field is one of {', '.join(sorted(known))}"
                )


def timeline(
    batches: Iterable[Batch], card: ModelCard, columns: Columns
) -> Iterator[list[Message]]:
    """Messages in the order of their simulated send time, a batch at a time.

    The time of a row that is older than the one before it is that of the one before: it came late.
    """
    by_time = itemgetter(0)
    waiting: list[Message] = []
    clock_us = 0
    for batch in batches:
        group: list[Message] = []
        if columns.of("prediction") in batch.columns:
            times_us, group = _predictions(batch, card, columns, clock_us)
            clock_us = int(times_us[-1]) if len(times_us) else clock_us
        if columns.of("label") in batch.columns:
            waiting += _labels(batch, card, columns)
            waiting.sort(key=by_time)
        if group:
            due = bisect.bisect_right(waiting, clock_us, key=by_time)
            group = sorted(group + waiting[:due], key=by_time)
            del waiting[:due]
        elif waiting:
            group, waiting = waiting, []
        yield group
    yield waiting


def _predictions(
    batch: Batch, card: ModelCard, columns: Columns, clock_us: int
) -> tuple[NDArray[np.int64], list[Message]]:
    occurred_us = _times(batch, columns.of("occurred_at"))
    ids = _ids(batch, columns)
    answers = batch.answers(columns.of("prediction"))
    if None in answers:
        raise batch.error(answers.index(None), columns.of("prediction"), "no prediction")
    versions: list[str | None] = [card.model_version] * len(ids)
    if columns.of("model_version") in batch.columns:
        versions = batch.texts(columns.of("model_version"))
    names = list(card.features)
    features = zip(*(_feature(batch, card, name, columns.of(name)) for name in names), strict=True)
    events: list[dict[str, Any]] = [
        {
            "schema_version": SCHEMA_VERSION,
            "event_id": event_id,
            "model": card.model,
            "model_version": version,
            "occurred_at": occurred,
            "features": dict(zip(names, values, strict=True)),
            "prediction": answer,
        }
        for event_id, version, occurred, values, answer in zip(
            ids, versions, _iso(occurred_us), features, answers, strict=True
        )
    ]
    if columns.of("score") in batch.columns:
        scores = batch.numbers(columns.of("score"))
        for event, score in zip(events, scores, strict=True):
            if score is not None:
                event["score"] = score
    times_us = np.maximum.accumulate(np.maximum(occurred_us, clock_us))
    dumps = orjson.dumps
    return times_us, [
        (at_us, PREDICTION, dumps(event))
        for at_us, event in zip(times_us.tolist(), events, strict=True)
    ]


def _labels(batch: Batch, card: ModelCard, columns: Columns) -> list[Message]:
    ids = _ids(batch, columns)
    labels = batch.answers(columns.of("label"))
    column = columns.of("observed_at")
    if column not in batch.columns:
        raise InputFileError(
            f"{batch.source} has labels in {columns.of('label')!r} but no column {column!r} that "
            "says when they were observed"
        )
    observed_us = batch.times_us(column)
    messages = []
    for index, (event_id, label, at_us, observed) in enumerate(
        zip(ids, labels, observed_us.tolist(), _iso(observed_us), strict=True)
    ):
        if label is None:
            continue
        if at_us < 0:
            raise batch.error(index, column, "a label without the time when it was observed")
        event = {
            "schema_version": SCHEMA_VERSION,
            "model": card.model,
            "event_id": event_id,
            "label": label,
            "observed_at": observed,
        }
        messages.append((at_us, LABEL, orjson.dumps(event)))
    return messages


def _feature(batch: Batch, card: ModelCard, name: str, column: str) -> list[Any]:
    kind = card.features[name].type
    if kind == "number":
        return batch.numbers(column)
    if kind == "boolean":
        return batch.booleans(column)
    return batch.texts(column)


def _ids(batch: Batch, columns: Columns) -> list[str | None]:
    batch.required(columns.of("event_id"))
    return batch.texts(columns.of("event_id"))


def _times(batch: Batch, column: str) -> NDArray[np.int64]:
    times_us = batch.times_us(column)
    if len(times_us) and times_us.min() < 0:
        raise batch.error(int(times_us.argmin()), column, "no time, or one before 1970")
    return times_us


def _iso(times_us: NDArray[np.int64]) -> list[str]:
    texts = np.datetime_as_string(times_us.astype("datetime64[us]"), unit="us", timezone="UTC")
    iso: list[str] = texts.tolist()
    return iso
