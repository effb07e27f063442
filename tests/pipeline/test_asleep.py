"""After a restart nothing is built of saved windows before somebody needs them."""

import pytest

from monitor.errors import StorageError
from monitor.packing import pack
from monitor.restoring import joined
from monitor.state import newest
from tests.pipeline.harness import (
    MODEL,
    TOPICS,
    Plant,
    command,
    events,
    whole_card,
)

CARDS = (whole_card(), whole_card(version="2"), whole_card(model="returns"))


def _saved(plant: Plant) -> dict[object, bytes]:
    """The windows in the state."""
    state = joined(
        newest((r.key, r.value) for r in plant.publisher.records if r.topic == TOPICS.state)
    )
    panes = {key: pack(value) for key, value in state.items() if key[0] == "pane"}
    return panes | {key: pack(v["versions"]) for key, v in state.items() if key[0] == "head"}


@pytest.fixture
def reborn() -> Plant:
    """Two versions of one model with open alerts and another model, restored."""
    plant = Plant(*CARDS).run(events(1_600, versions=["1", "2"], drift=[(600, 1_600)]))
    plant.run(events(400, model="returns", first=1_600))
    plant.commit(snapshot=True)
    assert plant.open_alerts()
    return plant.reborn()


def test_nothing_is_built_before_an_event_and_then_all_versions_of_its_model(reborn: Plant) -> None:
    assert reborn.roster.awake() == {}
    assert set(reborn.roster.active()) == {(MODEL, "1"), (MODEL, "2"), ("returns", "1")}
    reborn.take(events(1, first=2_000))
    assert reborn.roster.awake().keys() == {(MODEL, "1"), (MODEL, "2")}
    assert reborn.roster.awake()[MODEL, "1"].stream.events == 801


def test_a_sleeping_version_is_saved_again_as_it_was(reborn: Plant) -> None:
    before, records = _saved(reborn), len(reborn.publisher.records)
    reborn.pipeline._snapshots.unrepeatable(MODEL)
    reborn.commit(snapshot=True)
    assert reborn.roster.awake() == {}
    assert len(reborn.publisher.records) > records
    assert _saved(reborn) == before


def test_a_profile_that_cannot_be_asked_for_leaves_everything_asleep(reborn: Plant) -> None:
    reborn.store.refusals.append(StorageError("away", retryable=True))
    with pytest.raises(StorageError, match="away"):
        reborn.take(events(10, first=2_000))
    assert len(reborn.roster.all_asleep()) == 3
    reborn.take(events(10, first=2_000))
    assert reborn.roster.awake()[MODEL, "1"].stream.events == 810


def test_windows_that_cannot_be_had_start_anew(
    reborn: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    open_before = reborn.open_alerts()
    reborn.roster.asleep(MODEL)["1"].state["open"].clear()
    panes = reborn.roster.asleep(MODEL)["2"].panes
    assert isinstance(panes, dict)
    panes.clear()
    reborn.run(events(10, first=2_000))
    assert "state of orders 1 is unusable, it starts anew" in caplog.text
    assert "state of orders 2 is unusable, it starts anew" in caplog.text
    assert reborn.roster.awake()[MODEL, "1"].stream.events == 10
    assert (MODEL, "2") not in reborn.roster.active()
    assert open_before > reborn.open_alerts()
    assert {state for _, state in reborn.moves()[-2:]} == {"superseded"}


def test_a_command_wakes_its_model(reborn: Plant) -> None:
    fingerprint = next(key for key in reborn.alerts())
    reborn.take_commands([command("acknowledge", fingerprint.decode())])
    reborn.commit()
    assert reborn.roster.awake().keys() == {(MODEL, "1"), (MODEL, "2")}


def test_silence_wakes_only_when_it_may_be_too_long(reborn: Plant) -> None:
    reborn.clock.advance(seconds=14 * 60)
    reborn.pipeline.on_tick()
    assert reborn.roster.awake() == {}
    reborn.clock.advance(seconds=24 * 3_600)
    reborn.pipeline.on_tick()
    reborn.commit()
    assert reborn.roster.all_asleep() == []
    assert [move for move in reborn.moves() if move == ("StreamStopped", "firing")]
