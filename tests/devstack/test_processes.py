"""Processes are known by pid and start, and only those are ended."""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import processes
from devstack.processes import Process


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = processes.start(["sleep", "60"], log=tmp_path / "log", directory=tmp_path)
    yield process
    processes.end(process)
    assert not processes.runs(process)


def test_output_goes_to_the_log_and_the_end_is_seen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n", encoding="utf-8")
    code = "import os, time; print('out', os.getcwd(), flush=True); time.sleep(0.3)"
    process = processes.start([sys.executable, "-c", code], log=log, directory=tmp_path)
    deadline_s = time.monotonic() + 90
    while processes.runs(process):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert log.read_text(encoding="utf-8") == f"before\nout {tmp_path}\n"


def test_a_reused_pid_is_another_process(sleeper: Process) -> None:
    reused = dataclasses.replace(sleeper, start_ticks=sleeper.start_ticks - 1)
    assert processes.runs(sleeper)
    assert not processes.runs(reused)
    processes.end(reused)
    assert processes.runs(sleeper)


def test_a_process_outlives_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from devstack import processes;"
        "p = processes.start(['sleep', '60'], log=Path('log'), directory=Path('.'));"
        "print(p.pid, p.start_ticks)"
    )
    root = Path(__file__).parents[2]
    answer = subprocess.check_output(
        ["/usr/bin/env", f"PYTHONPATH={root}", sys.executable, "-c", code], cwd=tmp_path, text=True
    )
    pid, start_ticks = map(int, answer.split())
    process = Process(pid, start_ticks)
    try:
        assert processes.runs(process)
    finally:
        processes.end(process)
    assert not processes.runs(process)


def test_who_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TERM_WAIT_S", 0.3)
    log = tmp_path / "log"
    command = ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]
    process = processes.start(command, log=log, directory=tmp_path)
    deadline_s = time.monotonic() + 90
    while log.read_text(encoding="utf-8") != "ready\n":
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    processes.end(process)
    assert not processes.runs(process)
