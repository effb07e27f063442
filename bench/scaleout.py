"""What an event costs as workers and partitions are added, simulated on two cores.

    python -m bench.scaleout

One group of real workers (`plumbline run`), each with its own partitions, over a backlog that is
as large for each. All workers are stopped while the backlog is written; then they go on one after
the other, each until its partitions are committed, so that each has the machine for itself as it
would elsewhere. Cost is processor time of the worker processes per event: commits, state and the
empty turns between them included. Never: the time of broker and ClickHouse in it; that is told
beside it.
"""

import contextlib
import math
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from bench.machine import versions_line
from bench.site import TAKEN, Fields, WorkerProcess, changed, site, worker_process
from bench.suite.outcome import Claim, Outcome, print_alone, spread, text_table
from bench.throughput import REFERENCE_ROWS, SEED, START, card_of, rows
from devstack import stack
from monitor.broker import client_options
from monitor.clock import SystemClock
from monitor.config import Settings
from monitor.errors import BrokerError
from monitor.intake.group import group_status
from monitor.intake.topics import ensure_topics
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.card import publish_card
from monitor.storage.clickhouse import ClickHouseStore
from schemas import ModelCard

WORKER_MODELS: Final = 16
FEATURES: Final = 10
WARM_EACH: Final = 250
"""Events of each model before time is taken: every version is being watched then."""
WORKER_EVENTS: Final = 24_000
"""Every worker gets as many events and models, however many workers there are."""
ROUNDS: Final = 2
BY_WORKERS: Final = ((1, 64), (2, 64), (4, 64), (8, 64))
BY_PARTITIONS: Final = ((1, 8), (1, 64), (1, 256))
"""(workers, partitions)."""
LIMIT: Final = 0.10
BUSY: Final = 0.6
"""What is left is for catching up after a restart."""
LOOK_S: Final = 0.05
QUIET: Final = {"heartbeat_interval_s": 3_600, "session_timeout_ms": 120_000}
"""Who is stopped must stay in the group, and be in no transaction of the clock when it is."""
NEVER_MINUTES: Final = 1e6
SNAPSHOT_MS: Final = 10_000
"""So that every worker saves its state in its turn."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One group of workers."""

    workers: int
    partitions: int
    cpu_us: list[float]
    """Per event, by round."""
    commits: int
    publishing_ms: float
    """Of a commit: its transaction, as the worker waits for it."""
    storing_ms: float
    """Of a commit: its rows, beside the work."""
    commit_bytes: float
    """In the broker's log, of offsets and transactions, for each commit."""
    state_bytes: float
    """In the broker's log, of the state, for each event."""
    broker_us: float
    """Processor time of the broker per event, written and read."""
    clickhouse_us: float
    """Processor time of ClickHouse per event."""
    log_bytes: float
    """Of an event in the broker's log, compressed, one copy."""
    row_bytes: float
    """Of an event on ClickHouse's disk."""


def events_of(first: int, count: int, models: int) -> list[tuple[int, bytes, bytes]]:
    """(model, key, value) of events, the models in turn."""
    rng = np.random.default_rng(first)
    names = [f"f{i}" for i in range(FEATURES)]
    form = (
        b'{"schema_version":"1.0","event_id":"event-%09d","model":"%b","model_version":"1",'
        b'"occurred_at":"%b","features":{' + b",".join(b'"%b":%%.6f' % n.encode() for n in names)
    ) + b'},"prediction":%.6f}'
    begin = np.datetime64(START.replace(tzinfo=None), "s")
    found = []
    for number, row in enumerate(rng.normal(size=(count, FEATURES + 1)).tolist(), first):
        model = number % models
        at = f"{begin + number}Z".encode()
        value = form % (number, name_of(model).encode(), at, *row)
        found.append((model, name_of(model).encode(), value))
    return found


def name_of(model: int) -> str:
    """Name of a model.

    >>> name_of(3)
    'bench-003'
    """
    return f"bench-{model:03d}"


