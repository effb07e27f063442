"""What a backtest costs: processor time per event, by step, from a Parquet file to the result.

    python -m bench.backtest [EVENTS]

In: generated rows of ten number features of a binary model, default checks. Out: a table. Never:
wall time, which on a shared machine says more about the others, but for how it is split.
"""

import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.machine import machine_line, versions_line
from bench.suite.outcome import Outcome, asked_of, spread, text_table
from monitor.backtest.rows import row_batches
from monitor.backtest.run import Watch, as_profile, row_validator
from monitor.backtest.wiring import TOPICS
from monitor.profiling.dataset import frame_dataset, read_dataset
from monitor.sketches.profile import Profile
from schemas import FeatureSpec, ModelCard

EVENTS: Final = 500_000
ROUNDS: Final = 3
REFERENCE_ROWS: Final = 100_000
TARGET_PER_S: Final = 150_000
FEATURES: Final = tuple(f"feature_{i}" for i in range(10))
STEPS: Final = ("validation", "windows", "tests", "judging", "storage", "publishing")


@dataclass(frozen=True, slots=True)
class Run:
    """One backtest: processor seconds; those of the pipeline by step, as its wall time is split."""

    events: int
    read_s: float
    pipeline_s: float
    steps_s: Mapping[str, float]
    alerts: int

    @property
    def events_per_s(self) -> float:
        """From the file to the result."""
        return self.events / (self.read_s + self.pipeline_s)


def measure(*, quick: bool = False) -> Outcome:
    """Several backtests of the same file."""
    runs = rounds_of(20_000 if quick else EVENTS, 1 if quick else ROUNDS)
    rates = [run.events_per_s for run in runs]
    claim = asked_of("events a second of one core", rates, "at least", TARGET_PER_S)
    return Outcome((claim,), table_of(runs), versions_line("numpy", "pyarrow"))


def main() -> None:
    """Measure and print."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    runs = rounds_of(n, 1)
    print(f"{machine_line()}; {versions_line('numpy', 'pyarrow')}")
    print(table_of(runs))
    [run] = runs
    print(f"{run.events_per_s:,.0f} events/s (asked: {TARGET_PER_S:,}); {run.alerts} alerts")


def rounds_of(n: int, rounds: int) -> list[Run]:
    """The same file, several times, in one thread."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    features = {name: FeatureSpec(type="number") for name in FEATURES}
    card = ModelCard(model="bench", model_version="1", task="binary", features=features)
    profile = as_profile(frame_dataset(_rows(REFERENCE_ROWS, seed=1), card), card)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        _rows(n, seed=2).to_parquet(path)
        return [_run(path, card, profile) for _ in range(rounds)]


def _run(path: Path, card: ModelCard, profile: Profile) -> Run:
    began_s = time.process_time()
    dataset = read_dataset(path, card)
    read_s = time.process_time() - began_s
    watch = Watch(card, profile, validator=row_validator())
    began_s, wall_s = time.process_time(), time.perf_counter()
    for batch in row_batches(dataset, card, TOPICS.predictions):
        watch.take(batch)
    result = watch.result(dataset)
    pipeline_s, wall_s = time.process_time() - began_s, time.perf_counter() - wall_s
    of_wall = {
        step: watch.telemetry.value("plumbline_step_seconds_total", step=step) for step in STEPS
    }
    steps_s = {step: seconds / wall_s * pipeline_s for step, seconds in of_wall.items()}
    return Run(dataset.n_rows, read_s, pipeline_s, steps_s, len(result.alerts))


def table_of(runs: Sequence[Run]) -> str:
    """Microseconds an event, by step."""

    def each_us(seconds: Iterable[float]) -> str:
        return spread([one / runs[0].events * 1e6 for one in seconds], ".2f")

    rest_s = [run.pipeline_s - sum(run.steps_s.values()) for run in runs]
    rows = [
        ("reading the Parquet file", each_us(run.read_s for run in runs)),
        *((step, each_us(run.steps_s[step] for run in runs)) for step in STEPS),
        ("ids, pane summaries, the rest", each_us(rest_s)),
        ("all", each_us(run.read_s + run.pipeline_s for run in runs)),
    ]
    head = (
        f"backtest of {runs[0].events:,} events, {len(FEATURES)} number features, default checks; "
        f"one thread, processor time, rounds: {len(runs)}"
    )
    return "\n".join([head, "", text_table(("", "us an event"), rows)])


def _rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return pd.DataFrame(
        {
            "event_id": [f"{seed}-{i}" for i in range(n)],
            "occurred_at": pd.date_range("2026-01-01", periods=n, freq="s", tz="UTC"),
            "model_version": "1",
            **{name: rng.normal(size=n) for name in FEATURES},
            "score": score,
            "prediction": (score > 0.5).astype(int),
        }
    )


if __name__ == "__main__":
    main()
