"""From the event that completes the evidence to the alert that anybody may read.

    python -m bench.latency

One worker, the real command with its default settings, watches many models. First it works off a
backlog: that is its rate. Then events come at half that rate, and one model after the other breaks
sharply. An alert names the offsets of its evidence; from the moment at which the last of these
events was handed to the producer to the moment at which a read_committed consumer of the alert
topic has the alert, that is the latency. Never: an alert whose evidence lies in the backlog.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from kafka import KafkaConsumer, KafkaProducer

from bench.machine import versions_line
from bench.site import Fields, WorkerProcess, site, worker_process
from bench.suite.outcome import Claim, Outcome, print_alone, spread, text_table
from bench.throughput import REFERENCE_ROWS, SEED, card_of, rows
from monitor.broker import client_options
from monitor.config import Settings
from monitor.intake.topics import ensure_topics
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.card import publish_card
from monitor.storage.clickhouse import ClickHouseStore
from schemas import AlertEvent

MODELS: Final = 40
FEATURES: Final = 10
BACKLOG_EACH: Final = 2_500
"""Events of each model before any breaks: full smallest windows."""
LEAD_S: Final = 5.0
"""Half load before the first model breaks."""
BETWEEN_S: Final = 1.13
"""From one break to the next; no multiple of the commit interval."""
TAIL_S: Final = 5.0
LONGEST_S: Final = 30.0
"""So long after the load the last alerts may still come."""
BREAK: Final = 4.0
"""Standard deviations by which a feature moves."""
SLICE_S: Final = 0.02
HALF: Final = 0.5
LEAST_ALERTS: Final = 30
P50_S: Final = 1.5
P99_S: Final = 3.0
POOL: Final = 4_096
NOTED: Final = 1_000
"""Events of a model after its break; the evidence is complete long before."""

Place = tuple[int, int]
"""(partition, offset) in the predictions topic."""


@dataclass(slots=True)
class Watcher:
    """Reads the alert topic; notes when each alert was there for the first time."""

    settings: Settings
    seen: dict[str, tuple[float, AlertEvent]] = field(default_factory=dict)
    """First firing alert of each model on the feature that breaks, and when it was read."""
    stop: threading.Event = field(default_factory=threading.Event)
    ready: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until told to stop."""
        consumer = KafkaConsumer(
            self.settings.kafka.topics.alerts,
            **client_options(self.settings.kafka),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            fetch_max_wait_ms=50,
        )
        while not self.stop.is_set():
            for records in consumer.poll(50).values():
                now_s = time.perf_counter()
                for record in records:
                    event = AlertEvent.model_validate_json(record.value)
                    [entry] = event.data.alerts
                    if event.state == "firing" and entry.labels.get("feature") == "f0":
                        self.seen.setdefault(event.model, (now_s, event))
            self.ready.set()
        consumer.close()


