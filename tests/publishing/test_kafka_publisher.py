"""The transactional publisher on the real broker: all or nothing, in every gap."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.producer.transaction_manager import TransactionManager

from devstack import StackInfo
from monitor.broker import Membership, Partition
from monitor.config import Settings
from monitor.errors import BrokerError, ConfigError, FencedError
from monitor.intake.topics import ensure_topics
from monitor.publishing import transaction
from monitor.publishing.kafka import KafkaPublisher
from monitor.publishing.outgoing import Outgoing
from tests.intake.brokers import fresh_settings, produce, read, until
from tests.intake.member import Member

pytestmark = pytest.mark.integration


class Desk:
    """A member that has read ten records, and a publisher for what it makes of them."""

    def __init__(self, bootstrap: str) -> None:
        self.settings: Settings = fresh_settings(bootstrap)
        ensure_topics(self.settings)
        self.topics = self.settings.kafka.topics
        rows = [(n % 2, b"model", b"%d" % n) for n in range(10)]
        produce(self.settings, self.topics.predictions, rows)
        self.member = Member(self.settings)
        until(lambda: len(self.member.records) == 10, self.member.step)
        self.publisher = KafkaPublisher(self.settings.kafka, self.settings.worker.slot)
        self.records = [
            Outgoing(self.topics.alerts, b"k%d" % n, b"alert %d" % n, (("h", b"1"),))
            for n in range(20)
        ] + [Outgoing(self.topics.state, b"pane", b"closed", partition=1)]

    @property
    def membership(self) -> Membership:
        assert self.member.source.membership is not None
        return self.member.source.membership

    @property
    def offsets(self) -> dict[Partition, int]:
        return self.member.source.positions()

    def commit(self) -> None:
        self.publisher.commit(self.records, self.offsets, self.membership)

    def published(self) -> list[bytes | None]:
        return [record.value for record in read(self.settings, self.topics.alerts)]

    def committed(self) -> int:
        """Where the first partition would go on."""
        self.member.source.rejoin()
        count = len(self.member.calls)
        until(lambda: len(self.member.calls) > count, self.member.step)
        return self.member.starts[self.topics.predictions, 0]

    def close(self) -> None:
        self.member.source.close()
        self.publisher.close()


ONCE = [b"alert %d" % n for n in range(20)]


@pytest.fixture
def desk(stack: StackInfo) -> Iterator[Desk]:
    desk = Desk(stack.kafka_bootstrap)
    yield desk
    desk.close()


def test_records_and_offsets_are_committed_together(desk: Desk) -> None:
    desk.commit()
    assert desk.published() == ONCE
    [alert, *_] = read(desk.settings, desk.topics.alerts)
    assert (alert.key, list(alert.headers)) == (b"k0", [("h", b"1")])
    [state] = read(desk.settings, desk.topics.state)
    assert (state.partition, state.value) == (1, b"closed")
    assert desk.committed() == 5


def test_a_membership_of_generation_minus_one_is_refused(desk: Desk) -> None:
    with pytest.raises(FencedError, match="generation -1"):
        desk.publisher.commit(
            desk.records, desk.offsets, replace(desk.membership, generation=-1, member_id="")
        )
    assert desk.published() == []


@pytest.mark.parametrize("field", ["generation", "member_id"])
def test_a_stale_membership_is_fenced_and_publishes_nothing(desk: Desk, field: str) -> None:
    stale = {
        "generation": replace(desk.membership, generation=desk.membership.generation + 7),
        "member_id": replace(desk.membership, member_id="worker-0-gone", instance_id=None),
    }[field]
    with pytest.raises(FencedError, match="CommitFailedError"):
        desk.publisher.commit(desk.records, desk.offsets, stale)
    assert desk.published() == []
    desk.commit()  # with a new producer and the right membership
    assert desk.published() == ONCE


def test_a_displaced_member_is_told_to_end(desk: Desk) -> None:
    with pytest.raises(FencedError, match="another process took this slot") as fenced:
        desk.publisher.commit(
            desk.records, desk.offsets, replace(desk.membership, member_id="worker-0-old")
        )
    assert not fenced.value.retryable


def test_a_successor_of_the_slot_fences_its_predecessor(desk: Desk) -> None:
    desk.publisher.open()
    successor = KafkaPublisher(desk.settings.kafka, desk.settings.worker.slot)
    successor.open()
    with pytest.raises(FencedError):
        desk.commit()
    assert desk.published() == []
    successor.commit(desk.records, desk.offsets, desk.membership)
    assert desk.published() == ONCE
    successor.close()


def test_a_record_that_kafka_cannot_take_is_named_and_nothing_is_published(desk: Desk) -> None:
    large = [*desk.records, Outgoing(desk.topics.alerts, b"k", b"x" * 2_000_000)]
    with pytest.raises(ConfigError, match=r"raise max\.message\.bytes") as refused:
        desk.publisher.commit(large, desk.offsets, desk.membership)
    assert refused.value.retryable
    desk.publisher.open()  # ends what the failed one left open
    assert desk.published() == []
    desk.commit()
    assert desk.published() == ONCE


def test_records_without_offsets_are_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="21 records without offsets"):
        desk.publisher.commit(desk.records, {}, desk.membership)


class Crash(BaseException):
    """The process ends here: nothing after it runs."""


def crash(*args: object, **kwargs: object) -> Any:
    raise Crash


def after(name: str, owner: type) -> Callable[..., Any]:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        original(*args, **kwargs)
        raise Crash

    return wrapped


GAPS: dict[str, tuple[type | None, str, bool]] = {
    # name: (whose method, the method, whether the crash comes after it)
    "before the transaction": (KafkaProducer, "begin_transaction", False),
    "after its begin": (KafkaProducer, "begin_transaction", True),
    "before the records": (KafkaProducer, "send", False),
    "after a record": (KafkaProducer, "send", True),
    "after the flush": (KafkaProducer, "flush", True),
    "before the commit": (TransactionManager, "begin_commit", False),
}


@pytest.mark.parametrize("gap", GAPS)
def test_a_crash_in_a_gap_publishes_nothing_and_is_repeated_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, gap: str
) -> None:
    owner, name, late = GAPS[gap]
    assert owner is not None
    desk.publisher.open()
    # A process that ended does not say good-bye either.
    monkeypatch.setattr(transaction, "discard", lambda producer: left.append(producer))
    left: list[Any] = []
    monkeypatch.setattr(owner, name, after(name, owner) if late else crash)
    with pytest.raises(Crash):
        desk.commit()
    monkeypatch.undo()

    successor = KafkaPublisher(desk.settings.kafka, desk.settings.worker.slot)
    successor.open()
    assert desk.published() == []
    assert desk.committed() == 0
    until(lambda: len(desk.member.records) == 20, desk.member.step)
    successor.commit(desk.records, desk.offsets, desk.membership)
    assert desk.published() == ONCE
    assert desk.committed() == 5
    successor.close()
    transaction.discard(left.pop())


def test_a_crash_after_the_commit_was_sent_has_published(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.publisher.open()
    wait = transaction._wait

    def crash_at_the_end(producer: Any, result: Any, deadline: float, what: str) -> None:
        wait(producer, result, deadline, what)
        if what == "the commit":
            raise Crash

    monkeypatch.setattr(transaction, "_wait", crash_at_the_end)
    with pytest.raises(Crash):
        desk.commit()
    monkeypatch.undo()
    assert desk.published() == ONCE
    assert desk.committed() == 5


def fail_once(monkeypatch: pytest.MonkeyPatch, *, sent: bool) -> None:
    """Make the next commit time out: its end unseen, or before it was sent."""
    wait = transaction._wait

    def time_out(producer: Any, result: Any, deadline: float, what: str) -> None:
        wait(producer, result, deadline, what)
        if (what == "the commit") == sent:
            monkeypatch.undo()
            raise KafkaTimeoutError(f"{what} took too long")

    monkeypatch.setattr(transaction, "_wait", time_out)


@pytest.mark.parametrize("sent", [True, False])
def test_a_commit_in_doubt_is_repeated_without_a_second_alert(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, sent: bool
) -> None:
    fail_once(monkeypatch, sent=sent)
    with pytest.raises(BrokerError, match="took too long"):
        desk.commit()
    desk.commit()
    assert desk.published() == ONCE
    desk.records = [Outgoing(desk.topics.alerts, b"k", b"next")]
    desk.commit()
    assert desk.published() == [*ONCE, b"next"]


def test_another_commit_after_one_that_took_effect_unseen_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(monkeypatch, sent=True)
    with pytest.raises(BrokerError):
        desk.commit()
    desk.records = [Outgoing(desk.topics.alerts, b"k", b"another")]
    with pytest.raises(FencedError, match="took effect after all"):
        desk.commit()
    assert desk.published() == ONCE


def test_a_record_that_failed_alone_fails_the_transaction(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.publisher.open()
    send = KafkaProducer.send

    def lose_one(producer: Any, topic: str, **record: Any) -> Any:
        future = send(producer, topic, **record)
        if record["key"] == b"k7":
            lost = type(future)(future._produce_future, 0, None, None, 0, 0, 0)
            lost.failure(KafkaTimeoutError("expired before it was sent"))
            return lost
        return future

    monkeypatch.setattr(KafkaProducer, "send", lose_one)
    with pytest.raises(BrokerError, match="expired before it was sent"):
        desk.commit()
    monkeypatch.undo()
    desk.commit()
    assert desk.published() == ONCE


def test_a_changed_epoch_is_seen_before_the_commit(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.publisher.open()
    flush = KafkaProducer.flush

    def bump(producer: Any, timeout: float) -> None:
        flush(producer, timeout=timeout)
        manager = producer._transaction_manager
        now = manager.producer_id_and_epoch
        manager.set_producer_id_and_epoch(type(now)(now.producer_id, now.epoch + 1))

    monkeypatch.setattr(KafkaProducer, "flush", bump)
    with pytest.raises(FencedError, match="epoch changed"):
        desk.commit()
    monkeypatch.undo()
    desk.publisher.open()  # ends what the failed one left open
    assert desk.published() == []
