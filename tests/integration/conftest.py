"""A site of its own for each test: topics, database and consumer group nobody else uses."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import orjson
import pandas as pd
import pytest
import yaml
from kafka import KafkaProducer

from devstack import StackInfo
from monitor.broker import client_options
from monitor.config import Settings, TopicSettings, load_settings
from monitor.intake.topics import ensure_topics
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import read_dataset
from monitor.publishing.card import publish_card
from monitor.storage.clickhouse import ClickHouseStore
from monitor.storage.queries import STORED_BY_TOPIC, ask
from schemas import FeatureSpec, ModelCard, Monitoring

MODEL = "orders"
FEATURES = ("amount", "items")
WAIT_S = 120.0

Wire = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""(key, value, headers) of one record."""


@dataclass(slots=True)
class Site:
    """One isolated set-up on the shared stack, and the workers started for it."""

    settings: Settings
    file: Path
    folder: Path
    store: ClickHouseStore
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self, slot: str = "worker-0") -> subprocess.Popen[bytes]:
        """`plumbline run` as a process of its own; its log is in the folder."""
        command = [sys.executable, "-m", "monitor.cli", "--config", str(self.file), "run"]
        with (self.folder / f"{slot}.log").open("ab") as log:
            worker = subprocess.Popen([*command, "--slot", slot], stdout=log, stderr=log)
        self.workers.append(worker)
        return worker

    def send(self, records: Sequence[Wire], topic: str | None = None) -> list[tuple[int, int]]:
        """Records to a topic (predictions), in order; gives (partition, offset) of each."""
        producer = KafkaProducer(
            **client_options(self.settings.kafka),
            linger_ms=10,
            acks="all",
            compression_type="lz4",
            max_request_size=4_000_000,
        )
        futures = [
            producer.send(
                topic or self.settings.kafka.topics.predictions,
                key=key,
                value=value,
                headers=headers,
            )
            for key, value, headers in records
        ]
        producer.flush(timeout=120)
        places = [future.get(timeout=1) for future in futures]
        producer.close()
        return [(place.partition, place.offset) for place in places]

    def register(self, card: ModelCard, reference: pd.DataFrame) -> ModelCard:
        """Profile to ClickHouse, then the card to its topic."""
        path = self.folder / "reference.parquet"
        reference.to_parquet(path)
        profile, _ = build_profile(read_dataset(path, card), card)
        self.store.save_profile(profile.hash, profile.to_bytes())
        complete = card.model_copy(update={"profile_hash": profile.hash})
        publish_card(self.settings, complete)
        return complete

    def counts(self) -> Mapping[str, int]:
        """Distinct records in ClickHouse by table."""
        counts: Counter[str] = Counter()
        for row in ask(self.store.connection, STORED_BY_TOPIC):
            counts[row["source"]] += int(row["records"])
        return dict(counts)

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Until `done`, within a bound; a worker that died is an error with its log."""
        deadline = time.monotonic() + WAIT_S
        while not done():
            for worker in self.workers:
                if worker.poll() not in (None, 0, -9, -15):
                    raise AssertionError(f"the worker ended: {self.log()}")
            assert time.monotonic() < deadline, f"{what} did not come: {self.counts()} {self.log()}"
            time.sleep(0.2)

    def stop_workers(self) -> None:
        """SIGTERM to all; each must end well."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(timeout=60) == 0, self.log()

    def log(self) -> str:
        """The end of the workers' logs."""
        return "\n".join(path.read_text()[-3_000:] for path in sorted(self.folder.glob("*.log")))


@pytest.fixture
def site(stack: StackInfo, tmp_path: Path) -> Iterator[Site]:
    """A migrated database, topics, and no worker yet."""
    with _new_site(stack, tmp_path / "site") as one:
        yield one


@pytest.fixture
def another_site(stack: StackInfo, tmp_path: Path) -> Iterator[Site]:
    """A second one beside it, to compare with."""
    with _new_site(stack, tmp_path / "another") as one:
        yield one


@contextmanager
def _new_site(stack: StackInfo, folder: Path) -> Iterator[Site]:
    folder.mkdir()
    name = f"e2e_{uuid4().hex[:10]}"
    settings_file = folder / "plumbline.yaml"
    names = {topic: f"{name}.{topic.replace('_', '.')}" for topic in TopicSettings.model_fields}
    settings_file.write_text(settings_text(stack, name, names))
    settings = load_settings(settings_file)
    ensure_topics(settings)
    with ClickHouseStore(settings.clickhouse) as store:
        store.migrate()
        one = Site(settings, settings_file, folder, store)
        try:
            yield one
        finally:
            for worker in one.workers:
                if worker.poll() is None:
                    worker.kill()
                worker.wait(timeout=60)
            store.connection.command("DROP DATABASE {name:Identifier}", {"name": name})


def settings_text(
    stack: StackInfo, name: str, topics: Mapping[str, str], partitions: int = 2, **worker: int
) -> str:
    """A settings file: group and database `name`, short intervals; `worker` settings on top."""
    return yaml.safe_dump(
        {
            "kafka": {
                "bootstrap_servers": stack.kafka_bootstrap,
                "group_id": name,
                "partitions": partitions,
                "topics": dict(topics),
            },
            "clickhouse": {
                "host": stack.clickhouse_host,
                "port": stack.clickhouse_port,
                "username": stack.writer_user,
                "password": stack.writer_password,
                "database": name,
            },
            "worker": {"commit_interval_ms": 200, "snapshot_interval_ms": 600, **worker},
        }
    )


def order_card(model: str = MODEL) -> ModelCard:
    """A small regression model."""
    return ModelCard(
        model=model,
        model_version="1",
        task="regression",
        features={name: FeatureSpec(type="number", nullable=True) for name in FEATURES},
        monitoring=Monitoring(scales=(1_000, 4_000)),
    )


def order_rows(n: int, seed: int, *, shift: float = 0.0, shifted_from: int = 0) -> pd.DataFrame:
    """Independent rows; from `shifted_from` on, `amount` is moved by `shift` sigma."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, len(FEATURES))), columns=list(FEATURES))
    frame.loc[shifted_from:, "amount"] += shift
    frame["prediction"] = rng.normal(size=n)
    frame["occurred_at"] = pd.date_range("2026-01-01", periods=n, freq="s", tz="UTC")
    frame["event_id"] = [f"{seed}-{i}" for i in range(n)]
    frame["model_version"] = "1"
    return frame


def order_events(frame: pd.DataFrame, model: str = MODEL) -> list[Wire]:
    """The rows as records of the contract."""
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    return [
        (
            model.encode(),
            orjson.dumps(
                {
                    "schema_version": "1.0",
                    "event_id": row["event_id"],
                    "model": model,
                    "model_version": row["model_version"],
                    "occurred_at": row["occurred_at"].isoformat(),
                    "features": {name: row[name] for name in FEATURES},
                    "prediction": row["prediction"],
                }
            ),
            [],
        )
        for row in rows
    ]
