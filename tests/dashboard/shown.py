"""A week of flights through the real pipeline into the real engine, and pages over it.

In: a broker. Out: a filled database, the pipeline that filled it (to go on with), a running
`plumbline dashboard`.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import yaml
from kafka import KafkaConsumer
from pydantic import SecretStr

from devstack import StackInfo
from monitor.broker import Membership
from monitor.clock import ManualClock
from monitor.config import ClickHouseSettings, LimitSettings, Settings, TopicSettings, load_settings
from monitor.intake.topics import ensure_topics
from monitor.judging.judge import Judge
from monitor.pipeline import Pipeline
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.memory import MemoryPublisher
from monitor.roster import Roster
from monitor.storage import ClickHouseStore
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from tests.audit.flights import APPENDED_MS, FIRST, MODEL, SECOND, Log, cards, make_log
from tests.devstack.server import READER, WRITER, ClickHouse
from tests.pipeline.harness import PREDICTIONS, TOPICS, LogRecord

TOKEN = "a-token-of-the-tests"
BATCH = 1_500
SHOWN_ROWS = 3_100
"""Records read before the pages open: the doubled distances are firing."""
_MEMBER = Membership("plumbline", 1, "me", None)
_WAIT_S = 90


@dataclass(slots=True)
class Flow:
    """The pipeline, and where it stands in the log."""

    pipeline: Pipeline
    store: ClickHouseStore
    log: Log
    read: int = 0
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    orders: int = 0

    def read_on(self, records: int) -> None:
        """Take so many more predictions and commit."""
        self._take(self.log.predictions[self.read : self.read + records])
        self.read += records

    def read_labels(self) -> None:
        """Take all labels and commit."""
        self._take(self.log.labels)

    def obey(self, commands: list[bytes]) -> None:
        """Take commands as they came from their topic, and commit."""
        for value in commands:
            record = LogRecord(
                offset=self.orders,
                key=MODEL.encode(),
                value=value,
                topic=TOPICS.commands,
                timestamp=APPENDED_MS + 60_000,
            )
            self.orders += 1
            self.pipeline.on_commands([record])
            self.positions[TOPICS.commands, 0] = self.orders
        self.pipeline.commit(self.positions, _MEMBER)

    def _take(self, records: list[LogRecord]) -> None:
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            self.pipeline.on_batch(batch)
            for record in batch:
                self.positions[record.topic, record.partition] = record.offset + 1
            self.pipeline.commit(self.positions, _MEMBER)


@dataclass(frozen=True, slots=True)
class Shown:
    """Pages over a filled database."""

    settings: Settings
    flow: Flow
    url: str

    def commands(self, count: int) -> list[bytes]:
        """The first `count` commands on the topic, as they were sent."""
        consumer = KafkaConsumer(
            self.settings.kafka.topics.commands,
            bootstrap_servers=self.settings.kafka.bootstrap_servers,
            auto_offset_reset="earliest",
            consumer_timeout_ms=1_000 * _WAIT_S,
            enable_auto_commit=False,
        )
        try:
            found = []
            for record in consumer:
                found.append((record.timestamp, record.value))
                if len(found) == count:
                    break
            return [value for _, value in sorted(found)]
        finally:
            consumer.close()


def filled(store: ClickHouseStore) -> Flow:
    """The first part of the log, its labels, and some cohorts."""
    log = make_log()
    bare = cards()
    dataset = frame_dataset(log.reference, bare[0], source="February")
    profile = build_profile(dataset, bare[0])[0]
    store.save_profile(profile.hash, profile.to_bytes())
    clock = ManualClock()
    pipeline = Pipeline(
        validator=Validator(LimitSettings(), PREDICTIONS, TOPICS.labels),
        roster=Roster(store.load_profile, 10_000),
        judge=Judge(),
        store=store,
        publisher=MemoryPublisher(),
        topics=TOPICS,
        clock=clock,
        telemetry=Telemetry(clock),
        unregistered_limit=1_000,
    )
    named = {"dataset_fingerprint": dataset.fingerprint(), "profile_hash": profile.hash}
    for place, card in enumerate(bare):
        whole = card.model_copy(update=named)
        store.save_card(whole, appended_us=1_000 * APPENDED_MS - 1_000_000 + place)
        pipeline.on_card(whole)
    flow = Flow(pipeline, store, log)
    flow.read_on(SHOWN_ROWS)
    flow.read_labels()
    # Segments have no cohorts of their own, and the second version no events, so far.
    for version, segments in ((FIRST, ["origin=EWR", "origin=JFK"]), (SECOND, [""])):
        made_up = {"model": MODEL, "version": version, "segments": segments}
        store.connection.command(_COHORTS, made_up)
    verdict = {"model": MODEL, "new": SECOND, "old": FIRST}
    store.connection.command(_VERDICT, verdict)
    return flow


@contextmanager
def pages(settings_file: Path, *arguments: str) -> Iterator[str]:
    """`plumbline dashboard` as a process of its own; gives its address."""
    command = [sys.executable, "-m", "monitor.cli", "--config", str(settings_file), "dashboard"]
    log = settings_file.with_suffix(".log")
    with log.open("wb") as errors:
        server = subprocess.Popen(
            [*command, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=errors
        )
    try:
        assert server.stdout is not None
        told = server.stdout.readline().decode()
        assert told.startswith("pages at http"), log.read_text()
        yield told.removeprefix("pages at ").strip()
    finally:
        server.terminate()
        server.wait(timeout=30)


def settings_of(stack: StackInfo, engine: ClickHouse, folder: Path) -> Path:
    """A settings file with topics of its own and somebody who may sign in."""
    name = f"pages_{uuid4().hex[:10]}"
    topics = {topic: f"{name}.{topic.replace('_', '.')}" for topic in TopicSettings.model_fields}
    file = folder / "plumbline.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "kafka": {
                    "bootstrap_servers": stack.kafka_bootstrap,
                    "partitions": 1,
                    "topics": topics,
                },
                "clickhouse": {
                    "port": engine.port,
                    "username": WRITER[0],
                    "password": WRITER[1],
                    "reader_username": READER[0],
                    "reader_password": READER[1],
                },
                "dashboard": {"users": {"ann": TOKEN}},
            }
        )
    )
    ensure_topics(load_settings(file))
    return file


def clickhouse_of(engine: ClickHouse) -> ClickHouseSettings:
    """The writer's and the reader's account."""
    return ClickHouseSettings(
        port=engine.port,
        username=WRITER[0],
        password=SecretStr(WRITER[1]),
        reader_username=READER[0],
        reader_password=SecretStr(READER[1]),
    )


_COHORTS = """
INSERT INTO cohorts (model, model_version, segment, cohort_start, cohort_end, predictions,
    labelled, metrics, lower, upper, estimated, baseline_loss, promised, observed, bin_counts,
    topic, partition)
