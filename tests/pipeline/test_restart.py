"""Killed anywhere, cut anywhere: what is published is the same, byte for byte."""

from itertools import pairwise

import numpy as np
import orjson
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from monitor.errors import StateError
from monitor.packing import pack
from monitor.publishing.outgoing import Outgoing
from monitor.state import StateBook
from schemas import FeatureSpec, ModelCard, Monitoring
from tests.pipeline.harness import (
    MODEL,
    PREDICTIONS,
    TOPICS,
    LogRecord,
    Plant,
    events,
    whole_card,
)

PHASES = (Phase.explicit, Phase.generate)
"""Without shrinking: a case takes a second."""
N = 3_000
CARDS = (whole_card(), whole_card(version="2"), whole_card(model="returns"))


def _log() -> list[LogRecord]:
    """Two versions of one model in turn with two spells of drift, another model, some resends."""
    one = events(N, versions=["1", "2"], drift=[(600, 1_400), (2_000, 2_600)])
    two = events(N, model="returns", drift=[(1_000, 2_000)], seed=3)
    mixed = [record for pair in zip(one, two, strict=True) for record in pair]
    mixed += mixed[1_000:1_100]
    return [
        LogRecord(offset=i, key=record.key, value=record.value) for i, record in enumerate(mixed)
    ]


LOG = _log()
ALL = len(LOG)


def _findings(plant: Plant) -> list[dict[str, object]]:
    return plant.store.rows("findings")


@pytest.fixture(scope="module")
def undisturbed() -> Plant:
    plant = Plant(*CARDS).run(LOG, 500)
    assert len(plant.publisher.values(TOPICS.alerts)) >= 8
    return plant


@settings(max_examples=5, deadline=None, phases=PHASES)
@given(st.lists(st.integers(1, ALL - 1), min_size=1, max_size=20))
def test_batches_do_not_matter(undisturbed: Plant, cuts: list[int]) -> None:
    plant = Plant(*CARDS)
    for start, stop in pairwise(sorted({0, ALL, *cuts})):
        plant.take(LOG[start:stop])
        plant.commit()
    assert plant.alerts() == undisturbed.alerts()
    assert plant.counts() == undisturbed.counts()
    assert _same(_findings(plant), _findings(undisturbed))


@settings(max_examples=6, deadline=None, phases=PHASES)
@given(
    st.lists(
        st.tuples(st.integers(1, ALL - 1), st.sampled_from(["commit", "snapshot", "kill", "lose"])),
        min_size=2,
        max_size=8,
    )
)
@example([(1, "commit"), (2, "kill")])
@example([(1_300, "snapshot"), (2_500, "commit"), (3_000, "kill"), (3_100, "lose")])
def test_kills_do_not_matter(undisturbed: Plant, what: list[tuple[int, str]]) -> None:
    """`kill` loses what was not committed; `lose` commits first, so that only windows are old."""
    plant = Plant(*CARDS)
    for until, deed in sorted(what):
        at = plant.positions.get((PREDICTIONS, 0), 0)
        for start in range(at, until, 400):
            plant.take(LOG[start : min(start + 400, until)])
        if deed != "kill":
            plant.commit(snapshot=deed == "snapshot")
        if deed in ("kill", "lose"):
            plant = plant.reborn()
    plant.run(LOG[plant.positions.get((PREDICTIONS, 0), 0) :], 500)
    assert plant.alerts() == undisturbed.alerts()
    assert plant.counts() == undisturbed.counts()
    assert _same(_findings(plant), _findings(undisturbed))


@settings(max_examples=6, deadline=None, phases=PHASES)
@given(st.integers(1, ALL - 1), st.integers(1, ALL - 1))
def test_restored_state_is_byte_equal(first: int, second: int) -> None:
    first, second = sorted((first, second))
    plain = Plant(*CARDS)
    plain.take(LOG[:first])
    plain.take(LOG[first:second])
    plain.commit(snapshot=True)
    plant = Plant(*CARDS)
    plant.take(LOG[:first])
    plant.commit(snapshot=True)
    plant = plant.reborn()
    plant.take(LOG[first:second])
    plant.commit(snapshot=True)
    assert _heads(plant) == _heads(plain)


def test_an_idle_partition_in_silent_replay_does_not_keep_others_from_being_saved() -> None:
    """Its records have expired: nothing will ever say that its replay is over."""
    plant = Plant(whole_card(), whole_card(model="returns"))
    plant.take([*events(100), *events(100, model="returns", partition=1)])
    plant.commit(snapshot=True)
    plant.take(events(100, first=100))
    plant.commit()
    other = plant.reborn(partitions=2)
    assert [other.positions[PREDICTIONS, number] for number in (0, 1)] == [100, 100]
    before = len(other.publisher.values(TOPICS.state))
    other.take(events(50, model="returns", partition=1, first=100, seed=5))
    other.commit(snapshot=True)
    written = other.publisher.records[-(len(other.publisher.values(TOPICS.state)) - before) :]
    assert {record.partition for record in written if record.topic == TOPICS.state} == {1}
    assert [other.publisher.offsets[PREDICTIONS, n] for n in (0, 1)] == [200, 150]


