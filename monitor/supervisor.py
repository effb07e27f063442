"""Keeps N worker processes running: one that ends is started again, all end together.

In: the command line of each slot. Out: an exit code. Never: a process that it did not start, a
child given up: one that ends again and again is started more and more rarely, and that is said.

0  every worker committed and left
1  a worker did not leave in time, or left with an error while stopping
"""

import logging
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Final

from monitor.clock import Clock

DRAIN_S: Final = 10.0
"""So long the workers have to commit and leave."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
WELL_S: Final = 10.0
"""A worker that lived so long did not fail at its start."""
_LOOK_S: Final = 0.1

log = logging.getLogger(__name__)


class StopSignals:
    """SIGTERM and SIGINT as they come: the first asks to drain, a second one to end at once."""

    def __init__(self) -> None:
        self.count = 0
        self.last = 0
        self._heard = Event()

    def install(self) -> None:
        """Listen from now on; to be called on the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.heard)

    def heard(self, number: int, frame: object = None) -> None:
        """One signal."""
        del frame
        self.count += 1
        self.last = number
        self._heard.set()

    def wait(self, seconds: float) -> None:
        """Until one comes, so long at most."""
        self._heard.wait(seconds)
        self._heard.clear()


@dataclass(slots=True)
class _Child:
    slot: str
    command: Sequence[str]
    env: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    started_s: float = 0.0
    start_at_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    in_a_row: int = 0
    """How often it has ended soon after its start, without having lived long between."""


class Supervisor:
    """The parent of the workers; `commands` and `envs` by slot."""

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        envs: Mapping[str, Mapping[str, str]],
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._children = [_Child(slot, commands[slot], envs[slot]) for slot in commands]

    def run(self, signals: StopSignals) -> int:
        """Until a signal comes; gives the exit code."""
        try:
            while not signals.count:
                for child in self._children:
                    self._look_after(child)
                signals.wait(_LOOK_S)
            return self._drain(signals)
        finally:
            self._kill()

    def _look_after(self, child: _Child) -> None:
        now_s = self._clock.monotonic_s()
        if child.process is None:
            if now_s >= child.start_at_s:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            return
        lived_s = now_s - child.started_s
        child.process = None
        if lived_s >= WELL_S:
            child.in_a_row, child.pause_s = 0, FIRST_PAUSE_S
        child.in_a_row += 1
        child.start_at_s = now_s + child.pause_s
        again = f", {child.in_a_row} times in a row" if child.in_a_row > 1 else ""
        log.error(
            "%s ended with %s after %.1f s%s: starting it again in %.1f s",
            child.slot,
            _words(code),
            lived_s,
            again,
            child.pause_s,
        )
        child.pause_s = min(2 * child.pause_s, LONGEST_PAUSE_S)

    def _start(self, child: _Child) -> None:
        # In a group of its own: Ctrl-C in a terminal reaches the parent, which tells the children.
        child.process = subprocess.Popen(
            child.command, env=dict(child.env), stdin=subprocess.DEVNULL, process_group=0
        )
        child.started_s = self._clock.monotonic_s()
        log.info("%s started, pid %d", child.slot, child.process.pid)

    def _drain(self, signals: StopSignals) -> int:
        running = [child for child in self._children if child.process is not None]
        for child in running:
            assert child.process is not None
            child.process.terminate()
        log.info("stopping %d workers", len(running))
        until_s = self._clock.monotonic_s() + DRAIN_S
        while left := [c for c in running if c.process and c.process.poll() is None]:
            if signals.count > 1:
                log.warning("ending at once: the last events are taken again at the next start")
                return 128 + signals.last
            if self._clock.monotonic_s() > until_s:
                names = ", ".join(child.slot for child in left)
                log.error(
                    "%s did not leave within %.0f s: ending it; nothing is lost, the last events "
                    "are taken again at the next start",
                    names,
                    DRAIN_S,
                )
                return 1
            signals.wait(_LOOK_S)
        failed = {
            child.slot: child.process.returncode
            for child in running
            # A worker that was still being loaded ends by the signal itself: it had taken nothing.
            if child.process is not None and child.process.returncode not in (0, -signal.SIGTERM)
        }
        for slot, code in failed.items():
            log.error("%s left with %s", slot, _words(code))
        return 1 if failed else 0

    def _kill(self) -> None:
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                child.process.kill()
                child.process.wait()


def _words(code: int) -> str:
    """An exit code for people.

    >>> _words(-9), _words(70)
    ('SIGKILL', 'exit code 70')
    """
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def slot_names(slot: str, workers: int, default: str) -> list[str]:
    """The slots of N workers: `slot` with a number each; at its default, worker-0, worker-1, ...

    >>> slot_names("worker-0", 2, "worker-0"), slot_names("host-a", 2, "worker-0")
    (['worker-0', 'worker-1'], ['host-a-0', 'host-a-1'])
    """
    prefix = default.rpartition("-")[0] if slot == default else slot
    return [f"{prefix}-{number}" for number in range(workers)]
