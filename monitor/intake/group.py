"""The group as the broker sees it: who works, what waits and since when, how old the state is.

In: settings. Out: `GroupStatus`. Never: a membership, nor a commit: looking changes nothing.
"""

from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import (
    AuthorizationError,
    CoordinatorNotAvailableError,
    GroupIdNotFoundError,
    KafkaError,
)

from monitor.broker import client_options
from monitor.clock import Clock
from monitor.config import Settings
from monitor.errors import BrokerError, ConfigError
from monitor.intake.topics import CONNECT_TIMEOUT_MS, TIMEOUT_MS

_LOOK_MS: Final = 3_000
_MS_PER_S: Final = 1_000
_ASKED: Final = 10
_ASK_AGAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class GroupWorker:
    """One live worker."""

    slot: str
    host: str
    partitions: int
    """Of the predictions."""


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """The group at one moment."""

    workers: tuple[GroupWorker, ...]
    waiting: dict[str, int]
    """Records of each consumed topic that are not committed yet."""
    waited_s: float | None
    """How long ago the broker appended the oldest of them; None where none waits."""
    state_age_s: float | None
    """Since the state was last written; None where there is none."""


def group_status(settings: Settings, clock: Clock) -> GroupStatus:
    """Look at the group; raises BrokerError, ConfigError."""
    kafka = settings.kafka
    names = kafka.topics
    consumed = [
        TopicPartition(topic, number)
        for topic in (names.predictions, names.labels)
        for number in range(kafka.partitions)
    ]
    state = [TopicPartition(names.state, number) for number in range(kafka.partitions)]
    now_ms = clock.now_us() // 1_000
    where = f"looking at group {kafka.group_id} at Kafka {kafka.bootstrap_servers}"
    try:
        admin = KafkaAdminClient(
            **client_options(kafka),
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
            request_timeout_ms=TIMEOUT_MS,
        )
        try:
            _find_coordinator(admin, kafka.group_id)
            workers = _workers(admin, kafka.group_id, names.predictions)
            starts = admin.list_partition_offsets(dict.fromkeys(consumed, OffsetSpec.EARLIEST))
            ends = admin.list_partition_offsets(dict.fromkeys(consumed, OffsetSpec.LATEST))
            saved = admin.list_partition_offsets(dict.fromkeys(state, OffsetSpec.MAX_TIMESTAMP))
            try:
                committed = admin.list_group_offsets({kafka.group_id: consumed})[kafka.group_id]
            except GroupIdNotFoundError:
                committed = {}
        finally:
            admin.close()
        next_ones = {}
        waiting = dict.fromkeys((names.predictions, names.labels), 0)
        for partition in consumed:
            found = committed.get(partition)
            first = starts[partition].offset
            at = max(first, found.offset) if found is not None else first
            if ends[partition].offset > at:
                next_ones[partition] = at
                waiting[partition.topic] += ends[partition].offset - at
        oldest_ms = _oldest_ms(settings, next_ones)
    except AuthorizationError as error:
        raise ConfigError(f"{where}: {error}; grant the account Describe on it") from error
    except KafkaError as error:
        raise BrokerError(f"{where}: {error}") from error
    written = [entry.timestamp for entry in saved.values() if entry.timestamp >= 0]
    return GroupStatus(
        workers,
        {topic: count for topic, count in waiting.items() if count},
        None if oldest_ms is None else (now_ms - oldest_ms) / _MS_PER_S,
        (now_ms - max(written)) / _MS_PER_S if written else None,
    )


def _find_coordinator(admin: Any, group_id: str) -> None:
    """A broker that has never had a group makes the topic for them when it is first asked."""
    for _ in range(_ASKED - 1):
        try:
            admin.describe_groups([group_id])
        except CoordinatorNotAvailableError:
            Event().wait(_ASK_AGAIN_S)
        else:
            return
    admin.describe_groups([group_id])


def _workers(admin: Any, group_id: str, topic: str) -> tuple[GroupWorker, ...]:
    described = admin.describe_groups([group_id])[group_id]
    workers = []
    for member in described["members"]:
        assignment = member["member_assignment"] or {}
        partitions = [
            number
            for assigned in assignment.get("assigned_partitions", ())
            if assigned["topic"] == topic
            for number in assigned["partitions"]
        ]
        slot = member.get("group_instance_id") or member["client_id"]
        workers.append(GroupWorker(slot, member["client_host"].lstrip("/"), len(partitions)))
    return tuple(sorted(workers, key=lambda worker: worker.slot))


def _oldest_ms(settings: Settings, next_ones: dict[TopicPartition, int]) -> int | None:
    """When the broker appended the first record that waits, as far as it can be read quickly."""
    if not next_ones:
        return None
    reader = KafkaConsumer(
        **client_options(settings.kafka),
        enable_auto_commit=False,
        max_poll_records=1,
        bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
    )
    oldest: int | None = None
    try:
        for partition, offset in next_ones.items():
            reader.assign([partition])
            reader.seek(partition, offset)
            for records in reader.poll(_LOOK_MS).values():
                appended_ms = int(records[0].timestamp)
                oldest = appended_ms if oldest is None else min(oldest, appended_ms)
    finally:
        reader.close(autocommit=False)
    return oldest
