"""Versions without card or profile, cards that change, models that fall silent."""

import numpy as np
import orjson
import pytest

from monitor.errors import StorageError
from schemas import Monitoring, Owner
from schemas.model import RiverDetector
from tests.pipeline.harness import (
    MODEL,
    MONITORING,
    PREDICTIONS,
    TOPICS,
    Plant,
    bare_card,
    events,
    reference,
    whole_card,
)

DRIFT = events(900, drift=[(300, 900)])


def test_an_unregistered_model_is_stored_and_raised_once_until_its_card_comes() -> None:
    plant = Plant().run(events(400))
    assert plant.counts()["predictions"] == 400
    assert plant.moves() == [("UnregisteredModel", "firing")]
    plant.take_card(whole_card())
    plant.run(events(100, first=400))
    assert plant.moves()[1:] == [("UnregisteredModel", "resolved")]
    assert plant.counts()["pane_summaries"] == 2 * 3


@pytest.mark.parametrize("batch", [1, 7, 400])
def test_the_alert_of_an_unregistered_model_does_not_depend_on_batches(batch: int) -> None:
    events_of = events(400)
    assert Plant().run(events_of, batch).alerts() == Plant().run(events_of, 100).alerts()


def test_no_more_strangers_are_remembered_than_allowed() -> None:
    plant = Plant(whole_card(), limit=10)
    flood = [events(1, model=f"stranger-{i}", first=i)[0] for i in range(500)]
    plant.run(flood, 100)
    plant.run(events(1, model=MODEL, first=500, versions=["unknown"]))
    plant.run(events(200, first=501))
    assert plant.counts()["predictions"] == 701
    assert plant.moves() == [("UnregisteredModel", "firing")] * 10
    assert (
        plant.telemetry.value(
            "plumbline_step_dropped_total", step="tests", reason="unregistered_limit"
        )
        == 500 - 10 + 1
    )
    plant.commit(snapshot=True)
    heads = {record.key for record in plant.publisher.records if b"stranger" in record.key}
    assert len(heads) == 10
    assert plant.reborn().pipeline.commit_pending is False


def test_a_missing_profile_is_raised_once_and_taken_back_by_the_same_card() -> None:
    card = whole_card(profile_hash="sha256:" + "0" * 64)
    plant = Plant(card).run(events(300))
    assert plant.moves() == [("ProfileMissing", "firing")]
    assert plant.reborn().run(events(100, first=300)).moves() == plant.moves()
    plant = plant.reborn().run(events(100, first=300))
    plant.store.save_profile(card.profile_hash or "", reference().to_bytes())
    plant.take_card(card)
    plant.run(events(100, first=400))
    assert plant.moves()[1:] == [("ProfileMissing", "resolved")]
    assert plant.counts()["pane_summaries"] == 2 * 3


def test_a_profile_that_came_while_no_worker_ran_is_found_at_the_start() -> None:
    card = whole_card(profile_hash="sha256:" + "0" * 64)
    plant = Plant(card).run(events(300))
    plant.store.save_profile(card.profile_hash or "", reference().to_bytes())
    assert plant.reborn().run(events(100, first=300)).moves()[1:] == [
        ("ProfileMissing", "resolved")
    ]


def test_a_card_that_asks_for_the_impossible_stops_no_worker() -> None:
    odd = Monitoring(
        pane_events=50, scales=(200,), detectors=(RiverDetector(name="NoSuch", feature="amount"),)
    )
    broken = whole_card(model="broken", profile_hash="sha256:" + "1" * 64)
    plant = Plant(whole_card(model="odd", monitoring=odd), broken, whole_card())
    plant.store.save_profile(broken.profile_hash or "", b"no profile")
    plant.run([*events(100, model="odd"), *events(100, first=100)])
    plant.run(events(100, model="broken", first=200))
    assert plant.counts()["predictions"] == 300
    assert plant.roster.active().keys() == {(MODEL, "1"), ("odd", "1")}
    assert plant.moves() == [("ProfileMissing", "firing")]


def test_a_store_that_cannot_give_the_profile_leaves_everything_as_it_was() -> None:
    plant = Plant(whole_card())
    plant.store.refusals.append(StorageError("away", retryable=True))
    with pytest.raises(StorageError):
        plant.take(DRIFT)
    assert not plant.pipeline.has_work
    assert plant.run(DRIFT, 900).alerts() == Plant(whole_card()).run(DRIFT, 900).alerts()


