"""What logging costs a service: the time of a call, and records a second against bare kafka-python.

Every figure stands beside its control in the same run: a call of `log` beside an empty call at the
same pace, the logger and the replay beside a bare loop of `KafkaProducer.send` over ready bytes
with the same settings. Rounds are interleaved and the median is shown, because the machine is
shared with the broker.

    python -m bench.producer [--bootstrap HOST:PORT] [--seconds S] [--records N] [--rounds R]
"""

import argparse
import contextlib
import logging
import socket
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import lz4.frame
import numpy as np
import pyarrow as pa
import zstandard
from kafka import KafkaAdminClient, KafkaProducer
from numpy.typing import NDArray

from bench.machine import machine_line, versions_line
from bench.suite.outcome import Outcome, asked_of, shown, spread, text_table
from devstack import down, up
from producers.delivery import checked_options
from producers.logger import PredictionLogger
from producers.records import LoggedPrediction, prediction_json
from producers.replay import replay_batches
from producers.rows import table_batches
from schemas import ModelCard

FEATURES: dict[str, object] = {f"feature_{i}": i * 1.2345678 for i in range(8)} | {
    "carrier": "UA",
    "origin": "EWR",
}
CARD = ModelCard.model_validate(
    {
        "model": "bench",
        "model_version": "1",
        "task": "binary",
        "features": {
            name: {"type": "category" if isinstance(value, str) else "number"}
            for name, value in FEATURES.items()
        },
    }
)
CALLS_PER_S = 1_000
QUEUE_SIZE = 10_000
UP, DOWN = "log(), broker up", "log(), broker down"
BARE, LOGGER = "bare KafkaProducer.send", "PredictionLogger"
P50_US, P99_US, RATIO = 5.0, 50.0, 0.5
PACKAGES = ("kafka-python", "orjson", "pydantic", "lz4")


def logger_at(bootstrap: str, topic: str) -> PredictionLogger:
    """A logger as a service would make it."""
    return PredictionLogger(
        bootstrap,
        model="bench",
        model_version="1",
        predictions_topic=topic,
        labels_topic=topic,
        queue_size=QUEUE_SIZE,
    )


def paced_us(call: Callable[[], object], seconds: float) -> NDArray[np.float64]:
    """Microseconds of each call at `CALLS_PER_S`."""
    took_us = np.empty(int(seconds * CALLS_PER_S))
    due_s = time.perf_counter()
    for number in range(len(took_us)):
        due_s += 1 / CALLS_PER_S
        time.sleep(max(0.0, due_s - time.perf_counter()))
        began_ns = time.perf_counter_ns()
        call()
        took_us[number] = (time.perf_counter_ns() - began_ns) / 1e3
    return took_us


@dataclass(frozen=True, slots=True)
class Calls:
    """One way of being called."""

    name: str
    took_us: list[NDArray[np.float64]]
    """By round."""
    delivered: int
    dropped: int

    def quantiles(self, percent: float) -> list[float]:
        """Of each round, in microseconds."""
        return [float(np.percentile(took_us, percent)) for took_us in self.took_us]


