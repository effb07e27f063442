"""The worker commits only what its pipeline has taken, and ends while it waits."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from monitor.broker import Membership, Partition
from monitor.clock import ManualClock
from monitor.config import Settings
from monitor.errors import ConfigError, StorageError
from monitor.worker import Worker
from tests.pipeline.harness import ME, PREDICTIONS, LogRecord, Plant, events, whole_card


class HandedOut:
    """A source that hands out one batch; while it is polled again, `meanwhile` runs."""

    problem = ""
    membership: Membership | None = ME

    def __init__(self, records: Sequence[LogRecord]) -> None:
        self._batches: Iterator[Sequence[LogRecord]] = iter([records])
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
    source = HandedOut(events(10, model="returns", first=10))
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
    assert plant.publisher.offsets == {(PREDICTIONS, 0): 20}
    assert plant.counts()["predictions"] == 20


def test_a_worker_that_waits_for_a_profile_can_be_ended(
    waiting: tuple[Worker, Plant, HandedOut],
) -> None:
    worker, plant, source = waiting
    worker._stopping = lambda: True
    worker._take(source.poll(0))
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
    assert plant.counts()["predictions"] == 20
