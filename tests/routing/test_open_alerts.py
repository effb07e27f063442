"""What is on, and since when in wall time."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from monitor.alerts import AlertState
from monitor.routing.open_alerts import OpenAlerts
from tests.routing.alerts import moved, wire

NOON_MS = 1_790_000_000_000
NOW = datetime.fromtimestamp(NOON_MS / 1_000, UTC)
RESEND = timedelta(seconds=60)


@dataclass
class FakeRecord:
    key: bytes | None
    value: bytes | None
    timestamp: int = NOON_MS
    topic: str = "state"
    partition: int = 0
    offset: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def _table(*records: FakeRecord) -> OpenAlerts:
    table = OpenAlerts()
    for record in records:
        table.take(record)
    return table


def test_an_alert_starts_when_the_broker_took_it_and_ends_after_four_missed_resends() -> None:
    key, value = wire(moved())
    [posted] = _table(FakeRecord(key, value)).to_post(NOW + RESEND, RESEND)
    assert posted.starts_at == NOW
    assert posted.ends_at == NOW + 5 * RESEND
    assert posted.labels["feature"] == "temp"
    assert posted.annotations["event_time_start"] == "2013-03-01T05:00:00+00:00"
    assert posted.annotations["state"] == "firing"
    assert posted.annotations["owner"] == "delays"


def test_a_later_move_keeps_the_start() -> None:
    key, value = wire(moved())
    later = FakeRecord(key, wire(moved(AlertState.RECOVERING))[1], NOON_MS + 5_000)
    [posted] = _table(FakeRecord(key, value), later).to_post(NOW + RESEND, RESEND)
    assert posted.starts_at == NOW
    assert posted.annotations["state"] == "recovering"


def test_the_incident_groups_and_the_others_are_listed_with_links() -> None:
    incident = {"incident": "ab" * 8, "incident_place": "1"}
    cause = replace(
        moved(alertname="UnitChange", annotations=incident), url="https://p.example.com/alerts/1"
    )
    child = moved(annotations={**incident, "incident_place": "3"})
    table = _table(*(FakeRecord(*wire(one)) for one in (cause, child, moved(model="churn"))))
    first, second, other = table.to_post(NOW, RESEND)
    assert (first.labels["incident"], first.labels["incident_place"]) == ("ab" * 8, "1")
    assert first.annotations["incident_others"] == f"FeatureDrift temp ({child.fingerprint})"
    assert (
        second.annotations["incident_others"] == "UnitChange temp (https://p.example.com/alerts/1)"
    )
    assert first.generator_url == "https://p.example.com/alerts/1"
    assert other.annotations["other_models"] == "flights (2 alerts)"
    assert "incident" not in other.labels


def test_what_has_ended_is_posted_until_it_was_told() -> None:
    key, value = wire(moved())
    table = _table(FakeRecord(key, value), FakeRecord(key, None, NOON_MS + 7_000))
    assert table.alerts == []
    for _ in range(2):
        [posted] = table.to_post(NOW + RESEND, RESEND)
        assert posted.ends_at == NOW + timedelta(seconds=7)
    table.posted()
    assert table.to_post(NOW + RESEND, RESEND) == []


def test_a_tombstone_of_nothing_and_a_record_that_is_no_alert_change_nothing() -> None:
    table = _table(FakeRecord(b"ab" * 8, None), FakeRecord(b"x", b"{}"), FakeRecord(None, b"\xff"))
    assert table.alerts == []
    assert not table.news
