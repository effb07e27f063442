"""Kafka as a source: partitions by group membership, records as kafka-python gives them.

In: co-partitioned topics, so that one member owns all of a model. Out:
micro-batches, positions, the membership to commit under. Never: committing, nor an exception for
what passes by itself (broker away, coordinator moved): `poll` returns nothing and `problem` says
why.

Order of a rebalance, as the worker sees it:

1. `on_revoked()`: commit now, the partitions are still owned. If that fails: `on_lost()`.
   `on_lost()`: drop what was not committed, another member owns the partitions.
   Both run on the client's thread while the caller of `poll` waits in it, so that nothing else of
   the worker runs; they must not call this source except for `positions` and `membership`.
2. `on_assigned(starts)`: on the thread of `poll`, before any record of these partitions. Replace
   all state; return the offsets to read from: `starts`, the committed ones, or earlier ones where
   the state is older. If it raises, `poll` raises, and the next `poll` calls it again.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import AuthorizationError, FencedInstanceIdError, KafkaError

from monitor.broker import Membership, Partition
from monitor.config import Settings
from monitor.errors import ConfigError, FencedError, PlumblineError
from monitor.events import Record
from monitor.intake.consumer import (
    connect,
    forget_offset_requests,
    is_connected,
    is_fenced,
    keep_joining,
    partition_counts,
)

METADATA_AGE_MS = 30_000
"""After so long at most it is seen that a topic's partitions have changed."""
OFFSET_TIMEOUT_MS = 5_000
TOPICS_TIMEOUT_S = 2.0
PARTITION_FETCH_BYTES = 1024 * 1024
FETCH_BYTES = 16 * 1024 * 1024
CLOSE_TIMEOUT_MS = 5_000
BACKOFF_MS = 200

log = logging.getLogger(__name__)


