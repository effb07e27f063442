"""One ClickHouse stand-in for these tests, with accounts that the tests know."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from devstack import processes
from devstack.clickhouse import launch
from devstack.ports import LOOPBACK, free_ports
from devstack.processes import Process

WRITER = ("writer", "writer's secret")
READER = ("reader", "reader's secret")
START_TIMEOUT_S = 90.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> int | None:
        """ClickHouse's error code, if it is an error."""
        value = self.headers.get("x-clickhouse-exception-code")
        return None if value is None else int(value)


@dataclass(frozen=True, slots=True)
class ClickHouse:
    """A running server."""

    port: int
    directory: Path
    process: Process

    def client(self, account: tuple[str, str] = WRITER, **options: Any) -> Client:
        """A clickhouse-connect client."""
        user, password = account
        return clickhouse_connect.get_client(
            host=LOOPBACK, port=self.port, username=user, password=password, **options
        )

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        account: tuple[str, str] | None = WRITER,
    ) -> Answer:
        """One plain HTTP request."""
        sent = dict(headers or {})
        if account is not None:
            sent |= {"X-ClickHouse-User": account[0], "X-ClickHouse-Key": account[1]}
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.request(method, target, body=body, headers=sent)
            answer = connection.getresponse()
            received = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, received, answer.read())
        finally:
            connection.close()

    def run(self, sql: str, account: tuple[str, str] = WRITER) -> Answer:
        """One statement as the body of a POST."""
        return self.ask("POST", "/", sql.encode(), account=account)


def start(directory: Path, port: int) -> ClickHouse:
    """Start a server over `directory` and wait until it answers."""
    accounts = directory / "accounts.json"
    launch.prepare(accounts, WRITER, READER)
    log = directory / "server.log"
    command = launch.command(port, directory / "data", accounts)
    process = processes.start(command, log=log, directory=directory)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not launch.answers(port):
        alive = processes.runs(process) and time.monotonic() < deadline_s
        assert alive, log.read_text(encoding="utf-8")
        time.sleep(0.02)
    return ClickHouse(port, directory, process)


@contextmanager
def running(directory: Path) -> Iterator[ClickHouse]:
    """A server for the length of a with block."""
    server = start(directory, free_ports(1)[0])
    try:
        yield server
    finally:
        processes.end(server.process)
