"""What a backtest costs: processor time per event, by step, from a Parquet file to the result.

    python -m bench.backtest [EVENTS]

In: generated rows of ten number features of a binary model, default checks. Out: a table. Never:
wall time, which on a shared machine says more about the others.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.machine import machine_line, versions_line
from monitor.backtest.rows import row_batches
from monitor.backtest.run import Watch, as_profile, row_validator
from monitor.backtest.wiring import TOPICS
from monitor.profiling.dataset import frame_dataset, read_dataset
from schemas import FeatureSpec, ModelCard

EVENTS: Final = 500_000
REFERENCE_ROWS: Final = 100_000
TARGET_PER_S: Final = 150_000
FEATURES: Final = tuple(f"feature_{i}" for i in range(10))
STEPS: Final = ("validation", "windows", "tests", "judging", "storage", "publishing")


class ProcessorClock:
    """Tells the processor time of this process as the time."""

    def now_us(self) -> int:
        """No wall time is asked for."""
        return 0

    def monotonic_s(self) -> float:
        """Seconds of processor time."""
        return time.process_time()


def main() -> None:
    """Measure and print."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    features = {name: FeatureSpec(type="number") for name in FEATURES}
    card = ModelCard(model="bench", model_version="1", task="binary", features=features)
    profile = as_profile(frame_dataset(_rows(REFERENCE_ROWS, seed=1), card), card)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        _rows(n, seed=2).to_parquet(path)
        began_s = time.process_time()
        dataset = read_dataset(path, card)
        read_s = time.process_time() - began_s
    watch = Watch(card, profile, validator=row_validator(), clock=ProcessorClock())
    began_s = time.process_time()
    for batch in row_batches(dataset, card, TOPICS.predictions):
        watch.take(batch)
    result = watch.result(dataset)
    pipeline_s = time.process_time() - began_s
    steps = {
        step: watch.telemetry.value("plumbline_step_seconds_total", step=step) for step in STEPS
    }
    total_s = read_s + pipeline_s
    print(f"{machine_line()}; {versions_line('numpy', 'pyarrow')}")
    print(f"backtest of {n:,} events, {len(FEATURES)} number features, default checks, one thread")
    print(f"{'reading the Parquet file':<40}{read_s / n * 1e6:8.2f} us an event")
    for step, seconds in steps.items():
        print(f"{step:<40}{seconds / n * 1e6:8.2f}")
    rest_s = pipeline_s - sum(steps.values())
    print(f"{'ids, pane summaries, the rest':<40}{rest_s / n * 1e6:8.2f}")
    print(f"{'all':<40}{total_s / n * 1e6:8.2f}")
    print(f"{n / total_s:,.0f} events/s (asked: {TARGET_PER_S:,}); {len(result.alerts)} alerts")


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
