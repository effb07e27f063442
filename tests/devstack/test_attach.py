"""A program beside the stack ends with it."""

import time
from pathlib import Path

from devstack import down, processes, stack

WAIT_S = 30.0


def test_what_is_attached_is_replaced_by_name_and_ended_by_down(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    command = ["/bin/sh", "-c", "echo here; exec sleep 600"]
    log = stack.attach(tmp_path, "pages", command)
    deadline_s = time.monotonic() + WAIT_S
    while "here" not in log.read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    first = stack._running(tmp_path)["pages"]
    stack.attach(tmp_path, "pages", command)
    second = stack._running(tmp_path)["pages"]
    assert not processes.runs(first)
    assert processes.runs(second)
    down(tmp_path)
    assert not processes.runs(second)
    assert stack._running(tmp_path) == {}
