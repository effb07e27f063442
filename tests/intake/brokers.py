"""Settings with topics of their own on a broker, and what to put there."""

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

from kafka import KafkaProducer

from monitor.broker import client_options
from monitor.config import KafkaSettings, Settings, TopicSettings, WorkerSettings
from monitor.events import Record
from monitor.intake.follower import TopicFollower


def fresh_settings(
    bootstrap: str, *, partitions: int = 2, slot: str = "worker-0", prefix: str = ""
) -> Settings:
    """Settings whose topics and group no other test uses (`prefix` names them again)."""
    prefix = prefix or f"t{secrets.token_hex(4)}"
    names = {name: f"{prefix}.{name}" for name in TopicSettings.model_fields}
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=bootstrap,
            group_id=prefix,
            partitions=partitions,
            topics=TopicSettings(**names),
        ),
        worker=WorkerSettings(slot=slot, poll_records=100),
    )


def produce(
    settings: Settings, topic: str, records: Iterable[tuple[int, bytes | None, bytes | None]]
) -> None:
    """Write (partition, key, value) and wait until all of it is in the log."""
    producer: Any = KafkaProducer(**client_options(settings.kafka), linger_ms=5)
    try:
        sent = [
            producer.send(topic, partition=partition, key=key, value=value)
            for partition, key, value in records
        ]
        for future in sent:
            future.get(timeout=60)
    finally:
        producer.close(timeout=10)


def read(settings: Settings, topic: str) -> list[Record]:
    """Every committed record of a topic."""
    follower = TopicFollower(settings.kafka, topic)
    try:
        return list(follower.read_all())
    finally:
        follower.close()


def until(done: Callable[[], bool], step: Callable[[], object], timeout_s: float = 90.0) -> None:
    """Repeat `step` until `done`; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"not done after {timeout_s} s"
        step()
