"""How many labels a second one worker takes: `make bench-labels`.

In: records of predictions and labels, as the broker gives them. Out: a table; exit code 1 below
the target. Never: a broker or a server: rows go to a store in memory (those of ClickHouse are
`bench.throughput`'s).

Labels pass the worker's own pipeline: decoding, validation, rows, commits, and the closing of
cohorts with all that it says. They arrive out of order, by event id or by request id of two
versions; five in a hundred correct an earlier one, two in a hundred name nothing. Beside them, what
predictions cost with and without labels.
"""

import sys
import time

import numpy as np
import orjson

from bench.machine import machine_line, versions_line
from monitor.clock import to_datetime
from monitor.events import Int64
from tests.pipeline.harness import MODEL, TOPICS, LogRecord, Plant
from tests.pipeline.labelled_log import card, plant

PREDICTIONS = 60_000
BATCH = 5_000
WANTED = 20_000
SECOND_US = 1_000_000
START_US = 1_767_225_600 * SECOND_US
HOUR_US = 3_600 * SECOND_US


def predictions(times: Int64, versions: int) -> list[LogRecord]:
    """Each request answered by every version."""
    rng = np.random.default_rng(3)
    amount = rng.normal(size=len(times))
    found = []
    for k, (at_us, x) in enumerate(zip(times.tolist(), amount.tolist(), strict=True)):
        version = str(k % versions + 1)
        score = float(1 / (1 + np.exp(-x)))
        event: dict[str, object] = {
            "schema_version": "1.0",
            "event_id": f"event-{k:09d}",
            "request_id": f"request-{k // versions:09d}",
            "model": MODEL,
            "model_version": version,
            "role": "live" if version == "1" else "shadow",
            "occurred_at": to_datetime(at_us).isoformat(),
            "features": {"amount": x, "shop": "a"},
            "prediction": "1" if score > 0.5 else "0",
            "score": score,
        }
        found.append(_record(k, event, TOPICS.predictions, at_us))
    return found


def labels(times: Int64, versions: int) -> list[LogRecord]:
    """By event id, or by the request id of several versions."""
    rng = np.random.default_rng(4)
    named = np.arange(0, len(times), versions)
    named = np.concatenate((named, rng.choice(named, len(named) // 20)))
    observed = times[named] + rng.exponential(HOUR_US / 6, len(named)).astype(np.int64)
    unknown = rng.random(len(named)) < 0.02
    order = np.argsort(observed, kind="stable")
    found = []
    for k, place in enumerate(order.tolist()):
        name = "nobody" if unknown[place] else f"{named[place] // versions:09d}"
        kind = "event" if versions == 1 else "request"
        label = {
            "schema_version": "1.0",
            "model": MODEL,
            f"{kind}_id": f"{kind}-{name}",
            "label": bool(rng.random() < 0.5),
            "observed_at": to_datetime(int(observed[place])).isoformat(),
        }
        found.append(_record(k, label, TOPICS.labels, int(observed[place])))
    return found


def _record(offset: int, value: dict[str, object], topic: str, at_us: int) -> LogRecord:
    raw = orjson.dumps(value)
    return LogRecord(offset, MODEL.encode(), raw, topic=topic, timestamp=at_us // 1_000 + 1)


def taken_s(found: Plant, records: list[LogRecord]) -> float:
    """Processor seconds for records and their commits."""
    begin = time.process_time()
    for start in range(0, len(records), BATCH):
        found.take(records[start : start + BATCH])
        found.commit()
    return time.process_time() - begin


def measure(versions: int) -> tuple[int, float, float, float, int]:
    """(labels, their seconds, closing included; predictions' seconds, and again; rows labelled)."""
    gap_us = 6 * HOUR_US // PREDICTIONS
    times = START_US + np.arange(PREDICTIONS, dtype=np.int64) * gap_us
    cards = [card(str(k + 1)) for k in range(versions)]
    answered, told = predictions(times, versions), labels(times, versions)
    plain = taken_s(plant(*cards), answered)
    found = plant(*cards)
    taken_s(found, told[:1])
    beside = taken_s(found, answered)
    labels_s = taken_s(found, told[1:])
    labelled = sum(row["labelled"] for row in found.store.rows("cohorts"))
    return len(told), labels_s, plain, beside, labelled


def main() -> None:
    """Measure both kinds of labels and print the table."""
    print(f"{machine_line()}; {versions_line('numpy', 'pyarrow')}")
    print(f"{PREDICTIONS:,} predictions, batches of {BATCH:,}, processor time of one core")
    print(
        f"{'labels by':<14}{'labels/s':>10}{'rows labelled':>15}"
        f"{'us a prediction':>18}{'without labels':>16}"
    )
    slowest = np.inf
    for name, versions in (("event id", 1), ("request id", 2)):
        n, labels_s, plain, beside, labelled = measure(versions)
        slowest = min(slowest, n / labels_s)
        each, alone = (1e6 * one / PREDICTIONS for one in (beside, plain))
        print(f"{name:<14}{n / labels_s:>10,.0f}{labelled:>15,}{each:>18.1f}{alone:>16.1f}")
    print(f"target {WANTED:,} labels/s: {'met' if slowest >= WANTED else 'NOT MET'}")
    sys.exit(int(slowest < WANTED))


if __name__ == "__main__":
    main()
