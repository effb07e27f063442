"""The three steps of a commit, in their order, each tried again where it failed."""

import pytest

from monitor.errors import BrokerError, FencedError, StorageError
from tests.pipeline.harness import (
    MODEL,
    PREDICTIONS,
    TOPICS,
    LogRecord,
    Plant,
    bare_card,
    events,
    whole_card,
)

DRIFT = events(900, drift=[(300, 900)])
AWAY = StorageError("away", retryable=True)


def test_eight_steps_leave_rows_alerts_rejections_and_offsets() -> None:
    broken = LogRecord(offset=900, key=MODEL.encode(), value=b"not json")
    plant = Plant(whole_card()).run([*DRIFT, broken])
    assert plant.counts()["predictions"] == 900
    assert plant.counts()["rejections"] == 1
    assert len(plant.publisher.values(TOPICS.rejections)) == 1
    assert ("FeatureDrift", "firing") in plant.moves()
    stored = {row["event_id"] for row in plant.store.rows("alerts") if row["published"]}
    assert len(stored) == len(plant.publisher.values(TOPICS.alerts))
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 901}
    assert not plant.pipeline.has_work or plant.pipeline.pending_events == 0


def test_nothing_is_published_before_the_rows_are_stored() -> None:
    plant = Plant(whole_card())
    plant.take(DRIFT)
    plant.store.refusals.append(AWAY)
    with pytest.raises(StorageError):
        plant.commit()
    assert plant.publisher.records == []
    assert plant.publisher.offsets == {}
    assert plant.pipeline.commit_pending
    plant.commit()
    assert plant.counts()["predictions"] == 900
    assert not plant.pipeline.commit_pending


def test_no_alert_row_is_stored_before_it_is_published() -> None:
    plant = Plant(whole_card())
    plant.take(DRIFT)
    plant.publisher.refusals.append(BrokerError("away"))
    with pytest.raises(BrokerError):
        plant.commit()
    assert plant.counts()["predictions"] == 900
    assert plant.counts()["alerts"] == 0
    plant.commit()
    assert plant.counts()["alerts"] > 0


def test_a_failed_third_step_does_not_publish_again() -> None:
    plant = Plant(whole_card())
    plant.take(DRIFT)
    plant.take(events(1, first=900))
    plant.store.refusals.clear()
    plant.publisher.refusals.append(BrokerError("away"))
    with pytest.raises(BrokerError):
        plant.commit()
    plant.store.refusals.append(AWAY)
    with pytest.raises(StorageError):
        plant.commit()
    published = list(plant.publisher.records)
    assert published
    plant.commit()
    assert plant.publisher.records == published
    assert plant.counts()["alerts"] > 0


def test_what_comes_while_a_commit_is_pending_belongs_to_the_next() -> None:
    plant = Plant()
    plant.take(events(10))
    plant.publisher.refusals.append(BrokerError("away"))
    with pytest.raises(BrokerError):
        plant.commit()
    plant.pipeline.on_card(bare_card())  # the move that takes the alert back
    plant.commit()
    assert plant.moves() == [("UnregisteredModel", "firing")]
    assert {row["state"] for row in plant.store.rows("alerts")} == {"pending", "firing"}
    plant.commit()
    assert plant.moves() == [("UnregisteredModel", "firing"), ("UnregisteredModel", "resolved")]
    assert plant.open_alerts() == set()


def test_a_retry_commits_the_offsets_it_began_with() -> None:
    plant = Plant(whole_card())
    plant.take(events(10))
    plant.publisher.refusals.append(BrokerError("away"))
    with pytest.raises(BrokerError):
        plant.commit()
    plant.positions[PREDICTIONS, 0] = 99
    plant.commit()
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 10}


def test_a_fenced_commit_publishes_nothing_and_the_next_owner_says_it_once() -> None:
    plant = Plant(whole_card())
    plant.take(DRIFT)
    plant.publisher.refusals.append(FencedError("another generation"))
    with pytest.raises(FencedError):
        plant.commit()
    plant.pipeline.forget()
    assert not plant.pipeline.has_work
    other = plant.reborn().run(DRIFT)
    undisturbed = Plant(whole_card()).run(DRIFT)
    assert other.alerts() == undisturbed.alerts()
    assert other.counts() == undisturbed.counts()


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_crash_before_the_third_step_loses_no_alert_row(snapshot: bool) -> None:
    """With a snapshot in the commit nothing is replayed: the state itself must tell the moves."""
    plant = Plant(whole_card())
    plant.take(events(1))
    plant.commit(snapshot=True)
    plant.take(events(899, first=1, drift=[(300, 899)]))
    for refusal in (BrokerError("away"),):
        plant.publisher.refusals.append(refusal)
        with pytest.raises(BrokerError):
            plant.commit(snapshot=snapshot)
    plant.store.refusals.append(AWAY)
    with pytest.raises(StorageError):
        plant.commit(snapshot=snapshot)
    assert plant.counts()["alerts"] == 0
    published = plant.publisher.values(TOPICS.alerts)
    assert published
    other = plant.reborn()
    rest = events(899, first=1, drift=[(300, 899)])
    other.run([record for record in rest if record.offset >= other.positions[PREDICTIONS, 0]])
    other.commit()
    assert other.publisher.values(TOPICS.alerts) == published
    assert sum(row["published"] for row in other.store.rows("alerts")) == len(published)
