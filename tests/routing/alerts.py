"""Alert events to route, and the parts around an Alertmanager: a receiver and the server itself."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from devstack.ports import LOOPBACK, free_ports
from monitor.alerts import AlertMove, AlertState
from monitor.publishing.alert_event import alert_event
from schemas.alert import alert_event_id, fingerprint
from tests.storage.samples import move

WAIT_S = 90.0


def moved(
    state: AlertState = AlertState.FIRING,
    *,
    alertname: str = "FeatureDrift",
    feature: str = "temp",
    model: str = "flights",
    severity: str = "warning",
    annotations: Mapping[str, str] | None = None,
) -> AlertMove:
    """One move of one alert."""
    sample = move(1, state, AlertState.PENDING)
    labels = {
        "alertname": alertname,
        "severity": severity,
        "category": "drift",
        "model": model,
        "model_version": "1",
        "feature": feature,
    }
    mark = fingerprint(labels)
    return replace(
        sample,
        event_id=alert_event_id(mark, sample.starts_us, state.value, 1_000),
        labels=labels,
        fingerprint=mark,
        annotations={"summary": f"{feature} has moved", "owner": "delays", **(annotations or {})},
    )


def wire(one: AlertMove) -> tuple[bytes, bytes]:
    """Key and value as on the state topic."""
    return one.fingerprint.encode(), alert_event(one).to_json()


@dataclass(slots=True)
class Receiver:
    """A webhook that keeps what Alertmanager notifies."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def alerts(self, status: str) -> list[str]:
        """`alertname feature` of every notified alert of a status, in order."""
        return [
            f"{alert['labels']['alertname']} {alert['labels'].get('feature', '')}"
            for body in self.bodies
            for alert in body["alerts"]
            if alert["status"] == status
        ]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A webhook on a free port."""
    kept = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            kept.bodies.append(json.loads(self.rfile.read(size)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    kept.url = f"http://{LOOPBACK}:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def binary(*names: str) -> str:
    """The first of these programs that is installed; fails the test with the fix where none is."""
    for name in names:
        if path := shutil.which(name):
            return path
    raise AssertionError(
        f"{names[0]} is not installed: apt-get install prometheus prometheus-alertmanager"
    )


@contextmanager
def alertmanager(folder: Path, config: str, *, port: int | None = None) -> Iterator[str]:
    """A real Alertmanager with this configuration; gives its address."""
    port = port or free_ports(1)[0]
    file = folder / "alertmanager.yml"
    file.write_text(config)
    command = [
        binary("prometheus-alertmanager", "alertmanager"),
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--cluster.listen-address=",
    ]
    url = f"http://{LOOPBACK}:{port}"
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: _ready(url))
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=1.0).is_success
    except httpx.HTTPError:
        return False


def until(done: Callable[[], bool], *, wait_s: float = WAIT_S) -> None:
    """Wait for something to become true; fails after `wait_s`."""
    deadline = time.monotonic() + wait_s
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
