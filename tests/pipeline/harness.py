"""A pipeline on the shipped fakes: memory store, memory publisher, a clock moved by hand.

In: cards, records of a log. Out: what would stand in the tables and on the topics. `Plant.reborn`
is what a worker does that was killed: only store and publisher survive.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import orjson
import pandas as pd

from monitor.broker import Membership, Partition
from monitor.clock import ManualClock
from monitor.config import LimitSettings, TopicSettings
from monitor.errors import BrokerError, FencedError
from monitor.judging.judge import Judge
from monitor.pipeline import Pipeline
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.memory import MemoryPublisher
from monitor.publishing.outgoing import Outgoing
from monitor.roster import Roster
from monitor.sketches.profile import Profile
from monitor.state import newest
from monitor.storage.memory import MemoryStore
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from schemas import FeatureSpec, ModelCard, Monitoring

TOPICS = TopicSettings()
PREDICTIONS = TOPICS.predictions
ME = Membership("plumbline", 1, "me", None)
MODEL = "orders"
MONITORING = Monitoring(pane_events=50, scales=(200, 800))


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record as the broker gives it."""

    offset: int
    key: bytes | None
    value: bytes | None
    topic: str = PREDICTIONS
    partition: int = 0
    timestamp: int = 1_767_225_600_000
    headers: Sequence[tuple[str, bytes]] = ()


