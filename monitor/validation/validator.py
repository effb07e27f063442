"""Step 2: records -> columns of valid predictions and labels, and rejections.

In: a micro-batch of records of the predictions and labels topics, and the model cards. Out:
`Validated`, in which every record stands exactly once. Never: a record dropped, an exception for
anything a record holds, memory that outlives the batch, the wall clock.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

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
    Decoded,
    EventKind,
    decode,
    readable_model,
)
from monitor.validation.moments import LATEST_US
from monitor.validation.reasons import Reasons
from monitor.validation.signals import event_signals
from monitor.validation.values import make_storable
from schemas.contract import SENT_AT_HEADER
from schemas.model import ModelCard

_US_PER_MS: Final = 1_000
_SENT_AT_DIGITS: Final = len(str(LATEST_US))


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
        Rejected records stand in the order of the records of their topic.
        """
        by_topic: defaultdict[str, list[Record]] = defaultdict(list)
        for record in records:
            by_topic[record.topic].append(record)
        predictions: list[PredictionColumns] = []
        labels: list[LabelColumns] = []
        rejected: list[RejectedRecord] = []
        for topic, its_records in by_topic.items():
            if topic not in self._kinds:
                raise ConfigError(f"topic {topic!r} is none of {sorted(self._kinds)}")
            kind = self._kinds[topic]
            decoded = decode(its_records, kind, record_bytes=self._limits.record_bytes)
            rejected += [self._rejected(record, reasons) for record, reasons in decoded.refused]
            if kind is PREDICTION:
                predictions += self._predictions(topic, decoded)
            else:
                labels += _labels(topic, decoded)
        return Validated(tuple(predictions), tuple(labels), tuple(rejected))

    def _predictions(self, topic: str, decoded: Decoded) -> Iterator[PredictionColumns]:
        log = _LogColumns.of(decoded)
        groups: defaultdict[tuple[int, str, str], list[int]] = defaultdict(list)
        for row, event in enumerate(decoded.events):
            groups[log.partitions[row], event["model"], event["model_version"]].append(row)
        for (partition, model, version), rows in groups.items():
            events = [decoded.events[row] for row in rows]
            reader = self._readers.get((model, version))
            if reader is None:
                for event in events:
                    make_storable(event)
                columns = Columns({}, {}, ())
            else:
                columns = reader.read(events)
            yield PredictionColumns(
                model=model,
                model_version=version,
                registered=reader is not None,
                topic=topic,
                partition=partition,
                offsets=log.offsets[rows],
                appended_us=log.appended_us[rows],
                occurred_us=decoded.moments_us[rows],
                sent_us=log.sent_us[rows],
                event_ids=[event["event_id"] for event in events],
                numbers=columns.numbers,
                categories=columns.categories,
                faults=columns.faults,
                events=events,
                repeated=np.zeros(len(events), dtype=np.bool_),
                signals=event_signals(events, log.sent_us[rows] - decoded.moments_us[rows]),
            )

    def _rejected(self, record: Record, reasons: Reasons) -> RejectedRecord:
        return RejectedRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            appended_us=min(max(record.timestamp * _US_PER_MS, 0), LATEST_US),
            model=readable_model(record, record_bytes=self._limits.record_bytes),
            reasons=reasons,
            original=record.value or b"",
        )


def _labels(topic: str, decoded: Decoded) -> Iterator[LabelColumns]:
    log = _LogColumns.of(decoded)
    groups: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for row, event in enumerate(decoded.events):
        make_storable(event)
        groups[log.partitions[row], event["model"]].append(row)
    for (partition, model), rows in groups.items():
        yield LabelColumns(
            model=model,
            topic=topic,
            partition=partition,
            offsets=log.offsets[rows],
            appended_us=log.appended_us[rows],
            observed_us=decoded.moments_us[rows],
            events=[decoded.events[row] for row in rows],
        )


@dataclass(frozen=True, slots=True)
class _LogColumns:
    """Where and when the decoded records stand in the log."""

    partitions: list[int]
    offsets: Int64
    appended_us: Int64
    sent_us: Int64

    @classmethod
    def of(cls, decoded: Decoded) -> Self:
        records = decoded.records
        appended = _appended_us(records)
        return cls(
            partitions=[record.partition for record in records],
            offsets=np.array([record.offset for record in records], dtype=np.int64),
            appended_us=appended,
            sent_us=_sent_us(records, appended),
        )


def _appended_us(records: Sequence[Record]) -> Int64:
    """The broker's append time; what lies outside the range of event times is cut to it."""
    times_ms = np.array([record.timestamp for record in records], dtype=np.int64)
    return np.minimum(np.maximum(times_ms, 0), LATEST_US // _US_PER_MS) * _US_PER_MS


def _sent_us(records: Sequence[Record], appended: Int64) -> Int64:
    """The simulated send time of a replay, else the append time."""
    simulated = {
        row: int(value)
        for row, record in enumerate(records)
        if record.headers
        for name, value in record.headers
        if name == SENT_AT_HEADER and value and value.isdigit() and len(value) <= _SENT_AT_DIGITS
    }
    sent = appended.copy()
    sent[list(simulated)] = list(simulated.values())
    return np.minimum(sent, LATEST_US)
