"""The stack's life in a directory, with the real broker and the real engine."""

import importlib.util
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from devstack import StackError, StackInfo, down, processes, status, up
from devstack import stack as stack_module
from devstack.clickhouse import launch
from devstack.kafka import jars
from devstack.ports import LOOPBACK, free_ports
from devstack.processes import Process

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a running stack, which each test leaves running."""
    directory: Path = tmp_path_factory.mktemp("own")
    up(directory)
    yield directory
    down(directory)


ROOT = Path(__file__).parents[2]


def pids(directory: Path) -> tuple[int, int]:
    now = status(directory)
    assert now.kafka_pid is not None
    assert now.clickhouse_pid is not None
    return now.kafka_pid, now.clickhouse_pid


def topics(info: StackInfo) -> set[str]:
    admin = KafkaAdminClient(bootstrap_servers=info.kafka_bootstrap)
    try:
        return set(admin.list_topics())
    finally:
        admin.close()


def write(info: StackInfo, sql: str) -> object:
    with clickhouse_connect.get_client(
        host=info.clickhouse_host,
        port=info.clickhouse_port,
        username=info.writer_user,
        password=info.writer_password,
    ) as client:
        return client.command(sql)


def kill(directory: Path, name: str) -> None:
    entry = json.loads((directory / "processes.json").read_text(encoding="utf-8"))[name]
    process = Process(**entry)
    os.kill(process.pid, signal.SIGKILL)
    deadline_s = time.monotonic() + 90
    while processes.runs(process):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_second_up_is_a_no_op(directory: Path) -> None:
    before, info = pids(directory), status(directory).info
    started_s = time.monotonic()
    assert up(directory) == info
    assert time.monotonic() - started_s < 20
    assert pids(directory) == before


def test_what_lies_in_the_directory(directory: Path) -> None:
    info = up(directory)
    for name in ("stack.json", "processes.json"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    assert json.loads((directory / "stack.json").read_text())["writer_user"] == info.writer_user
    assert {file.name for file in (directory / "logs").iterdir()} == {"kafka.log", "clickhouse.log"}
    everything = [file for file in directory.rglob("*") if file.is_file()]
    holders = {
        file.name
        for file in everything
        if info.writer_password.encode() in file.read_bytes()
        or info.reader_password.encode() in file.read_bytes()
    }
    assert holders == {"stack.json"}
    assert info.writer_password != info.reader_password


def test_up_starts_again_what_has_died_with_ports_and_data(directory: Path) -> None:
    info = up(directory)
    admin = KafkaAdminClient(bootstrap_servers=info.kafka_bootstrap)
    admin.create_topics([NewTopic("kept", 1, 1)])
    admin.close()
    write(info, "CREATE DATABASE plumbline")
    write(info, "CREATE TABLE plumbline.kept (a Int8) ENGINE = MergeTree ORDER BY a")
    write(info, "INSERT INTO plumbline.kept VALUES (7)")
    kafka_pid = pids(directory)[0]

    kill(directory, "clickhouse")
    now = status(directory)
    assert (now.kafka_pid, now.clickhouse_pid, now.running) == (kafka_pid, None, False)
    assert up(directory) == info
    assert pids(directory)[0] == kafka_pid
    assert write(info, "SELECT a FROM plumbline.kept") == 7

    clickhouse_pid = pids(directory)[1]
    kill(directory, "kafka")
    assert up(directory) == info
    assert pids(directory)[0] != kafka_pid
    assert pids(directory)[1] == clickhouse_pid
    assert "kept" in topics(info)


def test_down_ends_only_what_up_started(directory: Path, tmp_path: Path) -> None:
    bystander = processes.start(["sleep", "60"], log=tmp_path / "log", directory=tmp_path)
    try:
        info = up(directory)
        file = directory / "processes.json"
        entries = json.loads(file.read_text())
        started = {name: Process(**entry) for name, entry in entries.items()}
        # A pid that the kernel gave to another process since.
        entries["bystander"] = {"pid": bystander.pid, "start_ticks": bystander.start_ticks + 1}
        file.write_text(json.dumps(entries))
        down(directory)
        assert processes.runs(bystander)
        assert not any(processes.runs(process) for process in started.values())
        after = status(directory)
        assert (after.info, after.kafka_pid, after.clickhouse_pid) == (info, None, None)
        down(directory)
        # Two at once: one of them starts the stack, the other finds it.
        command = [sys.executable, "-c", _UP, str(directory)]
        both = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        answers = [process.communicate(timeout=120)[0].split() for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert answers[0] == answers[1] == [str(pid) for pid in pids(directory)]
        assert status(directory).info == info
    finally:
        processes.end(bystander)


_UP = """
import sys
from pathlib import Path
from devstack import status, up
directory = Path(sys.argv[1])
up(directory)
now = status(directory)
print(now.kafka_pid, now.clickhouse_pid)
"""


def test_old_and_future_timestamps_are_kept(stack: StackInfo) -> None:
    admin = KafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    try:
        admin.create_topics([NewTopic("devstack.timestamps", 1, 1)])
    finally:
        admin.close()
    producer = KafkaProducer(bootstrap_servers=stack.kafka_bootstrap)
    sent = [1_356_998_400_000, 4_102_444_800_000, 0]
    for timestamp_ms in sent:
        future = producer.send("devstack.timestamps", b"x", timestamp_ms=timestamp_ms)
        future.get(timeout=90)
    producer.close()
    consumer = KafkaConsumer(
        "devstack.timestamps",
        bootstrap_servers=stack.kafka_bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    seen = [next(consumer).timestamp for _ in sent]
    consumer.close()
    assert seen == sent


def test_the_shared_stack_answers_and_makes_no_topics_by_itself(stack: StackInfo) -> None:
    assert write(stack, "SELECT 1") == 1
    assert "devstack.nothing" not in topics(stack)


def test_a_directory_without_a_stack(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert status(nowhere).info is None
    down(nowhere)
    assert not nowhere.exists()


def test_a_taken_port_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "PORT_TIMEOUT_S", 0.1)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, free_ports(1)[0]))
        taken.listen()
        port = taken.getsockname()[1]
        info = {
            "kafka_bootstrap": f"{LOOPBACK}:{port}",
            "kafka_controller_port": port,
            "clickhouse_host": LOOPBACK,
            "clickhouse_port": port,
            "writer_user": "w",
            "writer_password": "w",
            "reader_user": "r",
            "reader_password": "r",
        }
        (tmp_path / "stack.json").write_text(json.dumps(info))
        with pytest.raises(StackError, match=f"port {port} is taken"):
            up(tmp_path)


def test_damaged_files_are_said(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{}")
    with pytest.raises(StackError, match="remove the directory"):
        up(tmp_path)
    (tmp_path / "processes.json").write_text("[]")
    with pytest.raises(StackError, match="by hand"):
        status(tmp_path)


def fake(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def test_a_missing_engine_is_said_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StackError, match=r"pip install 'plumbline\[devstack\]'"):
        launch.prepare(tmp_path / "accounts", ("w", "w"), ("r", "r"))


def test_missing_or_old_java_is_said_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="openjdk-17-jre-headless"):
        jars.find_java()
    fake(tmp_path, "java", """echo 'openjdk version "11.0.2"' >&2""")
    with pytest.raises(StackError, match=r"is Java 11: .* openjdk-17-jre-headless"):
        jars.find_java()
    fake(tmp_path, "java", """echo 'java version "1.8.0_292"' >&2""")
    with pytest.raises(StackError, match="is Java 8"):
        jars.find_java()
    fake(tmp_path, "java", """echo 'openjdk version "21.0.1"' >&2""")
    assert jars.find_java() == str(tmp_path / "java")


def test_missing_or_failing_maven_is_said_and_leaves_no_half_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, commands = tmp_path / "cache", tmp_path / "bin"
    commands.mkdir()
    monkeypatch.setenv("PLUMBLINE_CACHE", str(cache))
    monkeypatch.setenv("PATH", str(commands))
    with pytest.raises(StackError, match="apt-get install maven"):
        jars.jars()
    fake(commands, "mvn", "echo 'no route to host'; exit 1")
    with pytest.raises(StackError, match="no route to host"):
        jars.jars()
    assert list(cache.iterdir()) == []
    # The last argument names the folder to fill.
    fill = 'for last; do :; done; folder="${last#*=}"; /bin/mkdir -p "$folder"; '
    fake(commands, "mvn", fill + ': > "$folder/kafka_2.13-x.jar"')
    assert [jar.name for jar in jars.jars().iterdir()] == ["kafka_2.13-x.jar"]
    assert jars.jars() == cache / f"kafka-{jars.kafka_version()}"