@cache
def reference() -> Profile:
    """Independent events of two features and a prediction."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(6_000, 2)), columns=["amount", "prediction"])
    frame["shop"] = rng.choice(["a", "b", "c"], 6_000)
    card = bare_card()
    return build_profile(frame_dataset(frame, card, source="the reference"), card)[0]


def bare_card(model: str = MODEL, version: str = "1") -> ModelCard:
    """A card without a profile."""
    return ModelCard(
        model=model,
        model_version=version,
        task="regression",
        features={"amount": FeatureSpec(type="number"), "shop": FeatureSpec(type="category")},
        monitoring=MONITORING,
    )


def whole_card(model: str = MODEL, version: str = "1", **changed: Any) -> ModelCard:
    """A card that can be tested."""
    return bare_card(model, version).model_copy(
        update={"profile_hash": reference().hash, **changed}
    )


def events(
    n: int,
    *,
    model: str = MODEL,
    versions: Sequence[str] = ("1",),
    drift: Sequence[tuple[int, int]] = (),
    first: int = 0,
    partition: int = 0,
    seed: int = 2,
    role: str = "live",
) -> list[LogRecord]:
    """n records in offset order; between the given places `amount` is shifted by two sigma."""
    rng = np.random.default_rng([seed, first] if first else seed)  # no events twice
    amount, answer = rng.normal(size=(2, n))
    shop = rng.choice(["a", "b", "c"], n)
    for begin, end in drift:
        amount[begin:end] += 2.0
    return [
        LogRecord(
            offset=first + i,
            key=model.encode(),
            partition=partition,
            timestamp=1_767_225_600_500 + 1_000 * (first + i),
            value=orjson.dumps(
                {
                    "schema_version": "1.0",
                    "event_id": f"{model}-{first + i}",
                    "model": model,
                    "model_version": versions[i % len(versions)],
                    "occurred_at": _moment(first + i),
                    "features": {"amount": float(amount[i]), "shop": str(shop[i])},
                    "prediction": float(answer[i]),
                    "role": role,
                }
            ),
        )
        for i in range(n)
    ]


def command(
    action: str, fingerprint: str, *, offset: int = 0, model: str = MODEL, **changed: Any
) -> LogRecord:
    """A record of the commands topic."""
    order = {
        "command_id": f"order-{offset}",
        "model": model,
        "action": action,
        "fingerprint": fingerprint,
        "who": "ann",
        "why": "we know",
        "issued_at": "2026-01-01T00:00:00Z",
        **changed,
    }
    value = orjson.dumps(order)
    return LogRecord(offset=offset, key=model.encode(), value=value, topic=TOPICS.commands)


def _moment(second: int) -> str:
    return f"2026-01-01T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}Z"


@dataclass(slots=True)
class ShakyPublisher(MemoryPublisher):
    """Raises what is in `refusals` first, one a call."""

    refusals: deque[BrokerError | FencedError] = field(default_factory=deque)

    def commit(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        membership: Membership,
    ) -> None:
        if self.refusals:
            raise self.refusals.popleft()
        MemoryPublisher.commit(self, records, offsets, membership)


class Plant:
    """A pipeline and all that is around it."""

    def __init__(
        self,
        *cards: ModelCard,
        store: MemoryStore | None = None,
        publisher: ShakyPublisher | None = None,
        limit: int = 1_000,
    ) -> None:
        self.clock = ManualClock()
        self.telemetry = Telemetry(self.clock)
        self.store = store or MemoryStore()
        self.publisher = publisher or ShakyPublisher()
        self.roster = Roster(self.store.load_profile, 10_000)
        self.limit = limit
        self.cards = cards
        self.positions: dict[Partition, int] = {}
        if store is None:
            self.store.save_profile(reference().hash, reference().to_bytes())
        self.pipeline = Pipeline(
            validator=Validator(LimitSettings(), PREDICTIONS, TOPICS.labels),
            roster=self.roster,
            judge=Judge(),
            store=self.store,
            publisher=self.publisher,
            topics=TOPICS,
            clock=self.clock,
            telemetry=self.telemetry,
            unregistered_limit=limit,
        )
        for card in cards:
            self.pipeline.on_card(card)

    def take(self, records: Sequence[LogRecord]) -> None:
        """One batch, uncommitted."""
        self.pipeline.on_batch(records)
        for record in records:
            self.positions[record.topic, record.partition] = record.offset + 1

    def take_card(self, card: ModelCard) -> None:
        """A card comes, and acts with the next commit."""
        self.pipeline.on_card(card)
        self.commit()

    def take_commands(self, commands: Sequence[LogRecord]) -> None:
        """Commands come, and act with the next commit."""
        self.pipeline.on_commands(commands)
        for record in commands:
            self.positions[record.topic, record.partition] = record.offset + 1

    def commit(self, *, snapshot: bool = False) -> None:
        self.pipeline.commit(self.positions, ME, snapshot=snapshot)

    def run(self, records: Sequence[LogRecord], batch: int = 137) -> "Plant":
        """All records in batches, a commit after each."""
        for start in range(0, len(records), batch):
            self.take(records[start : start + batch])
            self.commit()
        return self

    def reborn(self, *cards: ModelCard, partitions: int = 1) -> "Plant":
        """Another worker in its place, restored from what was stored and published."""
        other = Plant(
            *(cards or self.cards), store=self.store, publisher=self.publisher, limit=self.limit
        )
        saved = {
            number: newest(
                (record.key, record.value)
                for record in self.publisher.records
                if record.topic == TOPICS.state and record.partition == number
            )
            for number in range(partitions)
        }
        committed = {
            (topic, number): self.publisher.offsets.get((topic, number), 0)
            for number in range(partitions)
            for topic in (PREDICTIONS, TOPICS.labels, TOPICS.commands)
        }
        other.positions = other.pipeline.restore(
            [
                self.store.stored_until(topic)
                for topic in (PREDICTIONS, TOPICS.labels, TOPICS.commands)
            ],
            committed,
            saved,
        )
        return other

    def alerts(self) -> dict[bytes, list[bytes | None]]:
        """What is published of each alert, in its order."""
        found: dict[bytes, list[bytes | None]] = defaultdict(list)
        for record in self.publisher.records:
            if record.topic == TOPICS.alerts:
                found[record.key].append(record.value)
        return dict(found)

    def open_alerts(self) -> set[str]:
        """Names of the alerts that the state topic shows as on."""
        latest = newest(
            (record.key, record.value)
            for record in self.publisher.records
            if record.topic == TOPICS.alerts_state
        )
        return {_labels(value)["alertname"] for value in latest.values()}

    def moves(self) -> list[tuple[str, str]]:
        """(alertname, state) of every published move."""
        bodies = [value for value in self.publisher.values(TOPICS.alerts) if value]
        return [(_labels(value)["alertname"], orjson.loads(value)["state"]) for value in bodies]

    def counts(self) -> Counter[str]:
        tables = ("predictions", "rejections", "pane_summaries", "findings", "alerts")
        return Counter({table: len(self.store.rows(table)) for table in tables})


def _labels(value: bytes) -> dict[str, str]:
    labels: dict[str, str] = orjson.loads(value)["data"]["alerts"][0]["labels"]
    return labels
