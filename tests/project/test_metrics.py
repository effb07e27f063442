"""Every metric is documented, and every documented one exists."""

import re
from pathlib import Path

from monitor.clock import ManualClock
from monitor.health import Health
from monitor.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[2]


def test_every_metric_is_documented_and_the_other_way_round() -> None:
    clock = ManualClock()
    telemetry = Telemetry(clock)
    Health("worker-0", clock, telemetry.registry, turn_limit_s=300)
    there = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in telemetry.registry.collect()
    }
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (`plumbline_[^|]+) \|", text, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(plumbline_\w+)`", row)}
    assert documented == there
