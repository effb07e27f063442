"""The local stack in one directory: started, asked after, and ended.

In: a directory of the caller's choice. Out: `StackInfo`, where Kafka and ClickHouse are and the two
accounts. In the directory: `stack.json` (that information), `processes.json`, `config/`, `data/`,
`logs/`. What runs already is left alone; what has died is started again on its ports and data.
Never: a process ended that was not started here.
"""

import dataclasses
import fcntl
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack import processes
from devstack.clickhouse import launch as clickhouse
from devstack.errors import StackError
from devstack.kafka import broker as kafka
from devstack.ports import LOOPBACK, free_ports, is_free
from devstack.processes import Process

START_TIMEOUT_S = 120.0
LOCK_TIMEOUT_S = 300.0
PORT_TIMEOUT_S = 5.0
POLL_S = 0.05
LOG_TAIL_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class StackInfo:
    """Where the stack is; the passwords are this directory's own."""

    kafka_bootstrap: str
    kafka_controller_port: int
    clickhouse_host: str
    clickhouse_port: int
    writer_user: str
    writer_password: str
    reader_user: str
    reader_password: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """What runs; `info` is None where no stack was ever started."""

    info: StackInfo | None
    kafka_pid: int | None
    clickhouse_pid: int | None

    @property
    def running(self) -> bool:
        """Whether both parts run."""
        return self.kafka_pid is not None and self.clickhouse_pid is not None


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    port: int
    prepare: Callable[[], None]
    command: Callable[[], list[str]]
    answers: Callable[[int], bool]


def up(directory: Path) -> StackInfo:
    """Start what does not run yet; returns when Kafka and ClickHouse answer."""
    if not sys.platform.startswith("linux"):
        raise StackError(
            f"the local stack needs Linux, this is {sys.platform}: use docker compose up instead"
        )
    directory = directory.resolve()
    for folder in ("config", "data", "logs"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    with _locked(directory):
        info = _read_info(directory) or _new_info(directory)
        running = _running(directory)
        parts = [part for part in _parts(directory, info) if part.name not in running]
        for part in parts:
            _start(directory, part, running)
        for part in _parts(directory, info):
            _wait(directory, part, running[part.name])
    return info


def down(directory: Path) -> None:
    """End what `up` started in this directory; its data, ports and passwords stay."""
    directory = directory.resolve()
    if not directory.is_dir():
        return
    with _locked(directory):
        # Those who use the stack first, then ClickHouse: whoever reads Kafka writes there.
        running = _running(directory)
        for name in sorted(running, key=lambda name: (name in ("clickhouse", "kafka"), name)):
            processes.end(running[name])
        _write_processes(directory, {})


def attach(directory: Path, name: str, command: Sequence[str]) -> Path:
    """Start a further program beside the stack, which `down` ends too; gives its log."""
    directory = directory.resolve()
    log = directory / "logs" / f"{name}.log"
    with _locked(directory):
        running = _running(directory)
        if name in running:
            processes.end(running.pop(name))
        running[name] = processes.start(command, log=log, directory=Path.cwd())
        _write_processes(directory, running)
    return log


def status(directory: Path) -> StackStatus:
    """What runs now; looks without waiting for a concurrent `up` or `down`."""
    directory = directory.resolve()
    running = _running(directory)
    pids = {name: process.pid for name, process in running.items()}
    return StackStatus(_read_info(directory), pids.get("kafka"), pids.get("clickhouse"))


def _parts(directory: Path, info: StackInfo) -> list[_Part]:
    config, data = directory / "config", directory / "data"
    kafka_port = int(info.kafka_bootstrap.rpartition(":")[2])
    properties, accounts = config / "kafka.properties", config / "clickhouse-accounts.json"
    return [
        _Part(
            "clickhouse",
            info.clickhouse_port,
            lambda: clickhouse.prepare(
                accounts,
                (info.writer_user, info.writer_password),
                (info.reader_user, info.reader_password),
            ),
            lambda: clickhouse.command(info.clickhouse_port, data / "clickhouse", accounts),
            clickhouse.answers,
        ),
        _Part(
            "kafka",
            kafka_port,
            lambda: kafka.prepare(
                properties, data / "kafka", kafka_port, info.kafka_controller_port
            ),
            lambda: kafka.command(properties),
            kafka.answers,
        ),
    ]


def _start(directory: Path, part: _Part, running: dict[str, Process]) -> None:
    deadline_s = time.monotonic() + PORT_TIMEOUT_S
    while not is_free(part.port):
        # A process just killed holds its port for a moment longer.
        if time.monotonic() < deadline_s:
            time.sleep(POLL_S)
            continue
        raise StackError(
            f"{part.name} cannot start in {directory}: its port {part.port} is taken by another "
            "process; end that one, or remove the directory for new ports (and empty data)"
        )
    part.prepare()
    running[part.name] = processes.start(
        part.command(), log=_log(directory, part), directory=directory / "data"
    )
    _write_processes(directory, running)


def _wait(directory: Path, part: _Part, process: Process) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not part.answers(part.port):
        died = not processes.runs(process)
        if died or time.monotonic() > deadline_s:
            log = _log(directory, part)
            what = "ended" if died else f"did not answer within {START_TIMEOUT_S:.0f} s"
            raise StackError(
                f"{part.name} {what}; the end of {log}:\n"
                + log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL_CHARS:]
            )
        time.sleep(POLL_S)


def _log(directory: Path, part: _Part) -> Path:
    return directory / "logs" / f"{part.name}.log"


def _new_info(directory: Path) -> StackInfo:
    kafka_port, controller_port, clickhouse_port = free_ports(3)
    info = StackInfo(
        kafka_bootstrap=f"{LOOPBACK}:{kafka_port}",
        kafka_controller_port=controller_port,
        clickhouse_host=LOOPBACK,
        clickhouse_port=clickhouse_port,
        writer_user="writer",
        writer_password=secrets.token_urlsafe(24),
        reader_user="reader",
        reader_password=secrets.token_urlsafe(24),
    )
    _write_private(directory / "stack.json", json.dumps(dataclasses.asdict(info), indent=2))
    return info


def _read_info(directory: Path) -> StackInfo | None:
    file = directory / "stack.json"
    try:
        return StackInfo(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        raise StackError(f"{file} is not a stack's file: {error}; remove the directory") from None


def _running(directory: Path) -> dict[str, Process]:
    file = directory / "processes.json"
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
        known = {name: Process(**entry) for name, entry in entries.items()}
    except FileNotFoundError:
        return {}
    except (TypeError, ValueError, AttributeError) as error:
        raise StackError(
            f"{file} is damaged: {error}; end its processes by hand, then remove it"
        ) from None
    return {name: process for name, process in known.items() if processes.runs(process)}


def _write_processes(directory: Path, running: dict[str, Process]) -> None:
    entries = {name: dataclasses.asdict(process) for name, process in running.items()}
    _write_private(directory / "processes.json", json.dumps(entries, indent=2))


def _write_private(file: Path, text: str) -> None:
    """Write a file whole, readable by its owner alone."""
    scratch = file.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with open(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
        stream.write(text + "\n")
    scratch.replace(file)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    with (directory / "lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise StackError(
                        f"another process has held {directory / 'lock'} for {LOCK_TIMEOUT_S:.0f} s:"
                        " wait for it or end it"
                    ) from None
                time.sleep(POLL_S)
        yield
