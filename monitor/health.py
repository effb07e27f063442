"""What a worker says of itself: `/healthz`, `/readyz` and `/metrics` on a port of its own.

In: what the worker's loop last did. Out: HTTP for probes and for Prometheus, from a thread of its
own, so that a loop that hangs is seen. Never: a call to Kafka or ClickHouse, an event's content.
"""

import json
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from monitor.clock import Clock, to_datetime
from monitor.errors import ConfigError

REQUEST_TIMEOUT_S: Final = 5

log = logging.getLogger(__name__)


class Health:
    """The last moments of a worker's loop, and what is wrong with it.

    >>> from monitor.clock import ManualClock
    >>> clock = ManualClock()
    >>> health = Health("worker-0", clock, CollectorRegistry(), turn_limit_s=300)
    >>> health.turned(); health.ready
    False
    >>> health.assigned(4); health.ready
    True
    >>> clock.advance(seconds=301); health.alive
    False
    """

    def __init__(
        self, slot: str, clock: Clock, registry: CollectorRegistry, *, turn_limit_s: float
    ) -> None:
        self._slot = slot
        self._clock = clock
        self._turn_limit_s = turn_limit_s
        self.problem = ""
        """What keeps the worker from its work now, in words; empty while all is well."""
        self._partitions: int | None = None
        self._turned_s = self._committed_s = self._saved_s = clock.monotonic_s()
        self._last_commit_us: int | None = None
        self._commits = Counter("plumbline_commits", "Commits that took effect.", registry=registry)
        self._rebalances = Counter(
            "plumbline_rebalances", "Times that partitions were handed out.", registry=registry
        )
        gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
            ("plumbline_problem", "1 while something keeps the worker from its work.", self._wrong),
            (
                "plumbline_assigned_partitions",
                "Partitions of predictions that the worker owns.",
                lambda: self._partitions or 0,
            ),
            ("plumbline_turn_age_seconds", "Since the loop last went round.", self._turn_age_s),
            (
                "plumbline_commit_age_seconds",
                "Since all records taken were last committed.",
                self._commit_age_s,
            ),
            (
                "plumbline_last_commit_timestamp_seconds",
                "When the last commit took effect, 0 before the first.",
                lambda: (self._last_commit_us or 0) / 1_000_000,
            ),
            (
                "plumbline_state_age_seconds",
                "Since the saved state was last that of all records taken.",
                self._state_age_s,
            ),
        )
        for name, words, read in gauges:
            Gauge(name, words, registry=registry).set_function(read)

    def turned(self) -> None:
        """The loop goes round once more."""
        self._turned_s = self._clock.monotonic_s()

    def assigned(self, partitions: int) -> None:
        """So many partitions of predictions are ours and restored."""
        self._partitions = partitions
        self._rebalances.inc()
        self._committed_s = self._saved_s = self._clock.monotonic_s()

    def lost(self) -> None:
        """No partitions are ours."""
        self._partitions = None

    def committed(self, *, snapshot: bool) -> None:
        """Everything taken so far lasts; with `snapshot` the state does, too."""
        self._commits.inc()
        self._last_commit_us = self._clock.now_us()
        self._committed_s = self._clock.monotonic_s()
        if snapshot:
            self._saved_s = self._committed_s

    def idle(self) -> None:
        """There is nothing to commit."""
        self._committed_s = self._saved_s = self._clock.monotonic_s()

    @property
    def alive(self) -> bool:
        """Whether the loop goes round; past the limit the group has removed the worker anyway."""
        return self._turn_age_s() <= self._turn_limit_s

    @property
    def ready(self) -> bool:
        """Whether the worker has its place in the group and nothing is wrong."""
        return self.alive and self._partitions is not None and not self.problem

    def report(self, lag_events: float) -> dict[str, Any]:
        """Everything, for people and probes."""
        problem = self.problem
        if not self.alive:
            problem = f"the loop has not gone round for {self._turn_age_s():.0f} s"
        elif not problem and self._partitions is None:
            problem = "waiting for the group to assign partitions"
        last = self._last_commit_us
        return {
            "slot": self._slot,
            "alive": self.alive,
            "ready": self.ready,
            "problem": problem,
            "partitions": self._partitions or 0,
            "lag_events": int(lag_events),
            "last_commit_at": None if last is None else to_datetime(last).isoformat(),
            "commit_age_s": round(self._commit_age_s(), 3),
            "state_age_s": round(self._state_age_s(), 3),
        }

    def _wrong(self) -> float:
        return float(bool(self.problem) or not self.alive)

    def _turn_age_s(self) -> float:
        return self._clock.monotonic_s() - self._turned_s

    def _commit_age_s(self) -> float:
        return self._clock.monotonic_s() - self._committed_s

    def _state_age_s(self) -> float:
        return self._clock.monotonic_s() - self._saved_s


class HealthServer:
    """Serves one worker's health until closed. Raises ConfigError where the port is taken."""

    def __init__(self, host: str, port: int, health: Health, registry: CollectorRegistry) -> None:
        handler = type("Handler", (_Handler,), {"health": health, "registry": registry})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise ConfigError(
                f"cannot serve health at {host}:{port}: {error.strerror}; set worker.http_port to "
                "a free port (0: none)"
            ) from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )
        self._thread.start()
        log.info("health and metrics at http://%s:%d", host, self.port)

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    health: Health
    registry: CollectorRegistry
    timeout = REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry))
            return
        well = {"/healthz": self.health.alive, "/readyz": self.health.ready}.get(self.path)
        if well is None:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/healthz /readyz /metrics\n")
            return
        lag = self.registry.get_sample_value("plumbline_lag_events") or 0.0
        text = json.dumps(self.health.report(lag), indent=2) + "\n"
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, "application/json", text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Probes come every few seconds: nothing to log."""

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
