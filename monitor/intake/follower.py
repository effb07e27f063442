"""Follows a topic from its start, by its own assignment: model cards, alerts, state.

In: all partitions of one topic. Out: its records, committed ones only, also after compaction.
Never: a consumer group, a commit, nor more in memory than one poll's records.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import AuthorizationError, KafkaError

from monitor.broker import client_options
from monitor.config import KafkaSettings
from monitor.errors import BrokerError, ConfigError
from monitor.events import Record
from monitor.intake.consumer import CONNECT_TIMEOUT_MS, connect

READ_TIMEOUT_S = 60.0
OFFSET_TIMEOUT_MS = 5_000
POLL_MS = 500
POLL_RECORDS = 10_000
FETCH_MAX_WAIT_MS = 100

log = logging.getLogger(__name__)


class TopicFollower:
    """Reads one topic (or the given partitions of it) from its start.

    Raises BrokerError when no broker answers, ConfigError when the topic is missing or not allowed.
    """

    def __init__(
        self, kafka: KafkaSettings, topic: str, partitions: Sequence[int] | None = None
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._consumer: Any = None
        try:
            self._consumer = connect(
                kafka,
                auto_offset_reset="earliest",
                max_poll_records=POLL_RECORDS,
                fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            )
            numbers = (
                self._consumer.partitions_for_topic(topic) if partitions is None else partitions
            )
            if not numbers:
                raise _mendable(f"topic {topic} does not exist: run `plumbline doctor --fix`")
            self._partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            self._consumer.assign(self._partitions)
            self._consumer.seek_to_beginning(*self._partitions)
        except KafkaError as error:
            self.close()
            raise self._translated(error) from error
        except ConfigError:
            self.close()
            raise

    def read_all(self, timeout_s: float = READ_TIMEOUT_S) -> Iterator[Record]:
        """Everything up to the end that the topic has now, transactions under way included.

        The end is the high watermark: the end of the committed records may lie before a
        transaction that is just being completed, so that one is waited for.
        """
        try:
            ends = self._high_watermarks()
            deadline = time.monotonic() + timeout_s
            while behind := [p for p in self._partitions if self._position(p) < ends[p]]:
                if time.monotonic() > deadline:
                    raise BrokerError(
                        f"{behind[0].topic}[{behind[0].partition}] could not be read up to offset "
                        f"{ends[behind[0]]} within {timeout_s:g} s: a transaction may be open"
                    )
                for records in self._consumer.poll(POLL_MS).values():
                    yield from records
        except KafkaError as error:
            raise self._translated(error) from error

    def skip_to_end(self) -> None:
        """Go on after what is there now."""
        self._consumer.seek_to_end(*self._partitions)
        for partition in self._partitions:
            self._position(partition)

    def poll(self, timeout_ms: int = 0) -> list[Record]:
        """What has come since, waiting at most that long; a broker away looks like nothing new."""
        try:
            batches = self._consumer.poll(timeout_ms)
        except AuthorizationError as error:
            raise self._translated(error) from error
        except KafkaError as error:
            log.warning("following %s: %s", self._topic, error)
            return []
        return [record for records in batches.values() for record in records]

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=OFFSET_TIMEOUT_MS)
            self._consumer = None

    def _position(self, partition: TopicPartition) -> int:
        position = self._consumer.position(partition, timeout_ms=OFFSET_TIMEOUT_MS)
        return -1 if position is None else int(position)

    def _high_watermarks(self) -> dict[TopicPartition, int]:
        # A reader of committed records is told the end of those, hence another client.
        plain = KafkaConsumer(
            **client_options(self._kafka),
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            enable_auto_commit=False,
        )
        try:
            ends: dict[TopicPartition, int] = plain.end_offsets(
                self._partitions, timeout_ms=OFFSET_TIMEOUT_MS
            )
            return ends
        finally:
            plain.close(autocommit=False)

    def _translated(self, error: KafkaError) -> BrokerError | ConfigError:
        text = f"reading {self._topic} at Kafka {self._kafka.bootstrap_servers}: {error}"
        if isinstance(error, AuthorizationError):
            return _mendable(f"{text}; grant the account Read on the topic")
        return BrokerError(text)


def _mendable(text: str) -> ConfigError:
    """What a person mends at the broker: a worker that runs can wait for it."""
    error = ConfigError(text)
    error.retryable = True
    return error


class CardFollower(TopicFollower):
    """Follows the model cards: the value of each record is a card, None where one was withdrawn."""

    def __init__(self, kafka: KafkaSettings) -> None:
        super().__init__(kafka, kafka.topics.models)
