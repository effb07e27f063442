"""Heartbeats become one alert that always fires, and one where a heart has stopped."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.clock import to_us
from monitor.config import KafkaSettings, Settings, WorkerSettings
from monitor.publishing.heartbeat import heartbeat_records
from monitor.publishing.outgoing import Outgoing
from monitor.routing.open_alerts import OpenAlerts
from tests.routing.test_open_alerts import NOON_MS, NOW, RESEND, FakeRecord

SETTINGS = Settings(
    kafka=KafkaSettings(partitions=2), worker=WorkerSettings(heartbeat_interval_s=60)
)


def _beats(*partitions: int) -> list[Outgoing]:
    now_us = to_us(datetime(2026, 1, 1, tzinfo=UTC))
    return heartbeat_records(SETTINGS, partitions, now_us=now_us, lag_events=7, firing_alerts=2)


def _table(*partitions: int, at_s: int = 0) -> OpenAlerts:
    table = OpenAlerts()
    for record in _beats(*partitions):
        table.take(FakeRecord(record.key, record.value, NOON_MS + 1_000 * at_s))
    return table


def test_while_all_partitions_beat_the_heartbeat_fires_and_nothing_else() -> None:
    [posted] = _table(0, 1).to_post(NOW + timedelta(seconds=180), RESEND)
    assert posted.labels == {
        "alertname": "Heartbeat",
        "severity": "info",
        "category": "heartbeat",
        "group": "plumbline",
    }
    assert posted.annotations["lag_events"] == "7"
    assert posted.annotations["firing_alerts"] == "2"


@pytest.mark.parametrize(("partitions", "after_s"), [((0,), 1), ((0, 1), 181)])
def test_a_partition_on_which_nobody_works_stops_it_and_calls_people(
    partitions: tuple[int, ...], after_s: int
) -> None:
    [posted] = _table(*partitions).to_post(NOW + timedelta(seconds=after_s), RESEND)
    assert posted.labels["alertname"] == "HeartbeatMissing"
    assert posted.labels["severity"] == "critical"
    assert "partitions" in posted.annotations["summary"]


def test_people_are_told_when_it_beats_again() -> None:
    table = _table(0, 1)
    late = NOW + timedelta(seconds=500)
    table.to_post(late, RESEND)
    for record in _beats(0, 1):
        table.take(FakeRecord(record.key, record.value, NOON_MS + 500_000))
    missing, beats = table.to_post(late + RESEND, RESEND)
    assert (missing.labels["alertname"], missing.ends_at) == ("HeartbeatMissing", late + RESEND)
    assert beats.labels["alertname"] == "Heartbeat"


def test_before_the_first_heartbeat_nothing_is_said() -> None:
    table = OpenAlerts()
    table.take(FakeRecord(b"heartbeat/0", b"no heartbeat"))
    table.take(FakeRecord(b"heartbeat/0", None))
    assert table.to_post(NOW, RESEND) == []
