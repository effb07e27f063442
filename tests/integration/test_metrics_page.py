"""The page that Prometheus reads from a real worker, by Prometheus' own tool; its log, as JSON."""

import json
import subprocess

import httpx
import pytest
import yaml

from devstack.ports import LOOPBACK, free_ports
from tests.integration.conftest import Site, order_card, order_events, order_rows
from tests.routing.alerts import binary

pytestmark = pytest.mark.integration


def test_promtool_accepts_the_page_of_a_worker_that_watches_a_model(site: Site) -> None:
    settings = yaml.safe_load(site.file.read_text())
    [port] = free_ports(1)
    settings["worker"]["http_port"] = port
    settings["logs"] = {"format": "json"}
    site.file.write_text(yaml.safe_dump(settings))
    site.register(order_card(), order_rows(20_000, seed=1))
    events = order_events(order_rows(6_000, seed=2, shift=1.0, shifted_from=2_000))
    site.send([*events, (b"orders", b'{"trace_id": "req-7"', [])])
    site.start_worker()
    page = ""

    def watched() -> bool:
        nonlocal page
        try:
            page = httpx.get(f"http://{LOOPBACK}:{port}/metrics", timeout=10).text
        except httpx.TransportError:
            return False
        return 'plumbline_model_firing_alerts{model="orders"' in page

    site.wait(watched, "the alert on the page")
    checked = subprocess.run(
        [binary("promtool"), "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert 'plumbline_model_drift_effect{feature="amount",model="orders"' in page
    site.stop_workers()
    lines = [json.loads(line) for line in (site.folder / "worker-0.log").read_text().splitlines()]
    assert {line["slot"] for line in lines} == {"worker-0"}
    [refused] = [line for line in lines if line.get("event_trace_id") == "req-7"]
    assert len(refused["trace_id"]) == 32
