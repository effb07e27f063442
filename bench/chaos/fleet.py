"""Worker processes: started, killed, frozen, and looked after as a supervisor does.

In: a site. Out: `plumbline run --slot` processes with their logs in the site's folder. Never: a
process signalled that was not started here.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.site import Site

STOP_TIMEOUT_S = 60.0
ORDERLY = (0, -signal.SIGTERM)
"""Exit codes after SIGTERM; the second one where the worker was still being loaded."""
ASSIGNED = b"assigned: reading"
"""What a worker logs as soon as it reads partitions that it was given."""


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    read_bytes: int
    """So much of its log was looked at."""
    assigned: int = 0
    """How often it was given partitions since its start."""
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker that ended without being asked to."""

    slot: str
    code: int
    log: Path


class Fleet:
    """The workers of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._workers: dict[str, _Worker] = {}
        self.ended: list[Ended] = []
        """Those that ended by themselves; each was started again."""
        self.assignments = 0
        """How often any worker was given partitions."""
        self.longest_stop_s = 0.0

    def start(self, slot: str) -> None:
        """Start a worker; its log is appended to."""
        log = self._log(slot)
        command = [sys.executable, "-m", "monitor.cli", "--config", str(self._site.file), "run"]
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*command, "--slot", slot], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self._workers[slot] = _Worker(process, log.stat().st_size)

    def slots(self) -> list[str]:
        """The slots whose workers run and are not frozen."""
        return sorted(
            slot
            for slot, worker in self._workers.items()
            if not worker.frozen and worker.process.poll() is None
        )

    def kill(self, slot: str) -> None:
        """SIGKILL; the slot is empty after."""
        worker = self._workers.pop(slot)
        worker.process.kill()
        worker.process.wait(timeout=STOP_TIMEOUT_S)

    def stop(self, slot: str) -> None:
        """SIGTERM, and its orderly end; the slot is empty after."""
        self.stop_all([slot])

    def stop_all(self, slots: list[str]) -> None:
        """SIGTERM to all, and their orderly ends."""
        began = time.monotonic()
        leaving = {slot: self._workers.pop(slot) for slot in slots}
        for worker in leaving.values():
            worker.process.terminate()
        for slot, worker in leaving.items():
            try:
                code = worker.process.wait(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                code = worker.process.wait()
            self.longest_stop_s = max(self.longest_stop_s, time.monotonic() - began)
            if code not in ORDERLY:
                self.ended.append(Ended(slot, code, self._log(slot)))

    def freeze(self, slot: str) -> None:
        """SIGSTOP."""
        worker = self._workers[slot]
        worker.frozen = True
        os.kill(worker.process.pid, signal.SIGSTOP)

    def thaw(self, slot: str) -> None:
        """SIGCONT."""
        worker = self._workers[slot]
        os.kill(worker.process.pid, signal.SIGCONT)
        worker.frozen = False

    def look(self) -> list[str]:
        """Start again whoever ended; gives the slots that were just given other partitions.

        The first assignment after a restart is none: a static member finds its own again.
        """
        moved = []
        for slot, worker in [*self._workers.items()]:
            code = worker.process.poll()
            if code is not None:
                self.ended.append(Ended(slot, code, self._log(slot)))
                self.start(slot)
                continue
            with self._log(slot).open("rb") as log:
                log.seek(worker.read_bytes)
                news = log.read()
            worker.read_bytes += len(news)
            given = news.count(ASSIGNED)
            if given and worker.assigned:
                moved.append(slot)
            worker.assigned += given
            self.assignments += given
        return moved

    def end(self) -> None:
        """Kill whoever still runs."""
        for worker in self._workers.values():
            worker.process.kill()
            worker.process.wait()
        self._workers.clear()

    def _log(self, slot: str) -> Path:
        return self._site.folder / f"{slot}.log"
