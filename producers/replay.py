"""Recorded predictions and labels into the topics, as if they happened now.

In: a file or table of rows and the model's card. Out: `PredictionEvent`s in the order of the rows,
each `LabelEvent` at the time when it was observed, at a chosen speed or as fast as the broker takes
them. Never: more than a few batches of rows in memory (labels that wait for their time apart), a
delivery assumed, a record that looks stale: every one carries its simulated send time in the header
`plumbline-sent-at` (microseconds since 1970 in ASCII), so that lag is measured against that.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kafka.errors import KafkaError

from producers.delivery import LABELS_TOPIC, PREDICTIONS_TOPIC, Delivery, connect
from producers.errors import DeliveryError, InputFileError
from producers.formats import column_names, read_batches
from producers.rows import Batch
from producers.timeline import (
    LABEL,
    LABEL_FIELDS,
    PREDICTION,
    PREDICTION_FIELDS,
    Columns,
    Message,
    timeline,
)
from schemas import ModelCard
from schemas.contract import SENT_AT_HEADER

MOST_IN_FLIGHT: Final = 20_000
SEND_AT_ONCE: Final = 500
STALL_TIMEOUT_S: Final = 120.0
"""How long an unacknowledged record holds a replay up before it is given up."""
PROGRESS_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a replay stands."""

    predictions: int
    labels: int
    at_us: int
    """The simulated time: microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What became of a replay's records: each is produced or failed."""

    produced: int
    """Acknowledged by the broker: predictions and labels."""
    failed: int
    predictions: int
    """Predictions sent."""
    labels: int
    """Labels sent."""
    seconds: float
    error: str | None = None
    """The last failure."""


def replay_file(
    path: Path,
    card: ModelCard,
    bootstrap_servers: str,
    *,
    columns: Columns | None = None,
    speed: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    predictions_topic: str = PREDICTIONS_TOPIC,
    labels_topic: str = LABELS_TOPIC,
    kafka: Mapping[str, Any] | None = None,
) -> ReplayResult:
    """Replay a CSV, Parquet or NDJSON file of predictions, of labels, or of both.

    Rows with a `prediction` are predictions; where they have a `label` and `observed_at` too, the
    label follows at that time. A file without `prediction` is one of labels. `speed` is the number
    of recorded seconds in a second; None is full speed. The features and their types are the
    card's. Raises InputFileError for a file that does not fit, DeliveryError without a broker.
    """
    columns = columns or Columns()
    columns.check(card)
    wanted: tuple[str, ...] = (*PREDICTION_FIELDS, *card.features)
    optional: tuple[str, ...] = ("score", "model_version", "label", "observed_at")
    present = column_names(path)
    if columns.of("prediction") not in present and columns.of("label") in present:
        wanted, optional = LABEL_FIELDS, ()
    batches = read_batches(path, [*map(columns.of, wanted)], [*map(columns.of, optional)])
    return replay_batches(
        batches,
        card,
        bootstrap_servers,
        columns=columns,
        speed=speed,
        on_progress=on_progress,
        predictions_topic=predictions_topic,
        labels_topic=labels_topic,
        kafka=kafka,
    )


def replay_batches(
    batches: Iterable[Batch],
    card: ModelCard,
    bootstrap_servers: str,
    *,
    columns: Columns | None = None,
    speed: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    predictions_topic: str = PREDICTIONS_TOPIC,
    labels_topic: str = LABELS_TOPIC,
    kafka: Mapping[str, Any] | None = None,
) -> ReplayResult:
    """Replay rows that are already in columns; see `replay_file`."""
    if speed is not None and not speed > 0:
        raise InputFileError(f"speed must be above 0 (recorded seconds a second), got {speed}")
    messages = timeline(batches, card, columns or Columns())
    sending = _Sending(
        delivery=connect(bootstrap_servers, kafka),
        topics=(predictions_topic, labels_topic),
        key=card.model.encode(),
        on_progress=on_progress,
    )
    started_s = time.monotonic()
    try:
        sending.send_all(messages, speed)
    finally:
        sending.delivery.close(STALL_TIMEOUT_S)
    return ReplayResult(
        produced=sending.delivery.delivered,
        failed=sending.delivery.failed,
        predictions=sending.sent[PREDICTION],
        labels=sending.sent[LABEL],
        seconds=time.monotonic() - started_s,
        error=sending.delivery.last_error,
    )


@dataclass(slots=True)
class _Sending:
    """One replay under way."""

    delivery: Delivery
    topics: tuple[str, str]
    key: bytes
    on_progress: Callable[[Progress], None] | None
    sent: list[int] = field(default_factory=lambda: [0, 0])
    at_us: int = 0
    shown_s: float = 0.0

    def send_all(self, messages: Iterator[list[Message]], speed: float | None) -> None:
        began_s = time.monotonic()
        first_us: int | None = None
        for group in messages:
            for number, (at_us, kind, value) in enumerate(group):
                if speed is not None:
                    first_us = at_us if first_us is None else first_us
                    self._wait_until(began_s + (at_us - first_us) / 1e6 / speed)
                self._send(kind, value, at_us)
                if number % SEND_AT_ONCE == 0:
                    self.delivery.collect()
                    if time.monotonic() - self.shown_s >= PROGRESS_S:
                        self._show()
            if not self.delivery.wait(MOST_IN_FLIGHT, STALL_TIMEOUT_S):
                raise DeliveryError(
                    f"the broker acknowledged nothing for {STALL_TIMEOUT_S:g} s "
                    f"({self.delivery.delivered:,} records were): is it still up?"
                )
        self._show()

    def _send(self, kind: int, value: bytes, at_us: int) -> None:
        headers = [(SENT_AT_HEADER, b"%d" % at_us)]
        try:
            self.delivery.send(self.topics[kind], self.key, value, headers)
        except KafkaError as error:
            raise DeliveryError(
                f"cannot send to topic {self.topics[kind]}: does it exist? `plumbline doctor` "
                f"checks ({type(error).__name__}: {error})"
            ) from None
        self.sent[kind] += 1
        self.at_us = at_us

    def _wait_until(self, due_s: float) -> None:
        while (wait_s := due_s - time.monotonic()) > 0:
            time.sleep(min(wait_s, PROGRESS_S))
            if wait_s >= PROGRESS_S:
                self._show()

    def _show(self) -> None:
        self.shown_s = time.monotonic()
        if self.on_progress is not None:
            self.on_progress(Progress(self.sent[PREDICTION], self.sent[LABEL], self.at_us))
