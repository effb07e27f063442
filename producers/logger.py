"""`PredictionLogger`: what a serving team puts into its service.

In: features, prediction and label of one model version, from any thread. Out: records on Kafka,
sent by one background thread. Never: a wait, an exception or a broker's trouble in the caller's
path. What cannot be sent is dropped and counted by reason.

    log() -> bounded queue -> background thread: encode, send, look at every acknowledgement

The thread and its connection begin with the first call, and again with the first call in a forked
child, which starts with an empty queue and counters at zero.
"""

import atexit
import itertools
import logging
import os
import secrets
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from kafka.errors import KafkaError, KafkaTimeoutError
from pydantic import TypeAdapter

from producers.delivery import (
    LABELS_TOPIC,
    PREDICTIONS_TOPIC,
    Delivery,
    checked_options,
    open_producer,
)
from producers.observe import Observer
from producers.records import (
    InvalidRecordError,
    LoggedLabel,
    LoggedPrediction,
    label_json,
    prediction_json,
)
from schemas.contract import ModelName, ShortText

DropReason = Literal["queue_full", "invalid", "broker", "closed"]
"""Why a record was dropped: the queue was full; it broke the contract; the broker did not
acknowledge it in time; the logger was closed."""

POLL_S: Final = 0.01
SEND_AT_ONCE: Final = 500
"""Records between two looks at the acknowledgements."""
RETRY_S: Final = (0.5, 5.0)
"""First and longest pause between attempts to connect."""
_KAFKA: Final = {"max_block_ms": 1_000, "bootstrap_timeout_ms": 5_000, "linger_ms": 50}

_Logged = tuple[Any, ...] | LoggedLabel
"""What waits in the queue: the fields of a `LoggedPrediction` in their order, or a label."""

_Predict = TypeVar("_Predict", bound=Callable[..., Any])
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoggerCounts:
    """An account of every call: calls = delivered + pending + all of dropped."""

    delivered: int
    """Acknowledged by the broker."""
    pending: int
    """In the queue or on the way."""
    repaired: int
    """Values changed to fit the contract (NaN to null), in records that were sent."""
    dropped: dict[DropReason, int]
    connected: bool
    last_error: str | None


