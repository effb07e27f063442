"""The parent of the workers: restarts, backoff, draining, exit codes."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor import supervisor
from monitor.clock import SystemClock
from monitor.supervisor import StopSignals, Supervisor

POLITE = """
import pathlib, signal, sys, time
folder, slot = sys.argv[1:]
def leave(*_):
    pathlib.Path(folder, slot + ".left").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
with open(folder + "/" + slot, "a") as file: file.write("started\\n")
while True: time.sleep(0.05)
"""
DEAF = POLITE.replace("signal.SIGTERM, leave", "signal.SIGTERM, signal.SIG_IGN")
FAILING = """
import sys
folder, slot = sys.argv[1:]
with open(folder + "/" + slot, "a") as file: file.write("started\\n")
sys.exit(3)
"""


def _supervisor(folder: Path, **programs: str) -> Supervisor:
    commands = {
        slot: [sys.executable, "-S", "-c", program, str(folder), slot]
        for slot, program in programs.items()
    }
    return Supervisor(commands, {slot: dict(os.environ) for slot in commands}, SystemClock())


def _starts(folder: Path, slot: str) -> int:
    file = folder / slot
    return file.read_text().count("started") if file.exists() else 0


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _run(parent: Supervisor, script: Callable[[StopSignals], None]) -> int:
    """The exit code; `script` runs beside the parent and sends the signals."""
    signals = StopSignals()
    beside = threading.Thread(target=script, args=(signals,))
    beside.start()
    code = parent.run(signals)
    beside.join()
    return code


def test_a_signal_drains_every_worker(tmp_path: Path) -> None:
    def script(signals: StopSignals) -> None:
        _until(lambda: bool(_starts(tmp_path, "a") and _starts(tmp_path, "b")))
        signals.heard(signal.SIGTERM)

    assert _run(_supervisor(tmp_path, a=POLITE, b=POLITE), script) == 0
    assert (tmp_path / "a.left").exists()
    assert (tmp_path / "b.left").exists()


def test_a_killed_worker_is_started_again_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parent = _supervisor(tmp_path, a=POLITE)

    def script(signals: StopSignals) -> None:
        _until(lambda: _starts(tmp_path, "a") == 1)
        process = parent._children[0].process
        assert process is not None
        process.kill()
        _until(lambda: _starts(tmp_path, "a") == 2)
        signals.heard(signal.SIGINT)

    assert _run(parent, script) == 0
    assert "a ended with SIGKILL" in caplog.text


def test_a_worker_that_fails_again_and_again_is_started_more_and_more_rarely(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 1.0)

    def script(signals: StopSignals) -> None:
        _until(lambda: _starts(tmp_path, "a") >= 4)
        signals.heard(signal.SIGTERM)

    began = time.monotonic()
    assert _run(_supervisor(tmp_path, a=FAILING, b=POLITE), script) in (0, 1)  # as "a" stands then
    assert time.monotonic() - began > 0.5 + 1.0 + 1.0
    assert _starts(tmp_path, "b") == 1
    assert "a ended with exit code 3" in caplog.text
    assert "3 times in a row: starting it again in 1.0 s" in caplog.text


def test_a_worker_that_does_not_leave_is_ended_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "DRAIN_S", 0.5)

    def script(signals: StopSignals) -> None:
        _until(lambda: bool(_starts(tmp_path, "a")))
        signals.heard(signal.SIGTERM)

    parent = _supervisor(tmp_path, a=DEAF)
    assert _run(parent, script) == 1
    assert "a did not leave within" in caplog.text
    process = parent._children[0].process
    assert process is not None
    assert process.returncode == -signal.SIGKILL


def test_a_worker_that_was_still_being_loaded_has_left_as_well(tmp_path: Path) -> None:
    loading = POLITE.replace("signal.signal(signal.SIGTERM, leave)", "")

    def script(signals: StopSignals) -> None:
        _until(lambda: bool(_starts(tmp_path, "a")))
        signals.heard(signal.SIGTERM)

    assert _run(_supervisor(tmp_path, a=loading), script) == 0


def test_a_second_signal_ends_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(supervisor, "DRAIN_S", 90.0)

    def script(signals: StopSignals) -> None:
        _until(lambda: bool(_starts(tmp_path, "a")))
        signals.heard(signal.SIGINT)
        _until(lambda: "stopping 1 workers" in caplog.text)
        signals.heard(signal.SIGINT)

    began = time.monotonic()
    assert _run(_supervisor(tmp_path, a=DEAF), script) == 128 + signal.SIGINT
    assert time.monotonic() - began < supervisor.DRAIN_S
