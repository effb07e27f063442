"""For drills: the last events of a topic, and a topic that is gone afterwards.

In: settings. Out: records, oldest first; the name of a new topic. Never: a consumer group, a
commit, a topic that stays (unless the process is killed: its name begins with that of the
predictions topic and `.drill.`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from kafka import TopicPartition
from kafka.errors import KafkaError

from monitor.config import KafkaSettings
from monitor.errors import BrokerError, ConfigError
from monitor.events import Record
from monitor.intake.consumer import connect
from monitor.intake.topics import LOG, SHARED, TIMEOUT_MS, admin_client

POLL_MS: Final = 500
QUIET_POLLS: Final = 20
"""Polls in a row without a record after which a read is given up."""
MARK: Final = ".drill."


def last_records(
    kafka: KafkaSettings, topic: str, wanted: Callable[[Record], bool], count: int
) -> list[Record]:
    """The last `count` committed records that are wanted, oldest first, or as many as there are.

    Reads backwards in growing steps, so that a long topic is not read whole. Records of several
    partitions stand one partition after the other. Raises BrokerError, ConfigError.
    """
    try:
        consumer = connect(kafka, auto_offset_reset="earliest", max_poll_records=10_000)
    except KafkaError as error:
        raise BrokerError(f"reading {topic} at Kafka {kafka.bootstrap_servers}: {error}") from error
    try:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise ConfigError(f"topic {topic} does not exist: run `plumbline doctor --fix`")
        found: list[Record] = []
        for number in sorted(numbers):
            found += _last_of(consumer, TopicPartition(topic, number), wanted, count)
    except KafkaError as error:
        raise BrokerError(f"reading {topic} at Kafka {kafka.bootstrap_servers}: {error}") from error
    finally:
        consumer.close(autocommit=False)
    return found[-count:]


def _last_of(
    consumer: Any, partition: TopicPartition, wanted: Callable[[Record], bool], count: int
) -> list[Record]:
    consumer.assign([partition])
    first = consumer.beginning_offsets([partition])[partition]
    end = consumer.end_offsets([partition])[partition]
    found: list[Record] = []
    step, stop = 2 * count, end
    while stop > first and len(found) < count:
        start = max(first, stop - step)
        found = [r for r in _between(consumer, partition, start, stop) if wanted(r)] + found
        step, stop = 2 * step, start
    return found[-count:]


def _between(consumer: Any, partition: TopicPartition, start: int, stop: int) -> Iterator[Record]:
    """Records of [start, stop); offsets of transactions' marks among them have none."""
    consumer.seek(partition, start)
    quiet = 0
    while consumer.position(partition) < stop and quiet < QUIET_POLLS:
        batches = consumer.poll(POLL_MS)
        quiet = 0 if batches else quiet + 1
        for record in batches.get(partition, ()):
            if record.offset < stop:
                yield record


@contextmanager
def shadow_topic(kafka: KafkaSettings) -> Iterator[str]:
    """A new topic of one partition for one drill, deleted at the end."""
    name = f"{kafka.topics.predictions}{MARK}{uuid4().hex[:12]}"
    spec = {
        "num_partitions": 1,
        "replication_factor": kafka.replication_factor,
        "configs": {**SHARED, **LOG},
    }
    with admin_client(kafka, f"creating {name}") as admin:
        admin.create_topics({name: spec}, timeout_ms=TIMEOUT_MS)
        admin.wait_for_topics([name], timeout_ms=TIMEOUT_MS)
    try:
        yield name
    finally:
        with admin_client(kafka, f"deleting {name}") as admin:
            admin.delete_topics([name], timeout_ms=TIMEOUT_MS)
