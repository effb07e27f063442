"""One worker from broker to ClickHouse, as a ratio to a bare kafka-python poll loop.

Both read the same topic on the same local stack in the same run, in turn, several times. The
worker does everything that it does in production: validation, windows, all default tests, rows to
ClickHouse, transactions. The machine is shared with the broker and the engine.

    python -m bench.throughput [--events N] [--features F] [--rounds R]
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
from kafka import KafkaConsumer, KafkaProducer

from bench.machine import machine_line, versions_line
from bench.suite.outcome import Claim, Outcome, asked_of, shown, spread, text_table
from devstack import stack
from monitor.broker import client_options
from monitor.clock import SystemClock
from monitor.config import Settings
from monitor.intake.topics import ensure_topics
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import read_dataset
from monitor.publishing.card import publish_card
from monitor.storage.clickhouse import ClickHouseStore
from monitor.storage.queries import STORED_BY_TOPIC, ask
from monitor.telemetry import Telemetry
from monitor.worker import Worker
from schemas import FeatureSpec, ModelCard

START = datetime(2026, 1, 1, tzinfo=UTC)
REFERENCE_ROWS = 20_000
SEED = 7


@dataclass(frozen=True, slots=True)
class Run:
    """One timed reading of the whole topic."""

    events_per_s: float
    cpu_us: float
    """Processor time of an event."""


def card_of(features: int) -> ModelCard:
    """A regression model with number features only."""
    specs = {f"f{i}": FeatureSpec(type="number") for i in range(features)}
    return ModelCard(model="bench", model_version="1", task="regression", features=specs)


def rows(n: int, features: int, rng: np.random.Generator) -> pd.DataFrame:
    """Independent normal features and a prediction, one event a second."""
    frame = pd.DataFrame(rng.normal(size=(n, features)), columns=[f"f{i}" for i in range(features)])
    frame["prediction"] = rng.normal(size=n)
    frame["occurred_at"] = pd.date_range(START, periods=n, freq="s")
    frame["event_id"] = [f"event-{i:09d}" for i in range(n)]
    frame["model_version"] = "1"
    return frame


def fill(settings: Settings, n: int, features: int, rng: np.random.Generator) -> int:
    """Write n events; gives the mean size of one in bytes."""
    producer = KafkaProducer(
        **client_options(settings.kafka), compression_type="lz4", linger_ms=20, acks="all"
    )
    names = [f"f{i}" for i in range(features)]
    total = 0
    values = rng.normal(size=(n, features)).round(6)
    answers = rng.normal(size=n)
    for i in range(n):
        value = orjson.dumps(
            {
                "schema_version": "1.0",
                "event_id": f"event-{i:09d}",
                "model": "bench",
                "model_version": "1",
                "occurred_at": (START + timedelta(seconds=i)).isoformat(),
                "features": dict(zip(names, values[i].tolist(), strict=True)),
                "prediction": float(answers[i]),
            }
        )
        total += len(value)
        producer.send(settings.kafka.topics.predictions, key=b"bench", value=value)
    producer.flush()
    producer.close()
    return total // n


def bare_loop(settings: Settings, n: int) -> Run:
    """Poll every record and do nothing with it."""
    consumer = KafkaConsumer(
        settings.kafka.topics.predictions,
        **client_options(settings.kafka),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=settings.worker.poll_records,
    )
    seen = 0
    while seen == 0:
        seen += sum(map(len, consumer.poll(200).values()))
    first, start, cpu = seen, time.perf_counter(), time.process_time()
    while seen < n:
        seen += sum(map(len, consumer.poll(200).values()))
    elapsed, spent = time.perf_counter() - start, time.process_time() - cpu
    consumer.close()
    return Run((n - first) / elapsed, spent / (n - first) * 1e6)


def worker(settings: Settings, n: int) -> tuple[Run, Telemetry]:
    """The production worker, in a group and a database of its own, until all is committed."""
    one = Worker(settings, SystemClock())
    first = start = cpu = 0.0

    def done() -> bool:
        nonlocal first, start, cpu
        taken = one.telemetry.value("plumbline_step_emitted_total", step="intake")
        if taken and not first:
            first, start, cpu = taken, time.perf_counter(), time.process_time()
        return taken >= n

    one.run(done)
    elapsed, spent = time.perf_counter() - start, time.process_time() - cpu
    return Run((n - first) / elapsed, spent / (n - first) * 1e6), one.telemetry


def prepared(base: Settings, card: ModelCard, profile: bytes, number: int) -> Settings:
    """Settings of one round: a consumer group, a state and a migrated database of its own."""
    topics = base.kafka.topics.model_copy(update={"state": f"bench.state.{number}"})
    kafka = base.kafka.model_copy(update={"group_id": f"bench-{number}", "topics": topics})
    settings = base.model_copy(
        update={
            "kafka": kafka,
            "clickhouse": base.clickhouse.model_copy(update={"database": f"bench_{number}"}),
        }
    )
    ensure_topics(settings)
    with ClickHouseStore(settings.clickhouse) as store:
        store.migrate()
        store.save_profile(str(card.profile_hash), profile)
    return settings


def stored(settings: Settings) -> tuple[int, float]:
    """Rows of predictions and their bytes on disk for each."""
    with ClickHouseStore(settings.clickhouse) as store:
        found = ask(store.connection, STORED_BY_TOPIC)
        [size] = store.connection.query(
            "SELECT sum(data_compressed_bytes) AS size FROM system.parts "
            "WHERE active AND database = {database:String} AND table = 'predictions'",
            {"database": settings.clickhouse.database},
        )
    [count] = [row["records"] for row in found if row["source"] == "predictions"]
    return int(count), float(size["size"]) / count


@dataclass(frozen=True, slots=True)
class Size:
    """How much is read, and what is asked of it."""

    features: int
    events: int
    rounds: int
    wanted: float | None
    """Share of the bare loop's speed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All rounds of one size."""

    size: Size
    event_bytes: int
    bare: list[Run]
    ours: list[Run]
    steps: list[Telemetry]
    row_bytes: float

    @property
    def ratios(self) -> list[float]:
        """The worker's speed over the bare loop's, round by round."""
        pairs = zip(self.ours, self.bare, strict=True)
        return [ours.events_per_s / bare.events_per_s for ours, bare in pairs]

    @property
    def cpu_s(self) -> list[float]:
        """The worker's processor seconds per million events."""
        return [run.cpu_us for run in self.ours]


