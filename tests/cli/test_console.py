"""Progress: on a terminal alone, on standard error alone."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli.console import progress

ROOT = Path(__file__).resolve().parents[2]
JOB = """
from monitor.cli.console import progress
with progress("a [job]", 4) as job:
    for done in range(5):
        job.at(done, f"{done} of 4")
print("the answer")
"""


def test_nothing_is_shown_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("a job", 10) as job:
        job.at(10, "all")
        job.now("still")
        assert not job.shown
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_the_bar_and_stdout_stays_the_answer() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", JOB],
        cwd=ROOT,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
        timeout=120,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            read = os.read(ours, 65_536)
        except OSError:  # Linux says so that the other end was closed
            break
        if not read:
            break
        shown += read
    os.close(ours)
    assert done.stdout == b"the answer\n"
    assert b"a [job]" in shown
    assert b"4 of 4" in shown