def calls(bootstrap: str, topic: str, seconds: float, rounds: int) -> list[Calls]:
    """The time of a call, broker up and down, beside an empty call, in turn."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{free.getsockname()[1]}"
    found = [Calls("an empty call", [], 0, 0), Calls(UP, [], 0, 0), Calls(DOWN, [], 0, 0)]
    for _ in range(rounds):
        found[0].took_us.append(paced_us(lambda: None, seconds))
        for place, address in ((1, bootstrap), (2, nowhere)):
            logger = logger_at(address, topic)
            took_us = paced_us(partial(logger.log, FEATURES, True, score=0.5), seconds)
            logger.close(timeout_s=5.0 if address == bootstrap else 0.0)
            counts, one = logger.counts(), found[place]
            one.took_us.append(took_us)
            found[place] = replace(
                one,
                delivered=one.delivered + counts.delivered,
                dropped=one.dropped + sum(counts.dropped.values()),
            )
    return found


def back_to_back_us(topic: str) -> float:
    """Mean of a call of `log` when the next one follows at once, nothing being sent."""
    logger = logger_at("127.0.0.1:1", topic)
    began_s = time.perf_counter()
    for _ in range(QUEUE_SIZE):
        logger.log(FEATURES, True, score=0.5)
    each_us = (time.perf_counter() - began_s) / QUEUE_SIZE * 1e6
    logger.close(timeout_s=0.0)
    return each_us


def calls_table(found: list[Calls], each_us: float) -> str:
    """Microseconds, the median of the rounds."""
    rows = [
        (
            one.name,
            *(f"{statistics.median(one.quantiles(q)):.1f}" for q in (50, 90, 99, 99.9)),
            f"{one.delivered:,}" if one.delivered + one.dropped else "",
            f"{one.dropped:,}" if one.delivered + one.dropped else "",
        )
        for one in found
    ]
    head = f"One call at {CALLS_PER_S:,} a second, microseconds, median of {len(found[0].took_us)}"
    headings = ("", "p50", "p90", "p99", "p99.9", "delivered", "dropped")
    return f"{head}\n{text_table(headings, rows)}\nback to back: {each_us:.1f} us a call (mean)"


def bare(bootstrap: str, topic: str, records: int) -> float:
    """Records a second of a loop that does nothing but send the same bytes."""
    options = checked_options({"linger_ms": 50})
    producer = KafkaProducer(bootstrap_servers=bootstrap, **options)
    value = example(0)
    producer.send(topic, value, b"bench").get(10)
    began_s = time.perf_counter()
    for _ in range(records):
        producer.send(topic, value, b"bench")
    producer.flush()
    rate = records / (time.perf_counter() - began_s)
    producer.close()
    return rate


def logged(bootstrap: str, topic: str, records: int) -> float:
    """Records a second through a logger whose queue is never empty."""
    logger = logger_at(bootstrap, topic)
    logger.log(FEATURES, True, score=0.5)
    while logger.counts().delivered < 1:
        time.sleep(0.01)
    began_s = time.perf_counter()
    for _ in range(records):
        while logger.counts().pending > QUEUE_SIZE * 0.8:
            time.sleep(0.002)
        for _ in range(100):
            logger.log(FEATURES, True, score=0.5)
        if logger.counts().delivered + logger.counts().pending > records:
            break
    logger.close(timeout_s=60.0)
    counts = logger.counts()
    if counts.dropped:
        raise SystemExit(f"the logger dropped {counts.dropped}: {counts.last_error}")
    return counts.delivered / (time.perf_counter() - began_s)


def replayed(bootstrap: str, topic: str, records: int) -> float:
    """Records a second of a replay of a table."""
    columns = {name: [value] * records for name, value in FEATURES.items()}
    times = pa.array(range(records), pa.timestamp("us", tz="UTC"))
    rows = pa.table(
        {
            "event_id": [str(number) for number in range(records)],
            "occurred_at": times,
            "prediction": [True] * records,
            "score": [0.5] * records,
            **columns,
        }
    )
    result = replay_batches(
        table_batches(rows, "bench"),
        CARD,
        bootstrap,
        predictions_topic=topic,
        labels_topic=topic,
    )
    if result.failed:
        raise SystemExit(f"{result.failed} records of the replay failed: {result.error}")
    return result.produced / result.seconds


def rates(bootstrap: str, topic: str, records: int, rounds: int) -> dict[str, list[float]]:
    """Records a second of each way, round by round, in turn."""
    ways = {BARE: bare, LOGGER: logged, "replay": replayed}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way(bootstrap, topic, records))
    return found


def ratios(found: dict[str, list[float]], name: str) -> list[float]:
    """Over the bare loop of the same round."""
    return [value / control for value, control in zip(found[name], found[BARE], strict=True)]


def rates_table(found: dict[str, list[float]]) -> str:
    """Records a second, and each as a ratio to the bare loop of its round."""
    rows = [(name, spread(found[name]), spread(ratios(found, name), ".2f")) for name in found]
    head = f"Acknowledged records a second, {len(found[BARE])} rounds"
    return f"{head}\n{text_table(('', 'records/s', 'ratio to bare'), rows)}"


def example(number: int) -> bytes:
    """The bytes of one event; feature values differ from event to event."""
    draw = np.random.default_rng(number)
    features = {
        name: value if isinstance(value, str) else float(draw.normal())
        for name, value in FEATURES.items()
    }
    entry = LoggedPrediction(f"0123456789abcdef-{number}", number, features, True, 0.5)
    return prediction_json(entry, "bench", "1")[0]


def codecs() -> str:
    """What compression saves on a batch, and what it costs."""
    batch = b"".join(example(number) for number in range(500))
    compressors: dict[str, Callable[[bytes], bytes]] = {
        "lz4": lz4.frame.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }
    rows = []
    for name, compress in compressors.items():
        began_s = time.perf_counter()
        for _ in range(40):
            packed = compress(batch)
        each_us = (time.perf_counter() - began_s) / 40 / 500 * 1e6
        rows.append((name, f"{len(packed) / len(batch):.0%}", f"{each_us:.2f}"))
    head = f"Compression of a batch of 500 events ({len(batch) / 1e3:.0f} kB)"
    return f"{head}\n{text_table(('', 'of the size', 'us per event'), rows)}"


@contextlib.contextmanager
def broker(bootstrap: str | None) -> Iterator[str]:
    """The broker that was named, or one of our own."""
    if bootstrap is not None:
        yield bootstrap
        return
    with tempfile.TemporaryDirectory(prefix="bench-producer-") as folder:
        try:
            yield up(Path(folder)).kafka_bootstrap
        finally:
            down(Path(folder))


def measured(bootstrap: str | None, seconds: float, records: int, rounds: int) -> Outcome:
    """Calls, rates and codecs."""
    with broker(bootstrap) as address:
        topic = f"bench-{uuid.uuid4().hex[:8]}"
        admin = KafkaAdminClient(bootstrap_servers=address)
        admin.create_topics({topic: {"num_partitions": 8}}, wait_for_metadata=True)
        called = calls(address, topic, seconds, rounds)
        sustained = rates(address, topic, records, rounds)
        admin.delete_topics([topic])
        admin.close()
    [up_calls] = [one for one in called if one.name == UP]
    parts = (calls_table(called, back_to_back_us(topic)), rates_table(sustained), codecs())
    claims = (
        asked_of("log() p50", up_calls.quantiles(50), "under", P50_US, form=".1f", unit="us"),
        asked_of("log() p99", up_calls.quantiles(99), "under", P99_US, form=".1f", unit="us"),
        asked_of("of a bare send loop", ratios(sustained, LOGGER), "at least", RATIO, form=".2f"),
    )
    return Outcome(claims, "\n\n".join(parts), versions_line(*PACKAGES))


def measure(*, quick: bool = False) -> Outcome:
    """Against a stack of its own."""
    return measured(None, 1.0, 5_000, 1) if quick else measured(None, 5.0, 40_000, 5)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bootstrap", help="a running broker; default: the local stack")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    print(machine_line())
    print(shown(measured(args.bootstrap, args.seconds, args.records, args.rounds)))


if __name__ == "__main__":
    main()
