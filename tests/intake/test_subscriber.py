"""A subscriber gets its own alerts, once, and goes on where it left off."""

from dataclasses import replace

import pytest

from devstack import StackInfo
from monitor.alerts import AlertMove
from monitor.config import Settings
from monitor.intake.subscriber import AlertSubscriber
from monitor.intake.topics import ensure_topics
from monitor.publishing.alert_event import alert_event
from schemas.alert import AlertEvent, alert_event_id
from tests.intake.brokers import fresh_settings, produce
from tests.publishing.test_alert_event import FIRING, RESOLVED

pytestmark = pytest.mark.integration


def _numbered(n: int, *, owner: str = "airline-ops", severity: str = "warning") -> AlertMove:
    return replace(
        FIRING,
        event_id=alert_event_id(FIRING.fingerprint, n, "firing", n),
        annotations={"summary": f"number {n}", "owner": owner},
        labels={**FIRING.labels, "severity": severity},
    )


@pytest.fixture
def settings(stack: StackInfo) -> Settings:
    settings = fresh_settings(stack.kafka_bootstrap)
    ensure_topics(settings)
    return settings


def _publish(settings: Settings, *moves: AlertMove) -> None:
    values = [alert_event(move).to_json() for move in moves]
    produce(settings, settings.kafka.topics.alerts, [(0, b"k", value) for value in values])


def _take(subscriber: AlertSubscriber, count: int) -> list[AlertEvent]:
    """`count` alerts; the subscriber is asked for one more only where it must commit."""
    taken = []
    for event in subscriber:
        taken.append(event)
        if len(taken) == count:
            subscriber.stop()
    return taken


def test_an_alert_that_came_twice_is_given_once_and_others_are_left_out(settings: Settings) -> None:
    _publish(
        settings,
        _numbered(1),
        _numbered(1),
        _numbered(2, owner="others"),
        _numbered(3, severity="critical"),
        _numbered(4),
    )
    with AlertSubscriber(settings, group="g", owner="airline-ops", severity="warning") as alerts:
        taken = _take(alerts, 2)
    assert [event.data.alerts[0].annotations["summary"] for event in taken] == [
        "number 1",
        "number 4",
    ]
    with AlertSubscriber(settings, group="h", model="other") as alerts:
        _publish(settings, replace(_numbered(5), finding=FIRING.finding._replace(model="other")))
        assert [event.model for event in _take(alerts, 1)] == ["other"]


def test_what_was_handled_does_not_come_again_and_what_was_not_does(settings: Settings) -> None:
    _publish(settings, _numbered(1))
    with AlertSubscriber(settings, group="g") as alerts:
        stream = iter(alerts)
        first = next(stream)
        _publish(settings, RESOLVED)
        # Coming back for the next one says that the first was handled.
        second = next(stream)
    assert (first.state, second.state) == ("firing", "resolved")
    with AlertSubscriber(settings, group="g") as alerts:
        assert _take(alerts, 1) == [second]
