"""Rows that a client was told are stored survive SIGKILL; a batch is there whole or not at all."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import Error

from devstack import processes
from devstack.ports import free_ports
from tests.devstack.server import ClickHouse, start

pytestmark = pytest.mark.integration

KILLS = 10
BATCH_ROWS = 200
WRITERS = 2


def write_until_killed(server: ClickHouse, first: int, acknowledged: list[int]) -> None:
    """Insert batch after batch, noting each that was acknowledged."""
    batch = first
    try:
        with server.client(database="plumbline", query_retries=0) as client:
            while True:
                rows = [[batch, n] for n in range(BATCH_ROWS)]
                client.insert("kept", rows, column_names=["batch", "n"])
                acknowledged.append(batch)
                batch += 1
    except (Error, OSError):
        return


def test_acknowledged_rows_survive_sigkill(tmp_path: Path) -> None:
    draw = random.Random(20130401)
    port = free_ports(1)[0]
    server = start(tmp_path, port)
    acknowledged: list[int] = []
    try:
        server.run("CREATE DATABASE plumbline")
        made = server.run(
            "CREATE TABLE plumbline.kept (batch Int64, n Int64) ENGINE = MergeTree ORDER BY batch"
        )
        assert made.status == 200, made.body
        for life in range(KILLS):
            threads = [
                threading.Thread(
                    target=write_until_killed,
                    args=(server, (life * WRITERS + writer) * 1_000_000, acknowledged),
                )
                for writer in range(WRITERS)
            ]
            for thread in threads:
                thread.start()
            time.sleep(draw.uniform(0.1, 0.5))
            os.kill(server.process.pid, signal.SIGKILL)
            for thread in threads:
                thread.join(timeout=120)
                assert not thread.is_alive()
            server = start(tmp_path, port)
        answer = server.run(
            "SELECT batch, count(), uniqExact(n) FROM plumbline.kept GROUP BY batch"
        )
        stored = {}
        for line in answer.body.decode().splitlines():
            batch, rows, different = map(int, line.split("\t"))
            stored[batch] = (rows, different)
        assert len(acknowledged) > KILLS
        assert set(acknowledged) <= set(stored)
        assert set(stored.values()) == {(BATCH_ROWS, BATCH_ROWS)}
    finally:
        processes.end(server.process)
