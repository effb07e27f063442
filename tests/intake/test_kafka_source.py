"""The Kafka source on the real broker: order, positions, rebalances, zombies."""

from collections.abc import Mapping

import pytest

from devstack import StackInfo
from monitor.broker import Partition
from monitor.config import Settings
from monitor.errors import ConfigError, FencedError, StorageError
from monitor.intake.topics import admin_client, ensure_topics
from monitor.publishing.kafka import KafkaPublisher
from monitor.publishing.outgoing import Outgoing
from tests.intake.brokers import fresh_settings, produce, read, until
from tests.intake.member import Member

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(stack: StackInfo) -> Settings:
    settings = fresh_settings(stack.kafka_bootstrap, partitions=4)
    ensure_topics(settings)
    return settings


def another(settings: Settings, slot: str) -> Settings:
    return fresh_settings(
        settings.kafka.bootstrap_servers,
        partitions=settings.kafka.partitions,
        slot=slot,
        prefix=settings.kafka.group_id,
    )


def fill(settings: Settings, per_partition: int) -> None:
    rows = [(n % 4, b"model", b"%d" % n) for n in range(4 * per_partition)]
    produce(settings, settings.kafka.topics.predictions, rows)


def test_a_new_group_reads_everything_from_the_start_in_order(settings: Settings) -> None:
    fill(settings, 300)
    produce(settings, settings.kafka.topics.labels, [(1, b"model", b"label")])
    member = Member(settings)
    until(lambda: len(member.records) >= 1_201, member.step)
    topics = settings.kafka.topics
    expected = {(topics.predictions, n): list(range(300)) for n in range(4)}
    assert member.offsets() == {**expected, (topics.labels, 1): [0]}
    positions = member.source.positions()
    assert len(positions) == 12  # predictions, labels and commands are co-assigned
    assert positions[topics.predictions, 2] == 300
    assert positions[topics.commands, 2] == 0
    assert sum(member.source.lag().values()) == 0
    assert member.source.membership is not None
    assert member.source.membership.generation >= 1
    assert member.source.membership.instance_id == "worker-0"
    assert member.source.problem == ""
    member.source.close()


def test_records_start_where_the_group_committed(settings: Settings) -> None:
    fill(settings, 50)
    first = Member(settings)
    until(lambda: len(first.records) == 200, first.step)
    offsets = first.source.positions()
    offsets[settings.kafka.topics.predictions, 3] = 20
    publisher = KafkaPublisher(settings.kafka, "worker-0")
    assert first.source.membership is not None
    publisher.commit([], offsets, first.source.membership)
    first.source.close()

    second = Member(settings)
    until(lambda: len(second.records) == 30, second.step)
    assert second.offsets() == {(settings.kafka.topics.predictions, 3): list(range(20, 50))}
    # State may be older than the offsets: then the source is told to begin earlier.
    second.steps_back = 5
    second.records.clear()
    second.source.rejoin()
    until(lambda: len(second.records) == 50, second.step)
    found = {partition: offsets for (_, partition), offsets in second.offsets().items()}
    late = list(range(45, 50))
    assert found == {0: late, 1: late, 2: late, 3: list(range(15, 50))}
    second.source.close()
    publisher.close()


def test_a_paused_source_hands_out_nothing_and_stays_a_member(settings: Settings) -> None:
    member = Member(settings)
    until(lambda: member.calls == ["assigned"], member.step)
    member.source.pause()
    fill(settings, 10)
    for _ in range(5):
        assert not member.source.poll(100)
    member.source.resume()
    until(lambda: len(member.records) == 40, member.step)
    assert member.calls == ["assigned"]
    member.source.close()


def test_two_members_share_the_partitions_and_keep_topics_together(settings: Settings) -> None:
    fill(settings, 50)
    one, two = Member(settings), Member(another(settings, "worker-1"))
    until(lambda: len(one.records) == 200, one.step)
    assert one.source.membership is not None
    generation = one.source.membership.generation

    def both() -> None:
        one.step()
        two.step()

    until(lambda: len(two.starts) > 0 and one.calls[-1] == "assigned" and len(one.calls) == 3, both)
    assert one.calls == ["assigned", "revoked", "assigned"]
    assert one.at_revocation[settings.kafka.topics.predictions, 0] == 50
    assert one.source.membership.generation > generation
    owned_by_one = {partition for _, partition in one.starts}
    owned_by_two = {partition for _, partition in two.starts}
    assert owned_by_one | owned_by_two == {0, 1, 2, 3}
    assert not owned_by_one & owned_by_two
    assert len(one.starts) == 3 * len(owned_by_one)
    # Nothing was committed: whoever owns a partition now reads it from its start again.
    until(lambda: len(one.records) + len(two.records) == 400, both)
    one.source.close()
    two.source.close()


