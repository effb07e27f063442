"""A local stack and worker processes upon it, for the benches that time the real command.

In: settings of a worker as plain values. Out: `plumbline run` in a process of its own, and what its
metrics page and the system say of it. Never: a worker or a server left behind.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from devstack import stack
from monitor.config import Settings

PLUMBLINE: Final = str(Path(sys.executable).with_name("plumbline"))
LONGEST_S: Final = 180.0
DRAIN_S: Final = 30.0
TAKEN: Final = 'plumbline_step_emitted_total{step="intake"}'

Fields = Mapping[str, Any]


@contextlib.contextmanager
def site() -> Iterator[tuple[Path, Fields]]:
    """A folder, and the settings of a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as name:
        folder = Path(name)
        info = stack.up(folder / "stack")
        try:
            yield (
                folder,
                {
                    "kafka": {"bootstrap_servers": info.kafka_bootstrap},
                    "clickhouse": {
                        "host": info.clickhouse_host,
                        "port": info.clickhouse_port,
                        "username": info.writer_user,
                        "password": info.writer_password,
                    },
                },
            )
        finally:
            stack.down(folder / "stack")


def changed(fields: Fields, **sections: Fields) -> Fields:
    """Settings with some sections changed.

    >>> changed({"kafka": {"group_id": "a"}}, kafka={"partitions": 2}, worker={"slot": "b"})
    {'kafka': {'group_id': 'a', 'partitions': 2}, 'worker': {'slot': 'b'}}
    """
    return {**fields, **{name: {**fields.get(name, {}), **own} for name, own in sections.items()}}


def environment(folder: Path) -> dict[str, str]:
    """Byte code is kept, as it is where the project is installed, and in no folder of others."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One `plumbline run`."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def metrics(self) -> dict[str, float]:
        """Its metrics by name with labels; empty while nobody answers."""
        try:
            address = f"http://127.0.0.1:{self.port}/metrics"
            with urllib.request.urlopen(address, timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def taken(self) -> int:
        """Records taken so far."""
        return int(self.metrics().get(TAKEN, 0))

    def cpu_s(self) -> float:
        """Processor time so far, threads included."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def until(self, reached: Callable[[], bool], look_s: float, what: str) -> None:
        """Wait; raises SystemExit with the end of its log where it ends or takes too long."""
        late_s = time.monotonic() + LONGEST_S
        while not reached():
            if self.process.poll() is not None or time.monotonic() > late_s:
                said = self.log.read_text(errors="replace")[-2_000:]
                raise SystemExit(f"{what} did not come; the worker's log ends with:\n{said}")
            time.sleep(look_s)


@contextlib.contextmanager
def worker_process(folder: Path, fields: Fields, name: str) -> Iterator[WorkerProcess]:
    """A worker with these settings, ended in the end."""
    port = _free_port()
    file, log = folder / f"{name}.yaml", folder / f"{name}.log"
    own = changed(fields, worker={"http_port": port})
    Settings.model_validate(own)
    file.write_text(yaml.safe_dump({key: dict(part) for key, part in own.items()}))
    file.chmod(0o600)
    with log.open("wb") as said:
        process = subprocess.Popen(
            [PLUMBLINE, "--config", str(file), "run"], stderr=said, env=environment(folder)
        )
    try:
        yield WorkerProcess(process, port, log)
    finally:
        process.terminate()
        try:
            process.wait(DRAIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
