"""The way from bytes to a broker, shared by `PredictionLogger` and `replay`.

In: topic, key, value. Out: counts of what the broker has acknowledged and what it has not.
Never: a delivery assumed (every future is looked at), a connection shared with a forked child.

Every event is keyed by its model and placed by Kafka's murmur2, as in the Java client, so that
predictions, labels and commands of a model lie on the same partition number.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from kafka.partitioner.default import DefaultPartitioner

from producers.errors import DeliveryError

PREDICTIONS_TOPIC: Final = "plumbline.predictions"
LABELS_TOPIC: Final = "plumbline.labels"
KNOCK_TIMEOUT_S: Final = 2.0

Header = tuple[str, bytes]

# Measured (bench/producer.py): lz4 leaves 36 % of the bytes for 0.6 us an event, zstd 23 % for
# 3.9 us. Large batches halve the cost of a record.
_DEFAULTS: Final[dict[str, Any]] = {
    "acks": "all",
    "enable_idempotence": True,
    "compression_type": "lz4",
    "batch_size": 262_144,
    "linger_ms": 20,
    "max_block_ms": 10_000,
    "bootstrap_timeout_ms": 10_000,
    "reconnect_backoff_max_ms": 2_000,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}
_OURS: Final = frozenset({"acks", "enable_idempotence", "partitioner", "value_serializer"})


class KeyPartitioner(DefaultPartitioner):  # type: ignore[misc]  # kafka-python has no types
    """Kafka's murmur2 placement, remembered per key: in Python the hash costs more than the rest.

    It is asked again when the number of partitions changes.
    """

    def __init__(self) -> None:
        self._placed: dict[tuple[str, bytes, int], int] = {}

    def partition(
        self,
        topic: str,
        key: Any,
        serialized_key: bytes | None,
        value: Any,
        serialized_value: bytes | None,
        cluster: Any,
    ) -> int:
        """The partition of one record."""
        partitions = cluster.partitions_for_topic(topic)
        if serialized_key is None or not partitions:
            return int(
                super().partition(topic, key, serialized_key, value, serialized_value, cluster)
            )
        place = (topic, serialized_key, len(partitions))
        found = self._placed.get(place)
        if found is None:
            found = int(
                super().partition(topic, key, serialized_key, value, serialized_value, cluster)
            )
            self._placed[place] = found
        return found


class ForkSafeProducer(KafkaProducer):  # type: ignore[misc]  # kafka-python has no types
    """A producer that a forked child neither closes nor flushes, and that can always be closed."""

    def __init__(self, **options: Any) -> None:
        self._owner_pid = os.getpid()
        super().__init__(**options)

    def close(self, timeout: float | None = None, null_logger: bool = False) -> None:
        """Close within `timeout` seconds; what was not sent by then fails its future."""
        if self._owner_pid != os.getpid():
            return
        try:
            super().close(timeout, null_logger)
        except KafkaTimeoutError:
            # kafka-python 3.0 leaves its thread running when the flush inside close() times out.
            self._sender.force_close()
            self._closed = True


def checked_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The producer's settings with the caller's over the defaults; refuses what it does not know.

    >>> checked_options({"linger_ms": 5})["linger_ms"]
    5
    >>> checked_options({"lingerms": 5})
    Traceback (most recent call last):
    ...
    ValueError: unknown kafka-python setting 'lingerms': see KafkaProducer.DEFAULT_CONFIG
    >>> checked_options({"acks": 1})
    Traceback (most recent call last):
    ...
    ValueError: the kafka-python setting 'acks' is fixed: delivery depends on it
    """
    given = dict(options or {})
    for name in given:
        if name in _OURS:
            raise ValueError(f"the kafka-python setting {name!r} is fixed: delivery depends on it")
        if name not in KafkaProducer.DEFAULT_CONFIG:
            raise ValueError(
                f"unknown kafka-python setting {name!r}: see KafkaProducer.DEFAULT_CONFIG"
            )
    return _DEFAULTS | given


def open_producer(bootstrap_servers: str, options: Mapping[str, Any]) -> ForkSafeProducer:
    """A connected idempotent producer; raises a KafkaError where no broker answers."""
    servers = [server.strip() for server in bootstrap_servers.split(",")]
    # A failed bootstrap leaves kafka-python's sockets to the garbage collector: knock first.
    if not any(_listens(server) for server in servers):
        raise KafkaConnectionError(f"nothing listens at {bootstrap_servers}")
    return ForkSafeProducer(bootstrap_servers=servers, partitioner=KeyPartitioner(), **options)


def _listens(server: str) -> bool:
    host, _, port = server.rpartition(":") if ":" in server else (server, "", "9092")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_TIMEOUT_S).close()
    except (OSError, ValueError):
        return False
    return True


class Delivery:
    """Sends records and keeps the account of them; used by one thread."""

    def __init__(self, producer: ForkSafeProducer) -> None:
        self._producer = producer
        self._pending: deque[Any] = deque()
        self.delivered = 0
        self.failed = 0
        self.last_error: str | None = None

    @property
    def in_flight(self) -> int:
        """Records handed to the client whose fate was not yet looked at."""
        return len(self._pending)

    def send(
        self, topic: str, key: bytes, value: bytes, headers: list[Header] | None = None
    ) -> None:
        """Hand one record to the client.

        Raises kafka-python's KafkaTimeoutError where the topic is not known within `max_block_ms`,
        MessageSizeTooLargeError for a record past `max_request_size`.
        """
        self._pending.append(self._producer.send(topic, value, key, headers))

    def collect(self) -> None:
        """Count what has been acknowledged or has failed, oldest first, without waiting."""
        pending = self._pending
        while pending and pending[0].is_done:
            self._settle(pending.popleft())

    def wait(self, most_in_flight: int, timeout_s: float) -> bool:
        """Wait until at most `most_in_flight` records are open; False where the time runs out."""
        deadline = time.monotonic() + timeout_s
        self.collect()
        while len(self._pending) > most_in_flight:
            left_s = deadline - time.monotonic()
            try:
                self._pending[0].get(max(left_s, 0.0))
            except KafkaError:
                if not self._pending[0].is_done:
                    return False
            self.collect()
        return True

    def close(self, timeout_s: float) -> None:
        """Wait for what is open, close the client, and count the rest as failed."""
        deadline = time.monotonic() + timeout_s
        self.wait(0, timeout_s)
        self._producer.close(timeout=max(deadline - time.monotonic(), 0.1))
        self.collect()
        if self._pending:
            self.last_error = f"not acknowledged within {timeout_s:g} s"
            self.failed += len(self._pending)
            self._pending.clear()

    def _settle(self, future: Any) -> None:
        if future.exception is None:
            self.delivered += 1
        else:
            self.failed += 1
            self.last_error = f"{type(future.exception).__name__}: {future.exception}"


def connect(bootstrap_servers: str, options: Mapping[str, Any] | None) -> Delivery:
    """A `Delivery` on a broker that answers; raises DeliveryError where none does."""
    try:
        return Delivery(open_producer(bootstrap_servers, checked_options(options)))
    except KafkaError as error:
        raise DeliveryError(
            f"no Kafka broker answers at {bootstrap_servers}: start it (`plumbline stack up`) or "
            f"correct the address ({type(error).__name__}: {error})"
        ) from None