class Sender:
    """Sends events of all models in turn and notes when each was handed over."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.kafka.topics.predictions
        self._producer = KafkaProducer(
            **client_options(settings.kafka), acks="all", compression_type="lz4", linger_ms=5
        )
        rng = np.random.default_rng(SEED)
        self._steady = [_features(row) for row in rng.normal(size=(POOL, FEATURES))]
        moved = rng.normal(size=(POOL, FEATURES)) + np.eye(FEATURES)[0] * BREAK
        self._moved = [_features(row) for row in moved]
        self._number = 0
        self._sent: list[tuple[float, Any]] = []
        """(when, future) of the first events of each model that has broken."""
        self._noted = [0] * MODELS

    def send(self, count: int, broken: int) -> None:
        """The next events; the first `broken` models have broken."""
        at = datetime.now(UTC).isoformat().encode()
        for _ in range(count):
            number, model = self._number, self._number % MODELS
            self._number += 1
            pool = self._moved if model < broken else self._steady
            name = name_of(model).encode()
            value = (
                b'{"schema_version":"1.0","event_id":"event-%09d","model":"%b","model_version":"1",'
                b'"occurred_at":"%b","features":%b,"prediction":0.5}'
                % (number, name, at, pool[number % POOL])
            )
            now_s = time.perf_counter()
            future = self._producer.send(self._topic, key=name, value=value)
            if model < broken and self._noted[model] < NOTED:
                self._noted[model] += 1
                self._sent.append((now_s, future))

    def places(self) -> dict[Place, float]:
        """When each of the events that were noted was handed over."""
        self._producer.flush()
        found = {}
        for now_s, future in self._sent:
            told = future.get(timeout=60)
            found[told.partition, told.offset] = now_s
        return found

    def flush(self) -> None:
        """Wait until all is acknowledged."""
        self._producer.flush()

    def close(self) -> None:
        """Let go of the connection."""
        self._producer.close()


def name_of(model: int) -> str:
    """Name of a model.

    >>> name_of(3)
    'bench-03'
    """
    return f"bench-{model:02d}"


def _features(row: Any) -> bytes:
    return b"{%b}" % b",".join(b'"f%d":%.6f' % (i, value) for i, value in enumerate(row))


def register(settings: Settings) -> None:
    """All models, with the same reference."""
    rng = np.random.default_rng(SEED)
    card = card_of(FEATURES)
    table = rows(REFERENCE_ROWS, FEATURES, rng).assign(prediction=0.5)
    profile, _ = build_profile(frame_dataset(table, card), card)
    ensure_topics(settings)
    with ClickHouseStore(settings.clickhouse) as store:
        store.migrate()
        store.save_profile(profile.hash, profile.to_bytes())
    for model in range(MODELS):
        update = {"model": name_of(model), "profile_hash": profile.hash}
        publish_card(settings, card.model_copy(update=update))


def rate_of(worker: WorkerProcess, backlog: int) -> float:
    """Events a second while it works off the backlog."""
    worker.until(lambda: worker.taken() > 0, 0.05, "the first record")
    first, began_s = worker.taken(), time.perf_counter()
    worker.until(lambda: worker.taken() >= backlog, 0.1, "the end of the backlog")
    return (backlog - first) / (time.perf_counter() - began_s)


def load(sender: Sender, rate: float, breaks: int) -> float:
    """Send at this rate while one model after the other breaks; gives the rate that was kept."""
    began_s = time.perf_counter()
    length_s = LEAD_S + breaks * BETWEEN_S + TAIL_S
    sent = 0
    while (passed_s := time.perf_counter() - began_s) < length_s:
        broken = int(np.clip((passed_s - LEAD_S) // BETWEEN_S + 1, 0, breaks))
        due = int(passed_s * rate) - sent
        sender.send(due, broken)
        sent += due
        time.sleep(SLICE_S)
    return sent / (time.perf_counter() - began_s)


def latencies(watcher: Watcher, places: dict[Place, float]) -> Iterator[float]:
    """Seconds for each alert whose evidence ends in an event of the load."""
    for now_s, event in watcher.seen.values():
        _, partition, span = str(event.offsets).rsplit(":", 2)
        handed_s = places.get((int(partition), int(span.partition("-")[2])))
        if handed_s is not None:
            yield now_s - handed_s


def run(folder: Path, fields: Fields, breaks: int) -> tuple[float, float, float, list[float]]:
    """Rate of the worker, rate kept, lag in events at the end, latencies."""
    settings = Settings.model_validate(fields)
    register(settings)
    sender, watcher = Sender(settings), Watcher(settings)
    backlog = MODELS * BACKLOG_EACH
    sender.send(backlog, broken=0)
    sender.flush()
    thread = threading.Thread(target=watcher.run, daemon=True)
    with worker_process(folder, fields, "worker") as worker:
        rate = rate_of(worker, backlog)
        thread.start()
        watcher.ready.wait(60)
        kept = load(sender, rate * HALF, breaks)
        lag = worker.metrics().get("plumbline_lag_events", 0.0)
        late_s = time.monotonic() + LONGEST_S
        while len(watcher.seen) < breaks and time.monotonic() < late_s:
            time.sleep(SLICE_S)
        watcher.stop.set()
        thread.join(60)
        found = list(latencies(watcher, sender.places()))
    sender.close()
    return rate, kept, lag, found


def measure(*, quick: bool = False) -> Outcome:
    """One run."""
    breaks = 5 if quick else MODELS
    with site() as (folder, fields):
        rate, kept, lag, found = run(folder, fields, breaks)
    if len(found) < min(breaks, LEAST_ALERTS):
        raise SystemExit(f"{len(found)} alerts of {breaks} breaks: too few to say anything")
    p50, p90, p99 = np.percentile(found, (50, 90, 99)).tolist()
    longest = max(found)
    table = text_table(
        ("", ""),
        [
            ("worker's rate on the backlog, ev/s", f"{rate:,.0f}"),
            ("load, ev/s", f"{kept:,.0f} ({kept / rate:.2f} of it)"),
            ("lag at the end of the load, events", f"{lag:,.0f}"),
            ("breaks, alerts", f"{breaks}, {len(found)}"),
            ("latency, s", spread(found, ".2f")),
            ("p50, p90, p99, longest", f"{p50:.2f}, {p90:.2f}, {p99:.2f}, {longest:.2f}"),
        ],
    )
    head = f"{MODELS} models of {FEATURES} number features; f0 moves by {BREAK:g} sigma"
    of = f"of {len(found)} alerts"
    claims = (
        Claim("p50", f"under {P50_S:g} s", f"{p50:.2f} s {of}", p50 < P50_S),
        Claim("p99", f"under {P99_S:g} s", f"{p99:.2f} s {of}", p99 < P99_S),
    )
    versions = versions_line("kafka-python", "clickhouse-connect", "chdb")
    return Outcome(claims, f"{head}\n\n{table}", versions)


if __name__ == "__main__":
    print_alone(measure, __doc__)
