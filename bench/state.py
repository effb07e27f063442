"""What the state costs: to restore it for many models, and to write it beside the work.

Restore: a real worker reads a real log of a few models until their rings are full and leaves its
state on the state topic of a real broker; there it is copied under the names of the other models,
each with a card and a profile of its own. Then another worker of the same group restores them all.

Cost: real workers read the same log in turn, with snapshots at the default interval, with many
more of them, and with none but the first and the last.

    python -m bench.state [--models N] [--events N] [--rounds N] [--report FILE]
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
from kafka import KafkaProducer

from bench.machine import commit_line, machine_line, versions_line
from devstack import stack
from monitor.broker import Partition, client_options
from monitor.clock import SystemClock
from monitor.config import Settings
from monitor.intake.follower import TopicFollower
from monitor.intake.topics import ensure_topics
from monitor.packing import pack, unpack
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.card import card_key
from monitor.restoring import seal
from monitor.storage.clickhouse import ClickHouseStore
from monitor.worker import Worker
from schemas import FeatureSpec, ModelCard

START = datetime(2026, 1, 1, tzinfo=UTC)
FEATURES = 10
REFERENCE_ROWS = 85_000
"""Enough for all default scales."""
RING_EVENTS = 16_000
"""The largest default scale: so many events of a model fill its ring of panes."""
RESTORE_LIMIT_S = 10.0
COST_LIMIT = 0.05
COST_MODELS = 40
FLUSH_EVERY = 50_000
NEVER_MS, OFTEN_MS = 3_600_000, 2_000
SEED = 7


@dataclass(frozen=True, slots=True)
class Restored:
    """One restore of all models."""

    seconds: float
    records: int
    size_mb: float
    models: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Events per second and processor seconds a million events, by kind of worker."""

    rates: Mapping[str, list[float]]
    cpu_s: Mapping[str, list[float]]

    def share(self, kind: str) -> float:
        """What of the throughput without snapshots is lost: the median of the rounds."""
        pairs = zip(self.rates[kind], self.rates["none"], strict=True)
        return 1 - statistics.median(ours / bare for ours, bare in pairs)


class TimedWorker(Worker):
    """Notes how long its restore took and what it gave."""

    restore_s = 0.0
    watched = 0
    """Versions that have their windows back."""

    def _assigned(self, starts: Mapping[Partition, int]) -> Mapping[Partition, int]:
        began = time.perf_counter()
        begin = super()._assigned(starts)
        self.restore_s = time.perf_counter() - began
        self.watched = len(self.pipeline._roster.active())
        return begin


def name_of(model: int) -> str:
    """Name of a model; all are equally long, so that state can be copied as bytes.

    >>> name_of(7)
    'bench-0007'
    """
    return f"bench-{model:04d}"


def hash_of(model: int) -> str:
    """A profile's address for each model."""
    return f"sha256:{model:064x}"


def settings_of(info: stack.StackInfo, name: str, snapshot_interval_ms: int = 30_000) -> Settings:
    """A group, a database and a state of one name over the common log."""
    topics = {"state": f"{name}.state", "alerts": f"{name}.alerts", "rejections": f"{name}.refused"}
    settings = Settings.model_validate(
        {
            "kafka": {
                "bootstrap_servers": info.kafka_bootstrap,
                "group_id": name,
                "topics": {
                    **topics,
                    "alerts_state": f"{name}.alerts.state",
                    "predictions": f"{name.partition('-')[0]}.predictions",
                },
            },
            "clickhouse": {
                "host": info.clickhouse_host,
                "port": info.clickhouse_port,
                "username": info.writer_user,
                "password": info.writer_password,
                "database": name.replace("-", "_"),
            },
            "worker": {"snapshot_interval_ms": snapshot_interval_ms},
        }
    )
    ensure_topics(settings)
    with ClickHouseStore(settings.clickhouse) as store:
        store.migrate()
    return settings


