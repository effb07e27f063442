"""Plumbline on a stream: `run_backtest`, the pipeline of the worker over columns in memory.

In: a card, a reference, events. Out: `Watched`: the alerts that fired and the time it took. Never:
a copy of a step; profile, validation, windows, tests and judging are `monitor`'s.
"""

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bench.detection.streams import NAMES
from bench.peers.job import Alarm
from monitor.backtest.alerts import BacktestAlert
from monitor.backtest.run import run_backtest
from monitor.events import Float64, Int64
from monitor.profiling.build import build_profile
from monitor.profiling.columns import number_column, time_column
from monitor.profiling.dataset import Dataset
from schemas import ModelCard


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of a stream."""

    alerts: tuple[BacktestAlert, ...]
    """Those that fired."""
    seconds: float
    """Processor time of everything but the profile."""

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """(event of the firing, feature; empty: the whole model)."""
        return tuple((alert.firing_event, alert.feature) for alert in self.alerts)


def watch(card: ModelCard, reference: Dataset, events: Dataset) -> Watched:
    """Build the profile, then watch the events; an alert that comes back is the same one."""
    profile, _ = build_profile(reference, card)
    start = time.process_time()
    result = run_backtest(events, card, profile)
    return Watched(result.alerts, time.process_time() - start)


def dataset_of(rows: Float64, occurred_us: Int64) -> Dataset:
    """Generated rows float64[n, 11] as the data set that a file of them would be."""
    columns = {
        name: number_column(name, pa.array(np.ascontiguousarray(values)))
        for name, values in zip(NAMES, rows.T, strict=True)
    }
    times = pa.array(occurred_us).cast(pa.timestamp("us", tz="UTC"))
    columns["occurred_at"] = time_column("occurred_at", times)
    return Dataset("bench", columns, len(rows))
