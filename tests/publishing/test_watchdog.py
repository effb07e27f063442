"""The watchdog, in a process of its own."""

import subprocess
import sys

HANGS = """
import time
from monitor.publishing.watchdog import watchdog
with watchdog({limit_s}, "a commit to Kafka"):
    time.sleep({sleep_s})
print("went on")
"""


def run(sleep_s: float, limit_s: float) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", HANGS.format(sleep_s=sleep_s, limit_s=limit_s)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_step_that_hangs_ends_the_process_and_shows_where() -> None:
    ended = run(50, limit_s=0.2)
    assert ended.returncode == 70
    assert "a commit to Kafka has not ended after 0.2 s" in ended.stderr
    assert 'File "<string>", line 5' in ended.stderr
    assert "went on" not in ended.stdout


def test_a_step_that_ends_in_time_is_left_alone() -> None:
    ended = run(0, limit_s=60)
    assert (ended.returncode, ended.stdout.strip()) == (0, "went on")
