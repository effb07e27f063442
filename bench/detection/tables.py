"""Plumbline and the peers on streams that come as tables.

In: a `Recorded`. Out: a `TableTrial` per contestant. Never: another reading of the tables than the
one that files get: profile and stream pass through `monitor.profiling`.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.detection.contestants import Contestant, ask
from bench.detection.ours import watch
from bench.detection.recorded import Recorded
from bench.peers.job import Alarm, Job
from monitor.backtest.alerts import BacktestAlert
from monitor.profiling.dataset import frame_dataset


@dataclass(frozen=True, slots=True)
class TableTrial:
    """One contestant on one recorded stream."""

    recorded: Recorded
    alarms: tuple[Alarm, ...]
    seconds: float
    alerts: tuple[BacktestAlert, ...] = ()
    """Plumbline's, with all their moves."""

    def false_alarms(self) -> list[Alarm]:
        """Alarms before the onset, and on columns that do not change after it."""
        onset = self.recorded.onset
        if onset is None:
            return []
        neutral = ("", *self.recorded.changed, *self.recorded.unclear)
        return [
            (event, name) for event, name in self.alarms if event < onset or name not in neutral
        ]

    def delays(self) -> dict[str, int]:
        """Events from the onset to the first alarm on each changed column that has one after it."""
        onset = self.recorded.onset
        found: dict[str, int] = {}
        for event, name in sorted(self.alarms):
            if onset is not None and event >= onset and name in self.recorded.changed:
                found.setdefault(name, event - onset + 1)
        return found


def our_table_trial(recorded: Recorded) -> TableTrial:
    """Plumbline: both tables as the files that they would be written to."""
    reference = frame_dataset(recorded.reference, recorded.card, source="the reference")
    events = frame_dataset(recorded.events, recorded.card, source="the events")
    watched = watch(recorded.card, reference, events)
    return TableTrial(recorded, watched.alarms, watched.seconds, watched.alerts)


def peer_table_trial(contestant: Contestant, recorded: Recorded) -> TableTrial:
    """A peer: number columns as arrays, or all columns as tables, as it takes them."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        files = []
        for name, table in (("reference", recorded.reference), ("events", recorded.events)):
            array, parquet = Path(folder) / f"{name}.npy", Path(folder) / f"{name}.parquet"
            np.save(array, table[list(recorded.numbers)].astype(np.float64).to_numpy())
            table[[*recorded.numbers, *recorded.categories]].to_parquet(parquet, index=False)
            files.append((str(array), str(parquet) if contestant.tables else ""))
        (reference, reference_table), (events, events_table) = files
        names, n = list(recorded.numbers), len(recorded.events)
        job = Job(names, reference, events, reference_table, events_table, n)
        answer = ask(contestant, [job])[0]
    return TableTrial(recorded, answer.alarms, answer.seconds)
