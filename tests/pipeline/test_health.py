"""What a worker says of itself over HTTP."""

import http.client
import json
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.clock import ManualClock
from monitor.errors import ConfigError
from monitor.health import Health, HealthServer
from monitor.telemetry import Telemetry

Served = tuple[Health, Telemetry, ManualClock, int]


@pytest.fixture
def served() -> Iterator[Served]:
    clock = ManualClock(start_us=1_790_000_000_000_000)
    telemetry = Telemetry(clock)
    health = Health("worker-3", clock, telemetry.registry, turn_limit_s=300)
    server = HealthServer("127.0.0.1", 0, health, telemetry.registry)
    yield health, telemetry, clock, server.port
    server.close()


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def _metrics(port: int) -> dict[str, float]:
    status, text = _get(port, "/metrics")
    assert status == 200
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }


def test_a_worker_is_ready_once_it_has_its_place_in_the_group(served: Served) -> None:
    health, _, _, port = served
    status, text = _get(port, "/readyz")
    assert status == 503
    assert json.loads(text)["problem"] == "waiting for the group to assign partitions"
    assert _get(port, "/healthz")[0] == 200
    health.assigned(0)
    assert _get(port, "/readyz")[0] == 200


def test_a_problem_is_said_in_words_and_is_no_reason_to_end_the_worker(served: Served) -> None:
    health, telemetry, _, port = served
    health.assigned(2)
    telemetry.lag_events.set(4_321)
    health.problem = "ClickHouse at here:8123 refused: NOT_ENOUGH_SPACE (243)"
    status, text = _get(port, "/readyz")
    assert status == 503
    report = json.loads(text)
    assert report["problem"] == health.problem
    assert (report["slot"], report["partitions"], report["lag_events"]) == ("worker-3", 2, 4_321)
    assert _get(port, "/healthz")[0] == 200
    assert _metrics(port)["plumbline_problem"] == 1


def test_a_loop_that_hangs_is_seen(served: Served) -> None:
    health, _, clock, port = served
    health.assigned(2)
    clock.advance(seconds=301)
    status, text = _get(port, "/healthz")
    assert status == 503
    assert "has not gone round for 301 s" in json.loads(text)["problem"]
    health.turned()
    assert _get(port, "/healthz")[0] == 200


def test_ages_grow_until_a_commit(served: Served) -> None:
    health, _, clock, port = served
    health.assigned(2)
    clock.advance(seconds=7)
    assert _metrics(port)["plumbline_commit_age_seconds"] == 7
    health.committed(snapshot=False)
    clock.advance(seconds=2)
    found = _metrics(port)
    assert found["plumbline_commit_age_seconds"] == 2
    assert found["plumbline_state_age_seconds"] == 9
    assert found["plumbline_last_commit_timestamp_seconds"] == 1_790_000_007
    assert found["plumbline_commits_total"] == 1
    assert json.loads(_get(port, "/healthz")[1])["last_commit_at"] == "2026-09-21T14:13:27+00:00"
    health.idle()
    assert _metrics(port)["plumbline_state_age_seconds"] == 0


def test_a_clock_that_is_set_back_changes_no_age(served: Served) -> None:
    """The ages are those of a clock that never goes back."""
    health, _, _, _ = served

    class Stepped(ManualClock):
        def now_us(self) -> int:
            return 0  # wall time, set back to 1970

    clock = Stepped(start_us=1_000_000)
    stepped = Health("worker-0", clock, Telemetry(clock).registry, turn_limit_s=300)
    clock.advance(seconds=5)
    stepped.committed(snapshot=True)
    assert stepped.report(0)["commit_age_s"] == 0
    assert stepped.alive
    assert health.alive


def test_another_path_is_not_found(served: Served) -> None:
    assert _get(served[3], "/")[0] == 404


def test_a_port_that_is_taken_is_told_with_its_fix(served: Served) -> None:
    health, telemetry, _, port = served
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}.*worker\.http_port"):
        HealthServer("127.0.0.1", port, health, telemetry.registry)
