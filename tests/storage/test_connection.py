"""What a connection does when ClickHouse refuses, goes away and comes back."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from devstack.clickhouse import launch
from devstack.ports import free_ports
from monitor.config import ClickHouseSettings
from monitor.errors import StorageError
from monitor.storage import ClickHouseStore, Connection, StoreBatch
from tests.storage.samples import HOSTILE_TEXTS, predictions

PASSWORD = "correct-horse-battery"


def test_a_server_that_is_not_there_can_be_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    [port] = free_ports(1)
    connection = Connection(ClickHouseSettings(port=port, password=SecretStr(PASSWORD)))
    with pytest.raises(StorageError, match=rf"127\.0\.0\.1:{port} could not query") as raised:
        connection.query("SELECT 1")
    assert raised.value.retryable
    assert (raised.value.code, raised.value.name) == (0, "")
    with pytest.raises(StorageError):
        connection.wait_until_ready(timeout_s=0.3)
    ours = [record for record in caplog.records if not record.name.startswith("kafka")]
    assert ours == []  # other tests' clients may speak meanwhile


@pytest.mark.integration
@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        ("SELECT * FROM nowhere", 60, "UNKNOWN_TABLE"),
        ("SELEKT 1", 62, "SYNTAX_ERROR"),
        ("SELECT throwIf(1)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
    ],
)
def test_a_refusal_carries_the_code_and_is_final(
    clickhouse: ClickHouseStore, sql: str, code: int, name: str
) -> None:
    with pytest.raises(StorageError) as raised:
        clickhouse.connection.query(sql)
    assert (raised.value.code, raised.value.name) == (code, name)
    assert not raised.value.retryable
    assert len(str(raised.value)) < 700


@pytest.mark.integration
def test_memory_and_time_limits_can_be_tried_again(clickhouse: ClickHouseStore) -> None:
    for setting in ("max_memory_usage = 1000000", "max_execution_time = 0.05"):
        with pytest.raises(StorageError) as raised:
            clickhouse.connection.query(
                f"SELECT groupArray(number) FROM numbers(100000000) SETTINGS {setting}"
            )
        assert raised.value.retryable, raised.value


@pytest.mark.integration
def test_a_wrong_password_is_never_shown(settings: ClickHouseSettings) -> None:
    wrong = settings.model_copy(update={"password": SecretStr(PASSWORD)})
    with pytest.raises(StorageError) as raised:
        Connection(wrong).ping()
    assert not raised.value.retryable
    assert PASSWORD not in str(raised.value)
    assert PASSWORD not in repr(raised.value.__cause__)


@pytest.mark.integration
@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
def test_a_parameter_is_never_sql(clickhouse: ClickHouseStore, text: str) -> None:
    [row] = clickhouse.connection.query("SELECT {text:String} AS text", {"text": text})
    assert row == {"text": text}


@pytest.mark.integration
def test_the_reader_reads_and_cannot_write(settings: ClickHouseSettings) -> None:
    public = settings.model_copy(update={"database": "plumbline"})
    with ClickHouseStore(public) as store:
        store.migrate()
    reader = Connection(public, reader=True)
    assert reader.query("SELECT count() >= 0 AS counted FROM predictions") == [{"counted": 1}]
    with pytest.raises(StorageError) as raised:
        reader.command("TRUNCATE TABLE predictions")
    assert not raised.value.retryable or raised.value.name == "READONLY"
    reader.close()


Serve = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[tuple[ClickHouseSettings, Serve]]:
    """A server that the test may kill, always on the same port and data."""
    [port] = free_ports(1)
    accounts = tmp_path / "accounts.json"
    launch.prepare(accounts, ("writer", PASSWORD), ("reader", "x"))
    running: list[subprocess.Popen[bytes]] = []

    def serve() -> "subprocess.Popen[bytes]":
        with (tmp_path / "server.log").open("ab") as log:
            process = subprocess.Popen(
                launch.command(port, tmp_path / "data", accounts), stdout=log, stderr=log
            )
        running.append(process)
        return process

    yield (
        ClickHouseSettings(port=port, username="writer", password=SecretStr(PASSWORD)),
        serve,
    )
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.integration
def test_a_server_that_was_killed_is_found_again_with_its_rows(
    own_server: tuple[ClickHouseSettings, Serve],
) -> None:
    settings, serve = own_server
    batch = StoreBatch(predictions=[predictions(5)])
    first = serve()
    with ClickHouseStore(settings) as store:
        store.connection.wait_until_ready(timeout_s=90)
        store.migrate()
        store.store(batch)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        began = time.monotonic()
        with pytest.raises(StorageError) as raised:
            store.store(batch)
        assert raised.value.retryable
        assert time.monotonic() - began < 45  # refused at once, not waited for
        serve()
        store.connection.wait_until_ready(timeout_s=90)
        store.store(batch)
        [row] = store.connection.query("SELECT count() AS events FROM predictions FINAL")
        assert row["events"] == 5
