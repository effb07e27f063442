"""The one place that reaches into kafka-python's consumer, and why.

In: settings. Out: a KafkaConsumer whose known faults are worked round, and what its public surface
does not tell. Tests hold every attribute used here to the installed release.
"""

import time
from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer
from kafka.structs import MemberState

from monitor.broker import client_options
from monitor.config import KafkaSettings
from monitor.intake.decoding import Records

CONNECT_TIMEOUT_MS = 5_000
RECONNECT_MAX_MS = 1_000
LOOK_S = 0.01


def connect(kafka: KafkaSettings, **options: Any) -> Any:
    """A consumer that only returns committed records and never commits by itself.

    Raises kafka-python's KafkaTimeoutError when no broker answers within `CONNECT_TIMEOUT_MS`.
    """
    consumer = KafkaConsumer(
        **client_options(kafka),
        isolation_level="read_committed",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
        reconnect_backoff_max_ms=RECONNECT_MAX_MS,
        **options,
    )
    consumer._fetcher.PartitionRecords = Records
    return consumer


def partition_counts(consumer: Any, topics: Sequence[str], timeout_s: float) -> dict[str, int]:
    """Partitions of each topic, 0 for one that is not known after `timeout_s`.

    To be called between `subscribe` and the first `poll`: a member that joins before it knows the
    topics, and leads the group, hands out nothing, and may need half a minute to mend it.
    """
    deadline = time.monotonic() + timeout_s
    consumer._cluster.request_update()
    while True:
        counts = {
            topic: len(consumer._cluster.partitions_for_topic(topic) or ()) for topic in topics
        }
        if all(counts.values()) or time.monotonic() > deadline:
            return counts
        time.sleep(LOOK_S)


def forget_offset_requests(consumer: Any) -> None:
    """Drop answers still under way to "what was committed", asked for an older generation.

    kafka-python hands such an answer to the next caller who asks for the same partitions.
    """
    consumer._coordinator._offset_fetch_futures.clear()


def keep_joining(consumer: Any) -> None:
    """To be called before each poll: let a rejoin that a poll broke off be ended by this one.

    A member that joins anew only because a topic got more partitions no longer knows why once it
    has shared them out. If the time of `poll` ends there, kafka-python never takes up the answer:
    no partitions, no heartbeats, no error, for ever.
    """
    coordinator = consumer._coordinator
    if coordinator.rejoining:
        coordinator.rejoin_needed = True


def is_connected(consumer: Any) -> bool:
    """Whether at least one broker of the cluster is connected right now."""
    client = consumer._client
    return any(client.connected(broker.node_id) for broker in consumer._cluster.brokers())


def is_fenced(consumer: Any) -> bool:
    """Whether another process has taken this static member's place.

    kafka-python is told so by a heartbeat, stops its heartbeats in silence, and goes on fetching as
    if nothing had happened.
    """
    coordinator = consumer._coordinator
    return (
        coordinator.state is MemberState.STABLE
        and not coordinator._heartbeat_enabled
        and not coordinator.need_rejoin()
    )
