"""Topics on the real broker: made right, and every wrong one named with its fix."""

from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from devstack import StackInfo
from devstack.ports import free_ports
from monitor.broker import client_options
from monitor.config import Settings
from monitor.errors import BrokerError
from monitor.intake import topics as topics_module
from monitor.intake.topics import TopicProblem, check_topics, ensure_topics, topic_specs
from tests.intake.brokers import fresh_settings

pytestmark = pytest.mark.integration


def create(settings: Settings, topic: str, partitions: int, **configs: str) -> None:
    admin: Any = KafkaAdminClient(**client_options(settings.kafka))
    options = {
        "num_partitions": partitions,
        "replication_factor": 1,
        "configs": {name.replace("_", "."): value for name, value in configs.items()},
    }
    admin.create_topics({topic: options}, wait_for_metadata=True)
    admin.close()


def test_what_is_missing_is_created_once_and_passes_the_check(stack: StackInfo) -> None:
    settings = fresh_settings(stack.kafka_bootstrap, partitions=3)
    names = [spec.name for spec in topic_specs(settings.kafka)]
    assert [problem.topic for problem in check_topics(settings)] == names
    assert ensure_topics(settings) == names
    assert ensure_topics(settings) == []
    assert check_topics(settings) == []


def test_co_partitioned_topics_agree() -> None:
    settings = fresh_settings("127.0.0.1:1", partitions=5)
    partitions = {spec.name.split(".")[1]: spec.partitions for spec in topic_specs(settings.kafka)}
    assert {partitions[name] for name in ("predictions", "labels", "commands", "state")} == {5}


def test_wrong_topics_are_named_with_their_fix(stack: StackInfo) -> None:
    settings = fresh_settings(stack.kafka_bootstrap, partitions=3)
    topics = settings.kafka.topics
    create(settings, topics.labels, 2, message_timestamp_type="LogAppendTime")
    create(settings, topics.models, 1, message_timestamp_type="LogAppendTime")
    create(settings, topics.commands, 3)
    ensure_topics(settings)
    assert check_topics(settings) == [
        TopicProblem(
            topics.labels,
            "has 2 partitions, not 3",
            "set kafka.partitions to 2 if predictions, labels, commands, state and rejections all "
            "have that many, else make the topic anew: adding partitions to a topic in use moves "
            "models away from their history",
        ),
        TopicProblem(
            topics.commands,
            "message.timestamp.type is CreateTime, not LogAppendTime",
            f"kafka-configs --alter --topic {topics.commands} "
            "--add-config message.timestamp.type=LogAppendTime",
        ),
        TopicProblem(
            topics.models,
            "cleanup.policy is delete, not compact",
            f"kafka-configs --alter --topic {topics.models} --add-config cleanup.policy=compact",
        ),
    ]


def test_a_broker_that_is_away_is_a_retryable_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics_module, "CONNECT_TIMEOUT_MS", 300)
    settings = fresh_settings(f"127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(BrokerError, match="creating topics at Kafka 127"):
        ensure_topics(settings)
