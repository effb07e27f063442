"""The clock watches owners and alerts that nobody answers, and data that stops."""

from datetime import date

import orjson
import pytest

from schemas import ModelCard, Owner
from schemas.model import Monitoring
from tests.pipeline.harness import MONITORING, TOPICS, Plant, command, events, whole_card

HOUR_S = 3_600.0
NEVER_SILENT = Monitoring(**{**MONITORING.model_dump(), "stopped_after_minutes": 1e9})
OPS = Owner(team="ops", contact="ops@example.com", escalation="boss@example.com")


def _card(owner: Owner | None = OPS) -> ModelCard:
    return whole_card(owner=owner, monitoring=NEVER_SILENT)


def _wait(plant: Plant, hours: float) -> None:
    for _ in range(2):  # what has begun is seen at one look, what is over at the next
        plant.clock.advance(seconds=hours * HOUR_S / 2)
        plant.pipeline.on_tick()
        plant.commit()


def _last(plant: Plant, alertname: str) -> dict[str, str]:
    """State, owner and words of the newest move of an alert."""
    for value in reversed(plant.publisher.values(TOPICS.alerts)):
        event = orjson.loads(value or b"")
        entry = event["data"]["alerts"][0]
        if entry["labels"]["alertname"] == alertname:
            assert event["clock"] is True
            return {"state": event["state"], **entry["annotations"], **entry["labels"]}
    return {}


def test_a_model_without_owner_is_an_alert_until_its_card_names_one() -> None:
    plant = Plant(_card(None)).run(events(300))
    _wait(plant, 0.9)
    assert _last(plant, "OwnerMissing") == {}
    _wait(plant, 1.0)
    raised = _last(plant, "OwnerMissing")
    assert (raised["state"], raised["category"]) == ("firing", "escalation")
    assert raised["runbook_url"] == "docs/runbooks/OwnerMissing.md"
    plant.take_card(_card())
    _wait(plant, 0.1)
    assert _last(plant, "OwnerMissing")["state"] == "resolved"


def test_an_owner_past_the_review_date_is_one() -> None:
    owner = OPS.model_copy(update={"review_by": date(1969, 1, 1)})
    plant = Plant(_card(owner)).run(events(300))
    _wait(plant, 0.1)
    raised = _last(plant, "OwnerReviewOverdue")
    assert (raised["state"], raised["escalation"]) == ("firing", "boss@example.com")


@pytest.mark.parametrize(
    ("contact", "alertname"),
    [("ops@example.com", "AlertUnacknowledged"), ("telephone 7", "AlertUnrouted")],
)
def test_an_alert_that_nobody_answers_is_one_until_somebody_does(
    contact: str, alertname: str
) -> None:
    card = _card(OPS.model_copy(update={"contact": contact}))
    plant = Plant(card).run(events(800, drift=[(200, 800)]))
    assert ("FeatureDrift", "firing") in plant.moves()
    _wait(plant, 23.0)
    assert alertname not in plant.open_alerts()
    plant.commit(snapshot=True)
    plant = plant.reborn()  # a restart forgets nothing of the waiting that was saved
    _wait(plant, 2.0)
    raised = _last(plant, alertname)
    assert raised["state"] == "firing"
    assert "FeatureDrift amount" in raised["summary"]
    records = plant.publisher.values(TOPICS.alerts_state)
    marks = {
        entry["fingerprint"]
        for entry in (orjson.loads(value)["data"]["alerts"][0] for value in records if value)
        if entry["labels"]["category"] != "escalation"
    }
    for number, mark in enumerate(sorted(marks)):
        plant.take_commands([command("acknowledge", mark, offset=number)])
    plant.commit()
    _wait(plant, 0.1)
    assert _last(plant, alertname)["state"] == "resolved"


def test_an_alert_is_stale_while_no_data_comes_and_then_what_it_was() -> None:
    whole = events(1_000, drift=[(200, 1_000)])
    card = whole_card(owner=OPS)
    plant = Plant(card).run(whole[:700])
    calm = Plant(card).run(whole[:700])
    assert ("FeatureDrift", "firing") in plant.moves()
    plant.clock.advance(seconds=30 * 24 * HOUR_S)
    plant.pipeline.on_tick()
    plant.commit()
    assert ("FeatureDrift", "stale") in plant.moves()
    assert {"FeatureDrift", "StreamStopped"} <= plant.open_alerts()
    assert _last(plant, "StreamStopped")["owner"] == "ops"
    plant.run(whole[700:])
    assert plant.moves().count(("FeatureDrift", "resolved")) == 0
    assert _last_state(plant, "FeatureDrift") == "firing"
    calm.run(whole[700:])
    assert _of_the_log(plant) == _of_the_log(calm)


def test_the_saved_state_knows_what_is_stale() -> None:
    plant = Plant(whole_card(owner=OPS)).run(events(700, drift=[(200, 700)]))
    plant.clock.advance(seconds=30 * 24 * HOUR_S)
    plant.pipeline.on_tick()
    plant.commit(snapshot=True)
    again = plant.reborn()
    again.run(events(1, first=700))
    assert _last_state(again, "FeatureDrift") == "firing"
    assert again.moves().count(("FeatureDrift", "stale")) >= 1


def _last_state(plant: Plant, alertname: str) -> str:
    return [state for name, state in plant.moves() if name == alertname][-1]


def _of_the_log(plant: Plant) -> list[str]:
    """Ids of the moves that no clock made: the same whatever the clock said between."""
    bodies = [orjson.loads(value) for value in plant.publisher.values(TOPICS.alerts) if value]
    return [body["id"] for body in bodies if not body["clock"]]