def test_alerts_of_windows_that_a_new_card_replaces_are_ended() -> None:
    plant = Plant(whole_card()).run(DRIFT)
    assert plant.open_alerts()
    other = Monitoring(pane_events=50, scales=(400,))
    plant.take_card(whole_card(monitoring=other))
    plant.run(events(1, first=900))
    assert plant.open_alerts() == set()
    assert plant.moves()[-1][1] == "superseded"
    rows = plant.store.rows("alerts")
    assert len({row["event_id"] for row in rows}) == len(rows)
    again = plant.reborn(whole_card(monitoring=other)).run(events(1, first=901))
    assert again.moves() == plant.moves()


def test_a_card_that_changed_while_no_worker_ran_ends_them_too() -> None:
    plant = Plant(whole_card()).run(DRIFT)
    plant.commit(snapshot=True)
    changed = whole_card(monitoring=Monitoring(pane_events=50, scales=(400,)))
    other = plant.reborn(changed).run(events(100, first=900))
    assert other.open_alerts() == set()
    assert other.reborn(changed).run(events(100, first=1_000)).open_alerts() == set()


def test_a_new_owner_leaves_windows_and_alerts_alone() -> None:
    owner = Owner(team="ops", contact="ops@example.org", runbook="x" * 600_000)
    plant = Plant(whole_card()).run(DRIFT[:500])
    plant.take_card(whole_card(owner=owner))
    plant.run(DRIFT[500:])
    plain = Plant(whole_card()).run(DRIFT)
    assert plant.moves() == plain.moves()
    assert all(len(value or b"") < 100_000 for value in plant.publisher.values(TOPICS.alerts))


def test_silence_is_an_alert_that_ends_with_the_next_event() -> None:
    plant = Plant(whole_card()).run(events(100))
    plant.clock.advance(seconds=14 * 60)
    plant.pipeline.on_tick()
    assert not plant.pipeline.commit_pending
    plant.clock.advance(seconds=2 * 60)
    plant.pipeline.on_tick()
    plant.pipeline.on_tick()
    plant.commit()
    assert plant.moves() == [("StreamStopped", "firing")]
    other = plant.reborn()  # no snapshot was asked for: what the clock said is saved all the same
    other.run(events(10, first=100))
    assert other.moves() == [("StreamStopped", "firing"), ("StreamStopped", "resolved")]
    assert other.open_alerts() == set()


def test_no_model_is_called_silent_while_its_partition_is_behind() -> None:
    plant = Plant(whole_card()).run(events(100))
    plant.clock.advance(seconds=3_600)
    plant.pipeline.on_tick(behind={(PREDICTIONS, 0)})
    plant.pipeline.on_tick()
    plant.commit()
    assert plant.moves() == []


def test_the_same_id_under_two_versions_is_marked_in_the_order_of_the_log() -> None:
    mixed = events(400, versions=["1", "2"])
    twice = []
    for record in mixed:  # every second record repeats the id before it, under the other version
        body = orjson.loads(record.value or b"")
        body["event_id"] = f"id-{(record.offset + 1) // 2}"
        twice.append(type(record)(offset=record.offset, key=record.key, value=orjson.dumps(body)))
    cards = (whole_card(version="1"), whole_card(version="2"))
    marks = []
    for batch in (1, 3, 400):
        rows = Plant(*cards).run(twice, batch).store.rows("predictions")
        marks.append(sorted(row["offset"] for row in rows if row["repeated"]))
    assert marks[0] == marks[1] == marks[2] == list(range(2, 400, 2))


def test_two_versions_at_once_have_windows_of_their_own() -> None:
    cards = (whole_card(version="1"), whole_card(version="2"))
    mixed = events(1_000, versions=["1", "2"])
    rows = Plant(*cards).run(mixed).store.rows("pane_summaries")
    found = {(row["model_version"], row["pane"]) for row in rows}
    assert found == {(version, pane) for version in "12" for pane in range(10)}


def test_a_card_without_a_profile_is_only_stored() -> None:
    plant = Plant(bare_card()).run(DRIFT)
    assert plant.counts()["predictions"] == 900
    assert plant.moves() == []
    assert plant.counts()["pane_summaries"] == 0


def test_monitoring_of_the_harness_can_tell() -> None:
    assert reference().calibration.place_of(min(MONITORING.scales)) >= 0
    assert np.all(reference().calibration.blocks[:1] >= 5)
