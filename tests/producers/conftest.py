"""Topics of their own for these tests, and what came to lie on them."""

import socket
import uuid
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from devstack import StackInfo
from schemas import ModelCard

PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Topics:
    """A predictions and a labels topic that nobody else uses."""

    bootstrap: str
    predictions: str
    labels: str

    def records(self, topic: str, timeout_ms: int = 60_000) -> list[Any]:
        """All records of one topic, by partition and offset."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap)
        try:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(partitions)
            found: list[Any] = []
            while len(found) < sum(ends.values()):
                polled = consumer.poll(timeout_ms=timeout_ms, max_records=5_000)
                assert polled, f"{len(found)} of {sum(ends.values())} records came"
                found += [record for part in polled.values() for record in part]
            return sorted(found, key=lambda record: (record.partition, record.offset))
        finally:
            consumer.close()

    def events(self, topic: str) -> list[dict[str, Any]]:
        """The JSON of all records of one topic."""
        return [orjson.loads(record.value) for record in self.records(topic)]


@pytest.fixture
def topics(stack: StackInfo) -> Topics:
    """Two new topics on the shared broker."""
    return new_topics(stack.kafka_bootstrap)


def new_topics(bootstrap: str) -> Topics:
    """Two new topics on any broker."""
    made = Topics(bootstrap, f"p-{uuid.uuid4().hex[:12]}", f"l-{uuid.uuid4().hex[:12]}")
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        options = {"num_partitions": PARTITIONS, "replication_factor": 1}
        admin.create_topics(
            {made.predictions: options, made.labels: options}, wait_for_metadata=True
        )
    finally:
        admin.close()
    return made


@pytest.fixture
def silent_port() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def card() -> ModelCard:
    """A credit model with a feature of every type."""
    return ModelCard.model_validate(
        {
            "model": "credit",
            "model_version": "3",
            "task": "binary",
            "threshold": 0.4,
            "features": {
                "age": {"type": "number", "min": 0, "max": 120, "hidden_nulls": [-999, "NA"]},
                "income": {"type": "number", "nullable": True},
                "home": {
                    "type": "category",
                    "categories": ["own", "rent"],
                    "hidden_nulls": ["", "unknown"],
                },
                "student": {"type": "boolean", "nullable": True},
            },
        }
    )


@pytest.fixture
def good() -> dict[str, Any]:
    """Features that the card of `card` has nothing against."""
    return {"age": 40, "income": 1200.5, "home": "own", "student": False}
