"""The worker on the real broker and engine: exact counts, true alerts, cards without a restart."""

import signal

import pytest

from monitor.intake.alerts import read_alerts
from tests.integration.conftest import MODEL, Site, Wire, order_card, order_events, order_rows

pytestmark = pytest.mark.integration


def test_a_killed_worker_stores_every_event_once_and_the_drift_is_on_the_topic(site: Site) -> None:
    site.register(order_card(), order_rows(20_000, seed=1))
    n, change = 24_000, 12_000
    events = order_events(order_rows(n, seed=2, shift=1.0, shifted_from=change))
    broken: list[Wire] = [(MODEL.encode(), b"{broken", [])] * 30
    site.send(events[: n // 3] + broken)
    first = site.start_worker()
    site.wait(lambda: site.counts().get("predictions", 0) > 2_000, "the first events")
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=60)
    site.send(events[n // 3 :])
    second = site.start_worker()
    site.wait(lambda: site.counts().get("predictions", 0) == n, "all events")
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=60) == 0, site.log()
    assert site.counts() == {"predictions": n, "rejections": 30}
    [raw] = site.store.connection.query(
        "SELECT count() AS all, uniqExact(event_id) AS ids, countIf(repeated) AS repeated "
        "FROM predictions"
    )
    assert raw == {"all": n, "ids": n, "repeated": 0}
    events_out = list(read_alerts(site.settings))
    fired = [event for event in events_out if event.state == "firing"]
    assert {event.data.alerts[0].labels.get("feature") for event in fired} == {"amount"}
    assert fired[0].data.alerts[0].labels["alertname"] == "FeatureDrift"
    assert len({event.id for event in events_out}) == len(events_out)
    stored = site.store.connection.query("SELECT event_id FROM alerts FINAL WHERE published")
    assert {row["event_id"] for row in stored} == {event.id for event in events_out}


def test_an_unknown_model_is_stored_and_raised_and_its_card_taken_without_a_restart(
    site: Site,
) -> None:
    frame = order_rows(3_000, seed=3)
    site.start_worker()
    site.send(order_events(frame[:1_000]))
    site.wait(lambda: site.counts().get("predictions", 0) == 1_000, "the unregistered events")
    site.wait(lambda: any(e.state == "firing" for e in read_alerts(site.settings)), "the alert")
    [raised] = [e for e in read_alerts(site.settings) if e.state == "firing"]
    assert raised.data.alerts[0].labels["alertname"] == "UnregisteredModel"
    site.register(order_card(), order_rows(20_000, seed=1))
    site.wait(
        lambda: any(e.state == "resolved" for e in read_alerts(site.settings)), "the resolution"
    )
    site.send(order_events(frame[1_000:]))
    site.wait(lambda: site.counts().get("predictions", 0) == 3_000, "the registered events")
    rows = site.store.connection.query(
        "SELECT registered, count() AS n FROM predictions FINAL GROUP BY registered ORDER BY 1"
    )
    assert [(row["registered"], row["n"]) for row in rows] == [(False, 1_000), (True, 2_000)]
    [tested] = site.store.connection.query("SELECT count() AS n FROM findings WHERE check = 'ks'")
    assert tested["n"] > 0


def test_resends_are_stored_flagged_and_kept_out_of_windows(site: Site) -> None:
    site.register(order_card(), order_rows(20_000, seed=1))
    events = order_events(order_rows(1_500, seed=4))
    site.start_worker()
    site.send(events + events[:700])
    site.wait(lambda: site.counts().get("predictions", 0) == 2_200, "all records")
    [row] = site.store.connection.query(
        "SELECT countIf(repeated) AS repeated FROM predictions FINAL"
    )
    assert row["repeated"] == 700
    [pane] = site.store.connection.query("SELECT max(last_event) AS last FROM pane_summaries")
    assert pane["last"] == 1_499
