"""What a person accepts as normal: measured against from there, until its date, and no longer."""

from typing import Any

import numpy as np
import orjson

from monitor.clock import to_us
from tests.pipeline.harness import TOPICS, LogRecord, Plant, command, events, whole_card

ONCE = 1_100
"""`amount` moves by two sigma at 430, and people accept that at this offset."""
UNTIL: dict[str, Any] = {"until": "2026-01-01T00:50:00Z"}
"""Event 3,000: one a second."""
END = 3_000


def level(n: int, first: int, amount: float, seed: int = 5) -> list[LogRecord]:
    """Events whose `amount` lies about a level."""
    moved = []
    for record in events(n, first=first, seed=seed):
        body = orjson.loads(record.value or b"")
        body["features"]["amount"] += amount
        moved.append(
            LogRecord(
                offset=record.offset,
                key=record.key,
                value=orjson.dumps(body),
                timestamp=record.timestamp,
            )
        )
    return moved


LOG = [*events(430), *level(ONCE - 430, 430, 2.0)]


def drifted() -> Plant:
    plant = Plant(whole_card()).run(LOG, 100)
    assert "FeatureDrift" in plant.open_alerts()
    return plant


def accept(plant: Plant, **changed: Any) -> str:
    """Accept the drift of `amount`; gives what the command did."""
    place = plant.positions.get((TOPICS.commands, 0), 0)
    order = command("accept", fingerprint(plant), offset=place, **{**UNTIL, **changed})
    plant.take_commands([order])
    plant.commit()
    return str(plant.store.rows("commands")[-1]["effect"])


def fingerprint(plant: Plant) -> str:
    [mark] = {
        key.decode()
        for key, values in plant.alerts().items()
        if orjson.loads(values[0] or b"")["data"]["alerts"][0]["labels"]["alertname"]
        == "FeatureDrift"
    }
    return mark


def told(plant: Plant) -> list[dict[str, Any]]:
    """Every published move of the drift of `amount`."""
    return [orjson.loads(value or b"") for value in plant.alerts()[fingerprint(plant).encode()]]


def drift_findings(plant: Plant, first: int, last: int) -> list[dict[str, Any]]:
    return [
        row
        for row in plant.store.rows("findings")
        if row["feature"] == "amount"
        and row["check"] in ("ks", "cusum")
        and first <= row["last_offset"] < last
    ]


def test_what_is_accepted_is_quiet_and_a_second_shift_is_not() -> None:
    plant = drifted()
    said = accept(plant)
    assert said.startswith(
        "resolved: accepted as normal until 2026-01-01 00:50 UTC by ann: we know"
    )
    assert "are the reference of amount" in said
    plant.run(level(900, ONCE, 2.0), 100)
    quiet = drift_findings(plant, ONCE, 2_000)
    assert {row["verdict"] for row in quiet} == {"ok", "cannot_tell"}
    judged = [row for row in quiet if row["verdict"] == "ok"]
    assert {row["n_ref"] for row in judged} == {plant.store.rows("baselines")[0]["n_rows"]}
    assert "FeatureDrift" not in plant.open_alerts()
    plant.run(level(400, 2_000, 4.0), 100)
    assert "FeatureDrift" in plant.open_alerts()
    first, second = (
        event
        for event in told(plant)
        if (event["state"], event["previousstate"]) == ("firing", "pending")
    )
    assert first["data"]["alerts"][0]["startsAt"] < second["data"]["alerts"][0]["startsAt"]
    note = second["data"]["alerts"][0]["annotations"]["accepted"]
    assert note.endswith("accepted as normal until 2026-01-01 00:50 UTC by ann: we know")


def test_the_way_back_to_the_original_is_a_second_shift() -> None:
    plant = drifted()
    accept(plant)
    plant.run([*level(500, ONCE, 2.0), *events(400, first=1_600)], 100)
    assert "FeatureDrift" in plant.open_alerts()