SIZES = (Size(10, 300_000, 3, 0.30), Size(100, 60_000, 3, 0.10))
QUICK = (Size(10, 30_000, 1, 0.30), Size(100, 15_000, 1, 0.10))
"""More than one poll brings."""
STEPS = ("validation", "windows", "tests", "judging", "storage", "publishing")


def measure(*, quick: bool = False) -> Outcome:
    """Both sizes, each on a stack of its own."""
    found = [on_own_stack(size) for size in (QUICK if quick else SIZES)]
    claims = tuple(claim for one in found for claim in claims_of(one))
    versions = versions_line("kafka-python", "clickhouse-connect", "chdb", "numpy", "pyarrow")
    return Outcome(claims, "\n\n".join(map(table_of, found)), versions)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    wanted = {size.features: size.wanted for size in SIZES}
    asked = wanted.get(options.features)
    found = on_own_stack(Size(options.features, options.events, options.rounds, asked))
    versions = versions_line("kafka-python", "clickhouse-connect", "chdb")
    print(machine_line())
    print(shown(Outcome(tuple(claims_of(found)), table_of(found), versions)))


def on_own_stack(size: Size) -> Measured:
    """Start Kafka and ClickHouse, measure, end them."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        directory = Path(folder) / "stack"
        info = stack.up(directory)
        try:
            base = Settings.model_validate(
                {
                    "kafka": {"bootstrap_servers": info.kafka_bootstrap},
                    "clickhouse": {
                        "host": info.clickhouse_host,
                        "port": info.clickhouse_port,
                        "username": info.writer_user,
                        "password": info.writer_password,
                    },
                }
            )
            return rounds_of(base, Path(folder), size)
        finally:
            stack.down(directory)


def rounds_of(base: Settings, folder: Path, size: Size) -> Measured:
    """Fill the topic, time both in turn."""
    rng = np.random.default_rng(SEED)
    n, features = size.events, size.features
    reference = folder / "reference.parquet"
    rows(REFERENCE_ROWS, features, rng).to_parquet(reference)
    card = card_of(features)
    profile, _ = build_profile(read_dataset(reference, card), card)
    card = card.model_copy(update={"profile_hash": profile.hash})
    ensure_topics(base)
    publish_card(base, card)
    event_bytes = fill(base, n, features, rng)
    bare, ours, steps = [], [], []
    count, row_bytes = 0, 0.0
    for number in range(size.rounds):
        bare.append(bare_loop(base, n))
        settings = prepared(base, card, profile.to_bytes(), number)
        run, telemetry = worker(settings, n)
        ours.append(run)
        steps.append(telemetry)
        count, row_bytes = stored(settings)
        if count != n:
            raise SystemExit(f"{count} of {n} events are in ClickHouse: the figure would be a lie")
    return Measured(size, event_bytes, bare, ours, steps, row_bytes)


def claims_of(found: Measured) -> Iterator[Claim]:
    """The ratio, and what is shown beside it."""
    what = f"{found.size.features} features: speed of a bare poll loop"
    if found.size.wanted is not None:
        yield asked_of(what, found.ratios, "at least", found.size.wanted, form=".2f")
    else:
        yield Claim(what, "", spread(found.ratios, ".2f"), met=None)
    rates = spread([run.events_per_s for run in found.ours])
    cpu, kept = spread(found.cpu_s, ".1f"), f"{found.row_bytes:.0f} B"
    text = f"{rates} ev/s, {cpu} CPU s per million, {kept} an event in ClickHouse"
    yield Claim(f"{found.size.features} features: beside it", "shown", text, met=None)


def table_of(found: Measured) -> str:
    """Rates, ratio, and seconds by step."""
    size = found.size
    head = (
        f"{size.events:,} events of {size.features} number features, {found.event_bytes} bytes "
        f"each; {size.rounds} rounds, in turn"
    )
    rows = [
        ("bare poll loop, ev/s", spread([run.events_per_s for run in found.bare])),
        ("worker, ev/s", spread([run.events_per_s for run in found.ours])),
        ("ratio", spread(found.ratios, ".3f")),
        ("worker, CPU s per million events", spread(found.cpu_s, ".1f")),
        ("bytes on ClickHouse's disk per event", f"{found.row_bytes:.1f}"),
        *(
            (f"  seconds per million events, {step}", spread(_spent(found, step), ".1f"))
            for step in STEPS
        ),
    ]
    return "\n".join([head, "", text_table(("", "median (range)"), rows)])


def _spent(found: Measured, step: str) -> list[float]:
    each = [one.value("plumbline_step_seconds_total", step=step) for one in found.steps]
    return [seconds / found.size.events * 1e6 for seconds in each]


if __name__ == "__main__":
    main()
