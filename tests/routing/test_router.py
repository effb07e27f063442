"""The router between the real broker and the real Alertmanager."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from devstack import StackInfo
from monitor.clock import SystemClock, to_datetime
from monitor.config import RoutingSettings, Settings
from monitor.intake.topics import ensure_topics
from monitor.publishing.heartbeat import heartbeat_records
from monitor.routing.alertmanager import Alertmanager, Matcher
from monitor.routing.config import DEAD_MANS_SWITCH, alertmanager_config
from monitor.routing.router import Router
from schemas import Command
from tests.intake.brokers import fresh_settings, produce
from tests.routing.alerts import Receiver, alertmanager, moved, receiver, until, wire

pytestmark = pytest.mark.integration


@contextmanager
def _routing(settings: Settings) -> Iterator[list[Command]]:
    """A router at work; gives the commands that it sends."""
    commands: list[Command] = []
    stop = threading.Event()
    router = Router(settings, SystemClock(), commands.append)
    thread = threading.Thread(target=router.run, args=(stop.is_set,), daemon=True)
    thread.start()
    try:
        yield commands
    finally:
        stop.set()
        thread.join(timeout=90)
        router.close()


def _config(hook: Receiver) -> str:
    """What `route-config` prints, with times for a test and one receiver for all."""
    config = alertmanager_config([], smarthost="localhost:25", sender="p@example.com")
    config["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    for route in config["route"]["routes"]:
        route |= {"group_wait": "0s", "group_interval": "1s"}
    for one in config["receivers"]:
        one["webhook_configs"] = [{"url": hook.url, "send_resolved": True}]
    return yaml.safe_dump(config)


def _settings(stack: StackInfo, url: str) -> Settings:
    settings = fresh_settings(stack.kafka_bootstrap)
    settings = settings.model_copy(
        update={"routing": RoutingSettings(alertmanager_url=url, resend_interval_s=2)}
    )
    ensure_topics(settings)
    return settings


def test_alerts_arrive_once_grouped_by_model_inhibited_silenced_and_resolved(
    stack: StackInfo, tmp_path: Path
) -> None:
    with receiver() as hook, alertmanager(tmp_path, _config(hook)) as url:
        settings = _settings(stack, url)
        topic = settings.kafka.topics.alerts_state
        drift = wire(moved(annotations={"incident": "a" * 16, "incident_place": "3"}))
        cause_move = moved(
            alertname="UnitChange", annotations={"incident": "a" * 16, "incident_place": "1"}
        )
        grave = moved(
            alertname="PredictionDrift",
            feature="score",
            severity="critical",
            annotations={"incident": "a" * 16, "incident_place": "5"},
        )
        cause = wire(cause_move)
        other = wire(
            moved(feature="humid", annotations={"incident": "b" * 16, "incident_place": "3"})
        )
        produce(settings, topic, [(0, *cause)])
        with _routing(settings) as commands:
            until(lambda: hook.alerts("firing") == ["UnitChange temp"])
            produce(settings, topic, [(0, *drift), (0, *other)])
            until(lambda: "FeatureDrift humid" in hook.alerts("firing"))
            # The drift of temp is what the change of its unit causes: inhibited.
            assert set(hook.alerts("firing")) == {"UnitChange temp", "FeatureDrift humid"}
            groups = [body["groupLabels"] for body in hook.bodies]
            assert groups == [
                {"model": "flights", "incident": "a" * 16},
                {"model": "flights", "incident": "b" * 16},
            ]
            # A warning does not hide what is critical.
            produce(settings, topic, [(0, *wire(grave))])
            until(lambda: "PredictionDrift score" in hook.alerts("firing"))
            produce(settings, topic, [(0, grave.fingerprint.encode(), None)])
            until(lambda: "PredictionDrift score" in hook.alerts("resolved"))

            silence = Alertmanager(url)
            now = to_datetime(SystemClock().now_us())
            silence.silence(
                [Matcher(name="feature", value="humid")],
                now,
                now + timedelta(hours=1),
                created_by="ana",
                comment="known",
            )
            until(lambda: bool(commands))
            told = hook.alerts("firing").count("FeatureDrift humid")
            assert {(c.action, c.who, c.fingerprint) for c in commands} == {
                ("silence", "ana", moved(feature="humid").fingerprint)
            }
            silence.close()

            produce(settings, topic, [(0, cause[0], None)])
            until(lambda: "UnitChange temp" in hook.alerts("resolved"))
            # With its cause gone the drift is told, the silenced one is not.
            until(lambda: "FeatureDrift temp" in hook.alerts("firing"))
            assert hook.alerts("firing").count("FeatureDrift humid") == told
        assert len(commands) == 1

        # A second router tells all again: for Alertmanager these are the same alerts.
        told = len(hook.bodies)
        with _routing(settings):
            until(lambda: len(_known(url)) == 2)
        assert len(hook.bodies) == told


def test_an_alertmanager_that_is_away_is_waited_for(stack: StackInfo, tmp_path: Path) -> None:
    with receiver() as hook:
        with alertmanager(tmp_path, _config(hook)) as url:
            pass
        settings = _settings(stack, url)
        produce(settings, settings.kafka.topics.alerts_state, [(0, *wire(moved()))])
        with _routing(settings):
            port = int(url.rpartition(":")[2])
            with alertmanager(tmp_path, _config(hook), port=port):
                until(lambda: hook.alerts("firing") == ["FeatureDrift temp"])


def _known(url: str) -> list[str]:
    return [one["fingerprint"] for one in httpx.get(f"{url}/api/v2/alerts").json()]


def test_the_heartbeat_reaches_the_dead_mans_switch(stack: StackInfo, tmp_path: Path) -> None:
    with receiver() as hook, alertmanager(tmp_path, _config(hook)) as url:
        settings = _settings(stack, url)
        beats = heartbeat_records(
            settings, range(settings.kafka.partitions), now_us=0, lag_events=0, firing_alerts=0
        )
        values = [(0, record.key, record.value) for record in beats]
        produce(settings, settings.kafka.topics.alerts_state, values)
        with _routing(settings):
            until(lambda: hook.alerts("firing") == ["Heartbeat "])
        assert hook.bodies[0]["receiver"] == DEAD_MANS_SWITCH
