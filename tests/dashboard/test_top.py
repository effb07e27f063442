"""`plumbline top` over the filled database of the pages, once and live in a terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.cli.top import ORDERS, rows_of, sorted_rows
from monitor.storage.reader import Reader
from tests.audit.flights import MODEL
from tests.dashboard.shown import Shown

pytestmark = pytest.mark.integration
WAIT_S = 90.0


def _settings(shown: Shown) -> dict[str, str]:
    clickhouse = shown.settings.clickhouse
    given = {
        "PORT": str(clickhouse.port),
        "USERNAME": clickhouse.username,
        "PASSWORD": clickhouse.password.get_secret_value(),
        "READER_USERNAME": clickhouse.reader_username,
        "READER_PASSWORD": clickhouse.reader_password.get_secret_value(),
    }
    return os.environ | {f"PLUMBLINE_CLICKHOUSE__{name}": value for name, value in given.items()}


def test_a_row_says_what_the_tables_hold(shown: Shown) -> None:
    with Reader(shown.settings.clickhouse) as reader:
        rows = rows_of(reader)
        [row] = [row for row in rows if row.model == MODEL]
        assert rows_of(reader, "no such model") == []
    assert row.drift is not None
    column, effect, limit = row.drift
    assert column
    assert effect > 0
    assert limit > 0
    assert row.loss == pytest.approx(0.55, abs=0.2)
    assert row.baseline == 0.55
    assert row.last_at is not None
    assert (row.lag_s or 0) > 86_400 * 365, "events of 2013"
    assert row.events_per_s >= 0
    for order in ORDERS:
        assert {one.model for one in sorted_rows(rows, order)} == {one.model for one in rows}
    shares = [one.share for one in sorted_rows(rows, "drift")]
    assert shares == sorted(shares, reverse=True)


def test_once_prints_and_ends_and_live_ends_at_q(shown: Shown, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monitor.cli", "top"]
    root = str(Path(__file__).resolve().parents[2])
    env = _settings(shown) | {"PYTHONPATH": root, "TERM": "xterm", "COLUMNS": "160", "LINES": "30"}
    done = subprocess.run(
        [*command, "--once"],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=WAIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert MODEL in done.stdout
    assert "events/s" in done.stdout
    ours, theirs = pty.openpty()
    live = subprocess.Popen(
        [*command, "--interval", "60"],
        env=env, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        _until(ours, b"by health")
        os.write(ours, b"s")
        _until(ours, b"by events")
        os.write(ours, b"q")
        _until(ours, None)
        assert live.wait(WAIT_S) == 0
    finally:
        live.kill()
        live.wait(WAIT_S)
        os.close(ours)


def _until(ours: int, text: bytes | None) -> None:
    """Read the screen until `text`, or with None until the command has let go of it."""
    seen, deadline = b"", time.monotonic() + WAIT_S
    while text is None or text not in seen:
        assert time.monotonic() < deadline, seen[-2_000:]
        ready, _, _ = select.select([ours], [], [], 1.0)
        if ready:
            try:
                read = os.read(ours, 65_536)
            except OSError:  # Linux says so that the other end was closed
                read = b""
            if not read:
                assert text is None, seen[-2_000:]
                return
            seen += read
