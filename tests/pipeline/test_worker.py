"""The worker commits only what its pipeline has taken, and ends while it waits."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from monitor.broker import Membership, Partition
from monitor.clock import ManualClock
from monitor.config import Settings
from monitor.errors import ConfigError, StorageError
from monitor.events import RejectedRecord
from monitor.storage.memory import MemoryStore
from monitor.storage.store import StoreBatch
from monitor.worker import Worker
from tests.pipeline.harness import (
    ME,
    PREDICTIONS,
    LogRecord,
    Plant,
    events,
    reference,
    whole_card,
)


class HandedOut:
    """A source that hands out its batches; while it is polled again, `meanwhile` runs."""

    problem = ""
    membership: Membership | None = ME

    def __init__(self, *batches: Sequence[LogRecord]) -> None:
        self._batches: Iterator[Sequence[LogRecord]] = iter(batches)
        self._positions: dict[Partition, int] = {(PREDICTIONS, 0): 0}
        self.meanwhile: Callable[[], object] = lambda: None

    def poll(self, timeout_ms: int) -> Sequence[LogRecord]:
        batch = next(self._batches, ())
        if batch:
            self._positions = {(PREDICTIONS, 0): batch[-1].offset + 1}
        else:
            self.meanwhile()
        return batch

    def positions(self) -> dict[Partition, int]:
        return dict(self._positions)

    def lag(self) -> dict[Partition, int]:
        return {}

    def pause(self) -> None: ...

    def resume(self) -> None: ...


@pytest.fixture
def waiting() -> tuple[Worker, Plant, HandedOut]:
    """A worker whose first batch needs a profile that cannot be read; older events wait too."""
    plant = Plant(whole_card(), whole_card(model="returns"))
    plant.take(events(10))
    clock = ManualClock()
    worker = Worker(Settings(), clock)
    source = HandedOut(events(40, model="returns", first=10))
    worker.pipeline = plant.pipeline
    worker._source = source  # type: ignore[assignment]  # a source without a broker
    worker._opened = True
    worker._positions = {(PREDICTIONS, 0): 10}
    plant.store.refusals.extend([StorageError("away", retryable=True)] * 3)
    return worker, plant, source


def test_a_rebalance_does_not_commit_the_batch_in_hand(
    waiting: tuple[Worker, Plant, HandedOut],
) -> None:
    worker, plant, source = waiting
    committed: list[dict[Partition, int]] = []

    def revoked() -> None:
        refusals = list(plant.store.refusals)
        plant.store.refusals.clear()
        worker._commit_all()
        committed.append(dict(plant.publisher.offsets))
        plant.store.refusals.extend(refusals)
        worker._clock.advance(seconds=10)  # type: ignore[attr-defined]  # a clock moved by hand

    source.meanwhile = revoked
    worker._turn()
    assert committed[0] == {(PREDICTIONS, 0): 10}
    worker._commit_all()
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 50}
    assert plant.counts()["predictions"] == 50


def test_a_worker_that_waits_for_a_profile_can_be_ended(
    waiting: tuple[Worker, Plant, HandedOut],
) -> None:
    worker, plant, source = waiting
    worker._stopping = lambda: True
    worker._take(source.poll(0), source.positions())
    plant.store.refusals.clear()
    worker._commit_all()
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 10}
    assert plant.counts()["predictions"] == 10


@pytest.mark.parametrize("mendable", [True, False])
def test_what_a_person_can_mend_is_waited_for_while_it_waits_for_something_else(
    waiting: tuple[Worker, Plant, HandedOut], mendable: bool
) -> None:
    worker, plant, source = waiting
    worker._beginnings = 1
    withdrawn = ConfigError("the account may not read")
    withdrawn.retryable = mendable

    def refused() -> None:
        worker._clock.advance(seconds=10)  # type: ignore[attr-defined]  # a clock moved by hand
        raise withdrawn

    source.meanwhile = refused
    if not mendable:
        with pytest.raises(ConfigError):
            worker._turn()
        return
    worker._turn()
    worker._commit_all()
    assert plant.counts()["predictions"] == 50


class SlowStore(MemoryStore):
    """Stores no row before `answers` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        assert self.answers.wait(60)
        return super().store(batch)