class PredictionLogger:
    """Logs the predictions and labels of one model version to Kafka.

    Parameters: `bootstrap_servers` as `host:port`, several separated by commas; `queue_size`, the
    most records that wait in the queue and, again, the most that are on the way (about 1 kB each);
    `close_timeout_s`, the longest that `close` and the end of the process wait; `kafka`, settings
    of kafka-python such as `security_protocol`.

    Raises ValueError for a name or setting that can never work; no other call raises.

    >>> logger = PredictionLogger("127.0.0.1:9", model="demo", model_version="1", queue_size=1)
    >>> logger.close(timeout_s=0)
    >>> _ = logger.log({"age": 40}, True, score=0.8)
    >>> logger.counts().dropped
    {'closed': 1}
    """

    _queue: deque[_Logged]
    _thread: threading.Thread | None
    _delivery: Delivery | None
    _last_error: str | None

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        model: str,
        model_version: str,
        predictions_topic: str = PREDICTIONS_TOPIC,
        labels_topic: str = LABELS_TOPIC,
        queue_size: int = 10_000,
        close_timeout_s: float = 5.0,
        kafka: Mapping[str, Any] | None = None,
    ) -> None:
        if queue_size < 1:
            raise ValueError(f"queue_size must be at least 1, got {queue_size}")
        self._model = TypeAdapter(ModelName).validate_python(model)
        self._model_version = TypeAdapter(ShortText).validate_python(model_version)
        self._key = model.encode()
        self._topics = (predictions_topic, labels_topic)
        self._bootstrap_servers = bootstrap_servers
        self._options = checked_options(_KAFKA | dict(kafka or {}))
        self._queue_size = queue_size
        self._close_timeout_s = close_timeout_s
        self._closed = False
        self._start_afresh()
        _LOGGERS.add(self)

    def log(
        self,
        features: Mapping[str, Any],
        prediction: Any,
        *,
        score: float | None = None,
        scores: Mapping[str, float] | None = None,
        event_id: str | None = None,
        occurred_at: datetime | None = None,
        request_id: str | None = None,
        role: Literal["live", "shadow"] | None = None,
        entity_id: str | None = None,
        segments: Mapping[str, str] | None = None,
        feature_times: Mapping[str, datetime] | None = None,
        latency_ms: float | None = None,
        status: Literal["ok", "fallback", "error"] | None = None,
        trace_id: str | None = None,
        attributions: Mapping[str, float] | None = None,
    ) -> str:
        """Log one prediction; returns its event id (a new one unless given) at once.

        The mappings are copied, so the caller may go on changing its own. The other fields are
        those of `schemas.PredictionEvent`; `occurred_at` is now unless given.
        """
        if event_id is None:
            event_id = self._id_prefix + str(next(self._id_numbers))
        try:
            # A LoggedPrediction is made of it in the background: here it would double the cost.
            self._put(
                (
                    event_id,
                    time.time_ns() if occurred_at is None else occurred_at,
                    dict(features),
                    prediction,
                    score,
                    latency_ms,
                    status,
                    None if scores is None else dict(scores),
                    request_id,
                    role,
                    entity_id,
                    None if segments is None else dict(segments),
                    None if feature_times is None else dict(feature_times),
                    trace_id,
                    None if attributions is None else dict(attributions),
                )
            )
        except Exception as error:  # noqa: BLE001 - the outermost rim: nothing may reach serving
            self._drop("invalid", _told(error))
        return event_id

    def log_label(
        self,
        event_id: str | None,
        label: Any,
        *,
        observed_at: datetime | None = None,
        request_id: str | None = None,
        offline_features: Mapping[str, Any] | None = None,
    ) -> None:
        """Log the truth about an earlier prediction, named by `event_id` or `request_id`."""
        try:
            self._put(
                LoggedLabel(
                    event_id,
                    label,
                    time.time_ns() if observed_at is None else observed_at,
                    request_id,
                    None if offline_features is None else dict(offline_features),
                )
            )
        except Exception as error:  # noqa: BLE001 - the outermost rim: nothing may reach serving
            self._drop("invalid", _told(error))

    def observe(
        self, *, answer: Callable[[Any], Mapping[str, Any]] | None = None
    ) -> Callable[[_Predict], _Predict]:
        """Decorate a predict function whose first argument is the mapping of features.

        Every call is logged with its latency. Its result is the prediction; where it is more,
        `answer` turns it into arguments of `log`, such as
        `lambda result: {"prediction": result.late, "score": result.p}`. An exception of the
        function is logged with status `error` and raised again. A coroutine function stays one.
        """
        return Observer(
            log=self.log,
            invalid=lambda error: self._drop("invalid", _told(error)),
            answer=answer,
        ).decorate

    def counts(self) -> LoggerCounts:
        """What became of the calls so far in this process."""
        delivery = self._delivery
        with self._drops_lock:
            dropped = dict(self._dropped)
        if delivery is not None and delivery.failed:
            dropped["broker"] = dropped.get("broker", 0) + delivery.failed
        return LoggerCounts(
            delivered=delivery.delivered if delivery else 0,
            pending=len(self._queue) + self._in_hand + (delivery.in_flight if delivery else 0),
            repaired=self._repaired,
            dropped=dropped,
            connected=delivery is not None,
            last_error=self._last_error or (delivery.last_error if delivery else None),
        )

    def close(self, timeout_s: float | None = None) -> None:
        """Send what waits, for at most `timeout_s` (default `close_timeout_s`), then stop."""
        self._closed = True
        timeout_s = self._close_timeout_s if timeout_s is None else timeout_s
        self._close_by = time.monotonic() + timeout_s
        self._closing.set()
        atexit.unregister(self.close)
        if self._thread is not None:
            self._thread.join(timeout_s + 1.0)
            self._thread = None

    def __enter__(self) -> "PredictionLogger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_afresh(self) -> None:
        """A state that nobody else holds: at construction, and in a forked child."""
        self._queue = deque()
        self._in_hand = 0
        self._repaired = 0
        self._dropped: Counter[DropReason] = Counter()
        self._drops_lock = threading.Lock()
        self._start_lock = threading.Lock()
        self._closing = threading.Event()
        self._close_by = float("inf")
        self._thread = None
        self._delivery = None
        self._last_error = None
        self._id_prefix = secrets.token_hex(8) + "-"
        self._id_numbers = itertools.count()

    def _put(self, logged: _Logged) -> None:
        queue = self._queue
        if self._closed:
            self._drop("closed", None)
        elif len(queue) >= self._queue_size:
            self._drop("queue_full", None)
        else:
            queue.append(logged)
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._run, name=f"plumbline-logger-{self._model}", daemon=True
                )
                self._thread.start()
                atexit.register(self.close)

    def _drop(self, reason: DropReason, error: str | None, records: int = 1) -> None:
        with self._drops_lock:
            first = reason not in self._dropped
            self._dropped[reason] += records
            self._last_error = error or self._last_error
        if first and reason != "closed":
            _log.warning(
                "model %s: first record dropped (%s%s); see PredictionLogger.counts()",
                self._model,
                reason,
                f": {error}" if error else "",
            )

    # The background thread, from here on.

    def _run(self) -> None:
        delivery = self._connect()
        if delivery is not None:
            # kafka-python's own exit handler would close the client first: ours must run before.
            atexit.unregister(self.close)
            atexit.register(self.close)
            while not self._closing.is_set():
                if not self._send_waiting(delivery):
                    self._closing.wait(POLL_S)
            while self._queue and time.monotonic() < self._close_by:
                if not self._send_waiting(delivery):
                    delivery.wait(self._queue_size - 1, POLL_S)
            delivery.close(max(self._close_by - time.monotonic(), 0.0))
        if self._queue:
            self._drop("broker", "not sent before the logger was closed", len(self._queue))
            self._queue.clear()

    def _connect(self) -> Delivery | None:
        pause_s, longest_s = RETRY_S
        while True:
            try:
                self._delivery = Delivery(open_producer(self._bootstrap_servers, self._options))
            except KafkaError as error:
                self._last_error = f"{type(error).__name__}: {error}"
                if self._closing.wait(pause_s):
                    return None
                pause_s = min(2 * pause_s, longest_s)
            else:
                self._last_error = None
                return self._delivery

    def _send_waiting(self, delivery: Delivery) -> int:
        """Send some of what waits, as far as the bound on records on the way allows; how many."""
        delivery.collect()
        most = min(self._queue_size - delivery.in_flight, SEND_AT_ONCE)
        encoded = []
        while self._in_hand < most and self._queue:
            self._in_hand += 1
            encoded.append(self._encode(self._queue.popleft()))
        for record in encoded:
            if record is not None:
                self._send(delivery, *record)
            self._in_hand -= 1
        return len(encoded)

    def _encode(self, logged: _Logged) -> tuple[str, bytes, int] | None:
        try:
            if isinstance(logged, LoggedLabel):
                value, repairs = label_json(logged, self._model)
                return self._topics[1], value, repairs
            prediction = LoggedPrediction._make(logged)
            value, repairs = prediction_json(prediction, self._model, self._model_version)
            return self._topics[0], value, repairs
        except Exception as error:  # noqa: BLE001 - whatever a caller logged, the thread lives on
            self._drop("invalid", _told(error))
            return None

    def _send(self, delivery: Delivery, topic: str, value: bytes, repairs: int) -> None:
        while True:
            try:
                delivery.send(topic, self._key, value)
            except KafkaTimeoutError as error:
                # The topic is not known yet: wait for it, as long as the service runs.
                self._last_error = f"{type(error).__name__}: {error}"
                if time.monotonic() >= self._close_by:
                    self._drop("broker", self._last_error)
                    return
            except Exception as error:  # noqa: BLE001 - one refused record must not end the thread
                self._drop("invalid", _told(error))
                return
            else:
                self._repaired += repairs
                return


def _told(error: Exception) -> str:
    """An error in words; one that is not of the client or the contract may quote what was logged.

    >>> _told(KeyError("a name"))
    'KeyError'
    """
    kind = type(error).__name__
    ours = isinstance(error, InvalidRecordError | KafkaError)
    return f"{kind}: {error}" if ours else kind


_LOGGERS: Final[weakref.WeakSet[PredictionLogger]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for logger in list(_LOGGERS):
        logger._start_afresh()


os.register_at_fork(after_in_child=_after_fork_in_child)
