"""Step 2: records -> columns of valid predictions and labels, and rejections.

In: a micro-batch of records of the predictions and labels topics, and the model cards. Out:
`Validated`, in which every record stands exactly once. Never: a record dropped, an exception for
anything a record holds, memory that outlives the batch, the wall clock.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from monitor.clock import US_PER_SECOND
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
    readable_body,
    readable_model,
)
from monitor.validation.moments import LATEST_US
from monitor.validation.reasons import Reasons
from monitor.validation.sensitivity import (
    WITHHOLDING,
    CardMasks,
    check_key,
    masked_original,
    withheld_original,
)
from monitor.validation.signals import event_signals
from monitor.validation.timing import feature_time_faults, future_faults
from monitor.validation.values import make_storable
from schemas.contract import SENT_AT_HEADER
from schemas.model import ModelCard
from schemas.values import HashKey

_US_PER_MS: Final = 1_000
_SENT_AT_DIGITS: Final = len(str(LATEST_US))


class Validator:
    """Turns records into columns, by the model cards it was given."""

    def __init__(
        self,
        limits: LimitSettings,
        prediction_topic: str,
        label_topic: str,
        key: HashKey | None = None,
    ) -> None:
        self._limits = limits
        self._tolerance_us = round(limits.future_tolerance_s * US_PER_SECOND)
        self._key = key
        self._kinds: dict[str, EventKind] = {prediction_topic: PREDICTION, label_topic: LABEL}
        self._readers: dict[tuple[str, str], ColumnReader] = {}
        self._cards: dict[str, dict[str, ModelCard]] = {}
        self._masks: dict[str, CardMasks] = {}
        """Of the models that have a sensitive feature."""
        self._withheld: set[str | None] = set()
        """Models whose sensitive cards were turned away; None: some without any card taken."""
        self._redacted: Counter[str] = Counter()
        """Of the batch in hand."""

    def set_card(self, card: ModelCard) -> None:
        """Take the card of a model version; a later card of the same version replaces it.

        Raises ConfigError where the card hashes and the key is absent or another one.
        """
        reader = ColumnReader(card, string_chars=self._limits.string_chars, key=self._key)
        self._readers[card.model, card.model_version] = reader
        cards = self._cards.setdefault(card.model, {})
        cards.pop(card.model_version, None)  # the latest stands last
        cards[card.model_version] = card
        masks = CardMasks.of(list(cards.values()), self._key)
        if masks.sensitive:
            self._masks[card.model] = masks
        else:
            self._masks.pop(card.model, None)

    def check_key(self, card: ModelCard) -> None:
        """Raise ConfigError where the card hashes and the key is absent or another one."""
        check_key(card, self._key)

    def turn_away(self, card: ModelCard) -> None:
        """A card that is not taken: what it would mask is withheld instead.

        Nothing is kept of the card, so however many come: where no card of its model was taken,
        features and entities of all models without a card are withheld from now on.
        """
        if card.sensitive:
            self._withheld.add(card.model if card.model in self._cards else None)

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
        self._redacted = Counter()
        for topic, its_records in by_topic.items():
            if topic not in self._kinds:
                raise ConfigError(f"topic {topic!r} is none of {sorted(self._kinds)}")
            kind = self._kinds[topic]
            decoded = decode(its_records, kind, record_bytes=self._limits.record_bytes)
            rejected += [self._rejected(record, reasons) for record, reasons in decoded.refused]
            if kind is PREDICTION:
                predictions += self._predictions(topic, decoded)
            else:
                labels += self._labels(topic, decoded)
        return Validated(tuple(predictions), tuple(labels), tuple(rejected), +self._redacted)

    def _predictions(self, topic: str, decoded: Decoded) -> Iterator[PredictionColumns]:
        log = _LogColumns.of(decoded)
        groups: defaultdict[tuple[int, str, str], list[int]] = defaultdict(list)
        for row, event in enumerate(decoded.events):
            groups[log.partitions[row], event["model"], event["model_version"]].append(row)
        for (partition, model, version), rows in groups.items():
            events = [decoded.events[row] for row in rows]
            reader = self._readers.get((model, version))
            if reader is None:
                self._mask(model, events, "features")
                for event in events:
                    make_storable(event)
                columns = Columns({}, {}, ())
            else:
                columns = reader.read(events)
                self._redacted.update(columns.redacted)
            occurred, sent = decoded.moments_us[rows], log.sent_us[rows]
            known = reader.known if reader is not None else frozenset[str]()
            late, age_s = feature_time_faults(events, occurred, known)
            yield PredictionColumns(
                model=model,
                model_version=version,
                registered=reader is not None,
                topic=topic,
                partition=partition,
                offsets=log.offsets[rows],
                appended_us=log.appended_us[rows],
                occurred_us=occurred,
                sent_us=sent,
                event_ids=[event["event_id"] for event in events],
                numbers=columns.numbers,
                categories=columns.categories,
                faults=(*columns.faults, *future_faults(occurred, sent, self._tolerance_us), *late),
                events=events,
                repeated=np.zeros(len(events), dtype=np.bool_),
                signals=event_signals(events, sent - occurred, age_s),
                attributions=_attributions(events),
            )

    def _labels(self, topic: str, decoded: Decoded) -> Iterator[LabelColumns]:
        log = _LogColumns.of(decoded)
        groups: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        for row, event in enumerate(decoded.events):
            make_storable(event)
            groups[log.partitions[row], event["model"]].append(row)
        for (partition, model), rows in groups.items():
            events = [decoded.events[row] for row in rows]
            self._mask(model, events, "offline_features")
            yield LabelColumns(
                model=model,
                topic=topic,
                partition=partition,
                offsets=log.offsets[rows],
                appended_us=log.appended_us[rows],
                observed_us=decoded.moments_us[rows],
                events=events,
            )

    def _mask(self, model: str, events: list[dict[str, Any]], group: str) -> None:
        """Mask what no card of its own describes by the strictest of the model's cards."""
        masks = self._masks_of(model)
        if masks is None:
            return
        for event in events:
            masks.mask_features(event.get(group) or {}, self._redacted)
            self._redacted["entity_id"] += masks.mask_entity(event)

    def _masks_of(self, model: str) -> CardMasks | None:
        if (model if model in self._cards else None) in self._withheld:
            return WITHHOLDING
        return self._masks.get(model)

    def _original(self, record: Record) -> bytes:
        """The bytes of a refused record, as far as they may be kept."""
        value = record.value or b""
        if not value or not (self._masks or self._withheld):
            return value
        body = readable_body(record, record_bytes=self._limits.record_bytes)
        model = readable_model(record, record_bytes=self._limits.record_bytes, body=body or {})
        if body is not None and model is not None and model in self._cards:
            masks = self._masks_of(model)
            if masks is None:
                return value
            self._redacted["original"] += 1
            return masked_original(body, masks)
        self._redacted["original"] += 1
        return withheld_original(value, self._key)

    def _rejected(self, record: Record, reasons: Reasons) -> RejectedRecord:
        return RejectedRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            appended_us=min(max(record.timestamp * _US_PER_MS, 0), LATEST_US),
            model=readable_model(record, record_bytes=self._limits.record_bytes),
            reasons=reasons,
            original=self._original(record),
            original_size_bytes=len(record.value or b""),
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


def _attributions(events: Sequence[dict[str, Any]]) -> Sequence[Mapping[str, float] | None]:
    found = [event.get("attributions") for event in events]
    return found if any(found) else ()
