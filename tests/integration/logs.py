"""One log that several groups of workers read, each with topics and a database of its own.

The events, labels and cards are the same for all of them, so that what they publish can be
compared byte for byte.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from kafka import KafkaConsumer, TopicPartition

from devstack import StackInfo
from monitor.broker import Partition, client_options
from monitor.clock import SystemClock
from monitor.config import Settings, load_settings
from monitor.intake.follower import TopicFollower
from monitor.intake.topics import ensure_topics
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import read_dataset
from monitor.publishing.card import publish_card
from monitor.storage.clickhouse import ClickHouseStore
from monitor.worker import Worker
from tests.integration.conftest import Site, Wire, order_card, order_rows, settings_text

SHARED = ("predictions", "labels", "models", "commands")
OWN = ("alerts", "alerts_state", "rejections", "state")
READ_WITHIN_S = 150


class Log:
    """Topics with the cards of `models`, and the profile of all of them."""

    def __init__(
        self, stack: StackInfo, folder: Path, models: Sequence[str], partitions: int = 2
    ) -> None:
        self.stack = stack
        self.folder = folder
        self.partitions = partitions
        name = f"log_{uuid4().hex[:8]}"
        self.topics = {topic: f"{name}.{topic}" for topic in (*SHARED, *OWN)}
        self.settings = self._settings(name, self.topics)
        ensure_topics(self.settings)
        order_rows(20_000, seed=1).to_parquet(folder / "reference.parquet")
        profile, _ = build_profile(
            read_dataset(folder / "reference.parquet", order_card()), order_card()
        )
        self.profile = profile.hash, profile.to_bytes()
        for model in models:
            card = order_card(model=model)
            publish_card(self.settings, card.model_copy(update={"profile_hash": profile.hash}))

    def send(self, records: Sequence[Wire]) -> None:
        """More events, in order."""
        store = ClickHouseStore(self.settings.clickhouse)
        Site(self.settings, self.folder / "none", self.folder, store).send(records)

    def ends(self) -> dict[Partition, int]:
        """The end of each partition of the predictions."""
        reader = KafkaConsumer(**client_options(self.settings.kafka))
        topic = self.topics["predictions"]
        parts = [TopicPartition(topic, number) for number in range(self.partitions)]
        ends = reader.end_offsets(parts)
        reader.close()
        return {(part.topic, part.partition): end for part, end in ends.items()}

    def new_run(self, **worker: int) -> "Run":
        """Another group, with nothing read yet."""
        name = f"run_{uuid4().hex[:8]}"
        own = {topic: f"{name}.{topic}" for topic in OWN}
        settings = self._settings(name, self.topics | own, **worker)
        ensure_topics(settings)
        store = ClickHouseStore(settings.clickhouse)
        store.migrate()
        store.save_profile(*self.profile)
        return Run(self, settings, self.folder / f"{name}.yaml", store)

    def _settings(self, name: str, topics: dict[str, str], **worker: int) -> Settings:
        file = self.folder / f"{name}.yaml"
        file.write_text(settings_text(self.stack, name, topics, self.partitions, **worker))
        return load_settings(file)


@dataclass(slots=True)
class Run:
    """A group of its own over the shared log."""

    log: Log
    settings: Settings
    file: Path
    store: ClickHouseStore
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """`plumbline run` in a process of its own; its log is beside the settings."""
        command = [sys.executable, "-m", "monitor.cli", "--config", str(self.file), "run"]
        with self.file.with_suffix(".log").open("ab") as log:
            process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def said(self) -> str:
        """What the processes have logged."""
        file = self.file.with_suffix(".log")
        return file.read_text() if file.exists() else ""

    def stored(self) -> int:
        """Distinct events in ClickHouse."""
        [row] = self.store.connection.query(
            "SELECT uniqExact(partition, offset) AS n FROM predictions"
        )
        return int(row["n"])

    def finish(self) -> None:
        """A worker in this process reads to the end, commits and leaves."""
        worker = Worker(self.settings, SystemClock())
        ends = self.log.ends()
        deadline_s = SystemClock().monotonic_s() + READ_WITHIN_S

        def done() -> bool:
            assert SystemClock().monotonic_s() < deadline_s, worker.health.report(0)
            return all(worker._positions.get(place) == end for place, end in ends.items())

        worker.run(done)

    def outcome(self) -> dict[str, Any]:
        """Everything that anybody may read, in its order; the raw count of rows as well."""
        topics = self.settings.kafka.topics
        query = self.store.connection.query
        [events] = query(
            "SELECT count() AS n, uniqExact(event_id) AS ids, "
            "(SELECT count() FROM predictions) AS raw FROM predictions FINAL"
        )
        return {
            "events": events,
            "rejections": query(
                "SELECT partition, offset, reasons FROM rejections FINAL ORDER BY ALL"
            ),
            "dead letters": sorted(self._read(topics.rejections)),
            "alerts": sorted(self._read(topics.alerts), key=lambda pair: pair[0]),
            "rows": query(
                "SELECT event_id, fingerprint, state, reason FROM alerts FINAL ORDER BY ALL"
            ),
            "panes": query("SELECT count() AS n FROM pane_summaries FINAL"),
        }

    def published_rows(self) -> set[str]:
        """Ids of the alert events that the table says were published."""
        rows = self.store.connection.query("SELECT event_id FROM alerts FINAL WHERE published")
        return {row["event_id"] for row in rows}

    def published_ids(self) -> list[str]:
        """Ids of the alert events on the topic."""
        values = self._read(self.settings.kafka.topics.alerts)
        return [orjson.loads(value)["id"] for _, value in values]

    def end(self) -> None:
        """Kill what still runs, drop the database."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=60)
        name = self.settings.clickhouse.database
        self.store.connection.command("DROP DATABASE {name:Identifier}", {"name": name})
        self.store.close()

    def _read(self, topic: str) -> list[tuple[bytes, bytes]]:
        follower = TopicFollower(self.settings.kafka, topic)
        try:
            return [(record.key or b"", record.value or b"") for record in follower.read_all()]
        finally:
            follower.close()
