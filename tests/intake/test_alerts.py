"""The alert topic as a subscriber sees it."""

import pytest

from devstack import StackInfo
from monitor.config import Settings
from monitor.intake.alerts import read_alerts
from monitor.intake.subscriber import AlertSubscriber
from monitor.intake.topics import ensure_topics
from monitor.publishing.alert_event import alert_event
from tests.intake.brokers import fresh_settings, produce
from tests.publishing.test_alert_event import FIRING, RESOLVED

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(stack: StackInfo) -> Settings:
    settings = fresh_settings(stack.kafka_bootstrap)
    ensure_topics(settings)
    return settings


def publish(settings: Settings, *values: bytes) -> None:
    topic = settings.kafka.topics.alerts
    produce(settings, topic, [(0, FIRING.fingerprint.encode(), value) for value in values])


def test_moves_come_typed_and_what_is_unreadable_is_skipped(settings: Settings) -> None:
    firing, resolved = alert_event(FIRING), alert_event(RESOLVED)
    publish(settings, firing.to_json(), b"not json", b'{"specversion": "2.0"}', resolved.to_json())
    assert list(read_alerts(settings)) == [firing, resolved]
    with AlertSubscriber(settings, group=None) as alerts:
        assert list(alerts.so_far()) == [firing, resolved]
    with AlertSubscriber(settings, group=None, model="another") as alerts:
        assert list(alerts.so_far()) == []


def test_a_tail_without_the_past_starts_with_what_comes_next(settings: Settings) -> None:
    publish(settings, alert_event(FIRING).to_json())
    with AlertSubscriber(settings, group=None, from_beginning=False) as alerts:
        publish(settings, alert_event(RESOLVED).to_json())
        assert next(iter(alerts)) == alert_event(RESOLVED)
