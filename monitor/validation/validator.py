"""Step 2: records -> columns of valid predictions and labels, and rejections.

In: a micro-batch of records of the predictions and labels topics, and the model cards. Out:
`Validated`, in which every record stands exactly once. Never: a record dropped, an exception for
anything a record holds, memory that outlives the batch, the wall clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import numpy as np

from monitor.config import LimitSettings
from monitor.errors import ConfigError
from monitor.events import (
    Int64,
    LabelColumns,
    PredictionColumns,
    Record,
    RejectedRecord,
    Validated,
)
from monitor.validation.columns import ColumnReader, Columns
from monitor.validation.decoding import (
    LABEL,
    PREDICTION,
    Event,
    EventKind,
    decode,
    readable_model,
    sent_us,
)
from monitor.validation.reasons import Reasons
from monitor.validation.values import make_storable
from schemas.contract import EARLIEST_TIME, LATEST_TIME
from schemas.model import ModelCard

_US_PER_MS: Final = 1_000
_LATEST_MS: Final = round((LATEST_TIME - EARLIEST_TIME).total_seconds()) * 1_000

Pairs = list[tuple[Record, Event]]


class Validator:
    """Turns records into columns, by the model cards it was given."""

    def __init__(self, limits: LimitSettings, prediction_topic: str, label_topic: str) -> None:
        self._limits = limits
        self._kinds: dict[str, EventKind] = {prediction_topic: PREDICTION, label_topic: LABEL}
        self._readers: dict[tuple[str, str], ColumnReader] = {}

    def set_card(self, card: ModelCard) -> None:
        """Take the card of a model version; a later card of the same version replaces it."""
        reader = ColumnReader(card, string_chars=self._limits.string_chars)
        self._readers[card.model, card.model_version] = reader

    def validate(self, records: Sequence[Record]) -> Validated:
        """Every record in exactly one of predictions, labels and rejected.

        Predictions are grouped by (topic, partition, model, version), labels by (topic,
        partition, model): offset order inside a group, groups in the order of their first record.
        """
        predictions: defaultdict[tuple[str, int, str, str], Pairs] = defaultdict(list)
        labels: defaultdict[tuple[str, int, str], Pairs] = defaultdict(list)
        rejected: list[RejectedRecord] = []
        limit = self._limits.record_bytes
        for record in records:
            topic = record.topic
            kind = self._kinds.get(topic)
            if kind is None:
                raise ConfigError(f"topic {topic!r} is none of {sorted(self._kinds)}")
            event = decode(record, kind, record_bytes=limit)
            if isinstance(event, tuple):
                rejected.append(self._rejected(record, event))
            elif kind is PREDICTION:
                key = (topic, record.partition, event["model"], event["model_version"])
                predictions[key].append((record, event))
            else:
                labels[topic, record.partition, event["model"]].append((record, event))
        return Validated(
            tuple(self._predictions(*key, pairs) for key, pairs in predictions.items()),
            tuple(_labels(*key, pairs) for key, pairs in labels.items()),
            tuple(rejected),
        )

    def _predictions(
        self, topic: str, partition: int, model: str, version: str, pairs: Pairs
    ) -> PredictionColumns:
        records = [record for record, _ in pairs]
        events = [event for _, event in pairs]
        reader = self._readers.get((model, version))
        if reader is None:
            for event in events:
                make_storable(event)
            columns = Columns({}, {}, ())
        else:
            columns = reader.read(events)
        appended = _appended_us(records)
        return PredictionColumns(
            model=model,
            model_version=version,
            registered=reader is not None,
            topic=topic,
            partition=partition,
            offsets=_offsets(records),
            appended_us=appended,
            occurred_us=_moments_us(event["occurred_at"] for event in events),
            sent_us=_sent_us(records, appended),
            event_ids=[event["event_id"] for event in events],
            numbers=columns.numbers,
            categories=columns.categories,
            faults=columns.faults,
            events=events,
            repeated=np.zeros(len(events), dtype=np.bool_),
        )

    def _rejected(self, record: Record, reasons: Reasons) -> RejectedRecord:
        return RejectedRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            appended_us=int(_appended_us([record])[0]),
            model=readable_model(record, record_bytes=self._limits.record_bytes),
            reasons=reasons,
            original=record.value or b"",
        )


def _labels(topic: str, partition: int, model: str, pairs: Pairs) -> LabelColumns:
    records = [record for record, _ in pairs]
    events = [event for _, event in pairs]
    for event in events:
        make_storable(event)
    return LabelColumns(
        model=model,
        topic=topic,
        partition=partition,
        offsets=_offsets(records),
        appended_us=_appended_us(records),
        observed_us=_moments_us(event["observed_at"] for event in events),
        events=events,
    )


def _offsets(records: Sequence[Record]) -> Int64:
    return np.array([record.offset for record in records], dtype=np.int64)


def _appended_us(records: Sequence[Record]) -> Int64:
    """The broker's append time; what lies outside 1970 to 2199 is cut to it."""
    times_ms = np.array([record.timestamp for record in records], dtype=np.int64)
    return np.clip(times_ms, 0, _LATEST_MS) * _US_PER_MS


def _sent_us(records: Sequence[Record], appended: Int64) -> Int64:
    if not any(record.headers for record in records):
        return appended.copy()
    pairs = zip(records, appended.tolist(), strict=True)
    return np.array([sent_us(record.headers, us) for record, us in pairs], dtype=np.int64)


def _moments_us(moments: Iterable[datetime]) -> Int64:
    since = [moment - EARLIEST_TIME for moment in moments]
    return np.array(since, dtype="timedelta64[us]").astype(np.int64)
