"""What people decide about alerts: done once, recorded, and refused in words where it cannot be."""

from typing import Any

import orjson
import pytest

from monitor.errors import BrokerError, StorageError
from tests.pipeline.harness import MODEL, TOPICS, LogRecord, Plant, command, events, whole_card

DRIFT = events(1_000, drift=[(300, 1_000)])
LATER: dict[str, Any] = {"until": "2026-01-01T00:20:00Z"}


@pytest.fixture
def plant() -> Plant:
    """One with an open alert."""
    plant = Plant(whole_card()).run(DRIFT)
    plant.commit()
    assert "FeatureDrift" in plant.open_alerts()
    return plant


def mark_of(plant: Plant, alertname: str = "FeatureDrift") -> str:
    bodies = [orjson.loads(value or b"") for value in plant.publisher.values(TOPICS.alerts)]
    [mark] = {
        body["subject"]
        for body in bodies
        if body["data"]["alerts"][0]["labels"]["alertname"] == alertname
    }
    return str(mark)


def obey(plant: Plant, *commands: LogRecord) -> None:
    plant.take_commands(commands)
    plant.commit()


def last_event(plant: Plant) -> dict[str, Any]:
    value = plant.publisher.values(TOPICS.alerts)[-1]
    event: dict[str, Any] = orjson.loads(value or b"{}")
    return event


def annotations(plant: Plant) -> dict[str, str]:
    found: dict[str, str] = last_event(plant)["data"]["alerts"][0]["annotations"]
    return found


def test_an_acknowledged_alert_goes_on_and_says_who(plant: Plant) -> None:
    before = plant.moves()
    obey(plant, command("acknowledge", mark_of(plant)))
    event = last_event(plant)
    assert (event["state"], event["previousstate"]) == ("firing", "firing")
    assert event["reason"] == "acknowledged by ann: we know"
    assert annotations(plant)["acknowledged_by"] == "ann"
    ids = [orjson.loads(value or b"")["id"] for value in plant.publisher.values(TOPICS.alerts)]
    assert len(set(ids)) == len(ids) == len(before) + 1
    assert sorted(row["event_id"] for row in plant.store.rows("alerts") if row["published"]) == (
        sorted(ids)
    )
    [row] = plant.store.rows("commands")
    assert (row["done"], row["who"], row["acts_from"]) == (True, "ann", 1_000)
    assert row["effect"] == "firing: acknowledged by ann: we know"


def test_a_silenced_alert_lives_on_and_every_move_says_so(plant: Plant) -> None:
    mark = mark_of(plant)
    obey(plant, command("silence", mark, until="2026-01-01T00:40:00Z"))
    assert annotations(plant)["silenced_until"] == "2026-01-01T00:40:00+00:00"
    plant.run(events(1_300, first=1_000))
    moves = [orjson.loads(value or b"") for value in plant.alerts()[mark.encode()]]
    assert moves[-1]["state"] == "resolved"
    assert "silenced_by" in moves[-1]["data"]["alerts"][0]["annotations"]
    plant.run(events(500, first=2_300, drift=[(200, 500)]))
    [*_, again] = [orjson.loads(value or b"") for value in plant.alerts()[mark.encode()]]
    assert again["state"] == "firing"
    assert "silenced_by" not in again["data"]["alerts"][0]["annotations"], "its end is over"


def test_a_closed_alert_must_be_seen_anew(plant: Plant) -> None:
    obey(plant, command("close", mark_of(plant)))
    assert plant.moves()[-1] == ("FeatureDrift", "resolved")
    assert last_event(plant)["reason"] == "closed by ann: we know"
    assert "FeatureDrift" not in plant.open_alerts()
    plant.run(events(300, first=1_000, drift=[(0, 300)]))
    rows = [row for row in plant.store.rows("alerts") if row["last_offset"] >= 1_000]
    again = [(r["previous"], r["state"]) for r in rows if r["alertname"] == "FeatureDrift"]
    assert sorted(again) == [("", "pending"), ("pending", "firing")]


def test_what_is_accepted_does_not_come_back_before_its_date(plant: Plant) -> None:
    obey(plant, command("accept", mark_of(plant), **LATER))
    assert last_event(plant)["reason"] == (
        "accepted as normal until 2026-01-01 00:20 UTC by ann: we know"
    )
    plant.run(events(150, first=1_000, drift=[(0, 150)]))
    assert "FeatureDrift" not in plant.open_alerts()
    other = plant.reborn()
    other.run(events(150, first=1_000, drift=[(0, 150)]))
    assert "FeatureDrift" not in other.open_alerts()
    other.run(events(400, first=1_150, drift=[(0, 400)]))
    assert "FeatureDrift" in other.open_alerts()


