"""Memory under hostile cardinality: everything in the stream that can be new is always new.

The real pipeline (validation, windows, tests, judging, rows, records, state) in this process, with
a store and a publisher that make what they would send and drop it, so that the memory seen is the
monitor's own. Flat means: the mean resident size of the last quarter of the events lies within 5 %
of that of the second.

    python -m bench.soak [--events N] [--report FILE] [--trace]
"""

import argparse
import gc
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.machine import commit_line, machine_line, versions_line
from monitor.alerts import AlertMove
from monitor.broker import Membership, Partition
from monitor.clock import ManualClock
from monitor.config import Settings
from monitor.events import RejectedRecord
from monitor.judging.judge import Judge
from monitor.pipeline import Pipeline
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.outgoing import Outgoing
from monitor.roster import Roster
from monitor.storage.memory import MemoryStore
from monitor.storage.store import StoreBatch
from monitor.storage.tables import alert_rows, batch_tables
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from schemas import FeatureSpec, ModelCard, Monitoring

EVENTS = 5_000_000
MODELS = 4
BATCH = 10_000
COMMIT_EVERY, SNAPSHOT_EVERY = 2, 10
"""In batches."""
SAMPLES = 200
TOLERANCE = 0.05
SEED = 11
PAGE_BYTES = 4_096
SIZES = "abcdefghijklmnopqrstuvwxyz"
ME = Membership("soak", 1, "me", None)


@dataclass(frozen=True, slots=True)
class SoakRecord:
    """A record as the broker gives it."""

    offset: int
    key: bytes | None
    value: bytes | None
    topic: str
    partition: int = 0
    timestamp: int = 1_767_225_600_000
    headers: Sequence[tuple[str, bytes]] = ()


class DroppingStore(MemoryStore):
    """Makes the rows of every table and forgets them; profiles it keeps."""

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        for _ in batch_tables(batch):
            pass
        return ()

    def store_alerts(self, moves: Sequence[AlertMove]) -> None:
        if moves:
            alert_rows(moves)


