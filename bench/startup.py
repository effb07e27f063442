"""What starting costs: `plumbline --help`, and a worker until it has taken its first record.

    python -m bench.startup

The worker is the command `plumbline run` in a process of its own, its group new, with the local
stack up, a registered model and events that wait. From the start of the process to the moment that
its own health page shows a record taken. Never: a start with a cold disk, which is the disk's.
"""

import argparse
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import yaml

from bench.machine import versions_line
from bench.suite.outcome import Outcome, asked_of, shown, spread, text_table
from bench.throughput import REFERENCE_ROWS, SEED, card_of, fill, rows
from devstack import stack
from monitor.config import Settings
from monitor.intake.topics import ensure_topics
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.card import publish_card
from monitor.storage.clickhouse import ClickHouseStore

HELP_RUNS: Final = 15
WORKER_RUNS: Final = 7
HELP_MS: Final = 300.0
WORKER_S: Final = 2.0
EVENTS: Final = 1_000
LONGEST_S: Final = 60.0
LOOK_S: Final = 0.01
TAKEN: Final = 'plumbline_step_emitted_total{step="intake"}'


def help_ms() -> float:
    """`plumbline --help`, from the start of the process to its end."""
    command = [str(Path(sys.executable).with_name("plumbline")), "--help"]
    began_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began_s) * 1e3


@contextlib.contextmanager
def registered() -> Iterator[tuple[Path, dict[str, object]]]:
    """A folder, and settings of a stack with a model and events that wait."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        directory = Path(folder) / "stack"
        info = stack.up(directory)
        try:
            raw: dict[str, object] = {
                "kafka": {"bootstrap_servers": info.kafka_bootstrap},
                "clickhouse": {
                    "host": info.clickhouse_host,
                    "port": info.clickhouse_port,
                    "username": info.writer_user,
                    "password": info.writer_password,
                },
            }
            settings = Settings.model_validate(raw)
            rng = np.random.default_rng(SEED)
            card = card_of(10)
            profile, _ = build_profile(frame_dataset(rows(REFERENCE_ROWS, 10, rng), card), card)
            ensure_topics(settings)
            with ClickHouseStore(settings.clickhouse) as store:
                store.migrate()
                store.save_profile(profile.hash, profile.to_bytes())
            publish_card(settings, card.model_copy(update={"profile_hash": profile.hash}))
            fill(settings, EVENTS, 10, rng)
            yield Path(folder), raw
        finally:
            stack.down(directory)


def worker_s(folder: Path, raw: dict[str, object], number: int) -> float:
    """`plumbline run` until its first record has been taken."""
    port = _free_port()
    own = {
        **raw,
        "kafka": {**_fields(raw["kafka"]), "group_id": f"start-{number}"},
        "worker": {"http_port": port},
    }
    file = folder / f"settings-{number}.yaml"
    file.write_text(yaml.safe_dump(own), encoding="utf-8")
    file.chmod(0o600)
    plumbline = str(Path(sys.executable).with_name("plumbline"))
    log = folder / f"worker-{number}.log"
    with log.open("w") as said:
        began_s = time.perf_counter()
        process = subprocess.Popen([plumbline, "--config", str(file), "run"], stderr=said)
        try:
            while not _taken(port):
                if process.poll() is not None or time.perf_counter() - began_s > LONGEST_S:
                    raise SystemExit(f"the worker took no record:\n{log.read_text()[-2_000:]}")
                time.sleep(LOOK_S)
            return time.perf_counter() - began_s
        finally:
            process.terminate()
            process.wait(30)


def _fields(section: object) -> dict[str, object]:
    assert isinstance(section, dict)
    return section


def _taken(port: int) -> bool:
    """Whether the worker's own metrics show a record."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return False
    return any(line.startswith(TAKEN) and not line.endswith(" 0.0") for line in lines)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def measure(*, quick: bool = False) -> Outcome:
    """Both, several times; the first of each, which fills the disk's cache, is left out."""
    help_ms()
    helps = [help_ms() for _ in range(3 if quick else HELP_RUNS)]
    with registered() as (folder, raw):
        worker_s(folder, raw, 0)
        workers = [worker_s(folder, raw, n) for n in range(1, 2 if quick else WORKER_RUNS + 1)]
    table = text_table(
        ("", "median (range)"),
        [
            ("plumbline --help, ms", spread(helps)),
            ("plumbline run until its first record is taken, s", spread(workers, ".2f")),
        ],
    )
    claims = (
        asked_of("plumbline --help", helps, "under", HELP_MS, unit="ms"),
        asked_of("worker to its first record", workers, "under", WORKER_S, form=".2f", unit="s"),
    )
    return Outcome(claims, table, versions_line("click", "kafka-python", "clickhouse-connect"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    print(shown(measure(quick=parser.parse_args().quick)))


if __name__ == "__main__":
    main()
