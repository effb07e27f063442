"""Followers on the real broker: to the end, onwards, and over compacted transactional logs."""

import json
import time
from statistics import median
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from devstack import StackInfo
from devstack.ports import free_ports
from monitor.broker import client_options
from monitor.config import Settings
from monitor.errors import BrokerError, ConfigError
from monitor.intake import consumer
from monitor.intake.follower import CardFollower, TopicFollower
from monitor.intake.topics import ensure_topics
from monitor.publishing import sending, transaction
from monitor.publishing.card import publish_card
from monitor.publishing.outgoing import Outgoing
from schemas.model import FeatureSpec, ModelCard
from tests.intake.brokers import fresh_settings, produce, read, until


@pytest.fixture
def settings(stack: StackInfo) -> Settings:
    settings = fresh_settings(stack.kafka_bootstrap)
    ensure_topics(settings)
    return settings


def card(version: str, description: str) -> ModelCard:
    return ModelCard(
        model="flights",
        model_version=version,
        description=description,
        task="binary",
        features={"temp": FeatureSpec(type="number")},
    )


@pytest.mark.integration
def test_cards_are_read_to_the_end_and_then_followed(settings: Settings) -> None:
    assert publish_card(settings, card("1", "first")).offset == 0
    assert publish_card(settings, card("2", "second")).offset == 1
    follower = CardFollower(settings.kafka)
    before = list(follower.read_all())
    assert [record.key for record in before] == [b"flights/1", b"flights/2"]
    assert ModelCard.model_validate_json(before[1].value or b"").description == "second"
    assert follower.poll() == []
    publish_card(settings, card("1", "mended"))
    after: list[str] = []

    def look() -> None:
        after.extend(json.loads(record.value or b"")["description"] for record in follower.poll(50))

    until(lambda: bool(after), look)
    assert after == ["mended"]
    follower.close()


@pytest.mark.integration
def test_an_empty_topic_is_read_at_once(settings: Settings) -> None:
    assert read(settings, settings.kafka.topics.models) == []


@pytest.mark.integration
def test_a_poll_without_timeout_does_not_wait(settings: Settings) -> None:
    follower = CardFollower(settings.kafka)
    list(follower.read_all())
    follower.poll()
    took_s = []
    for _ in range(20):
        started_s = time.monotonic()
        follower.poll()
        took_s.append(time.monotonic() - started_s)
    assert median(took_s) < 0.05  # a waiting poll takes at least 0.1 s
    follower.close()


@pytest.mark.integration
def test_reading_to_the_end_waits_for_a_transaction_that_is_being_completed(
    settings: Settings,
) -> None:
    topic = settings.kafka.topics.state
    produce(settings, topic, [(0, b"head", b"old")])
    producer = transaction.open_producer(settings.kafka, settings.kafka.group_id)
    producer.begin_transaction()
    producer.send(topic, key=b"head", value=b"new", partition=0).get(timeout=60)
    follower = TopicFollower(settings.kafka, topic, [0])
    with pytest.raises(BrokerError, match=r"could not be read up to offset 2 within 1 s"):
        list(follower.read_all(timeout_s=1))
    producer.commit_transaction()
    transaction.discard(producer)
    follower.close()
    assert [record.value for record in read(settings, topic)] == [b"old", b"new"]


@pytest.mark.integration
def test_aborted_records_are_never_seen(settings: Settings) -> None:
    topic = settings.kafka.topics.state
    producer = transaction.open_producer(settings.kafka, settings.kafka.group_id)
    for value, commit in ((b"yes", True), (b"no", False), (b"again", True)):
        producer.begin_transaction()
        producer.send(topic, key=b"head", value=value, partition=0)
        producer.flush(timeout=60)
        _ = producer.commit_transaction() if commit else producer.abort_transaction()
    transaction.discard(producer)
    assert [record.value for record in read(settings, topic)] == [b"yes", b"again"]


@pytest.mark.integration
def test_a_compacted_transactional_log_is_read_to_its_end(settings: Settings) -> None:
    """Transactions, some aborted by a successor, until compaction has rewritten the log."""
    topic = f"{settings.kafka.group_id}.compacted"
    admin: Any = KafkaAdminClient(**client_options(settings.kafka))
    options = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
        "delete.retention.ms": "100",
        "min.compaction.lag.ms": "0",
    }
    spec = {"num_partitions": 1, "replication_factor": 1, "configs": options}
    admin.create_topics({topic: spec}, wait_for_metadata=True)
    admin.close()
    writes = 0

    def write() -> None:
        nonlocal writes
        producer = transaction.open_producer(settings.kafka, settings.kafka.group_id)
        for value in (b"kept %d" % writes, b"aborted %d" % writes):
            producer.begin_transaction()
            for key in range(3):
                record = Outgoing(topic, b"%d" % key, value)
                producer.send(record.topic, key=record.key, value=record.value)
            producer.flush(timeout=60)
            if value.startswith(b"kept"):
                producer.commit_transaction()
        transaction.discard(producer)  # with its second transaction open
        writes += 1
        time.sleep(0.5)

    def compacted() -> bool:
        transaction.discard(transaction.open_producer(settings.kafka, settings.kafka.group_id))
        records = read(settings, topic)
        assert {r.key: r.value for r in records} == {
            b"%d" % key: b"kept %d" % (writes - 1) for key in range(3)
        }
        return writes > 8 and len(records) < 3 * writes - 12

    write()
    until(compacted, write, timeout_s=150)


@pytest.mark.integration
def test_a_missing_topic_is_named(stack: StackInfo) -> None:
    settings = fresh_settings(stack.kafka_bootstrap)
    with pytest.raises(ConfigError, match=r"topic .*\.models does not exist"):
        CardFollower(settings.kafka)


def test_a_broker_that_is_away_is_a_retryable_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "CONNECT_TIMEOUT_MS", 300)
    monkeypatch.setattr(sending, "CONNECT_TIMEOUT_MS", 300)
    settings = fresh_settings(f"127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(BrokerError, match=r"reading .*\.models at Kafka 127"):
        CardFollower(settings.kafka)
    with pytest.raises(BrokerError, match="the card of flights 1 was not published"):
        publish_card(settings, card("1", "nowhere"))
