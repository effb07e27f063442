"""Workers come, go, die and stall: what is published is what one worker alone publishes."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from devstack import StackInfo
from tests.integration.conftest import Wire, order_events, order_rows
from tests.integration.logs import Log, Run

pytestmark = pytest.mark.integration

MODELS = ("orders", "returns", "visits", "refunds")
N = 6_000
DRIFT = (1_500, 3_500)
SESSION_MS = 6_000
Process = subprocess.Popen[bytes]


def _events() -> list[Wire]:
    """Four models in turn, each with a spell of drift."""
    frames = []
    for seed, model in enumerate(MODELS):
        frame = order_rows(N, seed=20 + seed)
        frame.loc[DRIFT[0] : DRIFT[1], "amount"] += 1.5
        frames.append(order_events(frame, model))
    return [event for four in zip(*frames, strict=True) for event in four]


class Scene:
    """A log that is being written, and a group that reads it meanwhile."""

    def __init__(self, log: Log, events: Sequence[Wire]) -> None:
        self.log = log
        self.run: Run = log.new_run(session_timeout_ms=SESSION_MS)
        self._events = events
        self._sent = 0

    def send(self, share: float) -> None:
        """Up to this share of all events."""
        upto = int(share * len(self._events))
        self.log.send(self._events[self._sent : upto])
        self._sent = upto

    def reads(self, share: float) -> None:
        """Until so many of all events are stored."""
        self.until(lambda: self.run.stored() >= share * len(self._events), f"{share:.0%}")

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 150
        while not done():
            assert time.monotonic() < deadline, f"{what} did not come: {self.run.said()[-4_000:]}"
            time.sleep(0.1)

    def assigned(self, slot: str, times: int = 1) -> None:
        """Until a slot has been given partitions so often."""
        line = f"{slot} monitor.worker: assigned"
        self.until(lambda: self.run.said().count(line) >= times, f"{line} {times}")

    def like_one_worker_alone(self) -> None:
        """Compare with a worker that nobody disturbs, over the same log."""
        self.send(1.0)
        self.run.finish()
        alone = self.log.new_run()
        alone.finish()
        expected = alone.outcome()
        assert expected["events"]["raw"] == len(self._events)
        assert len(expected["alerts"]) >= 2 * len(MODELS)
        assert self.run.outcome() == expected
        assert set(self.run.published_ids()) == self.run.published_rows()
        alone.end()


@pytest.fixture
def scene(stack: StackInfo, tmp_path: Path) -> Iterator[Scene]:
    one = Scene(Log(stack, tmp_path, MODELS, partitions=4), _events())
    yield one
    one.run.end()


def _leave(process: Process) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=60)


def _children(run: Run) -> dict[str, int]:
    """The newest pid of each slot, as the parent has logged it."""
    words = [line.split() for line in run.said().splitlines() if " started, pid " in line]
    return {line[-4]: int(line[-1]) for line in words}


def _kill(pid: int) -> None:
    subprocess.run(["kill", "-9", str(pid)], check=True)


def test_workers_are_added_killed_and_removed_under_load(scene: Scene) -> None:
    parent = scene.run.start("--workers", "2")
    scene.assigned("worker-0")
    scene.assigned("worker-1")
    scene.send(0.3)
    scene.reads(0.1)
    other_machine = scene.run.start("--slot", "other", "--workers", "1")
    scene.send(0.5)
    scene.assigned("other-0")
    scene.reads(0.35)
    _kill(_children(scene.run)["worker-1"])
    scene.send(0.7)
    scene.reads(0.7)
    # A slot that is removed for good: its partitions move once its session has ended.
    assert _leave(other_machine) == 0, scene.run.said()[-3_000:]
    scene.send(1.0)
    scene.reads(1.0)
    assert _leave(parent) == 0, scene.run.said()[-3_000:]
    assert "worker-1 ended with SIGKILL" in scene.run.said()
    scene.like_one_worker_alone()


def test_a_worker_is_killed_whose_partitions_have_just_moved(scene: Scene) -> None:
    parent = scene.run.start("--workers", "1")
    scene.assigned("worker-0")
    scene.send(0.5)
    scene.reads(0.3)
    heir = scene.run.start("--slot", "heir", "--workers", "1")
    scene.assigned("heir-0")
    heir.kill()  # the parent; the worker sees that it is gone and leaves
    _kill(_children(scene.run)["heir-0"])
    scene.assigned("worker-0", times=3)
    scene.send(0.8)
    scene.reads(0.8)
    assert _leave(parent) == 0, scene.run.said()[-3_000:]
    scene.like_one_worker_alone()


def test_a_stalled_worker_publishes_nothing_when_it_comes_back(scene: Scene) -> None:
    parent = scene.run.start("--workers", "2")
    scene.assigned("worker-0")
    scene.assigned("worker-1")
    scene.send(0.4)
    scene.reads(0.2)
    zombie = _children(scene.run)["worker-0"]
    subprocess.run(["kill", "-STOP", str(zombie)], check=True)
    scene.send(0.7)
    scene.reads(0.7)  # by the other one, after the session of the first has ended
    subprocess.run(["kill", "-CONT", str(zombie)], check=True)
    scene.send(1.0)
    scene.reads(1.0)
    assert _leave(parent) == 0, scene.run.said()[-3_000:]
    scene.like_one_worker_alone()