@pytest.mark.parametrize(
    ("record", "field", "words"),
    [
        (LogRecord(offset=0, key=None, value=None, topic=TOPICS.commands), "", "no value"),
        (
            LogRecord(offset=0, key=None, value=b"x" * 20_000, topic=TOPICS.commands),
            "",
            "at most 16384 bytes",
        ),
        (command("close", "0" * 16, who=""), "who", "at least 1 character"),
        (command("silence", "0" * 16), "", "nothing is silenced or accepted for ever"),
        (command("close", "0" * 16), "", "no open alert of orders has fingerprint 0000000000"),
        (command("close", "0" * 16, model="other"), "", "no events of model other are on"),
    ],
)
def test_a_command_that_cannot_be_obeyed_is_rejected(
    plant: Plant, record: LogRecord, field: str, words: str
) -> None:
    before = plant.moves()
    obey(plant, record)
    assert plant.moves() == before
    [rejection] = plant.publisher.values(TOPICS.rejections)
    [reason] = orjson.loads(rejection or b"")["reasons"]
    assert (reason["field"], words in reason["message"]) == (field, True)
    [row] = plant.store.rows("rejections")
    assert row["topic"] == TOPICS.commands
    assert plant.publisher.offsets[TOPICS.commands, 0] == 1
    assert all("refused: " in ruling["effect"] for ruling in plant.store.rows("commands"))


def test_a_silence_that_is_over_is_refused(plant: Plant) -> None:
    obey(plant, command("silence", mark_of(plant), until="2026-01-01T00:10:00Z"))
    [row] = plant.store.rows("commands")
    assert "the newest events of orders are later" in row["effect"]
    assert not row["done"]


def test_a_command_that_comes_twice_is_obeyed_once(plant: Plant) -> None:
    first = command("acknowledge", mark_of(plant))
    again = command("acknowledge", mark_of(plant), offset=1, command_id="order-0")
    obey(plant, first)
    published = plant.publisher.values(TOPICS.alerts)
    other = plant.reborn()
    obey(other, again)
    assert other.publisher.values(TOPICS.alerts) == published
    assert [row["effect"] for row in other.store.rows("commands")] == [
        "firing: acknowledged by ann: we know",
        "nothing: a command of this id was obeyed before",
    ]


def test_a_crash_around_the_commit_neither_loses_nor_doubles_a_command(plant: Plant) -> None:
    order = command("close", mark_of(plant))
    before = plant.publisher.values(TOPICS.alerts)
    plant.take_commands([order])
    plant.publisher.refusals.append(BrokerError("away"))
    with pytest.raises(BrokerError):
        plant.commit()
    other = plant.reborn()
    assert other.positions[TOPICS.commands, 0] == 0
    other.run([r for r in DRIFT if r.offset >= other.positions["plumbline.predictions", 0]])
    other.take_commands([order])
    other.store.refusals.append(StorageError("away", retryable=True))
    with pytest.raises(StorageError):
        other.commit()
    other.commit()
    other.commit()
    assert len(other.publisher.values(TOPICS.alerts)) == len(before) + 1
    last = other.reborn()
    assert last.positions[TOPICS.commands, 0] == 1
    last.commit()
    assert [row["done"] for row in last.store.rows("commands")] == [True]


def test_a_command_waits_until_its_partition_is_up_to_date(plant: Plant) -> None:
    """The state is of offset 0: what it is about is not known before the events are read again."""
    plant = Plant(whole_card())
    plant.take(DRIFT[:1])
    plant.commit(snapshot=True)
    plant.take(DRIFT[1:])
    plant.commit()
    other = plant.reborn()
    assert other.positions["plumbline.predictions", 0] == 1
    other.take_commands([command("close", mark_of(plant))])
    other.take(DRIFT[1:500])
    other.commit()
    assert other.publisher.offsets[TOPICS.commands, 0] == 0
    other.take(DRIFT[500:])
    other.commit()
    assert other.publisher.offsets[TOPICS.commands, 0] == 1
    assert "FeatureDrift" not in other.open_alerts()


def test_an_alert_that_no_window_clears_can_be_closed() -> None:
    plant = Plant().run(events(100))
    assert plant.open_alerts() == {"UnregisteredModel"}
    obey(plant, command("close", mark_of(plant, "UnregisteredModel"), model=MODEL))
    assert plant.open_alerts() == set()
    plant.run(events(100, first=100))
    assert plant.open_alerts() == set()