WITH toDateTime64('2013-03-01 10:00:00', 6, 'UTC') + toIntervalHour(4 * number) AS began,
    0.5 + 0.05 * sin(number) AS loss
SELECT {model:String}, {version:String}, segment, began, began + toIntervalHour(4), 150, 140,
    map('log_loss', loss, 'auc', 0.65, 'calibration_bias', -0.02),
    map('log_loss', loss - 0.03, 'auc', 0.6, 'calibration_bias', -0.05),
    map('log_loss', loss + 0.03, 'auc', 0.7, 'calibration_bias', 0.01),
    map('log_loss', loss - 0.01), 0.55, [0.1, 0.3, 0.5], [0.12, 0.25, 0.6],
    [toUInt64(80), 40, 20], 'made-up', 0
FROM numbers(18) ARRAY JOIN {segments:Array(String)} AS segment
"""
_VERDICT = """
INSERT INTO comparisons (model, new_version, old_version, at, verdict, design, labels, blocks,
    difference, lower, upper, smallest_difference, final, rollback_recommended, topic, partition)
VALUES ({model:String}, {new:String}, {old:String}, '2013-03-04 00:00:00', 'regressed', 'matched',
    4800, 24, 0.1, 0.05, 0.15, 0.02, true, true, 'made-up', 0)
"""