@pytest.fixture
def storing() -> tuple[Worker, Plant, SlowStore]:
    """A worker whose first commit waits for its rows to be stored; two batches are to come."""
    store = SlowStore()
    store.save_profile(reference().hash, reference().to_bytes())
    plant = Plant(whole_card(), store=store)
    worker = Worker(Settings(), ManualClock())
    worker.pipeline = plant.pipeline
    worker._store = store  # type: ignore[assignment]  # a store without a server
    worker._source = HandedOut(  # type: ignore[assignment]  # a source without a broker
        events(40), events(40, first=40), events(40, first=80)
    )
    worker._turn()
    worker._commit()
    return worker, plant, store


def test_the_next_batch_is_taken_while_rows_are_stored_and_committed_after_them(
    storing: tuple[Worker, Plant, SlowStore],
) -> None:
    worker, plant, store = storing
    worker._turn()
    assert plant.pipeline.pending_events == 40
    assert plant.publisher.offsets == {}
    store.answers.set()
    worker._commit()
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 40}
    worker._commit_all()
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 80}
    assert plant.counts()["predictions"] == 80


def test_no_batch_is_taken_once_rows_could_not_be_stored(
    storing: tuple[Worker, Plant, SlowStore],
) -> None:
    worker, plant, store = storing
    store.refusals.extend([StorageError("away", retryable=True)] * 2)
    store.answers.set()
    for _ in range(2):  # beside the batches, then before the next one
        with pytest.raises(StorageError):
            worker._end_commit() if worker._storing else worker._turn()
    assert plant.publisher.offsets == {}
    assert plant.pipeline.pending_events == 0
    worker._turn()
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 40}
    assert plant.pipeline.pending_events == 40


def test_what_is_being_stored_of_lost_partitions_is_waited_for_and_not_published(
    storing: tuple[Worker, Plant, SlowStore],
) -> None:
    worker, plant, store = storing
    worker._lost()
    assert not plant.pipeline.commit_pending
    store.answers.set()
    worker._assigned({})
    assert worker._storing is None
    assert plant.counts()["predictions"] == 40
    assert plant.publisher.offsets == {}


def test_records_of_few_events_a_model_wait_for_more_of_them_or_for_a_commit() -> None:
    plant = Plant(whole_card(), whole_card(model="returns"))
    mixed = [*events(40), *events(20, model="returns"), *events(80)]
    log = [replace(record, offset=i) for i, record in enumerate(mixed)]
    clock = ManualClock()
    worker = Worker(Settings(), clock)
    worker.pipeline = plant.pipeline
    worker._opened = True
    source = HandedOut(log[:30], log[30:60], log[60:70], log[70:80], (), log[80:82], log[82:84])
    worker._source = source  # type: ignore[assignment]  # a source without a broker
    reached = []
    for _ in range(5):
        worker._turn()
        reached.append(worker._positions.get((PREDICTIONS, 0), 0))
    assert reached == [0, 0, 70, 70, 80]
    worker._turn()
    clock.advance(seconds=1)
    worker._turn()
    worker._end_commit()
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 84}
    worker._gathered.add(log[84:90], {(PREDICTIONS, 0): 90})
    worker._commit_all()
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 84}


def test_an_alert_that_fires_waits_for_a_part_of_the_commit_interval(
    waiting: tuple[Worker, Plant, HandedOut],
) -> None:
    worker, plant, _ = waiting
    plant.store.refusals.clear()
    clock = worker._clock
    assert isinstance(clock, ManualClock)

    def committed_after(seconds: float) -> bool:
        worker._last_commit_s = clock.monotonic_s()
        clock.advance(seconds=seconds)
        worker._turn()
        return worker.pipeline.commit_pending

    assert not committed_after(0.3)
    worker._take(events(600, first=50, drift=[(0, 600)]), {(PREDICTIONS, 0): 650})
    assert worker.pipeline.alarmed
    assert committed_after(0.3)
    worker._commit_all()
    assert not worker.pipeline.alarmed
    assert "firing" in {state for _, state in plant.moves()}
