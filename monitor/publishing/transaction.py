"""One Kafka transaction with kafka-python, every wait bounded.

In: records, offsets, the captured membership. Out: it is committed, or an error of kafka-python.
Never: a second use of a producer whose transaction failed; the caller throws it away.

The one place that reaches into kafka-python's producer: its own methods wait without limit for the
coordinator, and it does not tell its epoch. Tests hold these attributes to the installed release.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import InvalidProducerEpochError, KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

from monitor.broker import Membership, Partition, client_options
from monitor.config import KafkaSettings
from monitor.publishing.outgoing import Outgoing

TRANSACTION_TIMEOUT_MS = 10_000
"""How long readers of committed records wait at most for a worker that was killed."""
WAIT_S = 10.0
"""For a whole transaction."""
CONNECT_TIMEOUT_MS = 5_000


def open_producer(kafka: KafkaSettings, transactional_id: str) -> Any:
    """A producer that may begin transactions; a predecessor of the same id is ended and fenced."""
    producer = KafkaProducer(
        **client_options(kafka),
        client_id=transactional_id,
        transactional_id=transactional_id,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        acks="all",
        compression_type="lz4",
        batch_size=262_144,
        request_timeout_ms=5_000,
        delivery_timeout_ms=8_000,
        max_block_ms=int(WAIT_S * 1_000),
        bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
        reconnect_backoff_max_ms=1_000,
        retry_backoff_ms=20,
        allow_auto_create_topics=False,
    )
    try:
        producer.init_transactions()
    except KafkaError:
        discard(producer)
        raise
    return producer


def run(
    producer: Any,
    records: Sequence[Outgoing],
    offsets: Mapping[Partition, int],
    membership: Membership,
    mark: str,
) -> None:
    """Begin, offsets, records, flush, look at every record, commit; `mark` goes with the offsets.

    The offsets go first: a worker that lost its partitions stops there, before it published.
    """
    deadline = time.monotonic() + WAIT_S
    manager = producer._transaction_manager
    epoch = manager.producer_id_and_epoch
    producer.begin_transaction()
    consumed = {
        TopicPartition(topic, partition): OffsetAndMetadata(offset, mark, -1)
        for (topic, partition), offset in offsets.items()
    }
    group = ConsumerGroupMetadata(
        membership.group_id, membership.generation, membership.member_id, membership.instance_id
    )
    _wait(producer, manager.send_offsets_to_transaction(consumed, group), deadline, "the offsets")
    futures = [
        producer.send(
            record.topic,
            key=record.key,
            value=record.value,
            headers=list(record.headers),
            partition=record.partition,
        )
        for record in records
    ]
    producer.flush(timeout=_left(deadline))
    for future in futures:
        # A record that expired does not fail the transaction: it would be missing in silence.
        future.get(timeout=_left(deadline))
    _same_epoch(manager, epoch)
    _wait(producer, manager.begin_commit(), deadline, "the commit")
    _same_epoch(manager, epoch)


def cause(producer: Any, error: KafkaError) -> KafkaError:
    """The error behind an error: kafka-python refuses further calls with a bare KafkaError."""
    last = producer._transaction_manager.last_error
    return last if type(error) is KafkaError and isinstance(last, KafkaError) else error


def discard(producer: Any) -> None:
    """End a producer without waiting for what it still wanted to send."""
    producer._sender.force_close()
    try:
        producer.close(timeout=1)
    except KafkaError:
        return  # it could not flush, as was to be expected; its thread ends by `force_close`


def _wait(producer: Any, result: Any, deadline: float, what: str) -> None:
    producer._sender.wakeup()
    if not result.wait(timeout_ms=_left(deadline) * 1_000):
        raise KafkaTimeoutError(f"{what} of a transaction took more than {WAIT_S:g} s")


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def _same_epoch(manager: Any, epoch: Any) -> None:
    # After a transaction that the broker timed out, the producer raises its epoch by itself and
    # goes on as if nothing had been lost.
    if manager.producer_id_and_epoch != epoch:
        raise InvalidProducerEpochError("the producer's epoch changed inside a transaction")