def send(settings: Settings, events: Sequence[tuple[int, bytes, bytes]], models: int) -> None:
    """Each model's events to one partition, the models spread over all of them."""
    partitions = settings.kafka.partitions
    producer = KafkaProducer(
        **client_options(settings.kafka), acks="all", compression_type="lz4", linger_ms=20
    )
    for model, key, value in events:
        partition = model * partitions // models
        producer.send(settings.kafka.topics.predictions, value, key, partition=partition)
    producer.flush()
    producer.close()


def register(settings: Settings) -> tuple[ModelCard, bytes]:
    """All models, with the same reference."""
    rng = np.random.default_rng(SEED)
    card = card_of(FEATURES)
    profile, _ = build_profile(frame_dataset(rows(REFERENCE_ROWS, FEATURES, rng), card), card)
    ensure_topics(settings)
    silent = card.monitoring.model_copy(update={"stopped_after_minutes": NEVER_MINUTES})
    for model in range(WORKER_MODELS * max(workers for workers, _ in BY_WORKERS)):
        update = {
            "model": name_of(model),
            "profile_hash": profile.hash,
            "monitoring": silent,
        }
        publish_card(settings, card.model_copy(update=update))
    return card.model_copy(update={"profile_hash": profile.hash}), profile.to_bytes()


def cpu_s(pid: int) -> float:
    """Processor time of all threads of a process, to the nanosecond."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def log_bytes(folder: Path, *topics: str) -> int:
    """Size of some topics in the broker's log."""
    kafka = folder / "stack" / "data" / "kafka"
    return sum(
        file.stat().st_size
        for topic in topics
        for part in kafka.glob(f"{topic}-*")
        for file in part.glob("*.log")
    )


@contextlib.contextmanager
def group(folder: Path, fields: Fields, name: str, workers: int) -> Iterator[list[WorkerProcess]]:
    """Workers of one group; in the end none is left stopped."""
    with contextlib.ExitStack() as exits:
        started = []
        for slot in range(workers):
            own = changed(fields, worker={"slot": f"worker-{slot}"})
            started.append(exits.enter_context(worker_process(folder, own, f"{name}-{slot}")))
        try:
            yield started
        finally:
            for worker in started:
                worker.process.send_signal(signal.SIGCONT)


class Site:
    """One group with topics, a state and a database of its own."""

    def __init__(self, folder: Path, fields: Fields, workers: int, partitions: int) -> None:
        self.name = f"w{workers}p{partitions}"
        topics = {
            kind: f"{self.name}.{kind}"
            for kind in ("predictions", "labels", "commands", "state", "alerts", "rejections")
        }
        self.fields = changed(
            fields,
            kafka={"group_id": self.name, "partitions": partitions, "topics": topics},
            clickhouse={"database": self.name},
            worker={"snapshot_interval_ms": SNAPSHOT_MS, **QUIET},
        )
        self.folder = folder
        self.settings = Settings.model_validate(self.fields)
        self._admin = KafkaAdminClient(**client_options(self.settings.kafka))

    def prepare(self, profile: bytes, profile_hash: str) -> None:
        """Topics, tables, the reference."""
        ensure_topics(self.settings)
        with ClickHouseStore(self.settings.clickhouse) as store:
            store.migrate()
            store.save_profile(profile_hash, profile)

    def has(self, count: int) -> bool:
        """Whether the group has committed so many predictions: then no transaction is open."""
        topic, group = self.settings.kafka.topics.predictions, self.name
        asked = [TopicPartition(topic, n) for n in range(self.settings.kafka.partitions)]
        try:
            found = self._admin.list_group_offsets({group: asked})[group]
        except KafkaError:  # the group is not there yet
            return False
        return bool(sum(max(one.offset, 0) for one in found.values()) >= count)

    def shared_by(self, workers: int) -> bool:
        """Whether so many workers are in the group, each with as many partitions."""
        try:
            found = group_status(self.settings, SystemClock()).workers
        except BrokerError:  # the group is not there yet
            return False
        each = self.settings.kafka.partitions // workers
        return [one.partitions for one in found] == [each] * workers

    def sizes(self) -> tuple[float, ...]:
        """Bytes of commits, of the state, of events; processor seconds of broker, of ClickHouse."""
        topics = self.settings.kafka.topics
        pids = stack.status(self.folder / "stack")
        return (
            log_bytes(self.folder, "__consumer_offsets", "__transaction_state"),
            log_bytes(self.folder, topics.state),
            log_bytes(self.folder, topics.predictions),
            cpu_s(pids.kafka_pid or 0),
            cpu_s(pids.clickhouse_pid or 0),
        )

    def row_bytes(self) -> float:
        """Of a prediction on ClickHouse's disk."""
        with ClickHouseStore(self.settings.clickhouse) as store:
            [row] = store.connection.query(
                "SELECT sum(data_compressed_bytes) / sum(rows) AS size FROM system.parts "
                "WHERE active AND database = {database:String} AND table = 'predictions'",
                {"database": self.settings.clickhouse.database},
            )
        return float(row["size"])

    def close(self) -> None:
        """Let go of the connection."""
        self._admin.close()


