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
from pathlib import Path

import lz4.frame
import numpy as np
import pyarrow as pa
import zstandard
from kafka import KafkaAdminClient, KafkaProducer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.machine import machine_line, versions_line
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


def calls(bootstrap: str, topic: str, seconds: float) -> Table:
    """The time of a call, broker up and down, beside an empty call."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{free.getsockname()[1]}"
    table = Table(title=f"One call at {CALLS_PER_S:,} a second, microseconds")
    for heading in ("", "p50", "p90", "p99", "p99.9", "delivered", "dropped"):
        table.add_column(heading, justify="right" if heading else "left")

    def add(name: str, took_us: NDArray[np.float64], delivered: str, dropped: str) -> None:
        figures = [f"{q:.1f}" for q in np.percentile(took_us, (50, 90, 99, 99.9))]
        table.add_row(name, *figures, delivered, dropped)

    add("an empty call", paced_us(lambda: None, seconds), "", "")
    for name, address in (("log(), broker up", bootstrap), ("log(), broker down", nowhere)):
        logger = logger_at(address, topic)
        took_us = paced_us(lambda logger=logger: logger.log(FEATURES, True, score=0.5), seconds)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        logger.close(timeout_s=5.0 if address == bootstrap else 0.0)
        counts = logger.counts()
        add(name, took_us, f"{counts.delivered:,}", f"{sum(counts.dropped.values()):,}")
    logger = logger_at(nowhere, topic)
    began_s = time.perf_counter()
    for _ in range(QUEUE_SIZE):
        logger.log(FEATURES, True, score=0.5)
    each_us = (time.perf_counter() - began_s) / QUEUE_SIZE * 1e6
    logger.close(timeout_s=0.0)
    table.add_row("log(), back to back", f"{each_us:.1f} (mean)", "", "", "", "", "")
    return table


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


def rates(bootstrap: str, topic: str, records: int, rounds: int) -> Table:
    """Records a second, and each as a ratio to the bare loop of its round."""
    ways = {"bare KafkaProducer.send": bare, "PredictionLogger": logged, "replay": replayed}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way(bootstrap, topic, records))
    table = Table(title=f"Acknowledged records a second, median of {rounds} rounds")
    for heading in ("", "records/s", "range", "ratio to bare"):
        table.add_column(heading, justify="right" if heading else "left")
    control = found["bare KafkaProducer.send"]
    for name, values in found.items():
        ratio = statistics.median(v / c for v, c in zip(values, control, strict=True))
        table.add_row(
            name,
            f"{statistics.median(values):,.0f}",
            f"{min(values):,.0f} to {max(values):,.0f}",
            f"{ratio:.2f}",
        )
    return table


def example(number: int) -> bytes:
    """The bytes of one event; feature values differ from event to event."""
    draw = np.random.default_rng(number)
    features = {
        name: value if isinstance(value, str) else float(draw.normal())
        for name, value in FEATURES.items()
    }
    entry = LoggedPrediction(f"0123456789abcdef-{number}", number, features, True, 0.5)
    return prediction_json(entry, "bench", "1")[0]


def codecs() -> Table:
    """What compression saves on a batch, and what it costs."""
    batch = b"".join(example(number) for number in range(500))
    table = Table(title=f"Compression of a batch of 500 events ({len(batch) / 1e3:.0f} kB)")
    for heading in ("", "of the size", "us per event"):
        table.add_column(heading, justify="right" if heading else "left")
    compressors: dict[str, Callable[[bytes], bytes]] = {
        "lz4": lz4.frame.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }
    for name, compress in compressors.items():
        began_s = time.perf_counter()
        for _ in range(40):
            packed = compress(batch)
        each_us = (time.perf_counter() - began_s) / 40 / 500 * 1e6
        table.add_row(name, f"{len(packed) / len(batch):.0%}", f"{each_us:.2f}")
    return table


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


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bootstrap", help="a running broker; default: the local stack")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    console = Console()
    console.print(machine_line())
    console.print(versions_line("kafka-python", "orjson", "pydantic", "lz4"))
    with broker(args.bootstrap) as bootstrap:
        topic = f"bench-{uuid.uuid4().hex[:8]}"
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        admin.create_topics({topic: {"num_partitions": 8}}, wait_for_metadata=True)
        console.print(calls(bootstrap, topic, args.seconds))
        console.print(rates(bootstrap, topic, args.records, args.rounds))
        console.print(codecs())
        admin.delete_topics([topic])
        admin.close()


if __name__ == "__main__":
    main()
