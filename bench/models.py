"""What many models cost one worker: speed and memory.

In: nothing. Out: a table; exit code 1 beyond a limit. Never: a broker or a server: the records are
real JSON bytes and pass the worker's own pipeline (validation, windows, all default tests, the
Arrow tables of step 1, commits, snapshots), but what a commit gives is dropped. So the ratios are
those of the worker's processor time, without the noise of two servers on the same cores.

Records come by polls of what a fetch brings and are gathered and committed by the worker's rules, a
second of processor time for one of the clock.

Every model has ten features, full windows and a full memory of event ids: one model is run until it
has both, and its state, saved at several moments, is copied under the names of the others.

Both sides of a ratio take the same number of events in turn, several times; a ratio is the median
of its rounds. What snapshots at the default interval take is part of it.

    python -m bench.models [--models N] [--rounds N]
"""

import argparse
import ctypes
import gc
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

import numpy as np
import orjson

from bench.machine import machine_line, versions_line
from bench.state import FEATURES, START, profile_bytes
from monitor.backtest.wiring import LIMITS, MEMBERSHIP, NOBODY, TOPICS, WORKER
from monitor.broker import Partition
from monitor.clock import SystemClock, to_datetime, to_us
from monitor.intake.gathering import Gathering
from monitor.judging.judge import Judge
from monitor.packing import pack, unpack
from monitor.pipeline import Pipeline
from monitor.publishing.outgoing import Outgoing
from monitor.restoring import seal
from monitor.roster import Roster
from monitor.storage.memory import MemoryStore
from monitor.storage.store import StoreBatch
from monitor.storage.tables import batch_tables
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from schemas import FeatureSpec, ModelCard

MODELS: Final = 1_000
REGISTERED: Final = 10_000
ACTIVE: Final = 100
WEIGHED: Final = 40
"""Models whose memory is measured."""
EVERY_WINDOW: Final = 4_000
"""Events of a model in which windows of every scale are tested."""
ROUNDS: Final = 5
ROUND_EVENTS: Final = 50_000
WARM_EVENTS: Final = WORKER.duplicate_memory + 8_000
"""After so many events of one model its windows and its memory of ids are full."""
MOMENTS: Final = 40
MOMENT_EVENTS: Final = 100
"""The state is copied as of so many moments, so many events apart: the models are out of step."""
FETCHED: Final = 3_000
"""Records of one poll: about what a fetch brings."""
SLOWDOWN_LIMIT: Final = 0.5
REGISTERED_LIMIT: Final = 1.10
IDLE_LIMIT_KB: Final = 100.0
ACTIVE_LIMIT_MB: Final = 5.0
SEED: Final = 7
PREDICTIONS: Final = TOPICS.predictions, 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and its limit."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is within the limit, if there is one."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def wanted(self) -> str:
        """The limit in words."""
        if self.limit is None:
            return ""
        return f"at {'least' if self.at_least else 'most'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record as the broker gives it."""

    offset: int
    key: bytes
    value: bytes
    timestamp: int
    topic: str = PREDICTIONS[0]
    partition: int = PREDICTIONS[1]
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(slots=True)
class Sink:
    """Step 2 of a commit: keeps the state alone, as compaction would leave it."""

    state: dict[bytes, bytes] = field(default_factory=dict)

    def commit(
        self, records: Sequence[Outgoing], offsets: Mapping[Partition, int], membership: object
    ) -> None:
        """Take what would be published."""
        del offsets, membership
        for record in records:
            if record.topic == TOPICS.state and record.value is not None:
                self.state[record.key] = record.value

    def close(self) -> None:
        """Nothing to close."""


class SinkStore(MemoryStore):
    """Makes the tables of every batch and lets them go; every profile read is a copy of one."""

    def __init__(self, profile: bytes) -> None:
        super().__init__()
        self._profile = profile

    def store(self, batch: StoreBatch) -> Sequence[Any]:
        """Step 1 of a commit."""
        for _ in batch_tables(batch):
            pass
        return ()

    def load_profile(self, profile_hash: str) -> bytes:
        """Of any address."""
        del profile_hash
        return bytes(bytearray(self._profile))