def card_of(model: int) -> ModelCard:
    """A regression model of number features, with the default windows."""
    return ModelCard(
        model=name_of(model),
        model_version="1",
        task="regression",
        features={f"f{i}": FeatureSpec(type="number") for i in range(FEATURES)},
        profile_hash=hash_of(model),
    )


def profile_bytes() -> bytes:
    """One profile for all: what is in it does not matter here."""
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame(
        rng.normal(size=(REFERENCE_ROWS, FEATURES)), columns=[f"f{i}" for i in range(FEATURES)]
    )
    frame["prediction"] = rng.normal(size=REFERENCE_ROWS)
    frame["occurred_at"] = pd.date_range(START - timedelta(days=1), periods=len(frame), freq="s")
    card = card_of(0)
    return build_profile(frame_dataset(frame, card, source="the reference"), card)[0].to_bytes()


def send(settings: Settings, topic: str, records: list[tuple[bytes, bytes, int | None]]) -> None:
    """Records (key, value, partition) to a topic."""
    producer = KafkaProducer(
        **client_options(settings.kafka),
        acks="all",
        compression_type="lz4",
        batch_size=262_144,  # as the worker's own
        linger_ms=20,
    )
    for number, (key, value, partition) in enumerate(records, 1):
        producer.send(topic, key=key, value=value, partition=partition)
        if number % FLUSH_EVERY == 0:
            producer.flush(timeout=300)
    producer.flush(timeout=300)
    producer.close()


def fill(settings: Settings, models: int, events: int) -> None:
    """The events of the first models, in turn, each model on one partition."""
    rng = np.random.default_rng(SEED)
    names = [f"f{i}" for i in range(FEATURES)]
    values = rng.normal(size=(events, FEATURES)).round(6)
    partitions = settings.kafka.partitions
    records: list[tuple[bytes, bytes, int | None]] = []
    for i in range(events):
        model = i % models
        value = orjson.dumps(
            {
                "schema_version": "1.0",
                "event_id": f"event-{i:09d}",
                "model": name_of(model),
                "model_version": "1",
                "occurred_at": START + timedelta(seconds=i),
                "features": dict(zip(names, values[i].tolist(), strict=True)),
                "prediction": float(values[i, 0]),
            }
        )
        records.append((name_of(model).encode(), value, model % partitions))
    send(settings, settings.kafka.topics.predictions, records)


def register(settings: Settings, models: int, profile: bytes) -> None:
    """Cards to the topic, a profile for each to the database."""
    cards = [card_of(model) for model in range(models)]
    with ClickHouseStore(settings.clickhouse) as store:
        for card in cards:
            store.save_profile(str(card.profile_hash), profile)
    keyed = [(card_key(card.model, "1"), card.to_json(), None) for card in cards]
    send(settings, settings.kafka.topics.models, list(keyed))


def run(settings: Settings, events: int) -> tuple[TimedWorker, float, float]:
    """A worker until it has taken so many events: itself, events per second, processor seconds."""
    one = TimedWorker(settings, SystemClock())
    first = start = cpu = 0.0

    def done() -> bool:
        nonlocal first, start, cpu
        taken = one.telemetry.value("plumbline_step_emitted_total", step="intake")
        if taken and not first:
            first, start, cpu = taken, time.perf_counter(), time.process_time()
        return taken >= events and bool(one.restore_s)

    one.run(done)
    seconds = time.perf_counter() - start
    return one, (events - first) / seconds, time.process_time() - cpu


# --- restore ----------------------------------------------------------------------------------


def restore(info: stack.StackInfo, models: int, profile: bytes) -> Restored:
    """Fill the state of all models, then time how one worker restores it."""
    settings = settings_of(info, "restore")
    originals = min(models, settings.kafka.partitions)
    register(settings, models, profile)
    fill(settings, originals, originals * RING_EVENTS)
    run(settings, originals * RING_EVENTS)
    records, size = copy_state(settings, originals, models)
    worker, _, _ = run(settings, 0)
    watched = worker.watched
    if watched != models:
        raise SystemExit(f"{watched} of {models} models were restored: the figure would be a lie")
    return Restored(worker.restore_s, records, size / 1e6, models)


