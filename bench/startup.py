"""What starting costs: `plumbline --help`, and a worker until it has taken its first record.

    python -m bench.startup

The worker is the command `plumbline run` in a process of its own, its group new, with the local
stack up, a registered model and events that wait. From the start of the process to the line of its
log that says that the model's first event was taken; to ask its metrics would slow it down.
Never: a start with a cold disk, which is the disk's.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from bench.machine import versions_line
from bench.site import PLUMBLINE, Fields, changed, environment, site, worker_process
from bench.suite.outcome import Outcome, asked_of, print_alone, spread, text_table
from bench.throughput import REFERENCE_ROWS, SEED, card_of, fill, rows
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
LOOK_S: Final = 0.01
FIRST: Final = "bench 1 from offset 0: its first event"


def help_ms(folder: Path) -> float:
    """`plumbline --help`, from the start of the process to its end."""
    began_s = time.perf_counter()
    subprocess.run(
        [PLUMBLINE, "--help"], check=True, stdout=subprocess.DEVNULL, env=environment(folder)
    )
    return (time.perf_counter() - began_s) * 1e3


@contextlib.contextmanager
def registered() -> Iterator[tuple[Path, Fields]]:
    """A stack with a registered model and events that wait."""
    with site() as (folder, fields):
        settings = Settings.model_validate(fields)
        rng = np.random.default_rng(SEED)
        card = card_of(10)
        profile, _ = build_profile(frame_dataset(rows(REFERENCE_ROWS, 10, rng), card), card)
        ensure_topics(settings)
        with ClickHouseStore(settings.clickhouse) as store:
            store.migrate()
            store.save_profile(profile.hash, profile.to_bytes())
        publish_card(settings, card.model_copy(update={"profile_hash": profile.hash}))
        fill(settings, EVENTS, 10, rng)
        yield folder, fields


def worker_s(folder: Path, fields: Fields, number: int) -> float:
    """`plumbline run`, its group new, until its first record has been taken."""
    name = f"start-{number}"
    own = changed(fields, kafka={"group_id": name, "topics": {"state": f"{name}.state"}})
    ensure_topics(Settings.model_validate(own))
    began_s = time.perf_counter()
    with worker_process(folder, own, name) as worker:
        worker.until(lambda: FIRST in worker.log.read_text(), LOOK_S, "its first record")
        return time.perf_counter() - began_s


def measure(*, quick: bool = False) -> Outcome:
    """Both, several times; the first of each, which fills the disk's cache, is left out."""
    with registered() as (folder, fields):
        help_ms(folder)
        helps = [help_ms(folder) for _ in range(3 if quick else HELP_RUNS)]
        worker_s(folder, fields, 0)
        workers = [worker_s(folder, fields, n) for n in range(1, 2 if quick else WORKER_RUNS + 1)]
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


if __name__ == "__main__":
    print_alone(measure, __doc__)
