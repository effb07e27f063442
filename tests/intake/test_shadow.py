"""What a drill needs of the real broker: the last events of a topic, and a passing topic."""

import pytest
from kafka.admin import KafkaAdminClient

from devstack import StackInfo
from monitor.broker import client_options
from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.intake.shadow import MARK, last_records, shadow_topic
from monitor.intake.topics import ensure_topics
from tests.intake.brokers import fresh_settings, produce, read

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(stack: StackInfo) -> Settings:
    settings = fresh_settings(stack.kafka_bootstrap)
    ensure_topics(settings)
    return settings


def test_the_last_wanted_records_are_found_however_far_back_they_lie(settings: Settings) -> None:
    topic = settings.kafka.topics.predictions
    old = [(0, b"mine", b"%d" % number) for number in range(40)]
    produce(settings, topic, [*old, *((0, b"other", b"x") for _ in range(600))])
    produce(settings, topic, [(1, b"other", b"y"), (0, b"mine", b"40")])

    def of_mine(count: int) -> list[bytes | None]:
        found = last_records(settings.kafka, topic, lambda record: record.key == b"mine", count)
        return [record.value for record in found]

    assert of_mine(1) == [b"40"]
    assert of_mine(10) == [b"%d" % number for number in range(31, 41)]
    assert of_mine(1_000) == [b"%d" % number for number in range(41)]
    assert last_records(settings.kafka, topic, lambda record: False, 10) == []
    with pytest.raises(ConfigError, match=r"plumbline doctor --fix"):
        last_records(settings.kafka, "no_such_topic", lambda record: True, 1)


def test_a_shadow_topic_is_there_while_it_is_used_and_gone_after_an_error(
    settings: Settings,
) -> None:
    def names() -> list[str]:
        admin = KafkaAdminClient(**client_options(settings.kafka))
        try:
            return [name for name in admin.list_topics() if MARK in name]
        finally:
            admin.close()

    def used_and_failed() -> None:
        with shadow_topic(settings.kafka) as topic:
            assert topic in names()
            produce(settings, topic, [(0, b"m", b"1")])
            assert [record.value for record in read(settings, topic)] == [b"1"]
            raise LookupError

    prefix = settings.kafka.topics.predictions + MARK
    with pytest.raises(LookupError):
        used_and_failed()
    assert [name for name in names() if name.startswith(prefix)] == []
