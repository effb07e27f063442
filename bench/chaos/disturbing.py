"""One run over the log, left alone or disturbed by a schedule.

In: a site, a stack's folder, disturbances. Out: `Story`, what was done when. Each disturbance
waits for its count of consumed events; what it began (a server away, a worker frozen) ends after
its time while the others go on.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.chaos.fleet import Fleet
from bench.chaos.plan import Disturbance, Kind, Plan
from bench.chaos.site import Progress, Site
from devstack import stack

LOOK_S = 0.05
MOST_ENDED = 10
"""After so many workers that ended by themselves there is nothing left to prove."""
END_TIMEOUT_S = 30.0
RESTART_AFTER_S = (0.0, 0.0, 0.0, 1.0, 3.0)
"""After so long a supervisor starts a killed worker again, by seed."""
PAUSE_BEFORE_S = 0.5
"""Kills come up to so long after their count, so that they hit every part of a commit."""
SIGNALS = {
    Kind.BROKER_STOP: signal.SIGTERM,
    Kind.BROKER_KILL: signal.SIGKILL,
    Kind.HOUSE_STOP: signal.SIGTERM,
    Kind.HOUSE_KILL: signal.SIGKILL,
    Kind.HOUSE_FREEZE: signal.SIGSTOP,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that was done."""

    at_s: float
    consumed: int
    what: str


@dataclass(slots=True)
class Story:
    """What happened in a run."""

    seconds: float = 0.0
    moments: list[Moment] = field(default_factory=list)
    left_out: int = 0
    """Disturbances that the log was too short for."""
    finished: bool = False


@dataclass(slots=True)
class _Later:
    due_s: float
    act: Callable[[], None]


class Run:
    """One group of workers over the whole log."""

    def __init__(self, site: Site, stack_folder: Path, plan: Plan, workers: int) -> None:
        self.fleet = Fleet(site)
        self.story = Story()
        self._site = site
        self._stack_folder = stack_folder
        self._plan = plan
        self._events = plan.events
        self._draw = np.random.default_rng(plan.seed + 1)
        self._later: list[_Later] = []
        self._slots = [f"worker-{number}" for number in range(workers)]
        self._next_slot = workers
        self._rebalancing = False
        """A rebalance was begun, and nobody was killed in it yet."""
        self._house_away = False
        self._consumed = 0
        self._began_s = 0.0

    def run(self, disturbances: Sequence[Disturbance]) -> None:
        """Until every event is consumed and every disturbance is over, within the plan's limit."""
        self._began_s = time.monotonic()
        waiting = list(disturbances)
        for slot in self._slots:
            self.fleet.start(slot)
        try:
            with Progress(self._site.settings) as progress:
                while self._seconds() < self._plan.limit_s and len(self.fleet.ended) < MOST_ENDED:
                    self._consumed = progress.consumed()
                    self._turn(waiting)
                    if self._consumed >= self._events and not self._later:
                        self.story.finished = True
                        break
                    time.sleep(LOOK_S)
            self.fleet.stop_all(self.fleet.slots())
        finally:
            for one in self._later:
                one.act()
            self.fleet.end()
            stack.up(self._stack_folder)
        self.story.left_out = len(waiting)
        self.story.seconds = self._seconds()

    def _turn(self, waiting: list[Disturbance]) -> None:
        moved = self.fleet.look()
        if moved and self._rebalancing:
            self._rebalancing = False
            self._kill(moved[0], "SIGKILL {} just after its partitions had moved")
        now_s = time.monotonic()
        due = [later for later in self._later if later.due_s <= now_s]
        self._later = [later for later in self._later if later.due_s > now_s]
        for one in due:
            one.act()
        if waiting and self._consumed >= waiting[0].at_events and self._may_begin(waiting[0]):
            self._begin(waiting.pop(0))

    def _may_begin(self, one: Disturbance) -> bool:
        """One server at a time; no worker leaves that is the last one."""
        if one.kind in (Kind.REMOVE, Kind.ZOMBIE):
            return len(self.fleet.slots()) > 1
        return one.kind not in SIGNALS or not self._house_away

    def _begin(self, one: Disturbance) -> None:
        match one.kind:
            case Kind.KILL:
                self._after(self._draw.uniform(0, PAUSE_BEFORE_S), self._kill_any)
            case Kind.ADD:
                slot = f"worker-{self._next_slot}"
                self._next_slot += 1
                self._rebalance(f"add {slot}")
                self.fleet.start(slot)
            case Kind.REMOVE:
                slot = self._any()
                self._rebalance(f"SIGTERM {slot}, not to come back")
                self.fleet.stop(slot)
            case Kind.ZOMBIE:
                slot = self._any()
                self._rebalance(f"SIGSTOP {slot} for {one.lasts_s:g} s, past its session")
                self.fleet.freeze(slot)
                self._after(one.lasts_s, lambda: self._thaw(slot))
            case Kind.BROKER_STOP | Kind.BROKER_KILL:
                self._server("kafka", SIGNALS[one.kind])
                stack.up(self._stack_folder)
                self._note("the broker answers again")
            case Kind.HOUSE_FREEZE:
                self._house_away = True
                pid = self._server("clickhouse", SIGNALS[one.kind])
                self._after(one.lasts_s, lambda: self._wake(pid))
            case Kind.HOUSE_STOP | Kind.HOUSE_KILL:
                self._house_away = True
                self._server("clickhouse", SIGNALS[one.kind])
                self._after(one.lasts_s, self._house_again)

    def _kill_any(self) -> None:
        if self.fleet.slots():
            self._kill(self._any(), "SIGKILL {}")
        else:  # all of them are just being started again
            self._after(PAUSE_BEFORE_S, self._kill_any)

    def _kill(self, slot: str, words: str) -> None:
        self._note(words.format(slot))
        self.fleet.kill(slot)
        pause_s = float(self._draw.choice(RESTART_AFTER_S))
        self._after(pause_s, lambda: self.fleet.start(slot))

    def _any(self) -> str:
        """A worker by seed."""
        slots = self.fleet.slots()
        return slots[int(self._draw.integers(len(slots)))]

    def _thaw(self, slot: str) -> None:
        self._note(f"SIGCONT {slot}")
        self.fleet.thaw(slot)

    def _server(self, name: str, number: signal.Signals) -> int:
        state = stack.status(self._stack_folder)
        pid = state.kafka_pid if name == "kafka" else state.clickhouse_pid
        if pid is None:
            raise SystemExit(f"{name} does not run: it ended by itself")
        self._note(f"{number.name} {name}")
        os.kill(pid, number)
        deadline = time.monotonic() + END_TIMEOUT_S
        while number != signal.SIGSTOP and self._pid(name) == pid:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(LOOK_S)
        return pid

    def _pid(self, name: str) -> int | None:
        state = stack.status(self._stack_folder)
        return state.kafka_pid if name == "kafka" else state.clickhouse_pid

    def _wake(self, pid: int) -> None:
        os.kill(pid, signal.SIGCONT)
        self._house_away = False
        self._note("SIGCONT clickhouse")

    def _house_again(self) -> None:
        stack.up(self._stack_folder)
        self._house_away = False
        self._note("ClickHouse answers again")

    def _rebalance(self, what: str) -> None:
        self._rebalancing = True
        self._note(what)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._later.append(_Later(time.monotonic() + seconds, act))

    def _note(self, what: str) -> None:
        self.story.moments.append(Moment(self._seconds(), self._consumed, what))

    def _seconds(self) -> float:
        return time.monotonic() - self._began_s