def test_a_restore_that_failed_is_asked_for_again(settings: Settings) -> None:
    fill(settings, 10)
    member = Member(settings)
    outcomes = [StorageError("ClickHouse is away", retryable=True), None]

    def restore(starts: Mapping[Partition, int]) -> Mapping[Partition, int]:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return starts

    member.source._on_assigned = restore
    with pytest.raises(StorageError):
        until(lambda: False, member.step)
    assert not member.records
    until(lambda: len(member.records) == 40, member.step)
    assert outcomes == []
    member.source.close()


def test_a_stalled_member_loses_its_partitions_and_is_fenced(settings: Settings) -> None:
    fill(settings, 20)
    zombie = Member(settings, max_poll_interval_ms=4_000, session_timeout_ms=6_000)
    until(lambda: len(zombie.records) == 80, zombie.step)
    membership, offsets = zombie.source.membership, zombie.source.positions()
    assert membership is not None
    heir = Member(another(settings, "worker-1"), session_timeout_ms=6_000)
    # The zombie does not poll: its session ends and everything goes to the heir.
    until(lambda: len(heir.records) == 80, heir.step)
    assert heir.source.membership is not None
    alerts = settings.kafka.topics.alerts
    ours = KafkaPublisher(settings.kafka, "worker-1")
    ours.commit([Outgoing(alerts, b"k", b"heir")], heir.source.positions(), heir.source.membership)
    late = KafkaPublisher(settings.kafka, "worker-0")
    with pytest.raises(FencedError) as fenced:
        late.commit([Outgoing(alerts, b"k", b"zombie")], offsets, membership)
    assert fenced.value.retryable
    assert [record.value for record in read(settings, alerts)] == [b"heir"]

    def both() -> None:
        zombie.step()
        heir.step()

    until(lambda: len(zombie.calls) >= 3, both)
    assert zombie.calls[:3] == ["assigned", "lost", "assigned"]
    for member in (zombie, heir):
        member.source.close()
    ours.close()
    late.close()


def test_rejoining_drops_everything_and_is_assigned_again(settings: Settings) -> None:
    fill(settings, 5)
    member = Member(settings)
    until(lambda: len(member.records) == 20, member.step)
    member.source.rejoin()
    assert member.source.membership is None
    until(lambda: len(member.records) == 40, member.step)
    assert member.calls == ["assigned", "lost", "assigned"]
    member.source.close()


def test_partitions_added_are_seen_however_short_the_polls(settings: Settings) -> None:
    """The rejoin that they cause outlasts many polls; the answer must not be left lying."""
    member = Member(settings, metadata_age_ms=200)
    until(lambda: member.calls == ["assigned"], member.step)
    with admin_client(settings.kafka, "adding partitions") as admin:
        admin.create_partitions({settings.kafka.topics.predictions: 6})
    with pytest.raises(ConfigError, match=r"has 6 partitions, kafka\.partitions is 4"):
        until(lambda: False, lambda: member.source.poll(1))
    assert member.calls == ["assigned", "revoked"]
    member.source.close()


def test_a_second_process_in_the_same_slot_ends_the_first(settings: Settings) -> None:
    first, second = Member(settings), Member(settings)
    until(lambda: first.calls == ["assigned"], first.step)
    until(lambda: second.calls == ["assigned"], second.step)
    with pytest.raises(FencedError, match="another process took slot 'worker-0'") as fenced:
        until(lambda: False, first.step)
    assert not fenced.value.retryable
    first.source.close()
    second.source.close()


def test_offsets_beyond_the_end_of_the_log_are_refused(settings: Settings) -> None:
    member = Member(settings)
    until(lambda: member.calls == ["assigned"], member.step)
    offsets = {(settings.kafka.topics.predictions, 0): 1_000}
    publisher = KafkaPublisher(settings.kafka, "worker-0")
    assert member.source.membership is not None
    publisher.commit([], offsets, member.source.membership)
    member.source.rejoin()
    with pytest.raises(ConfigError, match=r"ends at offset 0, but group .* has read up to 1000"):
        until(lambda: False, member.step)
    member.source.close()
    publisher.close()