def copy_state(settings: Settings, originals: int, models: int) -> tuple[int, int]:
    """The originals' records under the other models' names; gives records and bytes of all."""
    topic = settings.kafka.topics.state
    follower = TopicFollower(settings.kafka, topic)
    newest = {
        (record.partition, record.key): record.value
        for record in follower.read_all()
        if record.key is not None and record.value is not None
    }
    follower.close()
    count, size = len(newest), sum(len(value or b"") for value in newest.values())
    for original in range(originals):
        name, address = name_of(original).encode(), hash_of(original).encode()
        own = [
            (key, value, partition)
            for (partition, key), value in newest.items()
            if value is not None and name in key
        ]
        for model in range(original + originals, models, originals):
            other, elsewhere = name_of(model).encode(), hash_of(model).encode()
            copies = []
            for key, value, partition in own:
                parts, piece, _ = unpack(value)
                key, piece = key.replace(name, other), piece.replace(name, other)
                piece = piece.replace(address, elsewhere)
                copies.append((key, pack([parts, piece, seal(key, piece)]), partition))
            send(settings, topic, list(copies))
            count, size = count + len(copies), size + sum(len(value) for _, value, _ in copies)
    return count, size


# --- cost -------------------------------------------------------------------------------------


def cost(info: stack.StackInfo, events: int, rounds: int, profile: bytes) -> Cost:
    """The same log read in turn with and without snapshots."""
    kinds = {"none": NEVER_MS, "every 30 s": 30_000, "every 2 s": OFTEN_MS}
    fill(settings_of(info, "cost"), COST_MODELS, events)
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    cpu_s: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for place, (kind, interval_ms) in enumerate(kinds.items()):
            settings = settings_of(info, f"cost-{number}-{place}", interval_ms)
            register(settings, COST_MODELS, profile)
            _, rate, cpu = run(settings, events)
            rates[kind].append(rate)
            cpu_s[kind].append(cpu / events * 1e6)
    return Cost(rates, cpu_s)


# --- report -----------------------------------------------------------------------------------


def table(restored: Restored, costs: Cost, events: int) -> str:
    """Both figures with their limits."""
    size = f"{restored.size_mb:,.0f} MB"
    limit = f"at most {RESTORE_LIMIT_S:.0f} s"
    lines = [
        f"restore of {restored.models:,} models of {FEATURES} features with full rings",
        f"{restored.seconds:.1f} s ({limit}); {restored.records:,} records, {size}",
        "",
        f"{events:,} events of {COST_MODELS} models, in turn",
        f"{'snapshots':<14}{'events/s':>12}{'CPU s per M':>14}{'cost':>10}",
    ]
    for kind, rates in costs.rates.items():
        lines.append(
            f"{kind:<14}{statistics.median(rates):>12,.0f}"
            f"{statistics.median(costs.cpu_s[kind]):>14.1f}{costs.share(kind):>10.1%}"
        )
    lines.append(f"at the default of every 30 s at most {COST_LIMIT:.0%}")
    return "\n".join(lines)


def page(text: str) -> str:
    """bench/STATE.md."""
    return "\n".join(
        (
            "# What the state costs: the last run",
            "",
            "Written by `make bench-state`.",
            "",
            f"- {machine_line()}",
            f"- {versions_line('kafka-python', 'clickhouse-connect', 'chdb', 'msgpack', 'numpy')}",
            f"- {commit_line()}",
            "",
            "```text",
            text,
            "```",
            "",
        )
    )


def main() -> int:
    """Run, print, write; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    profile = profile_bytes()
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        directory = Path(folder) / "stack"
        info = stack.up(directory)
        try:
            restored = restore(info, options.models, profile)
            costs = cost(info, options.events, options.rounds, profile)
        finally:
            stack.down(directory)
    text = table(restored, costs, options.events)
    print(text)
    if options.report is not None:
        options.report.write_text(page(text), encoding="utf-8")
    within = restored.seconds < RESTORE_LIMIT_S and costs.share("every 30 s") <= COST_LIMIT
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