class Fleet:
    """A pipeline that watches models, and the log that it reads."""

    def __init__(self, profile: bytes, registered: int) -> None:
        self.sink = Sink()
        self.pipeline = Pipeline(
            validator=Validator(LIMITS, TOPICS.predictions, TOPICS.labels),
            roster=Roster(SinkStore(profile).load_profile, WORKER.duplicate_memory),
            judge=Judge(),
            store=SinkStore(profile),
            publisher=self.sink,
            topics=TOPICS,
            clock=SystemClock(),
            telemetry=Telemetry(SystemClock()),
            unregistered_limit=LIMITS.unregistered_models,
            escalation=NOBODY,
        )
        for model in range(registered):
            self.pipeline.on_card(card_of(model))
        self.offset = 0
        self._rng = np.random.default_rng(SEED)

    def restore(self, saved: Mapping[bytes, bytes], offset: int) -> None:
        """Go on with a state at an offset."""
        self.pipeline.restore((), {PREDICTIONS: offset}, {0: saved})
        self.offset = offset

    def take(self, events: int, models: int) -> float:
        """Take events of the first models in turn, commits included; gives processor seconds."""
        spent, pending, last_commit_s = 0.0, 0, 0.0
        gathered = Gathering()
        for start in range(0, events, FETCHED):
            records = self._log(min(FETCHED, events - start), models)
            began = time.process_time()
            gathered.add(records, {PREDICTIONS: self.offset})
            pending += len(records)
            due = spent - last_commit_s >= WORKER.commit_interval_ms / 1_000
            due |= pending >= WORKER.commit_events or start + FETCHED >= events
            if due or gathered.worth_taking:
                self.pipeline.on_batch(gathered.taken())
            if due:
                self.pipeline.on_tick()
                self.commit()
                pending, last_commit_s = 0, spent
            spent += time.process_time() - began
        return spent

    def commit(self, *, snapshot: bool = False) -> float:
        """Commit; gives processor seconds."""
        began = time.process_time()
        self.pipeline.commit({PREDICTIONS: self.offset}, MEMBERSHIP, snapshot=snapshot)
        return time.process_time() - began

    def _log(self, events: int, models: int) -> list[LogRecord]:
        values = self._rng.normal(size=(events, FEATURES + 1)).round(6)
        names = [f"f{i}" for i in range(FEATURES)]
        first, start_us = self.offset, to_us(START)
        self.offset += events
        return [
            LogRecord(
                offset=first + i,
                key=name_of((first + i) % models).encode(),
                timestamp=start_us // 1_000 + (first + i) * 1_000,
                value=orjson.dumps(
                    {
                        "schema_version": "1.0",
                        "event_id": f"event-{first + i:09d}",
                        "model": name_of((first + i) % models),
                        "model_version": "1",
                        "occurred_at": to_datetime(start_us + (first + i) * 1_000_000),
                        "features": dict(zip(names, row[:-1], strict=True)),
                        "prediction": row[-1],
                    }
                ),
            )
            for i, row in enumerate(values.tolist())
        ]


def name_of(model: int) -> str:
    """Name of a model; all are equally long, so that state can be copied as bytes.

    >>> name_of(7)
    'bench-00007'
    """
    return f"bench-{model:05d}"


def card_of(model: int) -> ModelCard:
    """A regression model of number features with default windows and a profile of its own."""
    return ModelCard(
        model=name_of(model),
        model_version="1",
        task="regression",
        features={f"f{i}": FeatureSpec(type="number") for i in range(FEATURES)},
        profile_hash=f"sha256:{model:064x}",
    )


