"""A backtest finds, byte for byte, what the worker finds in the same events on the broker."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pytest

from monitor.backtest.run import run_backtest
from monitor.clock import to_us
from monitor.intake.alerts import read_alerts
from tests.integration.conftest import MODEL, Site, order_card, order_events, order_rows

pytestmark = pytest.mark.integration

PLACE = {"topic", "partition", "stored_at"}
"""Where the log lies (its name, and the partition that the model's key falls on) and wall time."""


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_us(value)
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, list):
        return sorted(value)
    return value


def _rows(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Rows as text, floats to their last digit."""
    return sorted(
        repr(sorted((name, _plain(value)) for name, value in row.items() if name not in PLACE))
        for row in rows
    )


def test_findings_and_alerts_are_those_of_the_broker(site: Site) -> None:
    reference = order_rows(20_000, seed=1)
    n = 14_000
    frame = order_rows(n, seed=2, shift=0.8, shifted_from=6_000)
    frame.loc[9_000:9_400, "items"] = None
    frame.loc[10_000:10_200, "event_id"] = frame["event_id"].iloc[0]
    site.register(order_card(), reference)
    site.send(order_events(frame))
    site.start_worker()
    site.wait(lambda: site.counts().get("predictions", 0) == n, "all events")
    site.stop_workers()
    stored = site.store.connection.query("SELECT * FROM findings FINAL")
    result = run_backtest(frame, order_card(), reference)
    ours = result.findings.to_pylist()
    assert len(ours) > 200
    assert result.repeated == 201
    assert _rows(ours) == _rows(stored)
    published = [
        event.id
        for event in read_alerts(
            site.settings,
        )
        if event.model == MODEL
    ]
    assert published == [move.event_id for move in result.moves if move.published]
    assert {a.feature for a in result.alerts} >= {"amount", "items"}