class KafkaSource:
    """A static member of the consumer group; the slot is its name there."""

    def __init__(
        self,
        settings: Settings,
        *,
        topics: Sequence[str],
        on_assigned: Callable[[Mapping[Partition, int]], Mapping[Partition, int]],
        on_revoked: Callable[[], None],
        on_lost: Callable[[], None],
        metadata_age_ms: int = METADATA_AGE_MS,
    ) -> None:
        self._settings = settings
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._on_lost = on_lost
        self._topics = tuple(topics)
        self._metadata_age_ms = metadata_age_ms
        self._consumer: Any = None
        self._closing = False
        self._paused = False
        self._awaiting: tuple[TopicPartition, ...] | None = None
        """Assigned, not yet restored by the main thread."""
        self._positions: dict[Partition, int] = {}
        self._membership: Membership | None = None
        self._problem = ""

    @property
    def membership(self) -> Membership | None:
        return self._membership

    @property
    def problem(self) -> str:
        return self._problem

    def positions(self) -> dict[Partition, int]:
        return dict(self._positions)

    def lag(self) -> dict[Partition, int]:
        found: dict[Partition, int] = {}
        for (topic, partition), position in self._positions.items():
            end = self._consumer.highwater(TopicPartition(topic, partition))
            if end is not None:
                found[topic, partition] = max(0, end - position)
        return found

    def poll(self, timeout_ms: int) -> Sequence[Record]:
        """The next micro-batch, of at most `worker.poll_records` records.

        Raises FencedError (not retryable) when another process took this slot, ConfigError when
        the account may not read, and what `on_assigned` raised.
        """
        try:
            if self._consumer is None and not self._join():
                return ()
            keep_joining(self._consumer)
            batches = self._consumer.poll(timeout_ms, self._settings.worker.poll_records)
            if is_fenced(self._consumer):
                raise FencedInstanceIdError
            if self._awaiting is not None:
                # Everything is paused: there is nothing in `batches`.
                self._restore(self._awaiting)
                return ()
        except KafkaError as error:
            self._explain(error)
            time.sleep(min(timeout_ms, BACKOFF_MS) / 1_000)
            return ()
        if not batches:
            self._look_around()
            return ()
        self._problem = ""
        if len(batches) == 1:
            [(partition, records)] = batches.items()
            self._positions[partition] = records[-1].offset + 1
            return records  # type: ignore[no-any-return]  # kafka-python is untyped
        together: list[Record] = []
        for partition, records in batches.items():
            together.extend(records)
            self._positions[partition] = records[-1].offset + 1
        return together

    def pause(self) -> None:
        self._paused = True
        if self._consumer is not None:
            self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        self._paused = False
        if self._consumer is not None and self._awaiting is None:
            self._consumer.resume(*self._consumer.assignment())

    def rejoin(self) -> None:
        """Leave with nothing and join again: after a commit was fenced, or state did not fit."""
        if self._owns():
            self._forget()
            self._on_lost()
        self._disconnect()

    def close(self) -> None:
        """Leave without a commit. The slot stays a member until its session times out."""
        self._forget()
        self._disconnect()

    def _join(self) -> bool:
        worker = self._settings.worker
        consumer = connect(
            self._settings.kafka,
            group_id=self._settings.kafka.group_id,
            group_instance_id=worker.slot,
            client_id=f"plumbline-{worker.slot}",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=worker.session_timeout_ms,
            heartbeat_interval_ms=min(3_000, worker.session_timeout_ms // 3),
            max_poll_interval_ms=worker.max_poll_interval_ms,
            metadata_max_age_ms=self._metadata_age_ms,
            auto_offset_reset="earliest",
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
        )
        self._consumer = consumer
        consumer.subscribe(self._topics, listener=_Listener(self))
        counts = partition_counts(consumer, self._topics, TOPICS_TIMEOUT_S)
        missing = [topic for topic, count in counts.items() if count == 0]
        if missing:
            self._problem = f"no topic {', '.join(missing)}: run `plumbline doctor --fix`"
            log.warning("%s", self._problem)
            self._disconnect()
        return not missing

    def _disconnect(self) -> None:
        if self._consumer is None:
            return
        self._closing = True
        try:
            self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)
        except KafkaError as error:
            log.warning("closing the consumer of %s: %s", self._settings.worker.slot, error)
        finally:
            self._consumer = None
            self._closing = False

    def _owns(self) -> bool:
        return self._membership is not None or self._awaiting is not None

    def _forget(self) -> None:
        self._awaiting = None
        self._membership = None
        self._positions = {}

    def _take(self, partitions: tuple[TopicPartition, ...]) -> None:
        """On the client's thread: stop the flow, and capture under which generation it is ours."""
        self._consumer.pause(*partitions)
        now = self._consumer.group_metadata()
        self._membership = Membership(
            now.group_id, now.generation_id, now.member_id, now.group_instance_id
        )
        self._awaiting = partitions

    def _give_up(self, *, still_ours: bool) -> None:
        """On the client's thread, while the thread of `poll` waits for it."""
        if self._closing or not self._owns():
            return
        try:
            if still_ours and self._awaiting is None:
                self._on_revoked()
            else:
                self._on_lost()
        except PlumblineError as error:
            log.warning("the commit at revocation failed, the next owner repeats it: %s", error)
            self._on_lost()
        finally:
            self._forget()

    def _restore(self, partitions: tuple[TopicPartition, ...]) -> None:
        self._co_partitioned()
        starts = self._starts(partitions)
        begin = dict(self._on_assigned(starts))
        for partition in partitions:
            self._consumer.seek(partition, begin[partition])
        self._positions = begin
        self._awaiting = None
        self._problem = ""
        if not self._paused:
            self._consumer.resume(*partitions)

    def _co_partitioned(self) -> None:
        expected = self._settings.kafka.partitions
        for topic, count in partition_counts(self._consumer, self._topics, 0).items():
            if count not in (0, expected):
                raise ConfigError(
                    f"topic {topic} has {count} partitions, kafka.partitions is {expected}: a "
                    "model would be split between workers; run `plumbline doctor` for the fix"
                )

    def _starts(self, partitions: tuple[TopicPartition, ...]) -> dict[Partition, int]:
        """The group's committed offset of each partition; the log's start where there is none."""
        consumer = self._consumer
        forget_offset_requests(consumer)
        first = consumer.beginning_offsets(list(partitions), timeout_ms=OFFSET_TIMEOUT_MS)
        end = consumer.end_offsets(list(partitions), timeout_ms=OFFSET_TIMEOUT_MS)
        starts: dict[Partition, int] = {}
        for partition in partitions:
            committed = consumer.committed(partition, timeout_ms=OFFSET_TIMEOUT_MS)
            name = f"{partition.topic}[{partition.partition}]"
            if committed is not None and committed > end[partition]:
                raise ConfigError(
                    f"{name} ends at offset {end[partition]}, but group "
                    f"{self._settings.kafka.group_id} has read up to {committed}: the topic was "
                    "made anew; set another kafka.group_id"
                )
            if committed is not None and committed < first[partition]:
                log.error(
                    "%s: offsets %d to %d expired before they were read",
                    name,
                    committed,
                    first[partition] - 1,
                )
            start = first[partition] if committed is None else max(committed, first[partition])
            starts[partition.topic, partition.partition] = start
        return starts

    def _explain(self, error: KafkaError) -> None:
        """Raise what does not pass by itself; note the rest."""
        if isinstance(error, FencedInstanceIdError):
            fenced = FencedError(
                f"another process took slot {self._settings.worker.slot!r} of group "
                f"{self._settings.kafka.group_id!r}: end this one, or give it its own worker.slot"
            )
            fenced.retryable = False
            raise fenced from error
        if isinstance(error, AuthorizationError):
            forbidden = ConfigError(
                f"the account may not read as group {self._settings.kafka.group_id!r}: {error}; "
                "grant it Read on the topics and on the group"
            )
            forbidden.retryable = True
            raise forbidden from error
        if error.__cause__ is not None and not isinstance(error.__cause__, KafkaError):
            raise error.__cause__  # a fault of a callback, which kafka-python wraps
        self._problem = f"Kafka at {self._settings.kafka.bootstrap_servers}: {error}"
        log.warning("%s", self._problem)

    def _look_around(self) -> None:
        servers = self._settings.kafka.bootstrap_servers
        if not is_connected(self._consumer):
            self._problem = f"no broker at {servers} is connected"
        elif self._membership is None:
            self._problem = "waiting for the group to assign partitions"
        else:
            self._problem = ""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python is untyped
    """Runs on the client's thread; must not ask the consumer anything that needs the network."""

    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        del revoked  # the eager protocol revokes everything
        self._source._give_up(still_ours=True)

    def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        del lost
        self._source._give_up(still_ours=False)

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._source._take(tuple(sorted(assigned)))