def test_a_model_on_several_partitions_can_be_restored() -> None:
    """A producer without a key: its windows mix, but nothing stops the worker."""
    plant = Plant(whole_card())
    for turn in range(12):
        partition, first = turn % 3, turn // 3 * 100
        plant.take(events(100, partition=partition, first=first, seed=turn))
        plant.commit(snapshot=turn % 2 == 1)
    other = plant.reborn(partitions=3)
    other.take(events(100, partition=1, first=400, seed=50))
    other.commit(snapshot=True)
    assert other.counts()["predictions"] == 1_300


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0)])
def test_a_model_whose_events_moved_to_another_partition_goes_on_there(
    before: int, after: int
) -> None:
    """A producer began to key otherwise: the state that it left behind is not taken up again."""
    log = events(1_500, partition=after, first=300, drift=[(300, 1_400)])

    def until_the_move() -> Plant:
        plant = Plant(whole_card()).run(events(300, partition=before))
        plant.commit(snapshot=True)
        plant.run(log[:1_000])
        plant.commit(snapshot=True)
        return plant

    undisturbed = until_the_move().run(log[1_000:])
    again = until_the_move().reborn(partitions=2)
    assert again.roster.active()[MODEL, "1"].stream.events == 1_300
    assert again.run(log[1_000:]).alerts() == undisturbed.alerts() != {}


def test_state_of_a_time_before_the_offsets_were_set_back_is_not_taken_up() -> None:
    plant = Plant(whole_card(), whole_card(model="returns")).run(events(500))
    plant.run(events(500, model="returns", first=500))
    plant.commit(snapshot=True)
    plant.publisher.offsets[PREDICTIONS, 0] = 0  # by an operator
    other = plant.reborn()
    other.take(events(100))
    other.commit(snapshot=True)
    again = other.reborn()
    assert again.roster.active().keys() == {(MODEL, "1")}
    again.take(events(400, first=100))
    again.take(events(500, model="returns", first=500))
    assert {key: one.stream.events for key, one in again.roster.active().items()} == {
        (MODEL, "1"): 500,
        ("returns", "1"): 500,
    }


def test_a_state_of_another_format_is_refused_with_the_way_out() -> None:
    plant = Plant(whole_card()).run(events(100))
    plant.commit(snapshot=True)
    plant.publisher.records.append(
        Outgoing(TOPICS.state, pack(["at"]), pack({"format": 99, "offset": 1}), partition=0)
    )
    with pytest.raises(StateError, match=r"format 99.*delete the records of the state topic"):
        plant.reborn()


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(st.data())
def test_hostile_state_stops_nothing(data: st.DataObject) -> None:
    """Any record of one model may be cut, emptied or replaced: the other model goes on."""
    plant = Plant(whole_card(), whole_card(model="returns"))
    plant.take([*events(300), *events(300, model="returns", first=300)])
    plant.commit(snapshot=True)
    mine = [
        place
        for place, record in enumerate(plant.publisher.records)
        if record.topic == TOPICS.state and MODEL.encode() in record.key
    ]
    place = data.draw(st.sampled_from(mine))
    record = plant.publisher.records[place]
    value = record.value or b""
    cut = data.draw(st.integers(0, len(value)))
    junk = data.draw(
        st.one_of(
            st.just(value[:cut]),
            st.binary(max_size=40),
            st.just(pack([1, pack(data.draw(_VALUES))])),
            st.just(pack(data.draw(_VALUES))),
        )
    )
    key = data.draw(st.one_of(st.just(record.key), st.binary(max_size=20)))
    plant.publisher.records.append(Outgoing(TOPICS.state, key, junk, partition=0))
    other = plant.reborn()
    other.run([*events(100, first=600), *events(100, model="returns", first=700)])
    other.commit(snapshot=True)
    assert other.roster.active()["returns", "1"].stream.events == 400
    assert other.roster.active()[MODEL, "1"].stream.events in (100, 400)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["format", "offset", "versions", "ids", "index"]), inner)
    ),
    max_leaves=6,
)


def test_no_state_record_reaches_half_a_megabyte() -> None:
    rng = np.random.default_rng(1)
    names = [f"feature_{i}" for i in range(2_000)]
    monitoring = Monitoring(pane_events=250, scales=(1_000,))
    card = ModelCard(
        model="wide",
        model_version="1",
        task="regression",
        features={name: FeatureSpec(type="number") for name in names},
        monitoring=monitoring,
    )
    book = StateBook(TOPICS.state)
    value = {"codes": rng.integers(0, 2**16, (len(card.features), 250)).astype(np.uint16)}
    records = book._parts(0, ["pane", "wide", "1", 0], value)
    assert all(len(record.value or b"") + len(record.key) < 512_000 for record in records)
    assert sum(len(record.value or b"") for record in records) > 1_000_000


def _heads(plant: Plant) -> dict[bytes, bytes | None]:
    return {
        record.key: record.value
        for record in plant.publisher.records
        if record.topic == TOPICS.state and record.key.startswith(pack(["head", 0])[:-1])
    }


def _same(ours: list[dict[str, object]], theirs: list[dict[str, object]]) -> bool:
    return orjson.dumps(ours, default=str) == orjson.dumps(theirs, default=str)