def cost_of(site: Site, workers: int, rounds: int, each_events: int) -> Cost:
    """Start a group, warm it up, then let its workers work in turn."""
    models, events = WORKER_MODELS * workers, each_events * workers
    warm = WARM_EACH * models
    with group(site.folder, site.fields, site.name, workers) as started:
        # What one takes over from another it must build again: all must be there before.
        started[0].until(partial(site.shared_by, workers), LOOK_S, f"a group of {workers}")
        send(site.settings, events_of(0, warm, models), models)
        started[0].until(partial(site.has, warm), LOOK_S, "the first events")
        time.sleep(2 * LOOK_S)
        before = [worker.metrics() for worker in started]
        sizes = site.sizes()
        each = [_in_turn(site, started, warm + k * events, events) for k in range(rounds)]
        after = [worker.metrics() for worker in started]
        grown = [now - then for now, then in zip(site.sizes(), sizes, strict=True)]
    told = {
        name: sum(b.get(name, 0.0) - a.get(name, 0.0) for a, b in zip(before, after, strict=True))
        for name in ("plumbline_commits_total", _seconds("publishing"), _seconds("storage"), TAKEN)
    }
    commits = max(told["plumbline_commits_total"], 1.0)
    of_commits, of_state, of_log, broker_s, clickhouse_s = grown
    n = rounds * events
    return Cost(
        workers=workers,
        partitions=site.settings.kafka.partitions,
        cpu_us=each,
        commits=int(commits),
        publishing_ms=told[_seconds("publishing")] / commits * 1e3,
        storing_ms=told[_seconds("storage")] / commits * 1e3,
        commit_bytes=of_commits / commits,
        state_bytes=of_state / n,
        broker_us=broker_s / n * 1e6,
        clickhouse_us=clickhouse_s / n * 1e6,
        log_bytes=of_log / n,
        row_bytes=site.row_bytes(),
    )


def _in_turn(site: Site, workers: Sequence[WorkerProcess], first: int, events: int) -> float:
    """Microseconds of processor time per event."""
    for worker in workers:
        worker.process.send_signal(signal.SIGSTOP)
    models = WORKER_MODELS * len(workers)
    send(site.settings, events_of(first, events, models), models)
    before = [cpu_s(worker.process.pid) for worker in workers]
    share = events // len(workers)
    for place, worker in enumerate(workers):
        worker.process.send_signal(signal.SIGCONT)
        due = first + (place + 1) * share
        worker.until(partial(site.has, due), LOOK_S, f"{due:,} events")
        time.sleep(2 * LOOK_S)
        worker.process.send_signal(signal.SIGSTOP)
    spent = sum(
        cpu_s(worker.process.pid) - was for worker, was in zip(workers, before, strict=True)
    )
    for worker in workers:
        worker.process.send_signal(signal.SIGCONT)
    return spent / events * 1e6