class DroppingPublisher:
    """Takes the records and forgets them."""

    def __init__(self) -> None:
        self.records = 0

    def commit(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        membership: Membership,
    ) -> None:
        del offsets, membership
        self.records += len(records)

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory after so many events."""

    events: int
    rss_mb: float
    seconds: float


# --- the hostile stream -----------------------------------------------------------------------


def _event(i: int, draw: random.Random, model: str, version: str, features: str, more: str) -> str:
    """One prediction as JSON text; `features` and `more` are members, each after a comma."""
    return (
        f'{{"event_id":"e{i}","model":"{model}","model_version":"{version}",'
        f'"occurred_at":"2026-01-{1 + i // 200_000 % 28:02d}T{i // 3600 % 24:02d}:'
        f'{i // 60 % 60:02d}:{i % 60:02d}Z","entity_id":"person-{i}","prediction":{draw.random()},'
        f'"features":{{"amount":{draw.gauss(0, 1)},"shop":"a"{features}}}{more}}}'
    )


def _known(draw: random.Random) -> str:
    return f"soak-{draw.randrange(MODELS)}"


def _category(i: int, draw: random.Random) -> str:
    return _event(i, draw, _known(draw), "1", f',"city":"town {i}"', "")


def _extras(i: int, draw: random.Random) -> str:
    return _event(i, draw, _known(draw), "1", f',"x{i}":1,"y{i}":"{i}","z{i}":true', "")


def _stranger(i: int, draw: random.Random) -> str:
    return _event(i, draw, f"stranger-{i}", "1", f',"feature{i}":{i}', "")


def _version(i: int, draw: random.Random) -> str:
    return _event(i, draw, _known(draw), f"v{i}", "", "")


def _segments(i: int, draw: random.Random) -> str:
    tags = f',"segments":{{"region":"r{i}","tag{i}":"t"}},"trace_id":"t{i}","request_id":"q{i}"'
    return _event(i, draw, _known(draw), "1", "", tags)


def _huge(i: int, draw: random.Random) -> str:
    text = SIZES[i % 26] * draw.randrange(1_000, 20_000)
    return _event(i, draw, _known(draw), "1", f',"city":"{i}{text}"', "")


def _faulty(i: int, draw: random.Random) -> str:
    value = draw.choice(("null", "1e999", '"text"', "[1,2]", '{"a":1}', "-999", "true", "1e300"))
    return _event(i, draw, _known(draw), "1", f',"amount":{value},"city":{value}', "")


def _scores(i: int, draw: random.Random) -> str:
    more = f',"scores":{{"class{i}":0.5}},"attributions":{{"a{i}":0.1}},"latency_ms":{i % 977}'
    return _event(i, draw, _known(draw), "1", f',"city":"town {i % 50}"', more)


def _spoilt(i: int, draw: random.Random) -> str:
    return draw.choice(
        (
            f'{{"event_id":"e{i}","model":"m{i}"',
            f'{{"field{i}":{{"deep":{"[" * 30}{"]" * 30}}}}}',
            f'{{"event_id":{i},"model":"soak-0","model_version":"1","features":[]}}',
            f"no json at all {i}",
        )
    )


KINDS: tuple[tuple[Callable[[int, random.Random], str], int], ...] = (
    (_category, 30),
    (_extras, 14),
    (_stranger, 12),
    (_version, 8),
    (_segments, 12),
    (_huge, 2),
    (_faulty, 10),
    (_scores, 7),
    (_spoilt, 5),
)
"""What comes how often, of 100."""


def batches(events: int, predictions: str, labels: str) -> Iterator[list[SoakRecord]]:
    """The stream in batches; every twentieth record is a label of an id never seen."""
    draw = random.Random(SEED)
    makers = [maker for maker, weight in KINDS for _ in range(weight)]
    for start in range(0, events, BATCH):
        batch = []
        for i in range(start, min(start + BATCH, events)):
            if i % 20 == 7:
                text = (
                    f'{{"event_id":"lost-{i}","model":"{_known(draw)}","label":{i},'
                    f'"observed_at":"2026-02-01T00:00:00Z","offline_features":{{"f{i}":{i}}}}}'
                )
                batch.append(SoakRecord(i, b"soak", text.encode(), labels))
            else:
                text = draw.choice(makers)(i, draw)
                batch.append(SoakRecord(i, b"soak", text.encode(), predictions))
        yield batch


# --- the run ----------------------------------------------------------------------------------


def build(settings: Settings, clock: ManualClock, publisher: DroppingPublisher) -> Pipeline:
    """A pipeline with the default limits that watches a few models."""
    topics, store = settings.kafka.topics, DroppingStore()
    pipeline = Pipeline(
        validator=Validator(settings.limits, topics.predictions, topics.labels),
        roster=Roster(store.load_profile, settings.worker.duplicate_memory),
        judge=Judge(),
        store=store,
        publisher=publisher,
        topics=topics,
        clock=clock,
        telemetry=Telemetry(clock),
        unregistered_limit=settings.limits.unregistered_models,
    )
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame(rng.normal(size=(20_000, 2)), columns=["amount", "prediction"])
    frame["shop"] = rng.choice(["a", "b"], len(frame))
    frame["city"] = rng.choice([f"town {i}" for i in range(50)], len(frame))
    for number in range(MODELS):
        card = ModelCard(
            model=f"soak-{number}",
            model_version="1",
            task="regression",
            features={
                "amount": FeatureSpec(type="number", min=-100, max=100),
                "shop": FeatureSpec(type="category"),
                "city": FeatureSpec(type="category"),
            },
            monitoring=Monitoring(scales=(1_000, 4_000)),
        )
        profile, _ = build_profile(frame_dataset(frame, card, source="the reference"), card)
        store.save_profile(profile.hash, profile.to_bytes())
        pipeline.on_card(card.model_copy(update={"profile_hash": profile.hash}))
    return pipeline


def soak(events: int, *, trace: bool) -> list[Sample]:
    """Feed the stream and look at the resident memory along the way."""
    settings, clock = Settings(), ManualClock()
    topics, publisher = settings.kafka.topics, DroppingPublisher()
    pipeline = build(settings, clock, publisher)
    positions: dict[Partition, int] = {}
    samples: list[Sample] = []
    every = max(1, events // BATCH // SAMPLES)
    began, middle = time.perf_counter(), None
    for number, batch in enumerate(batches(events, topics.predictions, topics.labels), 1):
        pipeline.on_batch(batch)
        for record in batch:
            positions[record.topic, record.partition] = record.offset + 1
        clock.advance(seconds=1.0)
        pipeline.on_tick()
        if number % COMMIT_EVERY == 0:
            pipeline.commit(positions, ME, snapshot=number % SNAPSHOT_EVERY == 0)
        if number % every == 0:
            taken = number * BATCH
            samples.append(Sample(taken, _rss_mb(), time.perf_counter() - began))
            if trace and middle is None and taken >= events // 2:
                gc.collect()
                middle = tracemalloc.take_snapshot()
    if middle is not None:
        gc.collect()
        for line in tracemalloc.take_snapshot().compare_to(middle, "lineno")[:25]:
            print(line)
    return samples


def verdict(samples: Sequence[Sample], events: int) -> tuple[float, float]:
    """Mean resident megabytes of the second and of the last quarter of the events."""
    quarters = [
        [s.rss_mb for s in samples if low < s.events <= high]
        for low, high in ((events / 4, events / 2), (events * 3 / 4, events))
    ]
    second, last = map(statistics.fmean, quarters)
    return second, last


def table(samples: Sequence[Sample], events: int) -> str:
    """The table that is printed and kept."""
    second, last = verdict(samples, events)
    lines = [f"{'events':>12}{'RSS, MB':>12}{'events/s':>12}"]
    step = max(1, len(samples) // 20)
    for sample in samples[step - 1 :: step]:
        rate = sample.events / sample.seconds
        lines.append(f"{sample.events:>12,}{sample.rss_mb:>12.1f}{rate:>12,.0f}")
    lines.append(
        f"second quarter {second:.1f} MB, last quarter {last:.1f} MB: {last / second - 1:+.1%} "
        f"(at most {TOLERANCE:+.0%})"
    )
    return "\n".join(lines)


def page(text: str) -> str:
    """bench/SOAK.md."""
    return "\n".join(
        (
            "# Memory under hostile cardinality: the last run",
            "",
            "Written by `make soak`: ever new categories, entity ids, models, versions, extra",
            "features, segments and huge strings through the real pipeline; rows and records are",
            "made and dropped.",
            "",
            f"- {machine_line()}",
            f"- {versions_line('numpy', 'pyarrow', 'pydantic', 'orjson', 'river')}",
            f"- {commit_line()}",
            "",
            "```text",
            text,
            "```",
            "",
        )
    )


def _rss_mb() -> float:
    resident_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return resident_pages * PAGE_BYTES / 1e6


def main() -> int:
    """Run, print, write; 1 where the memory is not flat."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--trace", action="store_true", help="Show what grew in the second half")
    options = parser.parse_args()
    if options.trace:
        tracemalloc.start(10)
    samples = soak(options.events, trace=options.trace)
    text = table(samples, options.events)
    print(text)
    if options.report is not None:
        options.report.write_text(page(text), encoding="utf-8")
    second, last = verdict(samples, options.events)
    return 0 if last <= second * (1 + TOLERANCE) else 1


if __name__ == "__main__":
    sys.exit(main())