def test_after_its_date_the_original_acts_again() -> None:
    plant = drifted()
    accept(plant)
    plant.run(level(END - ONCE, ONCE, 2.0), 100)
    assert "FeatureDrift" not in plant.open_alerts()
    assert [row["turn"] for row in plant.store.rows("baselines")] == ["acts"]
    plant.run(level(500, END, 2.0), 100)
    assert "FeatureDrift" in plant.open_alerts()
    assert "accepted" not in told(plant)[-1]["data"]["alerts"][0]["annotations"]
    acts, ended = plant.store.rows("baselines")
    assert (ended["turn"], ended["offset"], ended["reason"]) == (
        "ended",
        END + 50,
        "its time is over",
    )
    assert (acts["offset"], acts["column"], acts["who"]) == (ONCE, "amount", "ann")
    assert to_us(acts["until"]) == to_us(ended["until"])
    assert sum(acts["counts"]) == acts["n_rows"] == acts["last_offset"] - acts["first_offset"] + 1


def test_a_run_killed_anywhere_obeys_the_acceptance() -> None:
    rest = [*level(900, ONCE, 2.0), *level(300, 2_000, 4.0), *level(1_000, 2_300, 2.0)]
    plain = drifted()
    accept(plain)
    plain.run(rest, 100)
    rng = np.random.default_rng(7)
    plant = drifted()
    accept(plant)
    end = rest[-1].offset + 1
    while (at := plant.positions["plumbline.predictions", 0]) < end:
        size = int(rng.integers(50, 500))
        plant.take(rest[at - ONCE : at - ONCE + size])
        if rng.random() < 0.7:
            plant.commit(snapshot=bool(rng.random() < 0.3))
        if rng.random() < 0.3:
            plant = plant.reborn()
    plant.commit()
    assert plant.alerts() == plain.alerts()
    assert plant.store.rows("baselines") == plain.store.rows("baselines")
    assert len(plain.store.rows("baselines")) == 2
    found, expected = (
        sorted(tuple(map(str, row.values())) for row in each.store.rows("findings"))
        for each in (plant, plain)
    )
    assert found == expected


def test_too_few_events_are_no_distribution() -> None:
    plant = Plant(whole_card()).run(LOG[:500], 50)
    assert "FeatureDrift" in plant.open_alerts()
    assert "an acceptance needs 200, a smallest window" in accept(plant)
    assert "FeatureDrift" in plant.open_alerts()
    assert plant.store.rows("baselines") == []


def test_another_acceptance_takes_the_place_of_the_first() -> None:
    plant = drifted()
    accept(plant)
    plant.run([*level(500, ONCE, 2.0), *level(700, 1_600, 4.0)], 100)
    accept(plant, why="again", until="2026-01-01T01:00:00Z")
    rows = plant.store.rows("baselines")
    assert sorted((row["turn"], row["why"]) for row in rows) == [
        ("acts", "again"),
        ("acts", "we know"),
        ("ended", "we know"),
    ]
    plant.run(level(500, 2_300, 4.0), 100)
    assert "FeatureDrift" not in plant.open_alerts()


def test_a_card_that_changes_the_tests_ends_what_was_accepted() -> None:
    plant = drifted()
    accept(plant)
    plant.take_card(
        whole_card(monitoring=whole_card().monitoring.model_copy(update={"scales": (400,)}))
    )
    assert [row["turn"] for row in plant.store.rows("baselines")] == ["acts", "ended"]


def test_an_incident_is_accepted_whole() -> None:
    """What compares distributions gets another; what compares none just rests."""
    plant = Plant(whole_card()).run(LOG, 100)
    named = plant.open_alerts()
    assert {"FeatureDrift", "TrainingServingSkew"} <= named
    accept(plant, incident=True)
    assert not {"FeatureDrift", "TrainingServingSkew"} & plant.open_alerts()
    plant.run(level(900, ONCE, 2.0), 100)
    assert not {"FeatureDrift", "TrainingServingSkew"} & plant.open_alerts()
    assert {row["column"] for row in plant.store.rows("baselines")} == {"amount"}


def test_an_undisturbed_state_knows_nothing_of_it() -> None:
    plant = drifted()
    plant.commit(snapshot=True)
    heads = [r.value for r in plant.publisher.records if r.topic == TOPICS.state and r.value]
    assert not any(b"accepted" in value and b"slots" in value for value in heads)
    accept(plant)
    heads = [r.value for r in plant.publisher.records if r.topic == TOPICS.state and r.value]
    assert any(b"accepted" in value and b"slots" in value for value in heads)
