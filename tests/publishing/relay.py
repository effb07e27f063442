"""A small worker in a process of its own, to be killed: consumes, keeps state, publishes.

Every tenth record of a partition becomes an alert that carries a running hash over all records
before it, so that a loss, a repeat or another order shows. The state (count and hash) is a record
of the compacted state topic, restored on assignment, and must fit the committed offset.

Usage: python -m tests.publishing.relay BOOTSTRAP PREFIX PARTITIONS SLOT [COMMIT GAP]
With COMMIT and GAP it kills itself in that gap of its COMMIT-th commit.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.producer.transaction_manager import TransactionManager

from monitor.broker import Partition
from monitor.config import Settings
from monitor.errors import BrokerError, FencedError, StateError
from monitor.intake.follower import TopicFollower
from monitor.intake.kafka import KafkaSource
from monitor.publishing.kafka import KafkaPublisher
from monitor.publishing.outgoing import Outgoing
from tests.intake.brokers import fresh_settings

ALERT_EVERY = 10
START = "start"


def step(digest: str, value: bytes) -> str:
    return hashlib.sha256(digest.encode() + value).hexdigest()[:16]


class Relay:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.topics = settings.kafka.topics
        self.state: dict[int, tuple[int, str]] = {}
        self.outgoing: list[Outgoing] = []
        self.publisher = KafkaPublisher(settings.kafka, settings.worker.slot)
        self.source = KafkaSource(
            settings,
            topics=(self.topics.predictions, self.topics.labels, self.topics.commands),
            on_assigned=self.restore,
            on_revoked=self.commit,
            on_lost=self.drop,
        )
        self.stopped = False

    def run(self) -> None:
        self.publisher.open()
        while not self.stopped:
            try:
                for record in self.source.poll(100):
                    if record.topic == self.topics.predictions:
                        self.take(record.partition, record.value or b"")
                self.commit()
            except FencedError as error:
                if not error.retryable:
                    raise
                self.source.rejoin()
            except (BrokerError, StateError):
                self.source.rejoin()
        self.source.close()
        self.publisher.close()

    def take(self, partition: int, value: bytes) -> None:
        count, digest = self.state[partition]
        count, digest = count + 1, step(digest, value)
        self.state[partition] = (count, digest)
        if count % ALERT_EVERY == 0:
            alert = Outgoing(self.topics.alerts, b"%d" % partition, digest.encode())
            self.outgoing.append(alert)

    def commit(self) -> None:
        offsets, membership = self.source.positions(), self.source.membership
        if membership is None or not any(self.state.values()):
            return
        states = [
            Outgoing(
                self.topics.state,
                b"head",
                json.dumps([count, digest, offsets[self.topics.predictions, partition]]).encode(),
                partition=partition,
            )
            for partition, (count, digest) in self.state.items()
        ]
        self.publisher.commit([*self.outgoing, *states], offsets, membership)
        self.outgoing = []

    def restore(self, starts: Mapping[Partition, int]) -> Mapping[Partition, int]:
        self.drop()
        mine = {
            number: at for (topic, number), at in starts.items() if topic == self.topics.predictions
        }
        if not mine:
            return starts
        follower = TopicFollower(self.settings.kafka, self.topics.state, list(mine))
        saved: dict[int, list[Any]] = {}
        for record in follower.read_all():
            saved[record.partition] = json.loads(record.value or b"")
        follower.close()
        for partition, start in mine.items():
            count, digest, offset = saved.get(partition, [0, START, 0])
            if offset != start:
                raise StateError(f"state of {partition} is at {offset}, the group at {start}")
            self.state[partition] = (count, digest)
        return starts

    def drop(self) -> None:
        self.state, self.outgoing = {}, []

    def stop(self, *_: object) -> None:
        self.stopped = True


GAPS: dict[str, tuple[type, str, bool]] = {
    "begin": (KafkaProducer, "begin_transaction", True),
    "offsets": (KafkaProducer, "send", False),
    "record": (KafkaProducer, "send", True),
    "flush": (KafkaProducer, "flush", True),
    "sent": (TransactionManager, "begin_commit", True),
    "committed": (KafkaPublisher, "_commit", True),
}
"""Where a process may end: whose method, which, and whether after it."""


def kill_at(commit: int, gap: str) -> None:
    owner, name, late = GAPS[gap]
    commits, original, begin = 0, getattr(owner, name), KafkaProducer.begin_transaction

    def counted(producer: Any) -> None:
        nonlocal commits
        commits += 1
        begin(producer)
        if gap == "begin":
            end()

    def end() -> None:
        if commits >= commit:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not late:
            end()
        result = original(*args, **kwargs)
        end()
        return result

    KafkaProducer.begin_transaction = counted
    if gap != "begin":
        setattr(owner, name, wrapped)


def main() -> None:
    bootstrap, prefix, partitions, slot, *kill = sys.argv[1:]
    if kill:
        kill_at(int(kill[0]), kill[1])
    settings = fresh_settings(bootstrap, partitions=int(partitions), slot=slot, prefix=prefix)
    worker = settings.worker.model_copy(update={"session_timeout_ms": 6_000})
    settings = settings.model_copy(update={"worker": worker})
    relay = Relay(settings)
    signal.signal(signal.SIGTERM, relay.stop)
    relay.run()


if __name__ == "__main__":
    main()
