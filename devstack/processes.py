"""Detached processes that are known again later.

In: a command line. Out: a `Process` (pid and start time) that outlives its parent, can be asked
whether it still runs, and can be ended. A pid alone is never trusted: the kernel reuses it, so the
start time must agree before anything is signalled. Never: a process that was not started here.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import StackError

POLL_S = 0.02
TERM_WAIT_S = 20.0
KILL_WAIT_S = 10.0

# The shell starts the command in the background and leaves: the command is then nobody's child,
# so it neither becomes a zombie of a long-lived caller nor ends with it.
_DETACH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its pid and the clock tick since boot at which it started."""

    pid: int
    start_ticks: int


def start(command: Sequence[str], *, log: Path, directory: Path) -> Process:
    """Start `command` in its own session, working in `directory`, its output appended to `log`."""
    answer = subprocess.run(
        ["/bin/sh", "-c", _DETACH, "sh", str(log), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=directory,
        start_new_session=True,
        check=True,
        text=True,
    )
    pid = int(answer.stdout)
    ticks = _start_ticks(pid)
    if ticks is None:
        raise StackError(f"{command[0]} ended as soon as it was started: read {log}")
    return Process(pid, ticks)


def runs(process: Process) -> bool:
    """Whether that very process still runs (a later one with the same pid does not count)."""
    return _start_ticks(process.pid) == process.start_ticks


def end(process: Process) -> None:
    """Ask the process to end, wait a bounded time, then kill it. Nothing if it has ended."""
    for number, wait_s in ((signal.SIGTERM, TERM_WAIT_S), (signal.SIGKILL, KILL_WAIT_S)):
        if not runs(process):
            return
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait_s
        while runs(process) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    if runs(process):
        raise StackError(f"process {process.pid} does not end, not even by SIGKILL: end it by hand")


def _start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command in parentheses and may hold anything; the rest is regular.
    state, *fields = stat.rpartition(")")[2].split()
    # A killed process is a zombie from its first thread's end on, and holds its ports and locks
    # until its last one's.
    threads, start_ticks = int(fields[16]), int(fields[18])
    return None if state in "ZX" and threads <= 1 else start_ticks
