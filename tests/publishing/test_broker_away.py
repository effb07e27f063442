"""A broker that goes away and comes back: nothing raised, nothing lost, nothing twice."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import processes
from devstack.kafka import broker
from devstack.ports import free_ports
from monitor.errors import BrokerError
from monitor.intake.topics import ensure_topics
from monitor.publishing.kafka import KafkaPublisher
from monitor.publishing.outgoing import Outgoing
from tests.intake.brokers import fresh_settings, produce, read, until
from tests.intake.member import Member

pytestmark = pytest.mark.integration


class OwnBroker:
    """A broker of this test's own, because the shared one is never stopped."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, controller = free_ports(2)
        broker.prepare(directory / "config", directory / "data", self.port, controller)

    def start(self) -> None:
        self.process = processes.start(
            broker.command(self.directory / "config"),
            log=self.directory / "log",
            directory=self.directory,
        )
        until(lambda: broker.answers(self.port), lambda: time.sleep(0.1))

    def stop(self) -> None:
        processes.end(self.process)


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[OwnBroker]:
    own = OwnBroker(tmp_path)
    own.start()
    yield own
    own.stop()


def test_a_worker_outlives_its_broker(own_broker: OwnBroker) -> None:
    settings = fresh_settings(f"127.0.0.1:{own_broker.port}")
    topics = settings.kafka.topics
    ensure_topics(settings)
    produce(settings, topics.predictions, [(n % 2, b"model", b"%d" % n) for n in range(20)])
    member = Member(settings)
    until(lambda: len(member.records) == 20, member.step)
    publisher = KafkaPublisher(settings.kafka, settings.worker.slot)
    publisher.open()
    records = [Outgoing(topics.alerts, b"k", b"%d" % n) for n in range(5)]

    own_broker.stop()
    until(lambda: "no broker" in member.source.problem, member.step)
    assert len(member.records) == 20
    membership = member.source.membership
    assert membership is not None
    started = time.monotonic()
    with pytest.raises(BrokerError, match="committing 5 records at Kafka"):
        publisher.commit(records, member.source.positions(), membership)
    assert time.monotonic() - started < 45  # bounded, whatever the client waits for

    own_broker.start()
    committed = False

    def commit() -> None:
        nonlocal committed
        try:
            publisher.commit(records, member.source.positions(), membership)
            committed = True
        except BrokerError:
            member.step()

    until(lambda: committed, commit)
    until(lambda: member.source.problem == "", member.step)
    assert member.calls == ["assigned"]  # the membership outlived the broker
    produce(settings, topics.predictions, [(0, b"model", b"late")])
    until(lambda: len(member.records) == 21, member.step)
    assert [record.value for record in read(settings, topics.alerts)] == [
        b"%d" % n for n in range(5)
    ]
    member.source.close()
    publisher.close()
