"""What stands on the state topic is taken up, left out or refused; nothing in it is executed."""

import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from monitor.errors import StateError
from monitor.packing import unpack
from monitor.state import newest
from schemas.model import RiverDetector
from tests.contract.state_fuzz import Entries, hostile_bytes, spoilt_bytes, spoilt_values
from tests.pipeline.harness import MODEL, PREDICTIONS, TOPICS, Plant, events, whole_card

CASES = 40
LONGEST_S = 2.0
MOST_MEMORY_KB = 200_000
PICKLED = b"\x80\x04\x95"
"""How a pickle begins."""
HARMLESS = ("an array of negative size",)
"""What is another spelling of something plain."""
CARDS = (
    whole_card(),
    whole_card(model="returns"),
)


@cache
def _lived() -> Plant:
    """A worker with open alerts, closed panes, blocks of ids and an unregistered model."""
    plant = Plant(*CARDS)
    plant.take(events(2_030, drift=[(1_200, 2_030)]))
    plant.take(events(900, model="returns", first=3_000, seed=3))
    plant.take(events(20, model="stranger", first=5_000, seed=4))
    plant.commit(snapshot=True)
    return plant


def _entries() -> Entries:
    state = [record for record in _lived().publisher.records if record.topic == TOPICS.state]
    return newest((record.key, record.value) for record in state)


def _restored(entries: Entries) -> Plant | None:
    """A worker with that state, or None where it refused it in words."""
    plant = Plant(*CARDS)
    try:
        plant.positions = plant.pipeline.restore((), {(PREDICTIONS, 0): 6_000}, {0: entries})
    except StateError:
        return None
    return plant


@pytest.mark.parametrize(("what", "raw"), list(hostile_bytes()), ids=lambda value: str(value)[:40])
def test_hostile_bytes_are_refused_at_once_and_cost_nothing(what: str, raw: bytes) -> None:
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if what in HARMLESS:
        unpack(raw)
    else:
        with pytest.raises(StateError, match="delete it"):
            unpack(raw)
    assert time.process_time() - began < LONGEST_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MEMORY_KB


@pytest.mark.parametrize("spoilt", [spoilt_bytes, spoilt_values])
def test_spoilt_state_stops_no_worker(
    spoilt: Callable[[random.Random, Entries], Entries], caplog: pytest.LogCaptureFixture
) -> None:
    """Refused in words, or left out and logged; what is taken up must then also work."""
    draw = random.Random(20_261_121)
    whole, outcomes = _entries(), Counter[str]()
    for _ in range(CASES):
        caplog.clear()
        plant = _restored(spoilt(draw, whole))
        if plant is None:
            outcomes["refused"] += 1
            continue
        outcomes["left out" if caplog.records else "taken up"] += 1
        plant.take(events(260, first=6_000, seed=5))
        plant.take(events(260, model="returns", first=7_000, seed=6))
        plant.commit(snapshot=True)
    assert sum(outcomes.values()) == CASES
    assert outcomes["left out"] > CASES // 2, outcomes


def test_whole_state_is_taken_up_in_full(caplog: pytest.LogCaptureFixture) -> None:
    """The fuzz above would prove nothing if the state were never read."""
    plant = _restored(_entries())
    assert plant is not None
    assert not caplog.records
    assert {model for model, _ in plant.roster.active()} == {MODEL, "returns"}


def test_no_state_is_a_pickle() -> None:
    """River's detectors could only be pickled: they are fed the last events again instead."""
    detector = RiverDetector(name="ADWIN", feature="amount")
    monitoring = CARDS[0].monitoring.model_copy(update={"detectors": (detector,)})
    plant = Plant(whole_card(monitoring=monitoring))
    plant.take(events(600))
    plant.commit(snapshot=True)
    [watched] = plant.roster.active().values()
    for name, value in watched.battery.state().items():
        assert plain(value), name
    for record in plant.publisher.records:
        assert PICKLED not in (record.value or b"")


def plain(value: object) -> bool:
    """Whether it is nothing but values and arrays of numbers."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and plain(one) for name, one in value.items())
    if isinstance(value, list | tuple):
        return all(map(plain, value))
    if isinstance(value, np.ndarray):
        return bool(value.dtype != object)
    return value is None or isinstance(value, bool | int | float | str | np.generic)
