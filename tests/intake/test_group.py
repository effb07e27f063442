"""The group as doctor sees it, on the real broker."""

import pytest

from devstack import StackInfo
from monitor.clock import SystemClock
from monitor.intake.group import GroupWorker, group_status
from monitor.intake.topics import ensure_topics
from tests.intake.brokers import fresh_settings, produce, until
from tests.intake.member import Member

pytestmark = pytest.mark.integration


def test_workers_lag_and_ages(stack: StackInfo) -> None:
    settings = fresh_settings(stack.kafka_bootstrap)
    topics = settings.kafka.topics
    ensure_topics(settings)
    nothing = group_status(settings, SystemClock())
    assert (nothing.workers, nothing.waiting) == ((), {})
    assert nothing.waited_s is None
    assert nothing.state_age_s is None
    produce(settings, topics.predictions, [(n % 2, b"model", b"%d" % n) for n in range(20)])
    produce(settings, topics.state, [(0, b"key", b"value")])
    member = Member(settings)
    until(lambda: len(member.records) == 20, member.step)
    found = group_status(settings, SystemClock())
    assert found.workers == (GroupWorker("worker-0", "127.0.0.1", 2),)
    assert found.waiting == {topics.predictions: 20}
    assert found.waited_s is not None
    assert found.state_age_s is not None
    assert 0 <= found.state_age_s < 60
    assert 0 <= found.waited_s < 60
    member.source.close()