@dataclass(slots=True)
class Originals:
    """States of one model at several moments."""

    profile: bytes
    moments: list[dict[bytes, bytes]] = field(default_factory=list)
    offset: int = 0

    @classmethod
    def made(cls) -> "Originals":
        """Run one model until everything that it keeps is full."""
        own = cls(profile_bytes())
        fleet = Fleet(own.profile, 1)
        fleet.take(WARM_EVENTS, 1)
        for _ in range(MOMENTS):
            fleet.take(MOMENT_EVENTS, 1)
            fleet.commit(snapshot=True)
            own.moments.append(dict(fleet.sink.state))
        own.offset = fleet.offset
        return own

    def copied(self, models: int) -> dict[bytes, bytes]:
        """The state of a partition with so many models, at the last of the moments."""
        name = name_of(0).encode()
        address = card_of(0).profile_hash.encode()  # type: ignore[union-attr]  # made above
        shared = {key: value for key, value in self.moments[-1].items() if name not in key}
        for model, moment in zip(range(models), cycle(self.moments)):
            other = name_of(model).encode()
            elsewhere = card_of(model).profile_hash.encode()  # type: ignore[union-attr]
            for key, value in moment.items():
                if name in key:
                    parts, piece, _ = unpack(value)
                    key = key.replace(name, other)
                    piece = piece.replace(name, other).replace(address, elsewhere)
                    shared[key] = pack([parts, piece, seal(key, piece)])
        return shared

    def fleet(self, active: int, registered: int) -> Fleet:
        """Models that have had events, with full windows, and others that are registered."""
        fleet = Fleet(self.profile, registered)
        fleet.restore(self.copied(active), self.offset)
        fleet.take(active, active)
        return fleet


def memory_mb() -> float:
    """Resident memory of this process, without what the allocator only holds."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as handle:
        pages = int(handle.read().split()[1])
    return pages * resource.getpagesize() / 1e6


def memory(originals: Originals, models: int) -> Iterator[Figure]:
    """What a model takes that is registered, and one that is active."""
    before = memory_mb()
    idle = Fleet(originals.profile, REGISTERED)
    after = memory_mb()
    kb = (after - before) / REGISTERED * 1_000
    yield Figure("memory of an idle model", kb, "kB", IDLE_LIMIT_KB)
    del idle
    fleet = Fleet(originals.profile, models)
    before = memory_mb()
    fleet.restore(originals.copied(models), originals.offset)
    after = memory_mb()
    yield Figure(
        "memory of a restored model before its next event", (after - before) / models, "MB"
    )
    fleet.take(models * EVERY_WINDOW, models)
    after = memory_mb()
    yield Figure(
        "memory of an active model, its last event ids included",
        (after - before) / models,
        "MB",
        ACTIVE_LIMIT_MB,
    )
    del fleet


def in_turn(one: Fleet, of_one: int, other: Fleet, of_other: int, rounds: int) -> float:
    """Seconds of the one over seconds of the other, snapshots included."""
    ratios = []
    for _ in range(rounds):
        first = one.take(ROUND_EVENTS, of_one)
        second = other.take(ROUND_EVENTS, of_other)
        ratios.append(first / second)
    interval_s = WORKER.snapshot_interval_ms / 1_000
    left = [max(0.0, 1 - fleet.commit(snapshot=True) / interval_s) for fleet in (one, other)]
    return statistics.median(ratios) * left[1] / left[0]


def measure(models: int = MODELS, rounds: int = ROUNDS) -> list[Figure]:
    """All figures, in about three minutes and 6 GB."""
    originals = Originals.made()
    figures = list(memory(originals, WEIGHED))
    few = originals.fleet(ACTIVE, ACTIVE)
    many = originals.fleet(ACTIVE, REGISTERED)
    ratio = in_turn(many, ACTIVE, few, ACTIVE, rounds)
    what = f"cost of {REGISTERED:,} registered over {ACTIVE}, {ACTIVE} active"
    figures.append(Figure(what, ratio, "x", REGISTERED_LIMIT))
    del few, many
    gc.collect()
    single, fleet = originals.fleet(1, 1), originals.fleet(models, models)
    ratio = in_turn(single, 1, fleet, models, rounds)
    what = f"speed of {models:,} models in turn over one"
    return [Figure(what, ratio, "x", SLOWDOWN_LIMIT, at_least=True), *figures]


def table(figures: Sequence[Figure]) -> str:
    """One line a figure."""
    return "\n".join(
        f"{one.name:<56}{one.value:>10.3g} {one.unit:<4}{one.wanted}" for one in figures
    )


def main() -> int:
    """Measure and print; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", type=int, default=MODELS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    figures = measure(options.models, options.rounds)
    print(f"{machine_line()}; {versions_line('numpy', 'pyarrow')}")
    print(table(figures))
    return 0 if all(one.met for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
