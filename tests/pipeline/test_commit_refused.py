"""A row that the store refuses is rejected once, whatever happens between the steps."""

import orjson
import pytest

from monitor.errors import BrokerError
from tests.pipeline.harness import PREDICTIONS, TOPICS, Plant, events, whole_card

BAD = {(PREDICTIONS, 0, 7): "no such value", (PREDICTIONS, 0, 150): "nor this one"}


def _rejected(plant: Plant) -> list[tuple[int, str]]:
    values = [orjson.loads(value) for value in plant.publisher.values(TOPICS.rejections) if value]
    return [(value["offset"], value["reasons"][0]["reason"]) for value in values]


def _plant() -> Plant:
    plant = Plant(whole_card())
    plant.store.unfit = dict(BAD)
    return plant


def test_refused_rows_are_on_the_topic_and_in_the_table_and_all_others_are_stored() -> None:
    plant = _plant().run(events(300))
    assert _rejected(plant) == [(7, "refused_by_store"), (150, "refused_by_store")]
    assert plant.counts()["predictions"] == 298
    assert plant.counts()["rejections"] == 2
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 300}
    assert plant.telemetry.value(
        "plumbline_step_dropped_total", step="storage", reason="refused_by_store"
    ) == len(BAD)


def test_a_failed_second_step_tells_them_once() -> None:
    plant = _plant()
    plant.take(events(300))
    plant.publisher.refusals.append(BrokerError("away"))
    with pytest.raises(BrokerError):
        plant.commit()
    plant.commit()
    assert [offset for offset, _ in _rejected(plant)] == [7, 150]


def test_a_crash_before_the_second_step_changes_nothing_that_is_told() -> None:
    plant = _plant()
    plant.take(events(300))
    plant.publisher.refusals.append(BrokerError("away"))
    with pytest.raises(BrokerError):
        plant.commit()
    assert _rejected(plant) == []
    other = plant.reborn().run(events(300))
    undisturbed = _plant().run(events(300))
    assert other.publisher.values(TOPICS.rejections) == undisturbed.publisher.values(
        TOPICS.rejections
    )
    assert other.counts() == undisturbed.counts()
