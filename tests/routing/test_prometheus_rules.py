"""The rules that watch the monitor itself, by Prometheus' own tool."""

import re
import subprocess
from pathlib import Path

from monitor.clock import ManualClock
from monitor.health import Health
from monitor.telemetry import Telemetry
from tests.routing.alerts import binary

FOLDER = Path(__file__).resolve().parents[2] / "ops" / "prometheus"


def _promtool(*arguments: str) -> None:
    done = subprocess.run(
        [binary("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules() -> None:
    _promtool("check", "rules", "rules.yml")


def test_each_rule_fires_when_it_should_and_not_else() -> None:
    _promtool("test", "rules", "rules_test.yml")
    rules, tests = ((FOLDER / name).read_text() for name in ("rules.yml", "rules_test.yml"))
    for name in re.findall(r"alert: (\w+)", rules):
        assert name in tests, f"{name} is not tried in rules_test.yml"


def test_the_rules_ask_for_metrics_that_exist() -> None:
    clock = ManualClock()
    telemetry = Telemetry(clock)
    Health("worker-0", clock, telemetry.registry, turn_limit_s=300)
    there = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in telemetry.registry.collect()
    }
    text = (FOLDER / "rules.yml").read_text()
    assert set(re.findall(r"plumbline_\w+", text)) <= there
