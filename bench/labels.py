"""How many labels a second one core joins: `make bench-labels`.

In: synthetic predictions and labels, in memory. Out: a table; exit code 1 below the target. Never:
a broker or a store: those are `bench.throughput`'s.

Labels arrive out of order, by event id or by request id of two versions; five in a hundred correct
an earlier one, two in a hundred name nothing.
"""

import sys
import time

import numpy as np

from bench.machine import machine_line, versions_line
from monitor.events import Float64, Int64
from monitor.performance.calendar import Calendar, Clock, Passed
from monitor.performance.cohorts import Cohorts
from monitor.performance.lookup import MemoryLookUp
from monitor.performance.rows import Answers, Truths

PREDICTIONS = 200_000
BATCH = 1_000
FEATURES = 10
WANTED = 20_000
HOUR_US = 3_600_000_000
CALENDAR = Calendar(width_us=HOUR_US, horizon_us=HOUR_US, lateness_us=HOUR_US // 60)


def _answers(first: int, times: Int64, *, requests: bool) -> Answers:
    n = len(times)
    ids = range(first, first + n)
    return Answers(
        offsets=np.arange(first, first + n),
        occurred_us=times,
        event_ids=[f"event-{k:09d}" for k in ids],
        request_ids=[f"request-{k // 2:09d}" if requests else "" for k in ids],
        versions=("1", "2"),
        version=np.arange(first, first + n) % 2,
        live=np.ones(n, np.bool_),
        answer=np.zeros(n),
        score=np.full(n, 0.5),
        scores=np.zeros((n, 0)),
        features=np.zeros((n, FEATURES)),
    )


def _truths(first: int, named: Int64, times: Int64, values: Float64, *, requests: bool) -> Truths:
    word, ids = ("request", named // 2) if requests else ("event", named)
    names = [f"{word}-{k:09d}" for k in ids.tolist()]
    empty = [""] * len(names)
    return Truths(
        offsets=np.arange(first, first + len(names)),
        observed_us=times,
        event_ids=empty if requests else names,
        request_ids=names if requests else empty,
        value=values,
    )


def measure(*, requests: bool) -> tuple[float, float, int]:
    """(labels a second of the label side, predictions a second of the other, rows with a label)."""
    rng = np.random.default_rng(4)
    times = np.sort(rng.integers(0, 6 * HOUR_US, PREDICTIONS))
    delay = rng.exponential(HOUR_US / 6, PREDICTIONS).astype(np.int64)
    named = np.concatenate(
        (np.arange(PREDICTIONS), rng.integers(0, PREDICTIONS, PREDICTIONS // 20))
    )
    observed = times[named] + np.concatenate((delay, delay[: len(named) - PREDICTIONS]))
    unknown = rng.random(len(named)) < 0.02
    order = np.argsort(observed, kind="stable")
    named = np.where(unknown, named + 10 * PREDICTIONS, named)[order]
    observed = observed[order]
    values = rng.integers(0, 2, len(named)).astype(np.float64)
    cohorts, clock = Cohorts(CALENDAR, MemoryLookUp(), memory_rows=10**6), Clock()
    spent = [0.0, 0.0]
    labelled = label = 0
    for first in range(0, PREDICTIONS, BATCH):
        answers = _answers(first, times[first : first + BATCH], requests=requests)
        begin = time.process_time()
        cohorts.on_answers(answers)
        spent[0] += time.process_time() - begin
        until = int(np.searchsorted(observed, times[min(first + BATCH, PREDICTIONS) - 1]))
        if first + BATCH >= PREDICTIONS:
            until = len(observed)
        for start in range(label, until, BATCH):
            part = slice(start, min(start + BATCH, until))
            truths = _truths(start, named[part], observed[part], values[part], requests=requests)
            begin = time.process_time()
            cohorts.on_truths(truths, Passed.of(clock, truths.offsets, truths.observed_us))
            labelled += sum(int(closed.rows.labelled.sum()) for closed in cohorts.due())
            spent[1] += time.process_time() - begin
        label = until
    return len(named) / spent[1], PREDICTIONS / spent[0], labelled


def main() -> None:
    """Measure both kinds of labels and print the table."""
    print(f"{machine_line()}; {versions_line('numpy', 'xxhash')}")
    print(f"{PREDICTIONS:,} predictions, batches of {BATCH:,}, processor time of one core")
    print(f"{'labels by':<14}{'labels/s':>12}{'predictions/s':>16}{'rows labelled':>16}")
    slowest = np.inf
    for name, requests in (("event id", False), ("request id", True)):
        labels_s, predictions_s, labelled = measure(requests=requests)
        slowest = min(slowest, labels_s)
        print(f"{name:<14}{labels_s:>12,.0f}{predictions_s:>16,.0f}{labelled:>16,}")
    print(f"target {WANTED:,} labels/s: {'met' if slowest >= WANTED else 'NOT MET'}")
    sys.exit(int(slowest < WANTED))


if __name__ == "__main__":
    main()
