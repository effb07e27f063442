"""What a person says on the command line reaches the worker, acts once, and stands in the audit."""

import signal
from typing import Any

import pytest
from click.testing import CliRunner

from monitor.cli import main
from monitor.intake.alerts import read_alerts
from monitor.storage.queries import FIRING_ALERTS, ask
from tests.integration.conftest import MODEL, Site, order_card, order_events, order_rows

pytestmark = pytest.mark.integration


def _run(site: Site, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--config", str(site.file), "alerts", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def _commands(site: Site) -> list[dict[str, Any]]:
    return site.store.connection.query(
        "SELECT action, who, done, effect FROM commands FINAL ORDER BY offset"
    )


def test_acknowledge_and_close_from_the_command_line(site: Site) -> None:
    site.register(order_card(), order_rows(20_000, seed=1))
    site.send(order_events(order_rows(9_000, seed=2, shift=1.5, shifted_from=5_000)))
    worker = site.start_worker()
    site.wait(
        lambda: any(
            row["alertname"] == "FeatureDrift" for row in ask(site.store.connection, FIRING_ALERTS)
        ),
        "an alert",
    )
    site.wait(lambda: site.counts().get("predictions", 0) == 9_000, "all events")
    assert "FeatureDrift amount" in _run(site, "list", "--model", MODEL)
    said = _run(site, "ack", "FeatureDrift amount", "--who", "ann", "--why", "looking at it")
    assert "offset 0" in said
    site.wait(lambda: len(_commands(site)) == 1, "the acknowledgement")
    worker.send_signal(signal.SIGKILL)
    worker.wait(timeout=60)
    _run(site, "close", "FeatureDrift amount", "--who", "ann", "--why", "fixed upstream")
    site.start_worker()
    site.wait(lambda: len(_commands(site)) == 2, "the closing")
    site.stop_workers()
    acknowledged, closed = _commands(site)
    assert (acknowledged["action"], acknowledged["done"]) == ("acknowledge", True)
    assert closed["effect"] == "resolved: closed by ann: fixed upstream"
    moves = [
        event for event in read_alerts(site.settings) if "FeatureDrift" in event.to_json().decode()
    ]
    assert moves[-1].reason == "closed by ann: fixed upstream"
    assert moves[-2].data.alerts[0].annotations["acknowledged_by"] == "ann"
    assert len({event.id for event in moves}) == len(moves)
    shown = _run(site, "show", moves[-1].subject)
    assert "close by ann: fixed upstream -> resolved" in shown