def _seconds(step: str) -> str:
    return f'plumbline_step_seconds_total{{step="{step}"}}'


def measure(*, quick: bool = False) -> Outcome:
    """Every group once, several rounds each."""
    rounds, events = (1, 4_000) if quick else (ROUNDS, WORKER_EVENTS)
    places = ((1, 8), (1, 64), (2, 64)) if quick else (*BY_PARTITIONS, *BY_WORKERS[1:])
    found: dict[tuple[int, int], Cost] = {}
    with site() as (folder, fields):
        card, profile = register(Settings.model_validate(fields))
        for workers, partitions in places:
            own = Site(folder, fields, workers, partitions)
            own.prepare(profile, str(card.profile_hash))
            found[workers, partitions] = cost_of(own, workers, rounds, events)
            own.close()
    claims = (
        _claim("1 to 8 workers, cost over that of 1", found, BY_WORKERS),
        _claim("8 to 256 partitions, cost over that of 8", found, BY_PARTITIONS),
    )
    head = (
        f"{WORKER_MODELS} models of {FEATURES} number features and {events:,} events for each "
        f"worker; {rounds} rounds"
    )
    versions = versions_line("kafka-python", "clickhouse-connect", "chdb", "numpy")
    tables = (head, _table(list(found.values())), extrapolated(found[places[-1]]))
    return Outcome(claims, "\n\n".join(tables), versions)


def _claim(
    what: str, found: dict[tuple[int, int], Cost], places: Sequence[tuple[int, int]]
) -> Claim:
    base, *others = (found[place] for place in places if place in found)
    ratios = [
        statistics.median(a / b for a, b in zip(one.cpu_us, base.cpu_us, strict=True)) - 1
        for one in others
    ]
    measured = ", ".join(
        f"{one.workers if one.workers > 1 else one.partitions}: {ratio:+.1%}"
        for one, ratio in zip(others, ratios, strict=True)
    )
    return Claim(what, f"at most {LIMIT:+.0%}", measured, max(ratios) <= LIMIT)


def _table(costs: Sequence[Cost]) -> str:
    headings = (
        *("workers, partitions", "worker us an event", "broker", "ClickHouse", "commits"),
        *("transaction ms", "storing ms", "log bytes a commit", "state bytes an event"),
    )
    rows = [
        (
            f"{one.workers}, {one.partitions}",
            spread(one.cpu_us, ".1f"),
            f"{one.broker_us:.1f}",
            f"{one.clickhouse_us:.1f}",
            f"{one.commits}",
            f"{one.publishing_ms:.1f}",
            f"{one.storing_ms:.0f}",
            f"{one.commit_bytes:,.0f}",
            f"{one.state_bytes:.0f}",
        )
        for one in costs
    ]
    return text_table(headings, rows)


def extrapolated(cost: Cost) -> str:
    """What a million events a second would take at this cost."""
    cores = [_cores(us) for us in (statistics.median(cost.cpu_us), cost.broker_us)]
    rows = (
        (f"workers, a core each, {BUSY:.0%} busy", f"{cores[0]:,}"),
        (f"broker cores, {BUSY:.0%} busy, one copy", f"{cores[1]:,}"),
        (f"ClickHouse cores, {BUSY:.0%} busy, one copy", f"{_cores(cost.clickhouse_us):,}"),
        ("events in the broker's log, MB/s, one copy", f"{cost.log_bytes:,.0f}"),
        ("rows on ClickHouse's disk, TB a day, one copy", f"{cost.row_bytes * 0.0864:,.1f}"),
        ("inserts a second at the default commit interval", f"{cores[0]:,}"),
        ("transactions a second in the broker", f"{cores[0]:,}"),
    )
    head = f"Extrapolated from {cost.workers} workers and {cost.partitions} partitions"
    return text_table((head, "at 1,000,000 events/s"), rows)


def _cores(us_an_event: float) -> int:
    """Microseconds an event are cores at a million events a second."""
    return math.ceil(us_an_event / BUSY)


if __name__ == "__main__":
    print_alone(measure, __doc__)
