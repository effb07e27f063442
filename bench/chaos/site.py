"""A local stack with the input in its log, and a place of its own for each run over it.

In: a plan, a folder. Out: `Site`s that read the very same predictions, labels, cards and commands,
and write to topics, a consumer group and a database of their own: so the alerts of two runs can be
compared byte by byte. Never: a fixed port, a file outside the folder.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from bench.chaos import log_file
from bench.chaos.plan import Plan
from devstack.stack import StackInfo
from monitor.broker import client_options
from monitor.config import Settings, load_settings
from monitor.intake.topics import ensure_topics
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.card import card_key
from monitor.storage.clickhouse import ClickHouseStore
from producers.delivery import KeyPartitioner

OWN_TOPICS = ("alerts", "rejections", "state")
FLUSH_EVERY = 50_000
LOAD_TIMEOUT_S = 300
LOOK_TIMEOUT_MS = 1_000
REFERENCES = 4
"""Different references among the models."""


@dataclass(frozen=True, slots=True)
class Site:
    """One run's settings, and its folder for settings and logs."""

    name: str
    settings: Settings
    file: Path
    folder: Path


def new_site(stack: StackInfo, plan: Plan, folder: Path, name: str) -> Site:
    """Topics, database and settings of one run."""
    folder.mkdir(parents=True)
    file = folder / "plumbline.yaml"
    topics = {topic: f"{name}.{topic}" for topic in OWN_TOPICS}
    content = {
        "kafka": {
            "bootstrap_servers": stack.kafka_bootstrap,
            "group_id": name,
            "partitions": plan.partitions,
            "topics": {**topics, "alerts_state": f"{name}.alerts.state"},
        },
        "clickhouse": {
            "host": stack.clickhouse_host,
            "port": stack.clickhouse_port,
            "username": stack.writer_user,
            "password": stack.writer_password,
            "database": name,
        },
        "worker": {
            "commit_interval_ms": 250,
            "commit_events": 5_000,
            "snapshot_interval_ms": 2_000,
            "poll_records": 2_000,
        },
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    settings = load_settings(file)
    ensure_topics(settings)
    with ClickHouseStore(settings.clickhouse) as store:
        store.migrate()
    return Site(name, settings, file, folder)


def register(plan: Plan, sites: list[Site]) -> int:
    """Profiles to each run's database, cards to the common topic; gives how many."""
    complete, profiles = [], {}
    for number, card in enumerate(log_file.cards(plan)):
        frame = log_file.reference(number % REFERENCES)
        profile, _ = build_profile(frame_dataset(frame, card, source="the reference"), card)
        profiles[profile.hash] = profile.to_bytes()
        complete.append(card.model_copy(update={"profile_hash": profile.hash}))
    for site in sites:
        with ClickHouseStore(site.settings.clickhouse) as store:
            for profile_hash, content in profiles.items():
                store.save_profile(profile_hash, content)
    kafka = sites[0].settings.kafka
    producer = KafkaProducer(**client_options(kafka), acks="all")
    for card in complete:
        producer.send(
            kafka.topics.models, key=card_key(card.model, card.model_version), value=card.to_json()
        )
    producer.flush(timeout=LOAD_TIMEOUT_S)
    producer.close()
    return len(complete)


def load(site: Site, file: Path, events: int) -> None:
    """The input into the predictions topic; every record once, or it raises."""
    kafka = site.settings.kafka
    producer = KafkaProducer(
        **client_options(kafka),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=20,
        partitioner=KeyPartitioner(),
    )
    for number, line in enumerate(log_file.read(file), 1):
        producer.send(kafka.topics.predictions, key=line.model, value=line.payload)
        if number % FLUSH_EVERY == 0:
            producer.flush(timeout=LOAD_TIMEOUT_S)
    producer.flush(timeout=LOAD_TIMEOUT_S)
    producer.close()
    with Progress(site.settings) as progress:
        there = sum(progress.ends().values())
    if there != events:
        raise SystemExit(f"{there} records are in the log, {events} in the file: nothing to prove")


class Progress:
    """How many events the group has consumed: its committed offsets."""

    def __init__(self, settings: Settings) -> None:
        kafka = settings.kafka
        self._consumer = KafkaConsumer(
            **client_options(kafka), group_id=kafka.group_id, enable_auto_commit=False
        )
        self._partitions = [
            TopicPartition(kafka.topics.predictions, number) for number in range(kafka.partitions)
        ]
        self._known = dict.fromkeys(self._partitions, 0)

    def ends(self) -> dict[TopicPartition, int]:
        """Where each partition ends."""
        found: dict[TopicPartition, int] = self._consumer.end_offsets(self._partitions)
        return found

    def consumed(self) -> int:
        """Events consumed as far as is known: a broker that is away tells nothing new."""
        try:
            for partition in self._partitions:
                offset = self._consumer.committed(partition, timeout_ms=LOOK_TIMEOUT_MS)
                self._known[partition] = offset or self._known[partition]
        except KafkaError:
            return sum(self._known.values())
        return sum(self._known.values())

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(autocommit=False)
